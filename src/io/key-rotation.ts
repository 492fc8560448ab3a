// New keys for a cluster. A rotation changes two files, one of them the trust document, and may be cut off
// anywhere:
//
//   1. the new secrets are written beside the old ones, as `<file>.next`
//   2. the trust document, signed by the root, takes the place of the old one   ← this is the moment
//   3. `<file>.next` takes the place of its file
//
// Before 2 the old keys are the cluster's, after it the new ones, and whoever reads takes the file that the
// trust document names (cluster-files.ts, settleVault). A rotation first ends what an earlier one left.

import {existsSync, renameSync, rmSync} from 'node:fs';
import {dirname, join, resolve} from 'node:path';
import {EMPTY, equalBytes, fromUtf8, toHex, toUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import type {Crypto, KeyPair} from '../wire/crypto.ts';
import {APP_KEYS_MAX} from '../wire/limits.ts';
import type {TrustDocument} from '../wire/message.ts';
import {fingerprintOf, signTrust} from '../wire/trust.ts';
import {
  type Cluster,
  isNamed,
  masterKeysPath,
  nextOf,
  openCluster,
  readMasterKeys,
  writeClusterFile,
  writeMasterKeys,
} from './cluster-files.ts';
import {
  damaged,
  isAlive,
  readSecret,
  SECRET_FILE_MODE,
  syncDirectory,
  writeDurably,
} from './key-files.ts';
import {readTrustFile, trustIn, writeRootStep, writeTrustFile} from './trust-files.ts';
import {openVault, sealVault, type VaultKeys} from './vault.ts';

export const ROTATIONS = ['app', 'master', 'root'] as const;
export type WhichKey = (typeof ROTATIONS)[number];

export type RotationOptions = {
  readonly dir: string;
  readonly vaultPath: string;
  readonly passphrase: string;
  /** Only `app`: no new key, but those beside the vault's are named no longer. */
  readonly dropOld?: boolean;
  /** The new version is above this too: for a folder that is an old backup. */
  readonly after?: number;
  /** Called after each step that is on disk; tests end the process here. */
  readonly onStep?: (step: string) => void;
};

export type Rotated = {
  readonly version: number;
  readonly trust: TrustDocument;
  /** What signs apps from now on; only to be used now. */
  readonly appKey: KeyPair;
  readonly rootFingerprint: Uint8Array;
};

type Place = RotationOptions & {
  readonly crypto: Crypto;
  readonly cluster: Cluster;
  readonly trust: TrustDocument;
  readonly vault: VaultKeys;
};

/** Throws what openCluster and openVault throw, and VOLLEY_USAGE for what makes no sense now. */
export async function rotateKeys(
  which: WhichKey,
  crypto: Crypto,
  options: RotationOptions,
): Promise<Rotated> {
  const dir = resolve(options.dir);
  openCluster(dir);
  const unlock = lock(join(dir, 'rotation.lock'));
  try {
    return await rotateLocked(which, crypto, {...options, dir});
  } finally {
    unlock();
  }
}

async function rotateLocked(
  which: WhichKey,
  crypto: Crypto,
  options: RotationOptions,
): Promise<Rotated> {
  const {dir} = options;
  const cluster = openCluster(dir);
  const trust = trustIn(dir, readTrustFile(dir));
  const vault = await settleVault(options.vaultPath, options.passphrase, trust);
  if (!equalBytes(vault.rootKey.publicKey, trust.rootKey))
    throw damaged(options.vaultPath, 'its root key is not the one of this cluster');
  settleMasterKeys(dir, cluster, trust);
  const place: Place = {...options, crypto, cluster, trust, vault};
  switch (which) {
    case 'app':
      return options.dropOld === true ? dropOldAppKeys(place) : rotateApp(place);
    case 'master':
      return rotateMaster(place);
    case 'root':
      return rotateRoot(place);
  }
}

/** Two rotations at once would mix their secrets. A lock whose process is gone counts for nothing. */
function lock(path: string): () => void {
  const mine = toUtf8(`${process.pid}\n`);
  if (!writeDurably(path, mine, SECRET_FILE_MODE, true)) {
    const pid = Number(fromUtf8(readSecret(path) ?? EMPTY));
    if (isAlive(pid))
      throw new VolleyError('VOLLEY_USAGE', {
        reason: `another rotation is under way (process ${pid}); wait for its end and run this one again`,
      });
    writeDurably(path, mine, SECRET_FILE_MODE);
  }
  return () => rmSync(path, {force: true});
}

async function rotateApp(place: Place): Promise<Rotated> {
  const {crypto, trust, vault} = place;
  if (trust.appKeys.length >= APP_KEYS_MAX)
    throw new VolleyError('VOLLEY_USAGE', {
      reason: `the root names ${trust.appKeys.length} app keys, and more have no room; publish your apps again and run \`volley keys rotate app --drop-old\``,
    });
  const appKey = crypto.ed25519KeyPair();
  const next = {...vault, appKey};
  await writeNextVault(place, next);
  commit(place, {...trust, appKeys: [appKey.publicKey, ...trust.appKeys]}, next);
  promote(place, place.vaultPath);
  return rotated(place, next);
}

/** Names the app key of the vault alone: what others signed is refused from now on. */
function dropOldAppKeys(place: Place): Rotated {
  const {trust, vault} = place;
  const {publicKey} = vault.appKey;
  if (!trust.appKeys.some(key => equalBytes(key, publicKey)))
    throw damaged(place.vaultPath, 'its app key is not named by the root');
  if (trust.appKeys.length === 1)
    throw new VolleyError('VOLLEY_USAGE', {
      reason: 'there is one app key only; `volley keys rotate app` makes a new one',
    });
  commit(place, {...trust, appKeys: [publicKey]}, vault);
  return rotated(place, vault);
}

function rotateMaster(place: Place): Rotated {
  const {crypto, cluster, trust, vault} = place;
  const commandKey = crypto.ed25519KeyPair();
  const staticKey = crypto.x25519KeyPair();
  const path = masterKeysPath(place.dir);
  // The lease secret stays: leases that are out are to be known again.
  const {leaseSecret} = cluster;
  writeMasterKeys(nextOf(path), cluster.clusterId, {commandKey, staticKey, leaseSecret});
  place.onStep?.('secrets');
  const keys = {commandKey: commandKey.publicKey, masterStatic: staticKey.publicKey};
  commit(place, {...trust, ...keys}, vault);
  promote(place, path);
  return rotated(place, vault);
}

async function rotateRoot(place: Place): Promise<Rotated> {
  const {crypto, cluster, trust, vault} = place;
  const next = {...vault, rootKey: crypto.ed25519KeyPair()};
  await writeNextVault(place, next);
  commit(place, {...trust, rootKey: next.rootKey.publicKey}, next, vault.rootKey);
  promote(place, place.vaultPath);
  const done = rotated(place, next);
  writeClusterFile(place.dir, {...cluster, rootFingerprint: done.rootFingerprint});
  return done;
}

async function writeNextVault(place: Place, keys: VaultKeys): Promise<void> {
  const bytes = await sealVault(place.passphrase, keys);
  writeDurably(nextOf(place.vaultPath), bytes, SECRET_FILE_MODE);
  place.onStep?.('secrets');
}

/** The moment of a rotation. @param previous the root before, when it is another now */
function commit(place: Place, document: TrustDocument, by: VaultKeys, previous?: KeyPair): void {
  const {crypto, dir} = place;
  const version = versionAfter(place);
  const signed = signTrust(crypto, by.rootKey.secretKey, {...document, version}, previous);
  if (previous !== undefined) {
    writeRootStep(dir, version, signed);
    place.onStep?.('step');
  }
  writeTrustFile(dir, signed);
  place.onStep?.('trust');
}

const VERSION_MAX = 2 ** 32 - 1;

function versionAfter({trust, after}: Place): number {
  const version = Math.max(trust.version, after ?? 0) + 1;
  if (version > VERSION_MAX)
    throw new VolleyError('VOLLEY_USAGE', {reason: 'the trust document has no higher version'});
  return version;
}

function promote({onStep}: Place, path: string): void {
  renameSync(nextOf(path), path);
  syncDirectory(dirname(resolve(path)));
  onStep?.('promoted');
}

function rotated({crypto, dir}: Place, vault: VaultKeys): Rotated {
  const trust = trustIn(dir, readTrustFile(dir));
  const rootFingerprint = fingerprintOf(crypto, trust.rootKey);
  return {version: trust.version, trust, appKey: vault.appKey, rootFingerprint};
}

/** Ends what a rotation that was cut off left of the master's keys. */
function settleMasterKeys(dir: string, cluster: Cluster, trust: TrustDocument): void {
  const path = masterKeysPath(dir);
  const next = readMasterKeys(nextOf(path), toHex(cluster.clusterId));
  if (next === undefined) return;
  const keys = readMasterKeys(path, toHex(cluster.clusterId));
  if (keys !== undefined && isNamed(trust, keys)) rmSync(nextOf(path));
  else renameSync(nextOf(path), path);
  syncDirectory(dir);
}

/**
 * The keys of the vault that the trust document names: what a rotation that was cut off left is ended first.
 * @param trust undefined when the cluster's folder is not at hand
 */
export async function settleVault(
  path: string,
  passphrase: string,
  trust: TrustDocument | undefined,
): Promise<VaultKeys> {
  const next = nextOf(path);
  if (!existsSync(next)) return openVault(path, passphrase);
  if (trust === undefined)
    throw new VolleyError('VOLLEY_USAGE', {
      reason: `a rotation was cut off and left ${next}; give the master's folder with --data, so that it can be ended`,
    });
  const keys = await openVault(next, passphrase);
  const isNew =
    equalBytes(keys.rootKey.publicKey, trust.rootKey) &&
    trust.appKeys.some(key => equalBytes(key, keys.appKey.publicKey));
  // Kept though it is of no use: the folder that was shown may be an old backup, and these the keys of today.
  renameSync(next, isNew ? path : `${path}.unused`);
  syncDirectory(dirname(resolve(path)));
  return isNew ? keys : openVault(path, passphrase);
}

/** Puts the vault under another passphrase. */
export async function changePassphrase(
  path: string,
  keys: VaultKeys,
  passphrase: string,
): Promise<void> {
  writeDurably(path, await sealVault(passphrase, keys), SECRET_FILE_MODE);
}
