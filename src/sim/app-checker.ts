// S14: no runner is given an app that its node may not run, and nobody goes back behind what was newer.
//
//   a node writes down only what the root signed, each time a higher version, unless its disk is an older one
//   it goes by what it has written down
//   an app that is handed to a slot is, byte for byte, one that the operator signed under the name that was ordered,
//   by a key that the document names which this node holds
//   a batch gets the app that was published last, and keeps it
//
// What is genuine is what the vault says that it signed: nothing is verified or decoded here as the product does it.

import {equalBytes, toHex} from '../base/bytes.ts';
import type {BlobId} from '../base/types.ts';
import type {RunOrder} from '../core/core.ts';
import {type AppRow, type BatchRow, batchKey, decodeJson, type Op} from '../core/tables.ts';
import type {Crypto} from '../wire/crypto.ts';
import {holds} from './fabric.ts';
import {getOr} from './get-or.ts';
import type {Loaded} from './sim-apps.ts';
import type {SimMaster} from './sim-master.ts';
import type {SimNode} from './sim-node.ts';
import type {Bundle, Signed, SimVault} from './sim-vault.ts';

/** Of a node: what the checker has to know. */
export type Truster = Pick<SimNode, 'no' | 'known'> & {
  readonly link: Pick<NonNullable<SimNode['link']>, 'trust'> | undefined;
};

export class AppChecker {
  readonly #crypto: Crypto;
  readonly #vault: SimVault | undefined;
  readonly #disk: SimMaster['store']['disk'];
  /** Bytes that were looked up before. */
  readonly #documents = new WeakMap<Uint8Array, Signed>();
  readonly #bundles = new WeakMap<Uint8Array, Bundle>();
  readonly #hashes = new WeakMap<Uint8Array, string>();
  /** By the number of the node. */
  readonly #versions = new Map<number, number>();
  readonly #apps = new Map<string, BlobId>();
  readonly #batches = new Map<string, BlobId>();
  /** Apps that runners were given, and documents that nodes wrote down. */
  started = 0;
  learnt = 0;

  constructor(crypto: Crypto, {vault, store}: Pick<SimMaster, 'vault' | 'store'>) {
    this.#crypto = crypto;
    this.#vault = vault;
    this.#disk = store.disk;
  }

  trustKept(node: Truster): void {
    const {version} = this.#signed(node);
    const before = this.#versions.get(node.no) ?? 0;
    const story = () => `node ${node.no} goes from trust document ${before} back to ${version}`;
    holds(version > before, 'S14', story);
    this.#versions.set(node.no, version);
    this.learnt += 1;
  }

  wentBack({no, known}: Truster): void {
    this.#versions.set(no, this.#documentOf(known.trust)?.version ?? 0);
  }

  #documentOf(trust: Uint8Array | undefined): Signed | undefined {
    const {documents = []} = this.#vault ?? {};
    return trust && found(this.#documents, trust, documents, ({bytes}) => bytes);
  }

  /** The document that a node has written down. */
  #signed({no, known: {trust}}: Truster): Signed {
    const signed = this.#documentOf(trust);
    holds(signed, 'S14', () => `node ${no} trusts a document that the root never signed`);
    return signed;
  }

  startedApp(node: Truster, {appId}: RunOrder, {signed, module}: Loaded): void {
    const {version, appKeys} = this.#signed(node);
    const used = node.link?.trust();
    const isWritten = used !== undefined && node.known.trust === used;
    holds(isWritten, 'S14', () => `node ${node.no} goes by a document that it has not kept`);
    const is = `node ${node.no} runs ${appId.slice(0, 8)}`;
    const hash = getOr(this.#hashes, signed, () => toHex(this.#crypto.sha256(signed)));
    holds(hash === appId, 'S14', () => `${is}, and the bytes are ${hash.slice(0, 8)}`);
    const {bundles = []} = this.#vault ?? {};
    const bundle = found(this.#bundles, signed, bundles, each => each.signed);
    holds(bundle, 'S14', () => `${is}, which nobody signed`);
    holds(equalBytes(bundle.module, module), 'S14', () => `${is} with another module`);
    const story = () =>
      `${is}, release ${bundle.release}, whose key document ${version} does not name`;
    holds(appKeys.includes(bundle.signer), 'S14', story);
    this.started += 1;
  }

  /** Whoever is a member has the newest document: what was dropped runs nowhere any more. */
  allKnow(members: readonly Truster[]): void {
    const newest = this.#vault?.newest;
    if (!newest) return;
    for (const node of members) {
      const {version} = this.#signed(node);
      const story = () =>
        `node ${node.no} has document ${version}, the newest is ${newest.version}`;
      holds(version === newest.version, 'S14', story);
    }
  }

  /** What the disk says now. */
  masterBooted(): void {
    this.#apps.clear();
    this.#batches.clear();
    for (const [key, value] of this.#disk.rows('app'))
      this.#apps.set(key, (decodeJson(value) as AppRow).appId);
    for (const [key, value] of this.#disk.rows('batch'))
      this.#batches.set(key, (decodeJson(value) as BatchRow).appId);
  }

  masterDurable(ops: readonly Op[]): void {
    if (!this.#vault) return;
    const newest = new Map([...this.#apps].map(([name, appId]) => [name, [appId]]));
    for (const op of ops) {
      if (op.table !== 'app' || op.type !== 'put') continue;
      const {appId} = decodeJson(op.value) as AppRow;
      this.#apps.set(op.key, appId);
      newest.set(op.key, [...(newest.get(op.key) ?? []), appId]);
    }
    for (const op of ops)
      if (op.table === 'batch' && op.type === 'put')
        this.#batch(op.key, decodeJson(op.value) as BatchRow, newest);
  }

  /** @param newest apps that were the newest of their name at some moment of this commit */
  #batch(
    key: string,
    {appId, appName, stage}: BatchRow,
    newest: ReadonlyMap<string, readonly BlobId[]>,
  ): void {
    const known = this.#batches.get(key);
    this.#batches.set(key, appId);
    const first = stage && this.#batches.get(batchKey(stage.batchId));
    // A stage runs what was the newest when its batch was submitted; in this world an app reduces its own results.
    const mayBe = first === undefined ? (newest.get(appName) ?? []) : [first];
    const fits = known === undefined ? mayBe.includes(appId) : appId === known;
    const story = () => `batch ${Number(key)} gets ${appId.slice(0, 8)}, not the newest ${appName}`;
    holds(fits, 'S14', story);
  }
}

/** The one of the list with these very bytes. */
function found<T>(
  known: WeakMap<Uint8Array, T>,
  bytes: Uint8Array,
  list: readonly T[],
  bytesOf: (item: T) => Uint8Array,
): T | undefined {
  const item = known.get(bytes) ?? list.find(each => equalBytes(bytesOf(each), bytes));
  if (item) known.set(bytes, item);
  return item;
}
