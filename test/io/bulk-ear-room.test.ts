import {chmodSync, statSync} from 'node:fs';
import {open} from 'node:fs/promises';
import {join} from 'node:path';
import test from 'ava';
import {BLOCK_BYTES, bytesOf, Hand, Listener} from './bulk-ear-rig.ts';

const range = (from: number, to: number): number[] =>
  Array.from({length: to - from}, (_, i) => from + i);

test('without room for it on the disk it is declined, and leaves nothing', async t => {
  const listener = await Listener.open(t);
  const hand = await Hand.open(t, bytesOf(5 * BLOCK_BYTES), 'a.bin');
  listener.room = hand.bytes.length - 1;
  listener.receive(hand.offer);
  const over = await listener.over(hand.offer.transferId);
  t.like(over, {state: 'declined', reason: 'there is no room for it on the disk'});
  await listener.until(() => listener.parts.length === 0);
  listener.room += 1;
  const again = await Hand.open(t, hand.bytes, 'a.bin');
  await again.begin(listener);
  await again.send();
  t.is((await listener.over(again.offer.transferId)).state, 'whole', 'up to the last byte');
});

test('what is there of a file needs no room a second time', async t => {
  const listener = await Listener.open(t);
  const hand = await Hand.open(t, bytesOf(400 * BLOCK_BYTES), 'a.bin');
  const half = hand.layout.lists + 200;
  await hand.begin(listener);
  await hand.send(range(0, half));
  await hand.asked(listener, half);
  await listener.restart();
  listener.room = 210 * BLOCK_BYTES;
  await hand.begin(listener, half);
  await hand.send(range(half, hand.layout.blocks));
  t.is((await listener.over(hand.offer.transferId)).state, 'whole');
  t.deepEqual(listener.file('a.bin'), hand.bytes);
  // A file that is here whole takes none.
  listener.room = 0;
  const named = await Hand.open(t, hand.bytes, 'b.bin');
  listener.receive(named.offer);
  t.is((await listener.over(named.offer.transferId)).state, 'whole');
});

test('a pushed file that was edited in place is not taken for what it was', async t => {
  const listener = await Listener.open(t);
  const bytes = bytesOf(5 * BLOCK_BYTES);
  const first = await Hand.open(t, bytes, 'a.bin');
  await first.begin(listener);
  await first.send();
  await listener.over(first.offer.transferId);
  const path = join(listener.dir, 'files', 'a.bin');
  t.is(statSync(path).mode & 0o777, 0o444);
  chmodSync(path, 0o644); // as root, who need not even do that
  const edited = await open(path, 'r+');
  await edited.write('edited', 100);
  await edited.close();
  const again = await Hand.open(t, bytes, 'b.bin');
  await again.begin(listener);
  await again.send();
  t.is((await listener.over(again.offer.transferId)).state, 'whole');
  t.deepEqual(listener.file('b.bin'), bytes);
  t.notDeepEqual(listener.file('a.bin'), bytes, 'what somebody wrote there stays his');
  t.deepEqual(await listener.blobs.get(again.offer.blobId), bytes);
});
