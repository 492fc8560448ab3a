// The action `camera` with a stand-in for rpicam-still (still-stand-in.mjs): no camera is here.

import {mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {Adapter} from './adapter-rig.ts';

const STAND_IN = fileURLToPath(new URL('./still-stand-in.mjs', import.meta.url));

function camera(
  t: ExecutionContext,
  env: Readonly<Record<string, string>> = {},
  options: readonly string[] = [],
  name = 'rpicam-still',
): Adapter {
  return new Adapter(t, 'camera-action', options, dir => {
    mkdirSync(join(dir, 'bin'));
    symlinkSync(STAND_IN, join(dir, 'bin', name));
    return env;
  });
}

test('the camera is kept running, and every shot is a whole file under the name of its shot', async t => {
  const x = camera(t, {}, ['--hflip']);
  x.program.arm();
  const {info} = await x.until(state => state.phase === 'ready' && state.info.sensorPeriodMs > 0);
  t.is(info.model, 'imx708');
  t.true(info.warmUpMs > 0);
  t.true(info.sensorPeriodMs >= 5, `${info.sensorPeriodMs} ms`);
  t.deepEqual(info.settings, ['shutter', 'gain', 'width', 'height', 'quality', 'raw']);
  for (const shot of ['1-1', '1-2']) {
    const end = await x.shoot(shot);
    t.is(end.failure, undefined);
    t.deepEqual(end.files, [`${shot}.jpg`]);
    t.regex(x.read(`${shot}.jpg`), /picture .*--signal --zsl --verbose 2 .*--hflip/);
  }
  t.deepEqual(await x.program.set({raw: '1', shutter: '500'}), {
    ok: true,
    settings: {raw: '1', shutter: '500'},
  });
  const end = await x.shoot('1-3');
  t.deepEqual(end.files, ['1-3.jpg', '1-3-raw.dng']);
  t.regex(x.read('1-3.jpg'), /--raw=1 --shutter=500/);
  t.is(x.read('started').trim().split('\n').length, 2);
  t.deepEqual(
    readdirSync(x.folder).filter(name => name.startsWith('0-0')),
    [],
  );
});

test('settings that make no sense are refused with a reason, and what held before holds', async t => {
  const x = camera(t);
  t.deepEqual(await x.program.set({shutter: '1000'}), {ok: true, settings: {shutter: '1000'}});
  const refusal = async (settings: Record<string, string>): Promise<string> => {
    const applied = await x.program.set(settings);
    return applied.ok ? '' : applied.reason;
  };
  t.regex(await refusal({iso: '100'}), /^no setting "iso"; there are: shutter, gain/);
  t.is(await refusal({sync: 'client'}), 'no setting "sync"; this version has no such option');
  t.is(
    await refusal({output: '/etc/passwd'}).then(text => text.slice(0, 19)),
    'no setting "output"',
  );
  t.is(await refusal({gain: '$(reboot)'}), '"$(reboot)" is no value of "gain"');
  t.is(await refusal({shutter: 'long'}), "the argument ('long') for option '--shutter' is invalid");
  t.is((await x.shoot('1-1')).failure, undefined);
  t.regex(x.read('1-1.jpg'), /--shutter=1000/);
});

const FAULTS: readonly [string, RegExp][] = [
  ['none', /no camera: look at its cable, and try `rpicam-hello --list-cameras`/],
  ['busy', /the camera is busy: end the other program that has it/],
  ['stuck', /the sensor sends no picture: look at the cable of the camera/],
];
for (const [mode, reason] of FAULTS) {
  test(`a camera that is ${mode} says so before a shot, and the shot is not fired`, async t => {
    const x = camera(t, {STILL_MODE: mode});
    x.program.arm();
    t.regex((await x.until(state => state.phase === 'unable')).error, reason);
    const end = await x.shoot('1-1');
    t.is(end.firedAt, undefined);
    t.regex(end.failure ?? '', reason);
  });
}

test('a camera that is not installed says what to install', async t => {
  const x = camera(t, {}, [], 'something-else');
  x.program.arm();
  const {error} = await x.until(state => state.phase === 'unable');
  t.is(error, 'rpicam-still is not installed: `apt install rpicam-apps`');
});

test('a camera that was unplugged is armed again when it is back', async t => {
  const x = camera(t, {STILL_GONE: '../camera'});
  writeFileSync(join(x.dir, 'camera'), 'gone');
  x.program.arm();
  t.regex((await x.until(state => state.phase === 'unable')).error, /no camera/);
  writeFileSync(join(x.dir, 'camera'), 'back');
  x.program.arm();
  t.is((await x.shoot('1-1')).failure, undefined);
});

test('a picture that was cut off, or could not be written, fails its shot after it fired', async t => {
  for (const [mode, reason] of [
    ['half', /the camera program ended by itself \(139\)/],
    ['full', /failed to open file/],
  ] as const) {
    const x = camera(t, {STILL_MODE: mode});
    const end = await x.shoot('1-1');
    t.regex(end.failure ?? '', reason, mode);
    t.not(end.firedAt, undefined);
  }
});

test('a version that ends after each picture is started again for the next', async t => {
  const x = camera(t, {STILL_MODE: 'once'}, [], 'libcamera-still');
  for (const shot of ['1-1', '1-2']) t.is((await x.shoot(shot)).failure, undefined);
});

test('a version without signal mode is started for each shot', async t => {
  const x = camera(t, {STILL_MODE: 'old'});
  for (const shot of ['1-1', '1-2']) {
    t.is((await x.shoot(shot)).failure, undefined);
    t.regex(x.read(`${shot}.jpg`), /--immediate/);
  }
});

test('a preview is small, and the camera is armed again after it', async t => {
  const x = camera(t);
  x.program.arm();
  await x.until(state => state.phase === 'ready');
  t.is((await x.shoot('1-1', true)).failure, undefined);
  t.regex(x.read('1-1.jpg'), /--immediate .*--width=640 --height=480/);
  t.is((await x.shoot('1-2')).failure, undefined);
  t.regex(readFileSync(join(x.folder, '1-2.jpg'), 'latin1'), /--signal/);
});
