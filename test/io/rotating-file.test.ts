import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {RotatingFile} from '../../src/io/rotating-file.ts';

function pathIn(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'volley-rotating-'));
  t.teardown(() => rm(dir, {recursive: true, force: true}));
  return join(dir, 'a.log');
}

test('lines go on where an earlier life ended, for our eyes alone', t => {
  const path = pathIn(t);
  for (const line of ['one\n', 'two\n']) {
    const file = new RotatingFile({path, bytesMax: 100, keep: 2});
    file.append(line);
    file.close();
    chmodSync(path, 0o644);
  }
  const file = new RotatingFile({path, bytesMax: 100, keep: 2});
  file.close();
  t.is(readFileSync(path, 'utf8'), 'one\ntwo\n');
  t.is(statSync(path).mode & 0o777, 0o600);
});

test('however much is written, the room it takes is bounded and the last lines are there', t => {
  const path = pathIn(t);
  const file = new RotatingFile({path, bytesMax: 100, keep: 2});
  for (let i = 0; i < 1_000; i++) file.append(`${String(i).padStart(9, '0')}\n`);
  file.close();
  const names = readdirSync(join(path, '..')).sort();
  t.deepEqual(names, ['a.log', 'a.log.1', 'a.log.2']);
  const lines = ['.2', '.1', ''].map(end => readFileSync(`${path}${end}`, 'utf8')).join('');
  t.true(lines.length <= 300);
  const numbers = lines.trimEnd().split('\n').map(Number);
  t.is(numbers.at(-1), 999);
  t.deepEqual(
    numbers,
    numbers.map((_, i) => 1_000 - numbers.length + i),
  );
  for (const name of names) t.is(statSync(join(path, '..', name)).mode & 0o777, 0o600);
});

test('a line longer than a file has a file of its own', t => {
  const path = pathIn(t);
  const file = new RotatingFile({path, bytesMax: 10, keep: 1});
  file.append(`${'x'.repeat(50)}\n`);
  file.append('short\n');
  file.close();
  t.is(readFileSync(path, 'utf8'), 'short\n');
  t.is(readFileSync(`${path}.1`, 'utf8').length, 51);
});

test('a link in its place is not followed', t => {
  const path = pathIn(t);
  const other = join(path, '..', 'other');
  writeFileSync(other, 'mine');
  symlinkSync(other, path);
  t.throws(() => new RotatingFile({path, bytesMax: 10, keep: 1}), {code: 'VOLLEY_NO_PERMISSION'});
  t.is(readFileSync(other, 'utf8'), 'mine');
  t.true(existsSync(path));
});
