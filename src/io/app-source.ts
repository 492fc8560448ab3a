// Where a node's runner gets its apps: the signed manifest and its module, as blobs of the master. What
// comes is checked against its name (a hash), the keys that may sign today and the rules for modules;
// only then does a runner see it. What was found is kept, good or bad, until the keys change.

import {equalBytes, fromHex} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import type {BlobId} from '../base/types.ts';
import {type AppManifest, openSignedApp} from '../core/app.ts';
import {boundMemory, outlineWasm, PAGES_PER_MIB} from '../core/wasm.ts';
import type {Crypto} from '../wire/crypto.ts';
import {APP_MANIFEST_BYTES_MAX} from '../wire/limits.ts';
import type {FetchedApp} from './runner.ts';

/** Apps kept, the one used longest ago goes first. A module has at most 16 MiB, mostly far less. */
const APPS_MAX = 8;

export type AppSourceOptions = {
  readonly crypto: Crypto;
  /** Keys that may sign apps now. */
  readonly appKeys: () => readonly Uint8Array[];
  /** undefined = there is no such blob, or it cannot be had now. May reject. */
  readonly fetchBlob: (blobId: BlobId, maxBytes: number) => Promise<Uint8Array | undefined>;
};

type Kept = {readonly keys: readonly Uint8Array[]; readonly app: Promise<FetchedApp>};

export class AppSource {
  readonly #options: AppSourceOptions;
  readonly #kept = new Map<BlobId, Kept>();

  constructor(options: AppSourceOptions) {
    this.#options = options;
  }

  /** Rejects with VOLLEY_NO_SPACE only. Cheap for an app that is kept. */
  fetchApp(appId: BlobId): Promise<FetchedApp> {
    const keys = this.#options.appKeys();
    const kept = this.#kept.get(appId);
    this.#kept.delete(appId);
    const isGood = kept !== undefined && areSame(kept.keys, keys);
    const app = isGood ? kept.app : this.#fetch(appId, keys);
    this.#kept.set(appId, {keys, app});
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined && this.#kept.size > APPS_MAX) this.#kept.delete(oldest);
    return app;
  }

  async #fetch(appId: BlobId, keys: readonly Uint8Array[]): Promise<FetchedApp> {
    const found = await this.#open(appId, keys).catch((error: unknown): FetchedApp => {
      if (error instanceof VolleyError && error.code === 'VOLLEY_NO_SPACE') {
        this.#kept.delete(appId);
        throw error;
      }
      return {kind: 'missing', reason: error instanceof Error ? error.message : String(error)};
    });
    // It may be there the next time.
    if (found.kind === 'missing') this.#kept.delete(appId);
    return found;
  }

  async #open(appId: BlobId, keys: readonly Uint8Array[]): Promise<FetchedApp> {
    const blob = await this.#fetchBlob(appId, APP_MANIFEST_BYTES_MAX);
    if (blob === undefined) return {kind: 'missing', reason: `the app ${appId} cannot be had`};
    const opened = openSignedApp(this.#options.crypto, keys, blob);
    if (opened.kind === 'refused') return opened;
    const {manifest} = opened;
    if (manifest.wasm === undefined) return {kind: 'app', manifest, module: new Uint8Array(0)};
    const {blobId, size} = manifest.wasm;
    const module = await this.#fetchBlob(blobId, size);
    if (module === undefined)
      return {kind: 'missing', reason: `the module ${blobId} of ${manifest.name} cannot be had`};
    return admitModule(manifest, module);
  }

  /** Bytes that do not fit their name are not there. */
  async #fetchBlob(blobId: BlobId, maxBytes: number): Promise<Uint8Array | undefined> {
    const bytes = await this.#options.fetchBlob(blobId, maxBytes);
    const hash = fromHex(blobId);
    if (bytes === undefined || hash === undefined) return undefined;
    return equalBytes(this.#options.crypto.sha256(bytes), hash) ? bytes : undefined;
  }
}

/** A node that comes back to its master is given the same keys in a new array. */
const areSame = (a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean =>
  a === b ||
  (a.length === b.length && a.every((key, i) => equalBytes(key, b[i] ?? new Uint8Array(0))));

/** The module of a wasm app as a runner takes it: inspected, its memory bounded to the manifest's. */
export function admitModule(manifest: AppManifest, module: Uint8Array): FetchedApp {
  const pagesMax = manifest.limits.memoryMib * PAGES_PER_MIB;
  const seen = outlineWasm(module, pagesMax);
  if (seen.kind === 'refused') return {kind: 'refused', reason: seen.reason};
  const bound = boundMemory(module, pagesMax);
  return bound === undefined
    ? {kind: 'refused', reason: 'the module is malformed'}
    : {kind: 'app', manifest, module: bound};
}
