// The action `gphoto2` with a stand-in for gphoto2 (gphoto2-stand-in.mjs): no camera is here.

import {mkdirSync, symlinkSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {Adapter} from './adapter-rig.ts';

const STAND_IN = fileURLToPath(new URL('./gphoto2-stand-in.mjs', import.meta.url));

const dslr = (
  t: ExecutionContext,
  env: Readonly<Record<string, string>> = {},
  name = 'gphoto2',
): Adapter =>
  new Adapter(t, 'gphoto2-action', ['--port', 'usb:'], dir => {
    mkdirSync(join(dir, 'bin'));
    symlinkSync(STAND_IN, join(dir, 'bin', name));
    return env;
  });

test("the camera stays connected, its first picture is nobody's, and settings are proven", async t => {
  const x = dslr(t);
  for (const shot of ['1-1', '1-2']) {
    const end = await x.shoot(shot);
    t.is(end.failure, undefined);
    t.deepEqual(end.files, [`${shot}.jpg`]);
  }
  t.regex(x.read('1-1.jpg'), /^..2 /s);
  t.is(x.read('started').trim().split('\n').length, 1);
  t.deepEqual(await x.program.set({iso: '200'}), {ok: true, settings: {iso: '100'}});
  t.is((await x.shoot('1-3')).failure, undefined);
  t.regex(x.read('1-3.jpg'), /iso=200/);
  const refused = await x.program.set({zoom: '3'});
  t.is(refused.ok ? '' : refused.reason, 'zoom not found in configuration tree.');
  t.is((await x.shoot('1-4')).failure, undefined);
});

for (const [mode, reason] of [
  ['none', /^no camera: is it on, is its cable in/],
  ['busy', /^the camera is busy: another program has it, often the desktop/],
] as const)
  test(`a camera that is ${mode} says so before a shot`, async t => {
    const x = dslr(t, {GPHOTO2_MODE: mode});
    x.program.arm();
    t.regex((await x.until(({phase}) => phase === 'unable')).error, reason);
  });

test('a camera that cannot focus fails its shot, and goes on', async t => {
  const x = dslr(t, {GPHOTO2_MODE: 'focus'});
  x.program.arm();
  await x.until(({phase}) => phase === 'ready');
  const end = await x.shoot('1-1');
  t.is(end.failure, 'ERROR: Could not capture image.');
  t.not(end.firedAt, undefined);
});

test('a raw picture keeps its own extension', async t => {
  const end = await dslr(t, {GPHOTO2_MODE: 'raw'}).shoot('1-1');
  t.is(end.failure, undefined);
  t.deepEqual(end.files, ['1-1.cr2']);
});

test('gphoto2 that is not installed says what to install', async t => {
  const x = dslr(t, {}, 'something-else');
  x.program.arm();
  const {error} = await x.until(({phase}) => phase === 'unable');
  t.is(error, 'gphoto2 is not installed: `apt install gphoto2`');
});
