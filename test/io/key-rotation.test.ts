import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {initCluster, masterKeysPath, openCluster, vaultPath} from '../../src/io/cluster-files.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {
  changePassphrase,
  rotateKeys,
  settleVault,
  type WhichKey,
} from '../../src/io/key-rotation.ts';
import {readRootSteps, readTrustFile, trustIn, trustPath} from '../../src/io/trust-files.ts';
import {openVault} from '../../src/io/vault.ts';
import {fingerprintOf, openTrust, TrustPin} from '../../src/wire/trust.ts';
import {makeScryptCheap} from './cheap-scrypt.ts';

makeScryptCheap();
const crypto = new NodeCrypto();
const PASSPHRASE = 'a passphrase for tests';
const CHILD = fileURLToPath(new URL('rotate-and-die.ts', import.meta.url));

async function newCluster(t: ExecutionContext) {
  const home = mkdtempSync(join(tmpdir(), 'volley-rotation-'));
  t.teardown(() => rm(home, {recursive: true, force: true}));
  const dir = join(home, 'master');
  const made = await initCluster(dir, crypto, {passphrase: PASSPHRASE});
  return {dir, made, vault: vaultPath(dir)};
}

const rotate = (dir: string, which: WhichKey, more: object = {}) =>
  rotateKeys(which, crypto, {dir, vaultPath: vaultPath(dir), passphrase: PASSPHRASE, ...more});

/** Everything a master, a publisher and the next rotation need is there, and fits together. */
async function works(t: ExecutionContext, dir: string): Promise<number> {
  const cluster = openCluster(dir);
  const trust = openTrust(crypto, cluster.signedTrust, cluster.rootFingerprint);
  if (trust === undefined) throw new Error('the trust document does not open');
  t.deepEqual(trust.commandKey, cluster.commandKey.publicKey);
  t.deepEqual(trust.masterStatic, cluster.staticKey.publicKey);
  const {rootKey, appKey} = await settleVault(vaultPath(dir), PASSPHRASE, trust);
  t.deepEqual(trust.rootKey, rootKey.publicKey);
  t.true(trust.appKeys.some(key => Buffer.from(key).equals(appKey.publicKey)));
  return trust.version;
}

test('new master keys: the root names them, the lease secret and the operator token stay', async t => {
  const {dir, made} = await newCluster(t);
  const before = openCluster(dir);
  const done = await rotate(dir, 'master');
  const after = openCluster(dir);
  t.is(done.version, 2);
  t.is(await works(t, dir), 2);
  t.notDeepEqual(after.commandKey.publicKey, before.commandKey.publicKey);
  t.notDeepEqual(after.staticKey.publicKey, before.staticKey.publicKey);
  t.deepEqual(after.leaseSecret, before.leaseSecret);
  t.is(after.operatorToken, before.operatorToken);
  t.deepEqual(after.rootFingerprint, made.rootFingerprint);
  // Nothing of the old secrets is left, and nothing of the rotation.
  for (const name of readdirSync(dir)) {
    const content = readFileSync(join(dir, name), 'latin1');
    t.false(content.includes(Buffer.from(before.commandKey.secretKey).toString('base64')), name);
    t.false(name.endsWith('.next'), name);
  }
});

test('a new app key is named beside the old one until that is dropped', async t => {
  const {dir, made, vault} = await newCluster(t);
  const {appKey} = await rotate(dir, 'app');
  const both = trustIn(dir, readTrustFile(dir)).appKeys;
  t.deepEqual(both, [appKey.publicKey, made.appKey.publicKey]);
  t.deepEqual((await openVault(vault, PASSPHRASE)).appKey, appKey);
  await rotate(dir, 'app', {dropOld: true});
  t.deepEqual(trustIn(dir, readTrustFile(dir)).appKeys, [appKey.publicKey]);
  t.deepEqual((await openVault(vault, PASSPHRASE)).appKey, appKey);
  const {message} = await t.throwsAsync(rotate(dir, 'app', {dropOld: true}), {
    code: 'VOLLEY_USAGE',
  });
  t.regex(message, /one app key only/);
});

test('more app keys than a document has room for are refused before anything changes', async t => {
  const {dir, vault} = await newCluster(t);
  for (let i = 0; i < 3; i++) await rotate(dir, 'app');
  const before = [readTrustFile(dir), readFileSync(vault)];
  const {message} = await t.throwsAsync(rotate(dir, 'app'), {code: 'VOLLEY_USAGE'});
  t.regex(message, /--drop-old/);
  t.deepEqual([readTrustFile(dir), readFileSync(vault)], before);
});

