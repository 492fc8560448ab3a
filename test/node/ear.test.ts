import test from 'ava';
import {asWallMs} from '../../src/base/types.ts';
import {Ear} from '../../src/node/ear.ts';
import {PULSES_MAX} from '../../src/wire/limits.ts';

const at = (no: number) => asWallMs(1_000_000 + 5_000 * no);

test('what is between two that were heard was missed; what is told is told once', t => {
  const ear = new Ear();
  t.is(ear.take(1), undefined);
  for (const no of [7, 8, 11, 9]) ear.heardPulse(3, no, at(no));
  t.deepEqual(ear.take(0.5), {
    epoch: 3,
    heard: 3,
    missed: 2,
    clockBoundMs: 0.5,
    pulses: [7, 8, 11].map(no => ({no, heardWallMs: at(no)})),
  });
  t.is(ear.take(0.5), undefined);
  ear.heardPulse(3, 12, at(12));
  t.like(ear.take(0.5), {heard: 4, missed: 2, pulses: [{no: 12, heardWallMs: at(12)}]});
});

test('another life of the master counts anew', t => {
  const ear = new Ear();
  for (const no of [1, 5]) ear.heardPulse(3, no, at(no));
  ear.heardPulse(4, 2, at(2));
  t.like(ear.take(1), {epoch: 4, heard: 1, missed: 0, pulses: [{no: 2, heardWallMs: at(2)}]});
});

test('without a clock it is heard and has no time; the newest few are kept', t => {
  const ear = new Ear();
  ear.heardPulse(1, 1, undefined);
  t.is(ear.take(-1), undefined);
  for (let no = 2; no < 40; no++) ear.heardPulse(1, no, at(no));
  const told = ear.take(1);
  t.is(told?.pulses.length, PULSES_MAX);
  t.is(told?.pulses.at(-1)?.no, 39);
  t.is(told?.heard, 39);
});
