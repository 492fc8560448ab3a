import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {initCluster, openCluster, vaultPath} from '../../src/io/cluster-files.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {openVault} from '../../src/io/vault.ts';
import {fingerprintOf, openTrust} from '../../src/wire/trust.ts';

const crypto = new NodeCrypto();

function folder(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'volley-cluster-'));
  t.teardown(() => rm(dir, {recursive: true, force: true}));
  return dir;
}

test('a cluster that was made opens with the same keys, and the trust names them', async t => {
  const dir = join(folder(t), 'home', 'master');
  const made = await initCluster(dir, crypto, {name: 'shelf'});
  const cluster = openCluster(dir);
  t.is(cluster.name, 'shelf');
  t.deepEqual(cluster.clusterId, made.clusterId);
  t.deepEqual(cluster.rootFingerprint, made.rootFingerprint);
  t.is(cluster.leaseSecret.length, 32);
  t.regex(cluster.operatorToken, /^[0-9a-f]{64}$/);

  const trust = openTrust(crypto, cluster.signedTrust, made.rootFingerprint);
  if (trust === undefined) return t.fail('the trust document does not open');
  t.is(trust.version, 1);
  t.deepEqual(trust.clusterId, made.clusterId);
  t.deepEqual(trust.commandKey, cluster.commandKey.publicKey);
  t.deepEqual(trust.masterStatic, cluster.staticKey.publicKey);
  t.deepEqual(trust.appKeys, [made.appKey.publicKey]);
  t.deepEqual(fingerprintOf(crypto, trust.rootKey), made.rootFingerprint);
  const signature = crypto.sign(cluster.commandKey.secretKey, 'command', made.clusterId);
  t.true(crypto.verify(trust.commandKey, 'command', signature, made.clusterId));
});

test('root and app keys are in the vault alone', async t => {
  const dir = join(folder(t), 'master');
  const made = await initCluster(dir, crypto);
  const vault = await openVault(vaultPath(dir), made.passphrase ?? '');
  t.deepEqual(vault.appKey, made.appKey);
  t.deepEqual(fingerprintOf(crypto, vault.rootKey.publicKey), made.rootFingerprint);
  for (const name of readdirSync(dir)) {
    const content = readFileSync(join(dir, name));
    for (const {secretKey} of [vault.rootKey, vault.appKey]) {
      t.false(content.includes(Buffer.from(secretKey)));
      t.false(content.includes(Buffer.from(secretKey).toString('base64')));
      t.false(content.includes(Buffer.from(secretKey).toString('hex')));
    }
  }
});

test('a given passphrase is used and not handed back', async t => {
  const dir = join(folder(t), 'master');
  const made = await initCluster(dir, crypto, {passphrase: 'correct horse'});
  t.is(made.passphrase, undefined);
  await t.notThrowsAsync(openVault(made.vaultPath, 'correct horse'));
});

test('only public files can be read by others', async t => {
  const dir = join(folder(t), 'master');
  await initCluster(dir, crypto, {passphrase: 'x'});
  const modes = Object.fromEntries(
    readdirSync(dir).map(name => [name, (statSync(join(dir, name)).mode & 0o777).toString(8)]),
  );
  t.deepEqual(modes, {
    'cluster.json': '644',
    'master.keys': '600',
    'offline.vault': '600',
    'operator.token': '600',
    trust: '644',
  });
  t.is((statSync(dir).mode & 0o777).toString(8), '700');
});

test('a folder that holds a cluster is refused and stays as it is', async t => {
  const home = folder(t);
  const dir = join(home, 'master');
  await initCluster(dir, crypto, {passphrase: 'x'});
  const before = openCluster(dir);
  await t.throwsAsync(initCluster(dir, crypto), {code: 'VOLLEY_ALREADY_INITIALIZED'});
  t.deepEqual(openCluster(dir), before);
  t.deepEqual(readdirSync(home), ['master']);
});

test('of two inits at once one makes the cluster and the other is refused', async t => {
  const home = folder(t);
  const dir = join(home, 'master');
  const ends = await Promise.allSettled([
    initCluster(dir, crypto, {name: 'a'}),
    initCluster(dir, crypto, {name: 'b'}),
  ]);
  t.deepEqual(ends.map(end => end.status).sort(), ['fulfilled', 'rejected']);
  const lost = ends.find(end => end.status === 'rejected');
  t.is(lost?.reason.code, 'VOLLEY_ALREADY_INITIALIZED');
  t.notThrows(() => openCluster(dir));
  t.deepEqual(readdirSync(home), ['master']);
});

test('an empty folder is taken; one with other files is refused and nothing is left in it', async t => {
  const home = folder(t);
  mkdirSync(join(home, 'empty'));
  await t.notThrowsAsync(initCluster(join(home, 'empty'), crypto, {passphrase: 'x'}));
  mkdirSync(join(home, 'full'));
  writeFileSync(join(home, 'full', 'letter.txt'), 'dear');
  await t.throwsAsync(initCluster(join(home, 'full'), crypto, {passphrase: 'x'}), {
    code: 'VOLLEY_USAGE',
  });
  t.deepEqual(readdirSync(join(home, 'full')), ['letter.txt']);
  t.deepEqual(readdirSync(home).sort(), ['empty', 'full']);
});

test('a failure on the way leaves nothing half-made', async t => {
  const home = folder(t);
  const broken = new NodeCrypto();
  broken.x25519KeyPair = () => {
    throw new Error('no entropy');
  };
  await t.throwsAsync(initCluster(join(home, 'master'), broken, {passphrase: 'x'}), {
    message: 'no entropy',
  });
  t.deepEqual(readdirSync(home), []);
});

test('a folder without a cluster is named with the advice', t => {
  const error = t.throws(() => openCluster(folder(t)), {code: 'VOLLEY_NOT_INITIALIZED'});
  t.regex(error.message, /volley init/);
});

test('exposed, missing, foreign and damaged files of a cluster are refused by name', async t => {
  const home = folder(t);
  const dir = join(home, 'master');
  await initCluster(dir, crypto, {passphrase: 'x'});
  await initCluster(join(home, 'other'), crypto, {passphrase: 'x'});
  const refused = (name: string, code: string, harm: (path: string) => void): void => {
    const path = join(dir, name);
    const before = readFileSync(path);
    harm(path);
    const error = t.throws(() => openCluster(dir), {code});
    t.true(error.message.includes(path));
    rmSync(path, {force: true});
    writeFileSync(path, before, {mode: 0o600});
    t.notThrows(() => openCluster(dir));
  };
  const foreign = readFileSync(join(home, 'other', 'master.keys'));
  refused('master.keys', 'VOLLEY_KEY_EXPOSED', path => chmodSync(path, 0o640));
  refused('master.keys', 'VOLLEY_KEY_DAMAGED', path => rmSync(path));
  refused('master.keys', 'VOLLEY_KEY_DAMAGED', path => writeFileSync(path, foreign));
  refused('operator.token', 'VOLLEY_KEY_EXPOSED', path => chmodSync(path, 0o644));
  refused('operator.token', 'VOLLEY_KEY_DAMAGED', path => writeFileSync(path, 'short'));
  refused('trust', 'VOLLEY_KEY_DAMAGED', path => rmSync(path));
  refused('cluster.json', 'VOLLEY_KEY_DAMAGED', path => writeFileSync(path, '{"format": 1'));
  refused('cluster.json', 'VOLLEY_KEY_DAMAGED', path => writeFileSync(path, '{"format": 1}'));
});
