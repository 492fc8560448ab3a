import test from 'ava';
import {PNG} from 'pngjs';
import {addMono} from '../../src/base/types.ts';
import {allowedActions} from '../../src/io/allowed-actions.ts';
import {drawTestcard} from '../../src/io/testcard-picture.ts';
import {clock, Rig, sha256} from './action-rig.ts';

test('the testcard makes a PNG that differs between nodes and is told when it fired', async t => {
  const pictures: string[] = [];
  for (const id of ['aa', 'bb']) {
    const allowed = allowedActions(new Map(), {name: 'raspberrypi', id});
    const rig = new Rig(t, () => Object.fromEntries(allowed));
    const fireAt = addMono(clock.now().mono, 20);
    const end = await rig.shoot('testcard', {fireAt});
    t.is(end.failure, undefined);
    t.true((end.firedAt ?? 0) >= fireAt);
    t.is(end.files[0]?.name, '42-1.png');
    const png = PNG.sync.read(Buffer.from(rig.blobs.get(end.files[0]?.blobId ?? '') ?? []));
    t.deepEqual([png.width, png.height], [640, 480]);
    pictures.push(end.files[0]?.blobId ?? '');
  }
  t.is(new Set(pictures).size, 2);
});

test('a testcard shows its shot, its instant and its node', t => {
  const card = {nodeName: 'n', nodeId: 'i', shot: '1-1', askedWallMs: 1_000, remark: ''};
  const first = sha256(drawTestcard(card));
  t.is(sha256(drawTestcard(card)), first);
  for (const other of [
    {...card, nodeName: 'm'},
    {...card, nodeId: 'j'},
    {...card, shot: '1-2'},
    {...card, askedWallMs: 1_001},
    {...card, remark: 'x'},
  ]) {
    t.not(sha256(drawTestcard(other)), first);
  }
});

test('a testcard is drawn whatever its texts hold', t => {
  for (const text of ['', '日本', 'x'.repeat(500), 'äöü~', '\0']) {
    const card = {nodeName: text, nodeId: text, shot: text, askedWallMs: Number.NaN, remark: text};
    t.is(PNG.sync.read(Buffer.from(drawTestcard(card))).width, 640);
  }
});
