import {createHash} from 'node:crypto';
import test from 'ava';
import {type AppRig, openApp} from './app-rig.ts';

let app: AppRig;
test.before(async () => {
  app = await openApp('render');
});
test.after.always(() => app.close());

const ARGS = ['320', '240', '32', '4', '1'];
const TILES = 80;

test.serial('a tile has the same bytes each time, alone or with others', async t => {
  const both = await app.run('33 35\n', ARGS);
  t.is(both.length, 2 * 32 * 32 * 3);
  t.deepEqual(await app.run('33 35\n', ARGS), both);
  const alone = Buffer.concat([await app.run('33 34\n', ARGS), await app.run('34 35\n', ARGS)]);
  t.deepEqual(alone, both);
});

test.serial('a tile has these bytes on every machine', async t => {
  const hash = createHash('sha256')
    .update(await app.run('34 35\n', ARGS))
    .digest('hex');
  t.is(hash, '2237273cf6d74103ca6b48950595f3f6916d704c6bb21d725083467fa76f0b50');
});

test.serial('another seed gives other dice', async t => {
  const other = await app.run('34 35\n', [...ARGS.slice(0, 4), '2']);
  t.notDeepEqual(other, await app.run('34 35\n', ARGS));
});

test.serial('tiles at the edges are cut off', async t => {
  // 50 × 40 in tiles of 32: 32 × 32, 18 × 32, 32 × 8, 18 × 8.
  const args = ['50', '40', '32', '1', '1'];
  t.is((await app.run('0 4\n', args)).length, 50 * 40 * 3);
  t.is((await app.run('1 2\n', args)).length, 18 * 32 * 3);
  t.is((await app.run('3 4\n', args)).length, 18 * 8 * 3);
});

test.serial('the picture has light, shade and the colours of its spheres', async t => {
  const pixels = await app.run(`0 ${TILES}\n`, ARGS);
  t.is(pixels.length, 320 * 240 * 3);
  let dark = 0;
  let bright = 0;
  let red = 0;
  let blue = 0;
  for (let i = 0; i < pixels.length; i += 3) {
    const [r = 0, g = 0, b = 0] = pixels.subarray(i, i + 3);
    if (r + g + b < 200) dark += 1;
    if (r + g + b > 650) bright += 1;
    if (r > 2 * g && r > 2 * b) red += 1;
    if (b > 2 * r) blue += 1;
  }
  for (const count of [dark, bright, red, blue])
    t.true(count > 300, `${[dark, bright, red, blue]}`);
});

test.serial('tiles that are not there and sizes that are none are refused', async t => {
  t.regex(String(await t.throwsAsync(app.run('79 81\n', ARGS))), /not so many tiles/);
  t.regex(String(await t.throwsAsync(app.run('0 1\n', ['0', '240']))), /out of range/);
  t.regex(String(await t.throwsAsync(app.run('0 1\n', ['wide', '240']))), /decimal/);
});
