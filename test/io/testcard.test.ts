import test from 'ava';
import {decode} from 'jpeg-js';
import {PNG} from 'pngjs';
import {addMono, asWallMs} from '../../src/base/types.ts';
import {allowedActions} from '../../src/io/allowed-actions.ts';
import {barLeft, drawTestcard, encodeTestcard} from '../../src/io/testcard-picture.ts';
import {clock, Rig, sha256} from './action-rig.ts';
import {Watched} from './adapter-rig.ts';

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

test('a bar stands where the milliseconds of the instant are', t => {
  const card = {nodeName: 'n', nodeId: 'i', shot: '1-1', remark: ''};
  const rowAt = (askedWallMs: number): number[] => {
    const {data, width} = PNG.sync.read(Buffer.from(drawTestcard({...card, askedWallMs})));
    const row = Array.from({length: width}, (_, x) => data[4 * (410 * width + x)] ?? 0);
    return row.flatMap((red, x) => (red === 235 ? [x] : []));
  };
  for (const ms of [0, 250, 500, 999]) {
    const lit = rowAt(1_763_672_400_000 + ms);
    t.is(lit.length, 8);
    t.is(lit[0], barLeft(ms));
    t.true(Math.abs((lit[0] ?? 0) - (632 * ms) / 1_000) <= 1);
  }
  t.is(barLeft(Number.NaN), 0);
});

test('a testcard as JPEG shows the same picture, and a small one a quarter of it', t => {
  const card = {nodeName: 'n', nodeId: 'i', shot: '1-1', askedWallMs: 1_250, remark: ''};
  const png = PNG.sync.read(Buffer.from(drawTestcard(card)));
  const jpeg = decode(encodeTestcard(card, 'jpeg'));
  t.deepEqual([jpeg.width, jpeg.height], [640, 480]);
  let apart = 0;
  for (let i = 0; i < png.data.length; i++)
    apart += Math.abs((png.data[i] ?? 0) - (jpeg.data[i] ?? 0));
  t.true(apart / png.data.length < 4, `mean difference ${apart / png.data.length}`);
  const small = PNG.sync.read(Buffer.from(encodeTestcard(card, 'png', true)));
  t.deepEqual([small.width, small.height], [160, 120]);
});

test('the testcard draws in the format that an argument or a setting names', async t => {
  const [allowed] = allowedActions(new Map(), {name: 'n', id: 'i'}).values();
  const x = new Watched(t, () => ({argv: allowed?.argv ?? []}));
  const shoot = async (shot: string, isPreview: boolean, args: readonly string[]) =>
    x.program.shoot({
      ...{shot, args, isPreview, file: `${shot}.png`},
      ...{askedWall: asWallMs(1_000), fireAt: clock.now().mono},
    });
  t.deepEqual((await shoot('1-1', false, ['format=jpeg', 'x'])).files, ['1-1.jpg']);
  t.is(decode(Buffer.from(x.read('1-1.jpg'), 'latin1')).width, 640);
  t.is(
    (await shoot('1-2', false, ['format=gif'])).failure,
    'no format "gif"; there are: png, jpeg',
  );
  t.deepEqual(await x.program.set({format: 'jpeg'}), {ok: true, settings: {format: 'jpeg'}});
  t.deepEqual((await shoot('1-3', true, [])).files, ['1-3.jpg']);
  t.is(decode(Buffer.from(x.read('1-3.jpg'), 'latin1')).width, 160);
  t.deepEqual(await x.program.set({gain: '2'}), {
    ok: false,
    reason: 'no setting "gain"; there are: format, remark',
  });
});
