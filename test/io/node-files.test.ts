import {chmodSync, mkdtempSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {asAddress} from '../../src/base/types.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {
  openMembership,
  openNodeFiles,
  readMembership,
  writeMembership,
} from '../../src/io/node-files.ts';

const crypto = new NodeCrypto();
const rootFingerprint = crypto.random(16);
const secret = crypto.random(32);
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

function folder(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'volley-node-'));
  t.teardown(() => rm(dir, {recursive: true, force: true}));
  return join(dir, 'node');
}

test('the keys are made at first use and are the same ever after', t => {
  const dir = folder(t);
  const first = openNodeFiles(dir, crypto);
  t.deepEqual(openNodeFiles(dir, crypto), first);
  t.is(modeOf(dir), '700');
  t.is(modeOf(join(dir, 'node.keys')), '600');
  const signature = crypto.sign(first.identity.secretKey, 'bind', rootFingerprint);
  t.true(crypto.verify(first.identity.publicKey, 'bind', signature, rootFingerprint));
  const other = crypto.x25519KeyPair();
  t.deepEqual(
    crypto.x25519(first.staticKey.secretKey, other.publicKey),
    crypto.x25519(other.secretKey, first.staticKey.publicKey),
  );
});

test('two nodes never share keys', t => {
  t.notDeepEqual(
    openNodeFiles(folder(t), crypto).identity,
    openNodeFiles(folder(t), crypto).identity,
  );
});

test('exposed and damaged keys are refused, never made anew', t => {
  const dir = folder(t);
  openNodeFiles(dir, crypto);
  const path = join(dir, 'node.keys');
  const before = readFileSync(path, 'utf8');
  chmodSync(path, 0o644);
  t.throws(() => openNodeFiles(dir, crypto), {code: 'VOLLEY_KEY_EXPOSED'});
  chmodSync(path, 0o600);
  writeFileSync(path, before.slice(0, 100));
  t.throws(() => openNodeFiles(dir, crypto), {code: 'VOLLEY_KEY_DAMAGED'});
  t.is(readFileSync(path, 'utf8'), before.slice(0, 100));
});

test('a node without membership is not enrolled, and is told how to join', t => {
  const dir = folder(t);
  openNodeFiles(dir, crypto);
  t.is(readMembership(dir), undefined);
  const error = t.throws(() => openMembership(dir), {code: 'VOLLEY_NOT_ENROLLED'});
  t.regex(error.message, /--join/);
});

test('a membership is kept, and only its token is forgotten after enrolment', t => {
  const dir = folder(t);
  openNodeFiles(dir, crypto);
  const address = asAddress('192.168.7.1:6273');
  const membership = {rootFingerprint, address, join: {tokenId: 7, secret}};
  writeMembership(dir, membership);
  t.deepEqual(openMembership(dir), membership);
  t.is(modeOf(join(dir, 'membership.json')), '600');
  writeMembership(dir, {...membership, join: undefined});
  t.deepEqual(openMembership(dir), {rootFingerprint, address, join: undefined});
  t.false(
    readFileSync(join(dir, 'membership.json'), 'utf8').includes(
      Buffer.from(secret).toString('hex'),
    ),
  );
  writeMembership(dir, {...membership, join: undefined});
  t.deepEqual(openMembership(dir), {rootFingerprint, address, join: undefined});
});

test('a membership without an address is one found by multicast', t => {
  const dir = folder(t);
  openNodeFiles(dir, crypto);
  writeMembership(dir, {rootFingerprint, address: undefined, join: undefined});
  t.deepEqual(openMembership(dir), {rootFingerprint, address: undefined, join: undefined});
});

test('a damaged membership is named, not taken for none', t => {
  const dir = folder(t);
  openNodeFiles(dir, crypto);
  const path = join(dir, 'membership.json');
  for (const text of ['', '{}', '{"format":1}', '{"format":1,"rootFingerprint":"xy"}']) {
    writeFileSync(path, text, {mode: 0o600});
    t.throws(() => openMembership(dir), {code: 'VOLLEY_KEY_DAMAGED'}, text);
  }
});
