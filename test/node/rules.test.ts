import test from 'ava';
import {asMonoMs} from '../../src/base/types.ts';
import type {Sample} from '../../src/core/guest.ts';
import type {Preferences} from '../../src/core/preferences.ts';
import {type Allowed, Rules} from '../../src/node/rules.ts';

const SLOTS = 4;

const judge = (rules: Rules, sample: Partial<Sample>, celsius?: number, at = 0): Allowed =>
  rules.judge({minuteOfWeek: 0, ...sample}, celsius, SLOTS, asMonoMs(at));

/** A word for each value: `-` it may run, else who holds it. */
const words = (
  preferences: Preferences,
  values: readonly number[],
  sampleOf: (value: number) => Partial<Sample>,
): string[] => {
  const rules = new Rules(preferences);
  return values.map(value => {
    const {slots, reasons} = judge(rules, sampleOf(value));
    return slots > 0 ? '-' : reasons.map(({by}) => by).join();
  });
};

test('nothing wished, nothing held, whatever the sensors say', t => {
  const sample = {othersLoad: 99, freeMib: 1, battery: {discharging: true, percent: 1}};
  t.deepEqual(judge(new Rules({}), sample, 110), {slots: SLOTS, cpuPercent: 100, reasons: []});
});

test('cores and duty cycle bound what runs, never above what there is', t => {
  t.like(judge(new Rules({cores: 2, cpuPercent: 30}), {}), {slots: 2, cpuPercent: 30});
  t.is(judge(new Rules({cores: 99}), {}).slots, SLOTS);
  t.is(new Rules({cores: 3}).judge(undefined, undefined, SLOTS, asMonoMs(0)).slots, 3);
});

test('load of others suspends above one edge and resumes below the other', t => {
  const load = (value: number) => ({othersLoad: value});
  const wished = {suspendAboveLoad: 2, resumeBelowLoad: 1};
  t.deepEqual(words(wished, [1.9, 2.1, 1.5, 1.1, 1, 1.5], load), [
    '-',
    'load',
    'load',
    'load',
    '-',
    '-',
  ]);
  t.deepEqual(words({suspendAboveLoad: 2}, [2.1, 1.6, 1.5], load), ['load', 'load', '-']);
});

test('free memory suspends below one edge and resumes above the other', t => {
  const free = (value: number) => ({freeMib: value});
  const wished = {suspendBelowFreeMib: 200};
  t.deepEqual(words(wished, [201, 199, 249, 250], free), ['-', 'memory', 'memory', '-']);
});

test('a battery suspends when it is used, or low', t => {
  const charge = (percent: number) => ({battery: {discharging: true, percent}});
  t.deepEqual(words({suspendOnBattery: true}, [90], charge), ['battery']);
  const wished = {suspendBelowCharge: 40, resumeAboveCharge: 60};
  t.deepEqual(words(wished, [41, 39, 59, 60], charge), ['-', 'battery', 'battery', '-']);
  t.deepEqual(
    words({suspendOnBattery: true, suspendBelowCharge: 40}, [0], () => ({})),
    ['-'],
  );
});

test('hours say when', t => {
  const rules = new Rules({hours: ['22:00-06:00'], days: ['mon']});
  t.deepEqual(judge(rules, {minuteOfWeek: 600}).reasons, [
    {by: 'hours', text: 'only mon 22:00-06:00'},
  ]);
  t.is(judge(rules, {minuteOfWeek: 23 * 60}).slots, SLOTS);
});

test('heat suspends above one edge and resumes below the other', t => {
  const rules = new Rules({suspendAboveCelsius: 80, resumeBelowCelsius: 70});
  t.is(judge(rules, {}, 80).slots, SLOTS);
  t.deepEqual(judge(rules, {}, 80.5), {
    slots: 0,
    cpuPercent: 100,
    reasons: [{by: 'temperature', text: '80.5 °C, above 80'}],
  });
  t.is(judge(rules, {}, 71).slots, 0);
  t.is(judge(rules, {}, 70).slots, SLOTS);
});

test('without a thermometer that can be believed a careful node works half of the time', t => {
  const {slots, cpuPercent, reasons} = judge(new Rules({suspendAboveCelsius: 80}), {});
  t.deepEqual([slots, cpuPercent], [SLOTS, 50]);
  t.deepEqual(
    reasons.map(({by}) => by),
    ['thermometer'],
  );
  t.is(judge(new Rules({suspendAboveCelsius: 80, cpuPercent: 20}), {}).cpuPercent, 20);
  t.is(judge(new Rules({cpuPercent: 90}), {}).cpuPercent, 90, 'nobody cares about heat');
});

test('a node that was hot when its thermometer failed cools down, but not for ever', t => {
  const rules = new Rules({suspendAboveCelsius: 80});
  judge(rules, {}, 95, 0);
  t.is(judge(rules, {}, undefined, 10_000).slots, 0);
  t.is(judge(rules, {}, undefined, 299_000).slots, 0);
  t.like(judge(rules, {}, undefined, 301_000), {slots: SLOTS, cpuPercent: 50});
  t.like(judge(rules, {}, undefined, 302_000), {slots: SLOTS, cpuPercent: 50});
  t.like(judge(rules, {}, 90, 303_000), {slots: 0}, 'believed again and still hot');
});
