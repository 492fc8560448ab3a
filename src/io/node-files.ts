// A node's own folder: who it is (node.keys, made at first use and never changed: the NodeId comes
// from it) and which cluster it belongs to (membership.json, written by `volley node --join
// TOKEN`, or --root or --tofu).

import {join} from 'node:path';
import {equalBytes, fromHex, toHex, toUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {type Address, asAddress} from '../base/types.ts';
import type {Crypto, KeyPair} from '../wire/crypto.ts';
import {
  damaged,
  encodeKeyFile,
  makeSecretDirectory,
  parseObject,
  readKeyFile,
  readSecret,
  SECRET_FILE_MODE,
  writeDurably,
} from './key-files.ts';

const KIND = 'volley node keys';
const FORMAT = 1;
const FILES = {keys: 'node.keys', membership: 'membership.json'} as const;
/** What nobody else may read, of all that may lie in a node's folder. */
export const NODE_SECRETS: readonly string[] = Object.values(FILES);
const KEY_LENGTHS = {
  identityPublic: 32,
  identitySecret: 32,
  staticPublic: 32,
  staticSecret: 32,
} as const;

export type NodeFiles = {
  readonly dir: string;
  /** Ed25519; the NodeId is the first half of its SHA-256. */
  readonly identity: KeyPair;
  /** X25519. */
  readonly staticKey: KeyPair;
};

export type JoinSecret = {
  /** Number of the token, 1 … 2^32-1. */
  readonly tokenId: number;
  /** What the token proves, 32 bytes. */
  readonly secret: Uint8Array;
};

export type Membership = {
  /** What the root's fingerprint must be; nothing of another cluster is listened to. */
  readonly rootFingerprint: Uint8Array;
  /** The master's unicast address; undefined = found by multicast. */
  readonly address: Address | undefined;
  /** Until the master has taken this node in; then forgotten. */
  readonly join: JoinSecret | undefined;
  /** It knows whom to trust, and waits to be approved. */
  readonly asking?: boolean;
  /** SignedTrust, encoded: the newest one seen. Nothing older is ever believed again. */
  readonly trust?: Uint8Array;
  /** Roots that passed on to the one of today: a token that names one of them is of this cluster. */
  readonly formerRoots?: readonly Uint8Array[];
};

/** Roots remembered; a token of an older one is long out of date. */
const FORMER_ROOTS_MAX = 16;

/** Opens a node's folder; makes it and its keys when they are not there. */
export function openNodeFiles(dir: string, crypto: Crypto): NodeFiles {
  makeSecretDirectory(dir);
  const path = join(dir, FILES.keys);
  const keys = readKeyFile(path, KIND, KEY_LENGTHS) ?? makeKeys(path, crypto);
  return {
    dir,
    identity: {publicKey: keys.identityPublic, secretKey: keys.identitySecret},
    staticKey: {publicKey: keys.staticPublic, secretKey: keys.staticSecret},
  };
}

function makeKeys(
  path: string,
  crypto: Crypto,
): Readonly<Record<keyof typeof KEY_LENGTHS, Uint8Array>> {
  const identity = crypto.ed25519KeyPair();
  const staticKey = crypto.x25519KeyPair();
  const bytes = encodeKeyFile(KIND, {
    identityPublic: identity.publicKey,
    identitySecret: identity.secretKey,
    staticPublic: staticKey.publicKey,
    staticSecret: staticKey.secretKey,
  });
  // of two first starts at once one makes the identity, and both have what is on disk
  writeDurably(path, bytes, SECRET_FILE_MODE, true);
  const keys = readKeyFile(path, KIND, KEY_LENGTHS);
  if (keys === undefined) throw damaged(path, 'it vanished while it was made');
  return keys;
}

/** The cluster this node belongs to or was told to join, or undefined. */
export function readMembership(dir: string): Membership | undefined {
  const path = join(dir, FILES.membership);
  const bytes = readSecret(path);
  if (bytes === undefined) return undefined;
  const file = parseObject(path, bytes);
  if (file['format'] !== FORMAT) {
    throw damaged(path, `format ${String(file['format'])} is not known to this version`);
  }
  const {address, tokenId, secret} = file;
  if (address !== undefined && typeof address !== 'string') {
    throw damaged(path, '"address" is not text');
  }
  const {trust, formerRoots} = file;
  return {
    rootFingerprint: hexField(path, 'rootFingerprint', file['rootFingerprint']),
    ...(trust === undefined ? {} : {trust: hexField(path, 'trust', trust)}),
    ...(Array.isArray(formerRoots)
      ? {formerRoots: formerRoots.map(root => hexField(path, 'formerRoots', root))}
      : {}),
    address: address === undefined ? undefined : asAddress(address),
    join:
      typeof tokenId === 'number' ? {tokenId, secret: hexField(path, 'secret', secret)} : undefined,
    ...(file['asking'] === true ? {asking: true} : {}),
  };
}

/** As readMembership; VOLLEY_NOT_ENROLLED when this node never was given a token. */
export function openMembership(dir: string): Membership {
  const membership = readMembership(dir);
  if (membership === undefined) throw new VolleyError('VOLLEY_NOT_ENROLLED');
  return membership;
}

/** Durable when it returns. */
export function writeMembership(dir: string, membership: Membership): void {
  const {rootFingerprint, address, join: token, asking, trust, formerRoots = []} = membership;
  const file = {
    format: FORMAT,
    rootFingerprint: toHex(rootFingerprint),
    ...(address === undefined ? {} : {address}),
    ...(token === undefined ? {} : {tokenId: token.tokenId, secret: toHex(token.secret)}),
    ...(asking === true ? {asking} : {}),
    ...(trust === undefined ? {} : {trust: toHex(trust)}),
    ...(formerRoots.length === 0 ? {} : {formerRoots: formerRoots.map(toHex)}),
  };
  const text = `${JSON.stringify(file, undefined, 2)}\n`;
  writeDurably(join(dir, FILES.membership), toUtf8(text), SECRET_FILE_MODE);
}

/** Keeps a newer trust document, and its root if that is another. Durable when it returns. */
export function keepTrust(dir: string, signedTrust: Uint8Array, rootFingerprint: Uint8Array): void {
  const known = openMembership(dir);
  const {formerRoots = []} = known;
  const isSame = equalBytes(known.rootFingerprint, rootFingerprint);
  writeMembership(dir, {
    ...known,
    rootFingerprint,
    trust: signedTrust,
    formerRoots: isSame
      ? formerRoots
      : [known.rootFingerprint, ...formerRoots].slice(0, FORMER_ROOTS_MAX),
  });
}

/** Does this membership stand under that root, today or through rotations of it? */
export const standsUnder = (known: Membership, root: Uint8Array): boolean =>
  [known.rootFingerprint, ...(known.formerRoots ?? [])].some(each => equalBytes(each, root));

function hexField(path: string, name: string, text: unknown): Uint8Array {
  const bytes = typeof text === 'string' ? fromHex(text) : undefined;
  if (bytes === undefined || bytes.length === 0) throw damaged(path, `"${name}" is not hex`);
  return bytes;
}
