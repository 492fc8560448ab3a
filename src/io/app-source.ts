// Where a node's runner gets its apps: the signed manifest and its module, as blobs of the master. What may
// run is decided by the shelf (node/app-shelf.ts); here are the transfers and the look at the module.

import {VolleyError} from '../base/errors.ts';
import type {BlobId} from '../base/types.ts';
import type {AppManifest} from '../core/app.ts';
import {decodeBundle} from '../core/app-bundle.ts';
import {boundMemory, outlineWasm, PAGES_PER_MIB} from '../core/wasm.ts';
import {AppShelf, type FetchedApp, type FetchedBlob} from '../node/app-shelf.ts';
import type {Crypto} from '../wire/crypto.ts';

export type AppSourceOptions = {
  readonly crypto: Crypto;
  /** Keys that may sign apps now. */
  readonly appKeys: () => readonly Uint8Array[];
  /** undefined = there is no such blob, or it cannot be had now. May reject. */
  readonly fetchBlob: (blobId: BlobId, maxBytes: number) => Promise<Uint8Array | undefined>;
};

export class AppSource {
  readonly #shelf: AppShelf;

  constructor({crypto, appKeys, fetchBlob}: AppSourceOptions) {
    this.#shelf = new AppShelf({
      crypto,
      appKeys,
      fetchBlob: (blobId, maxBytes, done) => {
        fetchBlob(blobId, maxBytes).then(
          bytes => done(bytes === undefined ? {kind: 'missing'} : {kind: 'bytes', bytes}),
          (error: unknown) => done(whyNot(error)),
        );
      },
      admit: admitApp,
    });
  }

  /** Rejects with VOLLEY_NO_SPACE only. Cheap for an app that is kept. */
  fetchApp(appId: BlobId): Promise<FetchedApp> {
    return new Promise((resolve, reject) => {
      this.#shelf.get(appId, found =>
        found.kind === 'failed' ? reject(found.error) : resolve(found),
      );
    });
  }
}

const whyNot = (error: unknown): FetchedBlob =>
  error instanceof VolleyError && error.code === 'VOLLEY_NO_SPACE'
    ? {kind: 'failed', error}
    : {kind: 'missing', reason: error instanceof Error ? error.message : String(error)};

/** The last look at what comes with a manifest. */
export function admitApp(manifest: AppManifest, body: Uint8Array): FetchedApp {
  if (manifest.wasm !== undefined) return admitModule(manifest, body);
  const files = manifest.bundle === undefined ? undefined : decodeBundle(body);
  if (files?.kind === 'refused') return files;
  return {kind: 'app', manifest, module: body};
}

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
