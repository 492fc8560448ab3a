// Apps as this node may run them now. What comes is checked against its name (a hash), the keys that may sign
// today and the rules for modules; only then does a runner see it. What was found is kept, good or bad, until
// the keys change: also while it is on its way, so that no app is handed out under keys that went meanwhile.

import {EMPTY, equalBytes, fromHex} from '../base/bytes.ts';
import type {BlobId} from '../base/types.ts';
import {type AppManifest, openSignedApp} from '../core/app.ts';
import {bodyOf} from '../core/app-bodies.ts';
import type {Crypto} from '../wire/crypto.ts';
import {APP_MANIFEST_BYTES_MAX} from '../wire/limits.ts';

/** Apps kept, the one used longest ago goes first. A module has at most 16 MiB, mostly far less. */
const APPS_MAX = 8;

export type FetchedApp =
  /**
   * `module`: of a wasm app inspected and bounded to the manifest's memory, of a js one its script, of an exec
   * app with files these, packed; else empty.
   */
  | {readonly kind: 'app'; readonly manifest: AppManifest; readonly module: Uint8Array}
  | {readonly kind: 'refused'; readonly reason: string}
  | {readonly kind: 'missing'; readonly reason: string};

/** `failed`: this node cannot have it now, and that says nothing about the app. */
export type ShelfAnswer = FetchedApp | {readonly kind: 'failed'; readonly error: unknown};

export type FetchedBlob =
  | {readonly kind: 'bytes'; readonly bytes: Uint8Array}
  /** There is no such blob, or it cannot be had now. */
  | {readonly kind: 'missing'; readonly reason?: string}
  | {readonly kind: 'failed'; readonly error: unknown};

export type AppShelfOptions = {
  readonly crypto: Crypto;
  /** Keys that may sign apps now. */
  readonly appKeys: () => readonly Uint8Array[];
  readonly fetchBlob: (blobId: BlobId, maxBytes: number, done: (blob: FetchedBlob) => void) => void;
  /** The last look, at what is signed and whole. @param signed the blob that the manifest came in */
  readonly admit: (manifest: AppManifest, module: Uint8Array, signed: Uint8Array) => FetchedApp;
};

type Done = (found: ShelfAnswer) => void;

type Entry = {
  readonly keys: readonly Uint8Array[];
  readonly waiting: Done[];
  found: ShelfAnswer | undefined;
};

export class AppShelf {
  readonly #options: AppShelfOptions;
  readonly #entries = new Map<BlobId, Entry>();

  constructor(options: AppShelfOptions) {
    this.#options = options;
  }

  /** `done` is called once, before this returns when the app is kept. */
  get(appId: BlobId, done: Done): void {
    const keys = this.#options.appKeys();
    const kept = this.#entries.get(appId);
    const isPresent = kept !== undefined && areSame(kept.keys, keys);
    const entry = isPresent ? kept : {keys, waiting: [], found: undefined};
    this.#entries.delete(appId);
    this.#entries.set(appId, entry);
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined && this.#entries.size > APPS_MAX) this.#entries.delete(oldest);
    if (entry.found) return done(entry.found);
    entry.waiting.push(done);
    if (!isPresent) this.#open(appId, keys, found => this.#end(appId, entry, found));
  }

  #end(appId: BlobId, entry: Entry, found: ShelfAnswer): void {
    entry.found = found;
    // What is missing may be there the next time.
    const isKept = found.kind === 'app' || found.kind === 'refused';
    if (!isKept && this.#entries.get(appId) === entry) this.#entries.delete(appId);
    const isPresent = areSame(entry.keys, this.#options.appKeys());
    for (const done of entry.waiting.splice(0))
      if (isPresent) done(found);
      else this.get(appId, done);
  }

  #open(appId: BlobId, keys: readonly Uint8Array[], done: Done): void {
    const {crypto, admit} = this.#options;
    const what = `the app ${appId}`;
    this.#fetch(appId, APP_MANIFEST_BYTES_MAX, what, done, signed => {
      const opened = openSignedApp(crypto, keys, signed);
      if (opened.kind === 'refused') return done(opened);
      const {manifest} = opened;
      const body = bodyOf(manifest);
      if (body === undefined) return done(admit(manifest, EMPTY, signed));
      const {blobId, size} = body;
      const part = `the ${manifest.bundle ? 'bundle' : 'module'} ${blobId} of ${manifest.name}`;
      this.#fetch(blobId, size, part, done, bytes => done(admit(manifest, bytes, signed)));
    });
  }

  /** Bytes that do not fit their name are not there. @param use is called with those that do, `done` otherwise */
  #fetch(
    blobId: BlobId,
    maxBytes: number,
    what: string,
    done: Done,
    use: (bytes: Uint8Array) => void,
  ): void {
    this.#options.fetchBlob(blobId, maxBytes, blob => {
      if (blob.kind === 'failed') return done(blob);
      if (blob.kind === 'bytes' && this.#hasName(blobId, blob.bytes)) return use(blob.bytes);
      const reason = blob.kind === 'missing' ? blob.reason : undefined;
      done({kind: 'missing', reason: reason ?? `${what} cannot be had`});
    });
  }

  #hasName(blobId: BlobId, bytes: Uint8Array): boolean {
    const hash = fromHex(blobId);
    return hash !== undefined && equalBytes(this.#options.crypto.sha256(bytes), hash);
  }
}

/** A node that comes back to its master is given the same keys in a new array. */
const areSame = (a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean =>
  a === b || (a.length === b.length && a.every((key, i) => equalBytes(key, b[i] ?? EMPTY)));
