import {chmodSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import {
  makeSecretDirectory,
  readKeyFile,
  readOwned,
  readSecret,
  writeDurably,
  writeKeyFile,
} from '../../src/io/key-files.ts';

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);
const KEY = Uint8Array.from({length: 32}, (_, i) => i);

function folder(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'volley-keys-'));
  t.teardown(() => rm(dir, {recursive: true, force: true}));
  return dir;
}

test.serial('folders are 0700 and secrets 0600 whatever the umask says', t => {
  const dir = folder(t);
  for (const umask of [0o000, 0o277]) {
    const before = process.umask(umask);
    const secret = join(dir, `u${umask}`);
    try {
      makeSecretDirectory(secret);
      writeKeyFile(join(secret, 'keys'), 'test', {key: KEY});
    } finally {
      process.umask(before);
    }
    t.is(modeOf(secret), '700');
    t.is(modeOf(join(secret, 'keys')), '600');
  }
});

test('a key file gives back what was written', t => {
  const path = join(folder(t), 'keys');
  writeKeyFile(path, 'test', {key: KEY, other: new Uint8Array(7)});
  t.deepEqual(readKeyFile(path, 'test', {other: 0, key: 32}), {key: KEY, other: new Uint8Array(7)});
});

test('a file that is not there is nothing, not an error', t => {
  const path = join(folder(t), 'keys');
  t.is(readSecret(path), undefined);
  t.is(readKeyFile(path, 'test', {key: 32}), undefined);
});

test('a secret that group or others can read is refused, with the command that helps', t => {
  const path = join(folder(t), 'keys');
  writeKeyFile(path, 'test', {key: KEY});
  for (const mode of [0o640, 0o604, 0o660, 0o601]) {
    chmodSync(path, mode);
    const error = t.throws(() => readSecret(path), {
      code: 'VOLLEY_KEY_EXPOSED',
    });
    t.true(error.message.includes(`mode ${mode.toString(8)}`));
    t.true(error.message.includes(`chmod 600 ${path}`));
  }
  chmodSync(path, 0o400);
  t.notThrows(() => readSecret(path));
});

test('an owned file may be read by others but not written', t => {
  const path = join(folder(t), 'node.json');
  writeDurably(path, toUtf8('{}'), 0o644);
  t.deepEqual(readOwned(path), toUtf8('{}'));
  chmodSync(path, 0o664);
  t.throws(() => readOwned(path), {code: 'VOLLEY_KEY_EXPOSED'});
});

test('a folder that others can write is refused', t => {
  const dir = folder(t);
  chmodSync(dir, 0o770);
  t.throws(() => makeSecretDirectory(dir), {code: 'VOLLEY_KEY_EXPOSED'});
});

const skipUnlessRoot = process.getuid?.() === 0 ? test : test.skip;
skipUnlessRoot('a secret that belongs to another user is refused', async t => {
  const {chownSync} = await import('node:fs');
  const path = join(folder(t), 'keys');
  writeKeyFile(path, 'test', {key: KEY});
  chownSync(path, 12_345, 12_345);
  t.throws(() => readSecret(path), {code: 'VOLLEY_NO_PERMISSION'});
});

test('every flipped bit of a key file is found, or changes nothing', t => {
  const path = join(folder(t), 'keys');
  writeKeyFile(path, 'test', {key: KEY});
  const whole = readFileSync(path);
  for (let at = 0; at < whole.length * 8; at++) {
    const bytes = Uint8Array.from(whole);
    bytes[at >> 3] = (bytes[at >> 3] ?? 0) ^ (1 << (at & 7));
    writeFileSync(path, bytes);
    try {
      t.deepEqual(readKeyFile(path, 'test', {key: 32}), {key: KEY});
    } catch (error) {
      t.is((error as {code?: string}).code, 'VOLLEY_KEY_DAMAGED', String(error));
    }
  }
});

test('what is cut short, of another kind or of a later format is named as damaged', t => {
  const path = join(folder(t), 'keys');
  writeKeyFile(path, 'test', {key: KEY});
  const text = readFileSync(path, 'utf8');
  const refused = (content: string, reason: RegExp, length = 32): void => {
    writeFileSync(path, content);
    t.throws(() => readKeyFile(path, 'test', {key: length}), {
      code: 'VOLLEY_KEY_DAMAGED',
      message: reason,
    });
  };
  refused(text.slice(0, 20), /not JSON/);
  refused('', /not JSON/);
  refused('[]', /not a JSON object/);
  refused(text.replace('"test"', '"other"'), /not a "test" file/);
  refused(text.replace('"format": 1', '"format": 2'), /format 2/);
  refused(text.replace('"key"', '"kee"'), /no "key"/);
  refused(text, /not 31 bytes/, 31);
  refused('x'.repeat(70_000), /70000 bytes/);
});

test('writing replaces the whole file and leaves no draft behind', t => {
  const dir = folder(t);
  const path = join(dir, 'file');
  writeDurably(path, toUtf8('a long first text'), 0o600);
  writeDurably(path, toUtf8('short'), 0o600);
  t.is(readFileSync(path, 'utf8'), 'short');
  t.deepEqual(readdirSync(dir), ['file']);
});

test('writing only where nothing is keeps what is there', t => {
  const dir = folder(t);
  const path = join(dir, 'file');
  t.true(writeDurably(path, toUtf8('first'), 0o600, true));
  t.false(writeDurably(path, toUtf8('second'), 0o600, true));
  t.is(readFileSync(path, 'utf8'), 'first');
  t.deepEqual(readdirSync(dir), ['file']);
});
