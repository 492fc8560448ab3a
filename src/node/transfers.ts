// Transfers that this node was offered: which it takes, and the last word about each, said until the master has heard
// it. What listens, decodes and writes is beside the core (ports: `BulkEar`).

import {equalBytes} from '../base/bytes.ts';
import {keepNewest} from '../base/newest.ts';
import {addMono, type MonoMs, NEVER} from '../base/types.ts';
import {MIB} from '../base/units.ts';
import {encodeJson, type Op, put} from '../core/tables.ts';
import {
  FILE_NAME,
  PUSHED_KEY,
  type PushedFile,
  plainReport,
  type TransferEffect,
  type TransferEvent,
} from '../core/transfer-events.ts';
import type {TransferOffer, TransferOrder, TransferReport} from '../wire/bulk-message.ts';
import {RETRY_MS_MAX, RETRY_MS_MIN} from '../wire/limits.ts';

/** A master sends one after the other; the others are those that are fetched by HTTP meanwhile. */
const OPEN_MAX = 8;
const OVER_MAX = 64;
/** Of all pushed files together, unless the owner says otherwise (`filesMib`). */
export const FILES_MIB = 8_192;

type Over = {
  readonly report: TransferReport;
  readonly key: Uint8Array;
  /** NEVER = the master has heard it. */
  nextAt: MonoMs;
  retryMs: number;
};

export class Transfers {
  readonly #filesBytes: number;
  readonly #files = new Map<string, PushedFile>();
  readonly #open = new Map<number, TransferOffer>();
  readonly #over = new Map<number, Over>();

  /** @param filesMib that pushed files may take in all; 0 = this node takes none */
  constructor(filesMib = FILES_MIB) {
    this.#filesBytes = filesMib * MIB;
  }

  restore(name: string, file: PushedFile): void {
    this.#files.set(name, file);
  }

  /** Pushed files by name. */
  get files(): ReadonlyMap<string, PushedFile> {
    return this.#files;
  }

  /** The master offers one, for the first time or again. */
  onOffer(offer: TransferOffer, now: MonoMs): TransferEffect[] {
    const {transferId} = offer;
    const known = this.#open.get(transferId);
    const isKnown = known !== undefined && equalBytes(known.key, offer.key);
    const over = this.#over.get(transferId);
    if (over !== undefined && equalBytes(over.key, offer.key)) {
      // One that it has left is offered again before it is told to fetch: its word was heard.
      if (!isKnown) over.nextAt = now;
      return [];
    }
    const reason = isKnown ? undefined : this.#whyNot(offer);
    if (reason !== undefined) {
      this.#settle(offer.key, plainReport(offer, 'declined', {reason}), now);
      return this.#drop(transferId);
    }
    this.#over.delete(transferId);
    this.#open.set(transferId, offer);
    return [{type: 'receive', offer}];
  }

  onOrder({transferId, salt, step}: TransferOrder): TransferEffect[] {
    if (step === 'heard') {
      const over = this.#over.get(transferId);
      if (over?.report.salt === salt) over.nextAt = NEVER;
      return [];
    }
    if (this.#open.get(transferId)?.salt !== salt) return [];
    // With either the master has heard that it was left.
    this.#over.delete(transferId);
    return step === 'fetch' ? [{type: 'fetchRest', transferId}] : this.#drop(transferId);
  }

  /** What was durable before it is told: a pushed file is named by a row, so that nobody sweeps it away. */
  onEvent(event: TransferEvent, wall: number, now: MonoMs): {ops: Op[]; report?: TransferReport} {
    const {report} = event;
    const open = this.#open.get(report.transferId);
    // Of another one: told before the ear knew of a master that has lost its past.
    if (open?.salt !== report.salt) return {ops: []};
    if (event.type === 'transferTold') return {ops: [], report};
    if (report.state !== 'aside') this.#open.delete(report.transferId);
    this.#settle(open.key, report, now);
    const {fileName: name, blobId, size} = event;
    if (report.state !== 'whole' || name === undefined) return {ops: []};
    const file: PushedFile = {blobId, size, at: wall};
    this.#files.set(name, file);
    return {ops: [put('meta', PUSHED_KEY + name, encodeJson(file))]};
  }

  /** Last words that are due. */
  due(now: MonoMs): TransferReport[] {
    const due: TransferReport[] = [];
    for (const over of this.#over.values()) {
      if (over.nextAt > now) continue;
      due.push(over.report);
      over.nextAt = addMono(now, over.retryMs);
      over.retryMs = Math.min(RETRY_MS_MAX, over.retryMs * 2);
    }
    return due;
  }

  wakeAt(): MonoMs {
    let wakeAt = NEVER;
    for (const {nextAt} of this.#over.values()) if (nextAt < wakeAt) wakeAt = nextAt;
    return wakeAt;
  }

  /** A new session: whatever is over is said at once, and of the others where they are: they may be over there. */
  begin(now: MonoMs): TransferEffect[] {
    for (const over of this.#over.values()) {
      if (over.nextAt === NEVER) continue;
      over.nextAt = now;
      over.retryMs = RETRY_MS_MIN;
    }
    return [...this.#open.values()].map(offer => ({type: 'receive', offer}));
  }

  #drop(transferId: number): TransferEffect[] {
    return this.#open.delete(transferId) ? [{type: 'dropTransfer', transferId}] : [];
  }

  #whyNot({transferId, blobId, size, fileName}: TransferOffer): string | undefined {
    if (this.#open.size >= OPEN_MAX && !this.#open.has(transferId))
      return `${OPEN_MAX} transfers are under way here`;
    if (fileName === undefined) return undefined;
    if (!FILE_NAME.test(fileName)) return 'this is no name of a file';
    // Two names of one blob are one file on the disk.
    const sizes = new Map([[blobId, size]]);
    for (const [name, file] of this.#files)
      if (name !== fileName) sizes.set(file.blobId, file.size);
    const taken = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
    if (taken <= this.#filesBytes) return undefined;
    return this.#filesBytes === 0
      ? 'its owner takes no files (filesMib in node.json is 0)'
      : `pushed files would take more than ${this.#filesBytes / MIB} MiB (filesMib in node.json)`;
  }

  #settle(key: Uint8Array, report: TransferReport, now: MonoMs): void {
    const over = {report, key, nextAt: now, retryMs: RETRY_MS_MIN};
    this.#over.delete(report.transferId);
    this.#over.set(report.transferId, over);
    keepNewest(this.#over, OVER_MAX);
  }
}
