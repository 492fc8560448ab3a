import {open} from 'node:fs/promises';
import {join} from 'node:path';
import test from 'ava';
import {concat} from '../../src/base/bytes.ts';
import {BLOCK_BYTES, bytesOf, Hand, Listener} from './bulk-ear-rig.ts';

const range = (from: number, to: number): number[] =>
  Array.from({length: to - from}, (_, i) => from + i);

test('all symbols make the file, under its name and as a blob, and nothing else stays', async t => {
  const listener = await Listener.open(t);
  const hand = await Hand.open(t, bytesOf(20 * BLOCK_BYTES + 9), 'model.bin');
  await hand.begin(listener);
  await hand.send();
  const over = await listener.over(hand.offer.transferId);
  t.like(over, {state: 'whole', blocks: hand.layout.blocks, reason: ''});
  t.deepEqual(listener.files, ['model.bin']);
  t.deepEqual(listener.file('model.bin'), hand.bytes);
  t.deepEqual(await listener.blobs.get(hand.offer.blobId), hand.bytes);
  await listener.until(() => listener.parts.length === 0);
  t.like(listener.events.at(-1), {fileName: 'model.bin', size: hand.bytes.length});
});

test('a file of no bytes that is offered again and again is whole, once', async t => {
  const listener = await Listener.open(t);
  const hand = await Hand.open(t, new Uint8Array(), 'empty');
  for (let i = 0; i < 3; i++) listener.receive(hand.offer);
  const offers = setInterval(() => {
    if (listener.overs.length === 0) listener.receive(hand.offer);
  }, 0);
  t.teardown(() => clearInterval(offers));
  t.like(await listener.over(hand.offer.transferId), {state: 'whole', reason: ''});
  t.is(listener.overs.length, 1);
  t.is(listener.file('empty').length, 0);
});

test('an ear that begins anew goes on with what it had, also under the key of a new master', async t => {
  const listener = await Listener.open(t);
  const hand = await Hand.open(t, bytesOf(30 * BLOCK_BYTES), 'model.bin');
  const {lists, blocks} = hand.layout;
  await hand.begin(listener);
  await hand.send(range(0, lists + 10));
  await hand.asked(listener, lists + 10);
  await listener.restart();
  t.is(listener.parts.length, 2, 'what is there is left for the next life');
  await hand.begin(listener, lists + 10);
  await hand.send(range(lists + 10, lists + 20));
  await hand.asked(listener, lists + 20);
  const next = {...hand.offer, key: hand.offer.key.map(byte => byte ^ 1)};
  listener.events.length = 0;
  listener.receive(next);
  t.is((await listener.until(() => listener.reports[0])).blocks, lists + 20);
  t.deepEqual(listener.overs, []);
  // Under the old key nothing comes any more; what is sent under the new one makes it whole.
  for (const block of range(lists + 20, blocks))
    for (let no = 0; no < hand.layout.sourcesOf(block); no++)
      await hand.datagram(hand.sealed({symbol: hand.symbol(block, no)}, next.key));
  t.is((await listener.over(next.transferId)).state, 'whole');
  t.deepEqual(listener.file('model.bin'), hand.bytes);
});

test('a file that was complete when its node went down is whole without a datagram', async t => {
  const listener = await Listener.open(t);
  const hand = await Hand.open(t, bytesOf(12 * BLOCK_BYTES), 'model.bin');
  const {lists, blocks} = hand.layout;
  await hand.begin(listener);
  await hand.send(range(0, blocks - 1));
  await hand.asked(listener, blocks - 1);
  await listener.ear.close();
  // Its last block came to the disk, and nothing after it was done.
  const file = await open(join(listener.dir, 'transfers', partOf(listener)), 'r+');
  const at = (blocks - 1 - lists) * BLOCK_BYTES;
  await file.write(hand.bytes, at, BLOCK_BYTES, at);
  await file.close();
  await listener.restart();
  listener.receive(hand.offer);
  t.is((await listener.over(hand.offer.transferId)).state, 'whole');
  t.deepEqual(listener.file('model.bin'), hand.bytes);
  await listener.until(() => listener.parts.length === 0);
});

const partOf = ({parts}: Listener): string => parts.find(name => name.endsWith('.part')) ?? '';

test('what a life left beside a blob that is whole goes', async t => {
  const listener = await Listener.open(t);
  const hand = await Hand.open(t, bytesOf(12 * BLOCK_BYTES), 'model.bin');
  await hand.begin(listener);
  await hand.send(range(0, 5));
  await hand.asked(listener, 5);
  await listener.restart();
  t.is(listener.parts.length, 2);
  await listener.blobs.put(hand.bytes);
  listener.receive(hand.offer);
  t.is((await listener.over(hand.offer.transferId)).state, 'whole');
  t.deepEqual(listener.file('model.bin'), hand.bytes);
  await listener.until(() => listener.parts.length === 0);
});

