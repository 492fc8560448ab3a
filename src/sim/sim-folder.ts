// What the master's machine has beside its disk and its blobs: keys, and what the root signed for them.

import type {BlobId} from '../base/types.ts';
import {openSignedApp} from '../core/app.ts';
import type {AppRow} from '../core/tables.ts';
import type {Crypto, KeyPair} from '../wire/crypto.ts';
import {fingerprintOf, openTrust, signTrust} from '../wire/trust.ts';
import {type Facts, SimVault, type TrustFiles} from './sim-vault.ts';

/** Everything that a copy of the folder has too. */
export type Folder = {
  readonly commandKey: KeyPair;
  readonly clusterId: Uint8Array;
  /** Of the root that the join token names. */
  readonly rootFingerprint: Uint8Array;
  readonly staticKey: KeyPair;
  readonly leaseSecret: Uint8Array;
  /** What a start of the master reads; the operator changes it. */
  trust: TrustFiles;
};

export function newFolder(crypto: Crypto, withVault: boolean) {
  const root = crypto.ed25519KeyPair();
  const commandKey = crypto.ed25519KeyPair();
  const staticKey = crypto.x25519KeyPair();
  const leaseSecret = crypto.random(32);
  const clusterId = crypto.random(16);
  const facts = {
    clusterId,
    commandKey: commandKey.publicKey,
    masterStatic: staticKey.publicKey,
  };
  const vault = withVault ? new SimVault(crypto, root, facts) : undefined;
  const trust = vault?.files ?? firstTrust(crypto, root, facts);
  const rootFingerprint = fingerprintOf(crypto, root.publicKey);
  const folder: Folder = {commandKey, clusterId, rootFingerprint, staticKey, leaseSecret, trust};
  return {folder, vault};
}

/** Where nobody rotates keys and no app is looked at. */
const firstTrust = (crypto: Crypto, root: KeyPair, facts: Facts): TrustFiles => ({
  version: 1,
  signedTrust: signTrust(crypto, root.secretKey, {
    ...facts,
    rootKey: root.publicKey,
    version: 1,
    appKeys: [],
  }),
  steps: [],
});

/** Whether a key that this document names signed the app. */
export function isSigned(crypto: Crypto, signedTrust: Uint8Array, app: Uint8Array): boolean {
  const appKeys = openTrust(crypto, signedTrust)?.appKeys ?? [];
  return openSignedApp(crypto, appKeys, app).kind === 'app';
}

/** As cli/master-process.ts looks at apps before a batch is begun with them. */
export const signedBy =
  (crypto: Crypto, signedTrust: Uint8Array, blobs: ReadonlyMap<BlobId, Uint8Array>) =>
  ({appId}: AppRow): boolean => {
    const blob = blobs.get(appId);
    return blob === undefined || isSigned(crypto, signedTrust, blob);
  };
