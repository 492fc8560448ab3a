// A cluster in a folder: what `volley init` makes and the master opens.
//
//   cluster.json     public: cluster id, name, when it was made, fingerprint of the root
//   master.keys      secret: command key, static key, lease secret
//   operator.token   secret: what the CLI shows to the HTTP interface, 64 hex characters
//   trust            public: the trust document, signed by the root
//   trust.<version>  public: the documents in which the root changed (trust-files.ts)
//   offline.vault    root and app keys under the passphrase; to be moved away
//
// All of it is made in a folder beside and moved there in one step: a cluster is there whole or not
// at all. The trust document says which keys are the cluster's; `<file>.next` holds those that a rotation
// was about to bring in (key-rotation.ts), and counts where the trust document names them.

import {createHash, randomBytes} from 'node:crypto';
import {existsSync, renameSync, rmSync} from 'node:fs';
import {basename, dirname, join, resolve} from 'node:path';
import {equalBytes, fromHex, fromUtf8, toHex, toUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import type {Crypto, KeyPair} from '../wire/crypto.ts';
import type {TrustDocument} from '../wire/message.ts';
import {FINGERPRINT_BYTES, fingerprintOf, signTrust} from '../wire/trust.ts';
import {ACCESS_FILE} from './access-file.ts';
import {
  damaged,
  errnoOf,
  makeSecretDirectory,
  noPermission,
  PUBLIC_FILE_MODE,
  parseObject,
  readKeyFile,
  readOwned,
  readSecret,
  SECRET_FILE_MODE,
  syncDirectory,
  writeDurably,
  writeKeyFile,
} from './key-files.ts';
import {readTrustFile, trustIn, trustPath} from './trust-files.ts';
import {newPassphrase, sealVault} from './vault.ts';

const KIND = 'volley master keys';
const FORMAT = 1;
const CLUSTER_ID_BYTES = 16;
const SECRET_BYTES = 32;
const DEFAULT_NAME = 'volley';
const FILES = {
  cluster: 'cluster.json',
  keys: 'master.keys',
  token: 'operator.token',
  vault: 'offline.vault',
} as const;

/** What a rotation prepares beside the file that it is to replace. */
export const nextOf = (path: string): string => `${path}.next`;

export const operatorTokenPath = (dir: string): string => join(dir, FILES.token);
export const masterKeysPath = (dir: string): string => join(dir, FILES.keys);
export const vaultPath = (dir: string): string => join(dir, FILES.vault);

/** What nobody else may read, of all that may lie in a master's folder. */
export const MASTER_SECRETS: readonly string[] = [
  FILES.keys,
  nextOf(FILES.keys),
  FILES.token,
  FILES.vault,
  nextOf(FILES.vault),
  ACCESS_FILE,
  'master.json',
];

export type NewCluster = {
  readonly clusterId: Uint8Array;
  readonly name: string;
  /** Fingerprint of the root key, as join tokens carry it. */
  readonly rootFingerprint: Uint8Array;
  /** Signs apps; only to be used now, it is stored in the vault alone. */
  readonly appKey: KeyPair;
  /** The made passphrase, to be shown once; undefined when one was given. */
  readonly passphrase: string | undefined;
  readonly vaultPath: string;
};

export type Cluster = {
  readonly clusterId: Uint8Array;
  readonly name: string;
  /** Wall-clock milliseconds. */
  readonly createdAt: number;
  readonly rootFingerprint: Uint8Array;
  readonly commandKey: KeyPair;
  readonly staticKey: KeyPair;
  readonly leaseSecret: Uint8Array;
  /** SignedTrust, encoded, as it travels. */
  readonly signedTrust: Uint8Array;
  /** 64 hex characters. */
  readonly operatorToken: string;
};

/** Makes a cluster in `dir`, which must be empty or not there. */
export async function initCluster(
  dir: string,
  crypto: Crypto,
  options: {readonly name?: string; readonly passphrase?: string} = {},
): Promise<NewCluster> {
  const place = resolve(dir);
  checkVacant(place);
  const rootKey = crypto.ed25519KeyPair();
  const appKey = crypto.ed25519KeyPair();
  const passphrase = options.passphrase ?? newPassphrase();
  const vault = await sealVault(passphrase, {rootKey, appKey});
  const made = {
    clusterId: crypto.random(CLUSTER_ID_BYTES),
    name: options.name ?? DEFAULT_NAME,
    rootFingerprint: fingerprintOf(crypto, rootKey.publicKey),
  };
  const draft = `${place}.init-${randomBytes(6).toString('hex')}`;
  try {
    makeSecretDirectory(draft);
    writeDurably(join(draft, FILES.vault), vault, SECRET_FILE_MODE);
    writeMasterFiles(draft, crypto, made, rootKey, appKey);
    moveInto(place, draft);
  } finally {
    removeDraft(draft);
  }
  return {
    ...made,
    appKey,
    passphrase: options.passphrase === undefined ? passphrase : undefined,
    vaultPath: vaultPath(place),
  };
}

/** What could not be made cannot be removed either: the first fault is the one to tell. */
function removeDraft(draft: string): void {
  try {
    rmSync(draft, {recursive: true, force: true});
  } catch {}
}

function writeMasterFiles(
  dir: string,
  crypto: Crypto,
  made: {clusterId: Uint8Array; name: string; rootFingerprint: Uint8Array},
  rootKey: KeyPair,
  appKey: KeyPair,
): void {
  const commandKey = crypto.ed25519KeyPair();
  const staticKey = crypto.x25519KeyPair();
  const signedTrust = signTrust(crypto, rootKey.secretKey, {
    rootKey: rootKey.publicKey,
    clusterId: made.clusterId,
    version: 1,
    commandKey: commandKey.publicKey,
    masterStatic: staticKey.publicKey,
    appKeys: [appKey.publicKey],
  });
  writeDurably(trustPath(dir), signedTrust, PUBLIC_FILE_MODE);
  writeMasterKeys(join(dir, FILES.keys), made.clusterId, {
    commandKey,
    staticKey,
    leaseSecret: crypto.random(SECRET_BYTES),
  });
  const token = toUtf8(`${toHex(crypto.random(SECRET_BYTES))}\n`);
  writeDurably(join(dir, FILES.token), token, SECRET_FILE_MODE);
  writeClusterFile(dir, {...made, createdAt: Date.now()});
}

type Public = Pick<Cluster, 'clusterId' | 'name' | 'createdAt' | 'rootFingerprint'>;

/** For people and for the name: what counts is in the trust document. */
export function writeClusterFile(dir: string, cluster: Public): void {
  const file = {
    format: FORMAT,
    clusterId: toHex(cluster.clusterId),
    name: cluster.name,
    createdAt: cluster.createdAt,
    rootFingerprint: toHex(cluster.rootFingerprint),
  };
  const text = `${JSON.stringify(file, undefined, 2)}\n`;
  writeDurably(join(dir, FILES.cluster), toUtf8(text), PUBLIC_FILE_MODE);
}

function checkVacant(place: string): void {
  if (existsSync(join(place, FILES.cluster)) || existsSync(join(place, FILES.keys))) {
    throw new VolleyError('VOLLEY_ALREADY_INITIALIZED', {path: place});
  }
}

/** rename takes the place of an empty folder only, so two inits at once cannot mix their files. */
function moveInto(place: string, draft: string): void {
  try {
    renameSync(draft, place);
    syncDirectory(dirname(place));
  } catch (error) {
    checkVacant(place);
    if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errnoOf(error))) {
      const reason = `${place} is not an empty folder; choose another with --data`;
      throw new VolleyError('VOLLEY_USAGE', {reason}, error);
    }
    throw noPermission(
      `making the folder ${place} (${basename(place)} must not be a mount)`,
      error,
    );
  }
}

