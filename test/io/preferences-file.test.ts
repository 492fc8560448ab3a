import {chmodSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {VolleyError} from '../../src/base/errors.ts';
import {PreferencesFile, readPreferences} from '../../src/io/preferences-file.ts';

function folder(t: ExecutionContext) {
  const dir = mkdtempSync(join(tmpdir(), 'volley-prefs-'));
  t.teardown(() => rmSync(dir, {recursive: true, force: true}));
  const path = join(dir, 'preferences.json');
  const write = (text: string): void => writeFileSync(path, text, {mode: 0o600});
  return {dir, path, write};
}

const refusal = (t: ExecutionContext, dir: string): string =>
  t.throws(() => readPreferences(dir), {code: 'VOLLEY_BAD_CONFIG'})?.message ?? '';

test('no file, no wishes', t => {
  t.deepEqual(readPreferences(folder(t).dir), {});
});

test('an error at the start names the file, the key and the nearest known one', t => {
  const {dir, path, write} = folder(t);
  write('{"cpuPercnt": 50}');
  t.is(refusal(t, dir), `${path}: unknown key "cpuPercnt"; did you mean "cpuPercent"?`);
  write('{"cores": 2');
  t.regex(refusal(t, dir), /preferences\.json: .*JSON/);
  write('[]');
  t.regex(refusal(t, dir), /it must be an object/);
  write('{}');
  chmodSync(path, 0o666);
  t.regex(refusal(t, dir), /others can write it; run `chmod 600 /);
});

test('a change is told once, a fault is told once, and what was good stays', t => {
  const {dir, write, path} = folder(t);
  const file = new PreferencesFile(dir);
  t.is(file.look(), undefined);
  write('{"cores": 2}');
  t.deepEqual(file.look(), {cores: 2});
  t.is(file.look(), undefined);
  write('{"coers": 2222}');
  const fault = file.look();
  t.true(fault instanceof VolleyError && fault.message.includes('did you mean "cores"?'));
  t.is(file.look(), undefined);
  t.deepEqual(file.preferences, {cores: 2});
  t.is(file.fault, 'unknown key "coers"; did you mean "cores"?', 'as long as it is there');
  write('{"cores": 3}');
  t.deepEqual(file.look(), {cores: 3});
  t.is(file.fault, undefined);
  write('{"cores": ');
  t.true(file.look() instanceof VolleyError);
  t.truthy(file.fault);
  rmSync(path);
  t.deepEqual(file.look(), {});
  t.is(file.fault, undefined);
});
