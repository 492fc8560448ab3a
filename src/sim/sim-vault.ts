// The operator's vault: root key and app key, which are on no machine of the cluster; and all that they ever
// signed, as what it says: the checker's word for which documents and apps are genuine.

import {assert} from '../base/assert.ts';
import {toHex, toUtf8} from '../base/bytes.ts';
import {asBlobId, type BlobId} from '../base/types.ts';
import {type AppManifest, signApp} from '../core/app.ts';
import type {Crypto, KeyPair} from '../wire/crypto.ts';
import {APP_KEYS_MAX} from '../wire/limits.ts';
import type {TrustDocument} from '../wire/message.ts';
import {signTrust} from '../wire/trust.ts';
import {WALL_AT_ZERO} from './fabric.ts';

/** The trust files in a master's folder, all public. */
export type TrustFiles = {
  readonly version: number;
  readonly signedTrust: Uint8Array;
  /** Documents in which the root changed, the newest first. */
  readonly steps: readonly Uint8Array[];
};

export type Signed = {
  readonly version: number;
  readonly bytes: Uint8Array;
  /** Hex. */
  readonly appKeys: readonly string[];
};

export type Bundle = {
  readonly appId: BlobId;
  readonly signed: Uint8Array;
  readonly manifest: AppManifest;
  readonly module: Uint8Array;
  /** 1, 2, 3 … */
  readonly release: number;
  /** Public key, hex. */
  readonly signer: string;
};

export const APP = 'truth';
export const LIMITS = {timeSeconds: 60, memoryMib: 64, outputBytes: 1_000_000} as const;

export const idOf = (crypto: Crypto, bytes: Uint8Array): BlobId =>
  asBlobId(toHex(crypto.sha256(bytes)));

export function manifestOf(crypto: Crypto, version: string, module: Uint8Array): AppManifest {
  return {
    format: 1,
    name: APP,
    version,
    description: '',
    runtime: 'wasm',
    wasm: {blobId: idOf(crypto, module), size: module.length},
    limits: LIMITS,
  };
}

/** As the operator interface makes it of a manifest. */
export const rowOf = ({name, version, limits}: AppManifest, appId: BlobId) => ({
  appId,
  name,
  version,
  runtime: 'wasm' as const,
  action: '',
  publishedAt: WALL_AT_ZERO,
  timeLimitSeconds: limits.timeSeconds,
  memoryLimitMib: limits.memoryMib,
  outputLimitBytes: limits.outputBytes,
});

export type Facts = Pick<TrustDocument, 'clusterId' | 'commandKey' | 'masterStatic'>;

export class SimVault {
  readonly documents: Signed[] = [];
  readonly bundles: Bundle[] = [];
  readonly #crypto: Crypto;
  readonly #facts: Facts;
  #root: KeyPair;
  #app: KeyPair;
  #appKeys: readonly Uint8Array[];
  #steps: readonly Uint8Array[] = [];
  #release = 1;

  constructor(crypto: Crypto, root: KeyPair, facts: Facts) {
    this.#crypto = crypto;
    this.#root = root;
    this.#facts = facts;
    this.#app = crypto.ed25519KeyPair();
    this.#appKeys = [this.#app.publicKey];
    this.#signTrust();
    this.#signApp();
  }

  get newest(): Signed {
    const newest = this.documents.at(-1);
    assert(newest, 'a vault has signed a document');
    return newest;
  }

  get files(): TrustFiles {
    const {version, bytes} = this.newest;
    return {version, signedTrust: bytes, steps: this.#steps};
  }

  /** What is to be published. */
  get bundle(): Bundle {
    const bundle = this.bundles.at(-1);
    assert(bundle, 'a vault has signed an app');
    return bundle;
  }

  bundleOf(appId: BlobId): Bundle | undefined {
    return this.bundles.find(bundle => bundle.appId === appId);
  }

  /** Whether a node that holds the newest document runs it. */
  isNamed({signer}: Bundle): boolean {
    return this.newest.appKeys.includes(signer);
  }

  get mayDrop(): boolean {
    return this.#appKeys.length > 1;
  }

  /** `volley keys rotate app`, and the app signed anew. @param after the version is above this one too */
  rotateApp(after = 0): void {
    if (this.#appKeys.length >= APP_KEYS_MAX) return;
    this.#app = this.#crypto.ed25519KeyPair();
    this.#appKeys = [this.#app.publicKey, ...this.#appKeys];
    this.#signTrust(after);
    this.#signApp();
  }

  /** `volley keys rotate app --drop-old`. */
  dropOld(): void {
    this.#appKeys = [this.#app.publicKey];
    this.#signTrust();
  }

  /** `volley keys rotate root`. */
  rotateRoot(): void {
    const before = this.#root;
    this.#root = this.#crypto.ed25519KeyPair();
    this.#signTrust(0, before);
    this.#steps = [this.newest.bytes, ...this.#steps];
  }

  /** A newer version of the app. */
  release(): void {
    this.#release += 1;
    this.#signApp();
  }

  #signTrust(after = 0, previous?: KeyPair): void {
    const version = Math.max(this.documents.at(-1)?.version ?? 0, after) + 1;
    const document = {
      ...this.#facts,
      rootKey: this.#root.publicKey,
      version,
      appKeys: this.#appKeys,
    };
    const bytes = signTrust(this.#crypto, this.#root.secretKey, document, previous);
    this.documents.push({version, bytes, appKeys: this.#appKeys.map(toHex)});
  }

  #signApp(): void {
    const crypto = this.#crypto;
    const module = toUtf8(`module of release ${this.#release}`);
    const manifest = manifestOf(crypto, `1.${this.#release}.0`, module);
    const signed = signApp(crypto, this.#app.secretKey, manifest);
    const [appId, signer] = [idOf(crypto, signed), toHex(this.#app.publicKey)];
    this.bundles.push({appId, signed, manifest, module, release: this.#release, signer});
  }
}