test('the rest is fetched in spans of what is lacking, and of nothing else', async t => {
  const listener = await Listener.open(t);
  const hand = await Hand.open(t, bytesOf(30 * BLOCK_BYTES + 7), 'model.bin');
  const {lists, blocks} = hand.layout;
  await hand.begin(listener);
  const there = [...range(0, lists + 4), ...range(lists + 6, lists + 20)];
  await hand.send(there);
  await hand.asked(listener, there.length);
  const spans: [number, number][] = [];

  listener.fetches = {
    ...listener.fetches,
    span: async (offset, length) => {
      spans.push([offset / BLOCK_BYTES, length]);
      return hand.span(offset, length);
    },
  };
  const {transferId} = hand.offer;
  // Said again and again, as a master does that hears nothing.
  for (let i = 0; i < 3; i++) listener.ear.order({type: 'fetchRest', transferId});
  t.is((await listener.over(transferId)).state, 'whole');
  t.deepEqual(spans, [
    [4, 2 * BLOCK_BYTES],
    [20, (blocks - lists - 21) * BLOCK_BYTES + 7],
  ]);
  t.deepEqual(listener.file('model.bin'), hand.bytes);
  t.is(listener.overs.length, 1);
});

test('told to fetch right after the offer, a node fetches what its earlier life had not', async t => {
  const listener = await Listener.open(t);
  const hand = await Hand.open(t, bytesOf(30 * BLOCK_BYTES), 'model.bin');
  const {lists} = hand.layout;
  await hand.begin(listener);
  await hand.send(range(0, lists + 10));
  await hand.asked(listener, lists + 10);
  await listener.restart();
  let fetched = 0;
  listener.fetches = {
    span: async (offset, length) => {
      fetched += length;
      return hand.span(offset, length);
    },
    whole: () => Promise.reject(new Error('not the whole')),
  };
  const {transferId} = hand.offer;
  listener.receive(hand.offer);
  listener.ear.order({type: 'fetchRest', transferId});
  t.like(await listener.over(transferId), {state: 'whole', reason: ''});
  t.is(fetched, 20 * BLOCK_BYTES);
  t.deepEqual(listener.file('model.bin'), hand.bytes);
  await listener.until(() => listener.parts.length === 0);
});

test('without the list the whole is fetched; what cannot be had can be asked for again', async t => {
  const listener = await Listener.open(t);
  const hand = await Hand.open(t, bytesOf(10 * BLOCK_BYTES), 'model.bin');
  const {transferId} = hand.offer;
  await hand.begin(listener);
  await hand.send([hand.layout.lists + 1]);
  let asked = 0;
  listener.fetches = {
    span: () => Promise.reject(new Error('no span without a list')),
    whole: async blobs => {
      asked += 1;
      if (asked === 1) return false;
      await blobs.put(hand.bytes);
      return true;
    },
  };
  listener.ear.order({type: 'fetchRest', transferId});
  await listener.until(() => asked === 1);
  await new Promise(resolve => setImmediate(resolve));
  t.deepEqual(listener.overs, []);
  listener.ear.order({type: 'fetchRest', transferId});
  t.is((await listener.over(transferId)).state, 'whole');
  t.deepEqual(listener.file('model.bin'), hand.bytes);
  await listener.until(() => listener.parts.length === 0);
});

test('a span that is not what the master signed is not kept: the whole is fetched', async t => {
  const listener = await Listener.open(t);
  const hand = await Hand.open(t, bytesOf(10 * BLOCK_BYTES), 'model.bin');
  const {transferId, blobId} = hand.offer;
  await hand.begin(listener);
  await hand.send(range(0, 6));
  await hand.asked(listener, 6);
  listener.fetches = {
    span: async (offset, length) => hand.span(offset, length).map(byte => byte ^ 1),
    whole: async blobs => {
      await blobs.put(hand.bytes);
      return true;
    },
  };
  listener.ear.order({type: 'fetchRest', transferId});
  await listener.until(() => listener.overs.find(({state}) => state === 'whole'));
  t.deepEqual(listener.file('model.bin'), hand.bytes);
  t.deepEqual(await listener.blobs.get(blobId), hand.bytes);
});

