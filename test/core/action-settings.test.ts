import test from 'ava';
import {
  changedSettings,
  differingSettings,
  faultOfSettings,
  parseSettings,
} from '../../src/core/action-settings.ts';

test('settings are held to names, values, their number and their length', t => {
  t.is(faultOfSettings({gain: '2', '/main/imgsettings/iso': '100', a: ''}), undefined);
  for (const name of [
    '',
    '-o',
    '--output',
    'a b',
    'a=b',
    '__proto__',
    'constructor',
    'x'.repeat(49),
  ])
    t.regex(faultOfSettings(JSON.parse(`{"${name}":"1"}`)) ?? '', /is no name of a setting/, name);
  for (const value of ['é', '\n', 'x'.repeat(65), 7])
    t.regex(faultOfSettings({gain: value as string}) ?? '', /the value of "gain"/);
  const many = Array.from({length: 33}, (_, i) => [`s${i}`, '']);
  t.is(faultOfSettings(Object.fromEntries(many)), 'there are at most 32 settings');
  const long = Array.from({length: 10}, (_, i) => [`s${i}`, 'x'.repeat(60)]);
  t.is(faultOfSettings(Object.fromEntries(long)), 'the settings together exceed 512 letters');
});

test('only an object of good settings is read', t => {
  t.deepEqual(parseSettings('{"gain":"2"}'), {gain: '2'});
  for (const json of ['', '{', 'null', '[]', '"x"', '{"gain":2}', `{"a":"${'x'.repeat(600)}"}`])
    t.is(parseSettings(json), undefined, json);
});

test('a change adds, replaces, and takes out what is empty', t => {
  t.deepEqual(changedSettings({a: '1', b: '2'}, {b: '3', c: '4', a: ''}), {b: '3', c: '4'});
  t.deepEqual(changedSettings({}, {a: ''}), {});
});

test('settings that differ between nodes are named', t => {
  t.deepEqual(
    differingSettings([
      {a: '1', b: '2'},
      {a: '1', b: '3'},
      {a: '1', c: '1', b: '2'},
    ]),
    ['b', 'c'],
  );
  t.deepEqual(differingSettings([{a: '1'}]), []);
  t.deepEqual(differingSettings([]), []);
});
