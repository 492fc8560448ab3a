import test from 'ava';
import {
  changedPreferences,
  checkPreferences,
  isFault,
  isInHours,
  PREFERENCE_KEYS,
  type Preferences,
  readPreference,
} from '../../src/core/preferences.ts';

const faultOf = (value: unknown): string => {
  const checked = checkPreferences(value);
  return isFault(checked) ? checked.fault : 'none';
};

/** Minute of the week. */
const at = (day: number, hour: number, minute = 0): number => day * 1_440 + hour * 60 + minute;

test('every key takes what it is for', t => {
  const all: Preferences = {
    cores: 2,
    cpuPercent: 50,
    hours: ['22:00-06:00', '12:00-13:00'],
    days: ['mon', 'tue'],
    suspendAboveLoad: 1.5,
    resumeBelowLoad: 0.5,
    suspendBelowFreeMib: 200,
    resumeAboveFreeMib: 400,
    suspendAboveCelsius: 80,
    resumeBelowCelsius: 70,
    suspendOnBattery: true,
    suspendBelowCharge: 40,
    resumeAboveCharge: 60,
    bufferSeconds: 3_600,
  };
  t.deepEqual(Object.keys(all).sort(), [...PREFERENCE_KEYS].sort());
  t.deepEqual(checkPreferences(all), all);
});

test('a typo names the key and the nearest known one', t => {
  t.is(faultOf({cpuPercnt: 50}), 'unknown key "cpuPercnt"; did you mean "cpuPercent"?');
  t.regex(faultOf({zebra: 1}), /^unknown key "zebra"; there are: cores, cpuPercent, /);
  t.regex(faultOf({toString: 1}), /^unknown key "toString"/);
});

test('what a key cannot be is named with what it can be', t => {
  t.is(faultOf({cores: 0}), '"cores" must be a whole number from 1 to 256, not 0');
  t.is(faultOf({cores: 1.5}), '"cores" must be a whole number from 1 to 256, not 1.5');
  t.is(faultOf({cpuPercent: '50'}), '"cpuPercent" must be a whole number from 1 to 100, not "50"');
  t.is(
    faultOf({suspendAboveLoad: Number.NaN}),
    '"suspendAboveLoad" must be a number from 0.05 to 4096, not null',
  );
  t.is(faultOf({suspendOnBattery: 1}), '"suspendOnBattery" must be true or false, not 1');
  t.is(
    faultOf({hours: ['25:00-26:00']}),
    '"hours" must be a list of texts like "22:00-06:00", not "25:00-26:00"',
  );
  t.is(faultOf({hours: []}), '"hours" must not be empty; leave it out instead');
  t.is(faultOf({hours: 3}), '"hours" must be a list of texts like "22:00-06:00", not 3');
  t.is(
    faultOf({days: 'someday'}),
    '"days" must be a list of texts like "mon" or "mon-fri", not "someday"',
  );
  t.regex(faultOf([]), /^it must be an object/);
  t.regex(faultOf(null), /^it must be an object/);
});

test('the two edges of a limit must not cross, and the second needs the first', t => {
  t.is(faultOf({resumeBelowLoad: 1}), '"resumeBelowLoad" needs "suspendAboveLoad"');
  t.is(
    faultOf({suspendAboveCelsius: 70, resumeBelowCelsius: 75}),
    '"resumeBelowCelsius" must be at most "suspendAboveCelsius", 70',
  );
  t.is(
    faultOf({suspendBelowFreeMib: 500, resumeAboveFreeMib: 100}),
    '"resumeAboveFreeMib" must be at least "suspendBelowFreeMib", 500',
  );
});

test('what a newer master sends is taken without the keys that are not known here', t => {
  t.deepEqual(checkPreferences({cores: 2, colour: 'red'}, false), {cores: 2});
});

test('days are spelt out, also around the week and from one text', t => {
  t.deepEqual(checkPreferences({days: 'mon-wed,sun'}), {days: ['mon', 'tue', 'wed', 'sun']});
  t.deepEqual(checkPreferences({days: ['Sat-Mon']}), {days: ['sat', 'sun', 'mon']});
});

test('hours that cross midnight belong to the day on which they begin', t => {
  const friday = {hours: ['22:00-06:00'], days: ['fri']};
  t.true(isInHours(friday, at(4, 22)));
  t.true(isInHours(friday, at(5, 5, 59)));
  t.false(isInHours(friday, at(5, 6)));
  t.false(isInHours(friday, at(4, 5)), 'that was the night of Thursday');
  t.false(isInHours(friday, at(5, 22)));
  const sunday = {hours: ['23:00-01:00'], days: ['sun']};
  t.true(isInHours(sunday, at(0, 0, 30)), 'Monday morning still belongs to it');
});

test('without hours a day is whole, without days every day counts, without both all is allowed', t => {
  t.true(isInHours({days: ['sat']}, at(5, 0)));
  t.true(isInHours({days: ['sat']}, at(5, 23, 59)));
  t.false(isInHours({days: ['sat']}, at(6, 0)));
  for (let day = 0; day < 7; day++) t.true(isInHours({hours: ['08:00-09:00']}, at(day, 8, 30)));
  t.false(isInHours({hours: ['08:00-09:00']}, at(0, 9)));
  t.true(isInHours({hours: ['00:00-24:00']}, at(0, 23, 59)));
  t.true(isInHours({}, 0));
});

test('key=value is read as it is typed, and key= takes a key out', t => {
  const changes = Object.fromEntries(
    ['cores=2', 'hours=22:00-06:00,12:00-13:00', 'suspendOnBattery=true', 'cpuPercent='].map(
      text => {
        const read = readPreference(text);
        return isFault(read) ? t.fail(read.fault) : [read.key, read.value];
      },
    ) as [string, unknown][],
  );
  t.deepEqual(changedPreferences({cpuPercent: 10, days: ['mon']}, changes), {
    days: ['mon'],
    cores: 2,
    hours: ['22:00-06:00', '12:00-13:00'],
    suspendOnBattery: true,
  });
  t.deepEqual(readPreference('coers=2'), {fault: 'unknown key "coers"; did you mean "cores"?'});
  t.deepEqual(readPreference('cores'), {
    fault: '"cores" needs a value: cores=VALUE, or cores= to take it out',
  });
  t.true(isFault(changedPreferences({}, {cores: 'many'})));
});