test('a fetch that breaks is a node that gave up, and says why', async t => {
  const listener = await Listener.open(t);
  const hand = await Hand.open(t, bytesOf(10 * BLOCK_BYTES), 'model.bin');
  const {transferId} = hand.offer;
  await hand.begin(listener);
  await hand.send(range(0, 6));
  await hand.asked(listener, 6);
  listener.fetches.span = () => Promise.reject(new Error('the line is cut'));
  listener.ear.order({type: 'fetchRest', transferId});
  t.like(await listener.over(transferId), {state: 'gaveUp', reason: 'the line is cut'});
  await listener.until(() => listener.parts.length === 0);
  t.deepEqual(listener.files, []);
});

test('garbage and what was forged is dropped and counted, and changes nothing', async t => {
  const listener = await Listener.open(t);
  const hand = await Hand.open(t, bytesOf(10 * BLOCK_BYTES), 'model.bin');
  const other = await Hand.open(t, bytesOf(4 * BLOCK_BYTES), 'other.bin', hand);
  await hand.begin(listener);
  await other.begin(listener);
  await hand.send(range(0, 3));
  const before = await hand.asked(listener, 3);
  listener.counts.clear();
  const {lists} = hand.layout;
  const forgers = hand.offer.key.map(byte => byte ^ 1);
  const good = hand.sealed({symbol: hand.symbol(lists + 4, 0)});
  const high = {sequence: 900_000_000, poll: 60_000};
  const forged = [
    hand.sealed({...high, symbol: hand.symbol(lists + 4, 0)}, forgers),
    hand.sealed(high, forgers),
    good.map((byte, at) => (at === 30 ? byte ^ 1 : byte)),
    good.map((byte, at) => (at === 11 ? byte ^ 1 : byte)),
  ];
  const strange = [
    hand.sealed({transferId: 4_000_000_000, symbol: hand.symbol(lists + 4, 0)}),
    hand.sealed({transferId: 4_000_000_000}),
  ];
  const garbage = [
    bytesOf(0),
    bytesOf(1),
    bytesOf(19),
    bytesOf(28),
    bytesOf(1_400),
    good.subarray(0, good.length - 1),
    concat(good, bytesOf(1)),
    good.map((byte, at) => (at === 1 ? byte ^ 2 : byte)),
    good.map((byte, at) => (at === 2 ? 0x80 : byte)),
  ];
  for (const datagram of [...forged, ...strange, ...garbage]) await hand.datagram(datagram);
  await listener.until(
    () => [...listener.counts.values()].reduce((sum, each) => sum + each, 0) >= 15,
  );
  t.deepEqual(Object.fromEntries(listener.counts), {
    'drop.bulk.badSeal': forged.length,
    'drop.bulk.notForUs': strange.length,
    'drop.bulk.malformed': garbage.length,
  });
  const after = await hand.asked(listener, 3);
  t.is(after.heard, before.heard + 1, 'only the poll was heard');
  t.deepEqual(after.deficits, before.deficits);
  // A member of the group has the key: what it spoils shows at the hash of the block.
  await hand.send([lists + 4], symbol => symbol.map(byte => byte ^ 1));
  await hand.asked(listener, 3);
  await hand.send();
  await other.send();
  for (const each of [hand, other]) {
    t.is((await listener.over(each.offer.transferId)).state, 'whole');
    t.deepEqual(listener.file(each.offer.fileName ?? ''), each.bytes);
  }
});

test('a block that is spoiled again and again is asked for elsewhere', async t => {
  const listener = await Listener.open(t);
  const hand = await Hand.open(t, bytesOf(6 * BLOCK_BYTES), 'model.bin');
  const {transferId} = hand.offer;
  const {lists} = hand.layout;
  await hand.begin(listener);
  await hand.send(range(0, lists + 3));
  for (let i = 0; i < 2; i++) await hand.send([lists + 4], symbol => symbol.map(byte => byte ^ 1));
  t.like(await listener.over(transferId), {state: 'aside'});
  listener.fetches.whole = async blobs => {
    await blobs.put(hand.bytes);
    return true;
  };
  listener.ear.order({type: 'fetchRest', transferId});
  await listener.until(() => listener.overs.find(({state}) => state === 'whole'));
  t.deepEqual(listener.file('model.bin'), hand.bytes);
});

