// The action `v4l2` with a stand-in for v4l2-ctl (v4l2-stand-in.mjs): no camera is here.

import {mkdirSync, symlinkSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {Adapter} from './adapter-rig.ts';

const STAND_IN = fileURLToPath(new URL('./v4l2-stand-in.mjs', import.meta.url));

function webcam(
  t: ExecutionContext,
  env: Readonly<Record<string, string>> = {},
  options: readonly string[] = [],
  name = 'v4l2-ctl',
): Adapter {
  return new Adapter(t, 'v4l2-action', options, dir => {
    mkdirSync(join(dir, 'bin'));
    symlinkSync(STAND_IN, join(dir, 'bin', name));
    return env;
  });
}

const frameNo = (text: string): number => Number(/frame (\d+)/.exec(text)?.[1]);

test('a webcam is streamed, and a shot is a whole picture that came after it', async t => {
  const x = webcam(t, {}, ['--device', '/dev/video2']);
  x.program.arm();
  const {info} = await x.until(state => state.phase === 'ready' && state.info.sensorPeriodMs > 0);
  t.is(info.model, 'HD Webcam C525');
  t.deepEqual(info.settings, [
    'width',
    'height',
    'brightness',
    'white_balance_automatic',
    'auto_exposure',
  ]);
  const numbers: number[] = [];
  for (const shot of ['1-1', '1-2']) {
    t.is((await x.shoot(shot)).failure, undefined);
    numbers.push(frameNo(x.read(`${shot}.jpg`)));
  }
  t.true((numbers[1] ?? 0) >= (numbers[0] ?? 0) + 2);
  t.regex(
    x.read('started'),
    /--device \/dev\/video2 --set-fmt-video=pixelformat=MJPG --stream-mmap --stream-to=-/,
  );
});

test('controls are set while it streams, read back, and refused with what would be right', async t => {
  const x = webcam(t);
  x.program.arm();
  await x.until(({phase}) => phase === 'ready');
  t.deepEqual(await x.program.set({brightness: '60', auto_exposure: '1'}), {
    ok: true,
    settings: {brightness: '50', auto_exposure: '1'},
  });
  t.deepEqual(await x.program.set({brightness: '65'}), {
    ok: false,
    reason: '"brightness" is a whole number from -64 to 64, not "65"',
  });
  const unknown = await x.program.set({shutter: '1'});
  t.regex(
    unknown.ok ? '' : unknown.reason,
    /^no setting "shutter"; there are: width, height, bright/,
  );
  t.true((await x.program.set({width: '1280', height: '720'})).ok);
  t.is((await x.shoot('1-1')).failure, undefined);
  t.regex(x.read('1-1.jpg'), /width=1280,height=720,pixelformat=MJPG/);
});

for (const [mode, reason] of [
  ['none', /no camera at \/dev\/video0: look at its cable/],
  ['busy', /the camera at \/dev\/video0 is busy: end the other program/],
] as const)
  test(`a webcam that is ${mode} says so before a shot`, async t => {
    const x = webcam(t, {V4L2_MODE: mode});
    x.program.arm();
    t.regex((await x.until(({phase}) => phase === 'unable')).error, reason);
    t.regex((await x.shoot('1-1')).failure ?? '', reason);
  });

test('a webcam that is pulled out while it is armed says so', async t => {
  const x = webcam(t, {V4L2_MODE: 'dies'});
  x.program.arm();
  await x.until(({phase}) => phase === 'ready');
  t.regex((await x.until(({phase}) => phase === 'unable')).error, /v4l2-ctl ended by itself/);
});

test('v4l2-ctl that is not installed says what to install', async t => {
  const x = webcam(t, {}, [], 'something-else');
  x.program.arm();
  const {error} = await x.until(({phase}) => phase === 'unable');
  t.is(error, 'v4l2-ctl is not installed: `apt install v4l-utils`');
});
