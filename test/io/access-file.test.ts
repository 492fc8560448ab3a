import {chmodSync, mkdtempSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import type {AccessRow} from '../../src/core/access.ts';
import {readAccess, writeAccess} from '../../src/io/access-file.ts';

function folder(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'volley-access-'));
  t.teardown(() => rmSync(dir, {recursive: true, force: true}));
  return dir;
}

const ROW: AccessRow = {name: 'ada', role: 'read', tokenHash: 'a'.repeat(64), createdAt: 5};

test('tokens come back as they were written, in a file that only we may read', t => {
  const dir = folder(t);
  t.deepEqual(readAccess(dir), []);
  writeAccess(dir, [ROW]);
  t.deepEqual(readAccess(dir), [ROW]);
  t.is(statSync(join(dir, 'access.json')).mode & 0o777, 0o600);
});

test('a damaged file is refused, not read in part', t => {
  const dir = folder(t);
  const path = join(dir, 'access.json');
  const bad = [
    '{',
    '[]',
    '{"format": 2, "tokens": []}',
    '{"format": 1}',
    JSON.stringify({format: 1, tokens: [ROW, {...ROW, name: 'bob', role: 'root'}]}),
    JSON.stringify({format: 1, tokens: [ROW, ROW]}),
  ];
  for (const text of bad) {
    writeFileSync(path, text, {mode: 0o600});
    t.throws(() => readAccess(dir), {code: 'VOLLEY_KEY_DAMAGED'}, text);
  }
});

test('a file that others may read is refused with the command that mends it', t => {
  const dir = folder(t);
  writeAccess(dir, [ROW]);
  chmodSync(join(dir, 'access.json'), 0o644);
  t.throws(() => readAccess(dir), {code: 'VOLLEY_KEY_EXPOSED'});
});