test('a transfer that is dropped leaves nothing, however early', async t => {
  const listener = await Listener.open(t);
  const hand = await Hand.open(t, bytesOf(10 * BLOCK_BYTES), 'model.bin');
  const {transferId} = hand.offer;
  const drop = (): void => listener.ear.order({type: 'dropTransfer', transferId});
  await hand.begin(listener);
  await hand.send(range(0, 6));
  await hand.asked(listener, 6);
  t.is(listener.parts.length, 2);
  drop();
  await listener.until(() => listener.parts.length === 0);
  // Before its file was opened, and at any time while that is done.
  for (const ticks of [0, 1, 2, 3, 5, 8]) {
    listener.receive(hand.offer);
    for (let i = 0; i < ticks; i++) await new Promise(resolve => setImmediate(resolve));
    drop();
  }
  await listener.ear.close();
  t.deepEqual(listener.parts, []);
  t.deepEqual(listener.overs, []);
  t.deepEqual(listener.files, []);
});

test('of two transfers of one blob one is dropped, and the other makes the file', async t => {
  const listener = await Listener.open(t);
  const bytes = bytesOf(20 * BLOCK_BYTES);
  const [one, two, three] = [
    await Hand.open(t, bytes, 'one.bin'),
    await Hand.open(t, bytes, 'two.bin'),
    await Hand.open(t, bytes, 'three.bin'),
  ];
  for (const hand of [one, two, three]) {
    await hand.begin(listener);
    await hand.send(range(0, 8));
    await hand.asked(listener, 8);
  }
  listener.ear.order({type: 'dropTransfer', transferId: one.offer.transferId});
  await Promise.all([two.send(), three.send()]);
  for (const hand of [two, three]) {
    t.like(await listener.over(hand.offer.transferId), {state: 'whole', reason: ''});
    t.deepEqual(listener.file(hand.offer.fileName ?? ''), bytes);
  }
  t.deepEqual(listener.failures, [], 'the disk is not to blame');
  await listener.until(() => listener.parts.length === 0);
  t.deepEqual(await listener.blobs.get(one.offer.blobId), bytes);
});

test('the same file again, under its name or another, takes no datagram and leaves no copy', async t => {
  const listener = await Listener.open(t);
  const bytes = bytesOf(5 * BLOCK_BYTES);
  const first = await Hand.open(t, bytes, 'a.bin');
  await first.begin(listener);
  await first.send();
  await listener.over(first.offer.transferId);
  for (const name of ['a.bin', 'b.bin', 'a.bin']) {
    const again = await Hand.open(t, bytes, name);
    listener.receive(again.offer);
    t.like(await listener.over(again.offer.transferId), {state: 'whole'});
    t.deepEqual(listener.file(name), bytes);
  }
  t.deepEqual(listener.files, ['a.bin', 'b.bin']);
  // Another file under a name that is taken: the newest is it, and the other name keeps what it had.
  const other = await Hand.open(t, bytesOf(5 * BLOCK_BYTES), 'a.bin');
  await other.begin(listener);
  await other.send();
  await listener.over(other.offer.transferId);
  t.deepEqual(listener.file('a.bin'), other.bytes);
  t.deepEqual(listener.file('b.bin'), bytes);
  t.deepEqual(listener.files, ['a.bin', 'b.bin']);
});

test('a blob that nobody named is kept as a blob, and can be waited for', async t => {
  const listener = await Listener.open(t);
  const hand = await Hand.open(t, bytesOf(5 * BLOCK_BYTES));
  t.is(listener.ear.waitFor(hand.offer.blobId), undefined);
  await hand.begin(listener);
  const waited = listener.ear.waitFor(hand.offer.blobId);
  t.truthy(waited);
  await hand.send();
  await waited;
  t.true(await listener.blobs.has(hand.offer.blobId));
  t.deepEqual(listener.files, [], 'without a name it is a blob alone');
  t.is(listener.ear.waitFor(hand.offer.blobId), undefined);
});

test('closed, an ear says and takes nothing more, also while it fetches', async t => {
  const listener = await Listener.open(t);
  const hand = await Hand.open(t, bytesOf(10 * BLOCK_BYTES), 'model.bin');
  await hand.begin(listener);
  await hand.send(range(0, 6));
  await hand.asked(listener, 6);
  let answer: ((bytes: Uint8Array) => void) | undefined;
  listener.fetches.span = () =>
    new Promise(resolve => {
      answer = resolve;
    });
  listener.ear.order({type: 'fetchRest', transferId: hand.offer.transferId});
  const give = await listener.until(() => answer);
  await listener.ear.close();
  const {length} = listener.events;
  give(hand.bytes.slice(4 * BLOCK_BYTES));
  listener.receive(hand.offer);
  await new Promise(wake => setTimeout(wake, 30));
  t.is(listener.events.length, length);
  t.is(listener.parts.length, 2, 'what is there is left for the next life');
});
