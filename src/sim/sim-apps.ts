// Apps at a node: transfers that take their time, and the product's own shelf, which decides what may run.

import type {BlobId} from '../base/types.ts';
import type {AppManifest} from '../core/app.ts';
import {AppShelf, type FetchedApp} from '../node/app-shelf.ts';
import type {Crypto} from '../wire/crypto.ts';
import type {SimClock} from './sim-clock.ts';
import {EVENT} from './timeline.ts';

export type SimAppsOptions = {
  readonly crypto: Crypto;
  readonly clock: SimClock;
  readonly appKeys: () => readonly Uint8Array[];
  /** What comes when these bytes are asked for; undefined = nothing. */
  readonly bytesOf: (blobId: BlobId) => Uint8Array | undefined;
  readonly transferMs: () => number;
};

/** What a runner is about to run. */
export type Loaded = {readonly signed: Uint8Array; readonly module: Uint8Array};

export class SimApps {
  readonly #shelf: AppShelf;
  readonly #signed = new WeakMap<AppManifest, Uint8Array>();

  constructor({crypto, clock, appKeys, bytesOf, transferMs}: SimAppsOptions) {
    this.#shelf = new AppShelf({
      crypto,
      appKeys,
      fetchBlob: (blobId, maxBytes, done) =>
        clock.after(transferMs(), EVENT.blob, () => {
          const bytes = bytesOf(blobId);
          const fits = bytes !== undefined && bytes.length <= maxBytes;
          done(fits ? {kind: 'bytes', bytes} : {kind: 'missing'});
        }),
      admit: (manifest, module, signed) => {
        this.#signed.set(manifest, signed);
        return {kind: 'app', manifest, module};
      },
    });
  }

  get(appId: BlobId, done: (found: FetchedApp, loaded: Loaded | undefined) => void): void {
    this.#shelf.get(appId, found => {
      if (found.kind === 'failed') return; // no disk of this world is full
      const signed = found.kind === 'app' ? this.#signed.get(found.manifest) : undefined;
      done(found, found.kind === 'app' && signed ? {signed, module: found.module} : undefined);
    });
  }
}
