// Sensors that lie, one at a time and together.

import test from 'ava';
import {asMonoMs} from '../../src/base/types.ts';
import {Thermometers} from '../../src/node/thermometers.ts';

const MINUTE = 60_000;

class Look {
  readonly thermometers = new Thermometers();
  at = 0;

  /** One look a minute later. */
  minute(readings: Record<string, number>, working = true): number | undefined {
    this.at += MINUTE;
    const list = Object.entries(readings).map(([name, celsius]) => ({name, celsius}));
    this.thermometers.look(list, working, asMonoMs(this.at));
    return this.thermometers.celsius;
  }
}

test('the hottest sensor that is believed counts', t => {
  t.is(new Look().minute({cpu: 50, soc: 61.5}), 61.5);
});

for (const [lie, why] of [
  [Number.NaN, 'it cannot be read'],
  [-273.15, 'no machine has this temperature'],
  [4_000, 'no machine has this temperature'],
  [Number.POSITIVE_INFINITY, 'no machine has this temperature'],
  [0, 'it reads zero'],
] as const)
  test(`a sensor that says ${lie} is noted once and left out, and believed when it speaks again`, t => {
    const look = new Look();
    t.is(look.minute({cpu: lie, soc: 45}), 45);
    t.is(look.minute({cpu: lie, soc: 46}), 46);
    const [note, ...more] = look.thermometers.takeNotes();
    t.like(note, {what: 'a thermometer is not believed', fields: {sensor: 'cpu', why}});
    t.deepEqual(more, []);
    t.deepEqual(look.thermometers.doubted, [`cpu: ${why}`]);
    t.is(look.minute({cpu: 55, soc: 46}), 55);
    t.deepEqual(
      look.thermometers.takeNotes().map(({what}) => what),
      ['a thermometer is believed again'],
    );
  });

test('alone and lying, nobody knows the temperature', t => {
  const look = new Look();
  t.is(look.minute({cpu: Number.NaN}), undefined);
  t.is(look.minute({}), undefined);
});

test('a sensor that says the same at work and at rest is stuck, hot or cold', t => {
  for (const celsius of [35, 105]) {
    const look = new Look();
    for (let i = 0; i < 6; i++) t.is(look.minute({cpu: celsius}, true), celsius);
    for (let i = 0; i < 4; i++) t.is(look.minute({cpu: celsius}, false), celsius);
    t.is(look.minute({cpu: celsius}, false), undefined);
    t.deepEqual(look.thermometers.doubted, ['cpu: it is stuck']);
    t.is(look.minute({cpu: celsius + 0.5}, false), celsius + 0.5, 'it moves again');
  }
});

test('a sensor that is steady at rest alone is not stuck', t => {
  const look = new Look();
  for (let i = 0; i < 600; i++) t.is(look.minute({cpu: 35}, false), 35);
});

test('a sensor that never moves through hours of work is stuck', t => {
  const look = new Look();
  for (let i = 0; i < 120; i++) t.is(look.minute({cpu: 60}), 60);
  t.is(look.minute({cpu: 60}), undefined);
});

test('the time that a machine slept does not make a sensor stuck', t => {
  const look = new Look();
  look.minute({cpu: 40}, true);
  look.minute({cpu: 40}, true);
  look.at += 10 * 3_600_000;
  look.minute({cpu: 40}, true);
  look.minute({cpu: 40}, false);
  t.is(look.minute({cpu: 40}, false), 40);
});

test('sensors that go leave nothing behind', t => {
  const look = new Look();
  for (let i = 0; i < 1_000; i++) look.minute({[`cpu${i}`]: Number.NaN});
  t.is(look.thermometers.doubted.length, 1);
});
