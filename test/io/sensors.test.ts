// A machine made of files, which may lie.

import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {Sensors, wantsOf} from '../../src/io/sensors.ts';

const ALL = {load: true, memory: true, heat: true, battery: true};
const DATE = new Date(2026, 10, 25, 13, 5); // a Wednesday

function machine(t: ExecutionContext, files: Record<string, string>) {
  const root = mkdtempSync(join(tmpdir(), 'volley-sensors-'));
  t.teardown(() => rmSync(root, {recursive: true, force: true}));
  const put = (more: Record<string, string>): void => {
    for (const [path, text] of Object.entries(more)) {
      mkdirSync(dirname(join(root, path)), {recursive: true});
      writeFileSync(join(root, path), text);
    }
  };
  put(files);
  return {put, sensors: new Sensors(root)};
}

const zone = (no: number, type: string, temp: string) => ({
  [`sys/class/thermal/thermal_zone${no}/type`]: `${type}\n`,
  [`sys/class/thermal/thermal_zone${no}/temp`]: temp,
});

test('a machine without sensors says nothing but the time', t => {
  const {sensors} = machine(t, {});
  t.deepEqual(sensors.sample(ALL, DATE, 0), {minuteOfWeek: 2 * 1_440 + 785, thermometers: []});
});

test('thermometers of the processor are told apart from the others, lies and all', t => {
  const {sensors} = machine(t, {
    ...zone(0, 'cpu-thermal', '48312\n'),
    ...zone(1, 'battery', '99000\n'),
    ...zone(2, 'soc_dts0', '-273000\n'),
    ...zone(3, 'x86_pkg_temp', 'what?\n'),
    ...zone(4, 'cpu-empty', ''),
  });
  t.deepEqual(sensors.sample(ALL, DATE, 0).thermometers, [
    {name: 'cpu-thermal/zone0', celsius: 48.312},
    {name: 'soc_dts0/zone2', celsius: -273},
    {name: 'x86_pkg_temp/zone3', celsius: Number.NaN},
    {name: 'cpu-empty/zone4', celsius: Number.NaN},
  ]);
});

test('where none is named so, all thermometers count', t => {
  const {sensors} = machine(t, zone(0, 'acpitz', '27800\n'));
  t.deepEqual(sensors.sample(ALL, DATE, 0).thermometers, [{name: 'acpitz/zone0', celsius: 27.8}]);
});

test('load is what others used between two looks', t => {
  const {sensors, put} = machine(t, {'proc/stat': 'cpu  100 50 50 9000 5 10 10 0 0 0\ncpu0 1\n'});
  t.is(sensors.sample(ALL, DATE, 0).othersLoad, undefined, 'the first look');
  put({'proc/stat': 'cpu  900 150 250 9000 5 10 10 0 0 0\ncpu0 1\n'});
  const busy = sensors.sample(ALL, DATE, 5_000).othersLoad;
  t.is(busy, 2.2, '1,100 ticks in 5 s');
  put({'proc/stat': 'cpu  nonsense\n'});
  t.is(sensors.sample(ALL, DATE, 10_000).othersLoad, undefined);
});

test('our own processes are not others', t => {
  const own = (ticks: number) =>
    `${process.pid} (a) b) S 1 1 1 0 -1 0 0 0 0 0 ${ticks} 0 0 0 20 0\n`;
  const stat = (ticks: number) => `cpu  ${ticks} 0 0 0 0 0 0 0 0 0\n`;
  const path = `proc/${process.pid}/stat`;
  const {sensors, put} = machine(t, {'proc/stat': stat(1_000), [path]: own(500)});
  sensors.sample(ALL, DATE, 0);
  put({'proc/stat': stat(1_500), [path]: own(900)});
  t.is(sensors.sample(ALL, DATE, 1_000).othersLoad, 1);
});

test('free memory is what the kernel calls available', t => {
  const {sensors} = machine(t, {'proc/meminfo': 'MemTotal: 1 kB\nMemAvailable:  524288 kB\n'});
  t.is(sensors.sample(ALL, DATE, 0).freeMib, 512);
});

const supply = (name: string, files: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(files).map(([what, text]) => [`sys/class/power_supply/${name}/${what}`, text]),
  );

test("the machine's battery is told, the mouse's is not", t => {
  const mouse = supply('hid', {
    type: 'Battery',
    scope: 'Device',
    status: 'Discharging',
    capacity: '5',
  });
  const own = supply('BAT0', {type: 'Battery', status: 'Discharging\n', capacity: '42\n'});
  t.is(machine(t, mouse).sensors.sample(ALL, DATE, 0).battery, undefined);
  t.deepEqual(machine(t, {...mouse, ...own}).sensors.sample(ALL, DATE, 0).battery, {
    discharging: true,
    percent: 42,
  });
});

test('a charge that cannot be is left out', t => {
  for (const capacity of ['140', '-1', 'NaN', '']) {
    const {sensors} = machine(t, supply('BAT0', {type: 'Battery', status: 'Full', capacity}));
    t.deepEqual(sensors.sample(ALL, DATE, 0).battery, {discharging: false}, capacity);
  }
});

test('only what somebody wishes to know is read', t => {
  t.deepEqual(wantsOf([{cores: 2}, {}]), {load: false, memory: false, heat: false, battery: false});
  t.deepEqual(wantsOf([{suspendAboveLoad: 1}, {suspendAboveCelsius: 80, suspendBelowCharge: 20}]), {
    load: true,
    memory: false,
    heat: true,
    battery: true,
  });
  const {sensors} = machine(t, zone(0, 'cpu', '50000'));
  const none = wantsOf([{}]);
  t.deepEqual(Object.keys(sensors.sample(none, DATE, 0)), ['minuteOfWeek']);
});

test('the sensors of this very machine give a sample', t => {
  const sensors = new Sensors();
  sensors.sample(ALL, new Date(), 0);
  const {minuteOfWeek, freeMib = 1, othersLoad = 0} = sensors.sample(ALL, new Date(), 1_000);
  t.true(minuteOfWeek >= 0 && minuteOfWeek < 7 * 1_440);
  t.true(freeMib > 0 && othersLoad >= 0);
});