/** Opens what initCluster made; VOLLEY_NOT_INITIALIZED when there is no cluster in `dir`. */
export function openCluster(dir: string): Cluster {
  const place = resolve(dir);
  const path = join(place, FILES.cluster);
  const bytes = readOwned(path);
  if (bytes === undefined) throw new VolleyError('VOLLEY_NOT_INITIALIZED', {path: place});
  const cluster = parseObject(path, bytes);
  const clusterId = hexField(path, cluster['clusterId'], CLUSTER_ID_BYTES);
  const {name, createdAt, format} = cluster;
  if (format !== FORMAT) throw damaged(path, `format ${String(format)} is not known here`);
  if (typeof name !== 'string' || typeof createdAt !== 'number') {
    throw damaged(path, 'it has no name or no createdAt');
  }
  const signedTrust = readTrustFile(place);
  const trust = trustIn(place, signedTrust);
  return {
    clusterId,
    name,
    createdAt,
    rootFingerprint: new Uint8Array(
      createHash('sha256').update(trust.rootKey).digest().subarray(0, FINGERPRINT_BYTES),
    ),
    ...openMasterKeys(place, cluster['clusterId'], trust),
    signedTrust,
    operatorToken: readOperatorToken(place),
  };
}

export type MasterKeys = Pick<Cluster, 'commandKey' | 'staticKey' | 'leaseSecret'>;