test('two new roots: who knows the first one finds the way through the steps', async t => {
  const {dir, made} = await newCluster(t);
  const first = readTrustFile(dir);
  await rotate(dir, 'root');
  await rotate(dir, 'master');
  const {rootFingerprint} = await rotate(dir, 'root');
  t.is(await works(t, dir), 4);
  t.deepEqual(openCluster(dir).rootFingerprint, rootFingerprint);
  t.is(
    JSON.parse(readFileSync(join(dir, 'cluster.json'), 'utf8')).rootFingerprint,
    hex(rootFingerprint),
  );
  const trust = trustIn(dir, readTrustFile(dir));
  const steps = readRootSteps(dir, crypto, trust);
  t.is(steps.length, 2);
  const pin = new TrustPin(crypto, made.rootFingerprint);
  t.true(pin.learn(first));
  t.false(pin.learn(steps[0] ?? first));
  for (const step of [...steps].reverse()) t.true(pin.learn(step));
  t.deepEqual(pin.fingerprint, fingerprintOf(crypto, trust.rootKey));
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('a wrong passphrase, a vault of another cluster and no vault change nothing', async t => {
  const {dir} = await newCluster(t);
  const other = await newCluster(t);
  const before = readdirSync(dir).map(name =>
    readFileSync(join(dir, name), 'latin1').slice(0, 400),
  );
  const passphrase = 'another passphrase';
  await t.throwsAsync(rotate(dir, 'root', {passphrase}), {code: 'VOLLEY_WRONG_PASSPHRASE'});
  const foreign = rotate(dir, 'root', {vaultPath: other.vault});
  const {message} = await t.throwsAsync(foreign, {code: 'VOLLEY_KEY_DAMAGED'});
  t.regex(message, /its root key is not the one of this cluster/);
  const missing = rotate(dir, 'master', {vaultPath: join(dir, 'nowhere')});
  await t.throwsAsync(missing, {code: 'VOLLEY_INPUT_MISSING'});
  const after = readdirSync(dir).map(name => readFileSync(join(dir, name), 'latin1').slice(0, 400));
  t.deepEqual(after, before);
});

test('of two rotations at once one is told to run again', async t => {
  const {dir} = await newCluster(t);
  const outcomes = await Promise.allSettled([rotate(dir, 'app'), rotate(dir, 'app')]);
  const lost = outcomes.flatMap(each => (each.status === 'rejected' ? [String(each.reason)] : []));
  t.is(lost.length, 1);
  t.regex(lost[0] ?? '', /another rotation is under way/);
  t.is(await works(t, dir), 2);
});

test('a lock whose process is gone holds nobody up', async t => {
  const {dir} = await newCluster(t);
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  writeFileSync(join(dir, 'rotation.lock'), `${child.pid}\n`, {mode: 0o600});
  await rotate(dir, 'master');
  t.is(await works(t, dir), 2);
  t.false(existsSync(join(dir, 'rotation.lock')));
});

test('a folder from an old backup is numbered above what nodes have seen', async t => {
  const {dir} = await newCluster(t);
  const done = await rotate(dir, 'master', {after: 40});
  t.is(done.version, 41);
  t.is(await works(t, dir), 41);
});

const CUTS: readonly [WhichKey, readonly string[]][] = [
  ['app', ['secrets', 'trust', 'promoted']],
  ['master', ['secrets', 'trust', 'promoted']],
  ['root', ['secrets', 'step', 'trust', 'promoted']],
];

for (const [which, steps] of CUTS) {
  for (const step of steps) {
    const isDone = step === 'trust' || step === 'promoted';
    test.serial(
      `kill -9 after "${step}" of a rotation of ${which} leaves the ${isDone ? 'new' : 'old'} keys`,
      async t => {
        const {dir, vault} = await newCluster(t);
        const before = readTrustFile(dir);
        const argv = ['--import=tsx', CHILD, dir, vault, PASSPHRASE, which, step];
        const child = spawn(process.execPath, argv, {stdio: 'inherit'});
        const [, signal] = await once(child, 'exit');
        t.is(signal, 'SIGKILL');
        t.is(Buffer.from(before).equals(readTrustFile(dir)), !isDone);
        t.is(await works(t, dir), isDone ? 2 : 1);
        // And the next rotation goes on from there, whatever it is of.
        for (const next of ['root', 'master'] as const) await rotate(dir, next);
        t.is(await works(t, dir), isDone ? 4 : 3);
        t.false(existsSync(`${masterKeysPath(dir)}.next`));
        t.false(existsSync(`${vault}.next`));
      },
    );
  }
}

test('a vault that a rotation left half way is not opened without the folder that tells which counts', async t => {
  const {dir, vault} = await newCluster(t);
  writeFileSync(`${vault}.next`, readFileSync(vault), {mode: 0o600});
  const {message} = await t.throwsAsync(settleVault(vault, PASSPHRASE, undefined), {
    code: 'VOLLEY_USAGE',
  });
  t.regex(message, /--data/);
  t.true(existsSync(`${vault}.next`) && existsSync(trustPath(dir)));
});

test('the vault under another passphrase holds the same keys, and the old passphrase opens it no more', async t => {
  const {vault} = await newCluster(t);
  const keys = await openVault(vault, PASSPHRASE);
  await changePassphrase(vault, keys, 'quite another one');
  t.deepEqual(await openVault(vault, 'quite another one'), keys);
  await t.throwsAsync(openVault(vault, PASSPHRASE), {code: 'VOLLEY_WRONG_PASSPHRASE'});
});

test('master keys that the trust document does not name are refused', async t => {
  const {dir} = await newCluster(t);
  const other = await newCluster(t);
  writeFileSync(trustPath(dir), readTrustFile(other.dir));
  t.throws(() => openCluster(dir), {
    code: 'VOLLEY_KEY_DAMAGED',
    message: /it is not what the root signed for these keys/,
  });
});