/** The keys that the trust document names: those in place, or those of a rotation that was cut off. */
function openMasterKeys(place: string, clusterIdHex: unknown, trust: TrustDocument): MasterKeys {
  const path = join(place, FILES.keys);
  const keys = readMasterKeys(path, clusterIdHex);
  if (keys !== undefined && isNamed(trust, keys)) return keys;
  const next = readMasterKeys(nextOf(path), clusterIdHex);
  if (next !== undefined && isNamed(trust, next)) return next;
  if (keys === undefined) throw damaged(path, 'it is missing');
  const reason = 'it is not what the root signed for these keys; bring it back from a backup';
  throw damaged(trustPath(place), reason);
}

export const isNamed = (trust: TrustDocument, keys: MasterKeys): boolean =>
  equalBytes(trust.commandKey, keys.commandKey.publicKey) &&
  equalBytes(trust.masterStatic, keys.staticKey.publicKey);

/** undefined when there is no such file. */
export function readMasterKeys(path: string, clusterIdHex: unknown): MasterKeys | undefined {
  const keys = readKeyFile(path, KIND, {
    clusterId: CLUSTER_ID_BYTES,
    commandPublic: 32,
    commandSecret: 32,
    staticPublic: 32,
    staticSecret: 32,
    leaseSecret: SECRET_BYTES,
  });
  if (keys === undefined) return undefined;
  if (toHex(keys.clusterId) !== clusterIdHex) throw damaged(path, 'it is of another cluster');
  return {
    commandKey: {publicKey: keys.commandPublic, secretKey: keys.commandSecret},
    staticKey: {publicKey: keys.staticPublic, secretKey: keys.staticSecret},
    leaseSecret: keys.leaseSecret,
  };
}

export function writeMasterKeys(path: string, clusterId: Uint8Array, keys: MasterKeys): void {
  writeKeyFile(path, KIND, {
    clusterId,
    commandPublic: keys.commandKey.publicKey,
    commandSecret: keys.commandKey.secretKey,
    staticPublic: keys.staticKey.publicKey,
    staticSecret: keys.staticKey.secretKey,
    leaseSecret: keys.leaseSecret,
  });
}

/** The token that the HTTP interface asks for; the CLI on the master reads it from here. */
export function readOperatorToken(dir: string): string {
  const path = operatorTokenPath(dir);
  const bytes = readSecret(path);
  if (bytes === undefined) throw new VolleyError('VOLLEY_NOT_INITIALIZED', {path: dir});
  const token = fromUtf8(bytes)?.trim() ?? '';
  if (!/^[0-9a-f]{64}$/.test(token)) throw damaged(path, 'it is not 64 hex characters');
  return token;
}

function hexField(path: string, text: unknown, length: number): Uint8Array {
  const bytes = typeof text === 'string' ? fromHex(text) : undefined;
  if (bytes === undefined || (length > 0 && bytes.length !== length)) {
    throw damaged(path, 'an id in it is not hex of the right length');
  }
  return bytes;
}
