// What the master has to acknowledge: reports and shot statements, kept on disk until its signed receipt
// is here (promise P2), and repeated with back-off. A report whose outputs are blobs is sent when they are
// uploaded; its first words go out again and again until then, so does the upload.

import {ByteReader, ByteWriter, hex32} from '../base/bytes.ts';
import type {Prng} from '../base/prng.ts';
import {
  addMono,
  type BlobId,
  type MonoMs,
  NEVER,
  type ReplicaId,
  replicaId,
} from '../base/types.ts';
import {del, type Op, put} from '../core/tables.ts';
import {decodeResults} from '../wire/codec.ts';
import {RETRY_MS_LIVELY, RETRY_MS_MAX, RETRY_MS_MIN} from '../wire/limits.ts';
import {type Acknowledged, Kept} from './kept.ts';
import {longerWait, RoundTrip} from './round-trip.ts';

export type SpoolKind = 'report' | 'shot';

export type Pending = {
  readonly blobId: BlobId;
  readonly size: number;
  readonly replicaId: ReplicaId;
};

export type Spooled = {
  readonly kind: SpoolKind;
  readonly nonce: number;
  readonly body: Uint8Array;
  readonly signature: Uint8Array;
  /** Outputs to upload before it is sent. */
  readonly blobs: readonly Pending[];
  readonly uploaded: Set<BlobId>;
  dueAt: MonoMs;
  retryMs: number;
  /** Times since the session began, and the first of them. */
  said: number;
  saidAt: MonoMs;
};

/** An entry is said so often before it grows rare: at a loss of a third each way one in 10,000 is left. */
const LIVELY_SAYS = 16;
/** Repeats of all entries together are this far apart at least, once they are as rare as RETRY_MS_LIVELY. */
const REPEAT_MS = 10;
/** Sent in one tick at most: what gathered in a partition must not come back as a flood. */
const DUE_MAX = 64;
/**
 * The nonces of a life start a random part of this above what the life before left on the disk: a row that was
 * acknowledged is gone, a disk may be an old one again, and a late receipt must not meet another report.
 */
const NONCES_APART = 2 ** 20;

/** After a session began no work is asked for until all is told, or for so long. */
const CATCH_UP_MS = 10_000;

export class Spool {
  readonly #prng: Prng;
  readonly #entries = new Map<number, Spooled>();
  readonly #roundTrip = new RoundTrip(RETRY_MS_MIN);
  /** Acknowledged, and kept for a while; not among the entries. */
  readonly kept = new Kept();
  /** Offered again and not acknowledged again yet. */
  readonly #again = new Set<number>();
  readonly #apart: number;
  #nextNonce: number;

  /** Entries below this number were there when the session began. */
  #backlogEnd = 0;
  #catchUpUntil = Number.NEGATIVE_INFINITY as MonoMs;

  constructor(prng: Prng) {
    this.#prng = prng;
    this.#apart = 1 + prng.below(NONCES_APART);
    this.#nextNonce = this.#apart;
  }

  get size(): number {
    return this.#entries.size;
  }

  entry(nonce: number): Spooled | undefined {
    return this.#entries.get(nonce);
  }

  add(kind: SpoolKind, body: Uint8Array, signature: Uint8Array, now: MonoMs): Op {
    const nonce = this.#freeNonce();
    this.#place(kind, nonce, body, signature, now);
    const row = new ByteWriter()
      .varint(kind === 'report' ? 0 : 1)
      .sized(signature)
      .sized(body);
    return put('spool', hex32(nonce), row.bytes());
  }

  /** A row found at boot. Throws RangeError when it is cut short. */
  restore(key: string, row: Uint8Array, now: MonoMs): void {
    const reader = new ByteReader(row);
    const kind = reader.varint() === 0 ? 'report' : 'shot';
    const signature = reader.sized();
    const nonce = Number.parseInt(key, 16);
    const body = reader.sized();
    if (!this.kept.restore(nonce, {body, signature}))
      this.#place(kind, nonce, body, signature, now);
    this.#nextNonce = Math.max(this.#nextNonce, nonce + this.#apart);
  }

  /** Past the last of its 32 bits it starts again from 0. */
  #freeNonce(): number {
    let nonce = this.#nextNonce >>> 0;
    while (this.#entries.has(nonce) || this.kept.has(nonce)) nonce = (nonce + 1) >>> 0;
    this.#nextNonce = nonce + 1;
    return nonce;
  }

  /** Bodies of the shot statements that wait for their receipts. */
  shots(): Uint8Array[] {
    return [...this.#entries.values()].flatMap(({kind, body}) => (kind === 'shot' ? [body] : []));
  }

  #place(
    kind: SpoolKind,
    nonce: number,
    body: Uint8Array,
    signature: Uint8Array,
    now: MonoMs,
  ): void {
    const blobs = kind === 'report' ? blobsOf(body) : [];
    this.#entries.set(nonce, {
      kind,
      nonce,
      body,
      signature,
      blobs,
      uploaded: new Set(),
      dueAt: now,
      retryMs: RETRY_MS_MIN,
      said: 0,
      saidAt: now,
    });
  }

  /** The receipt is here, with the number of the commit that holds it. */
  acknowledged(nonce: number, receipt: Acknowledged, now: MonoMs): Op[] {
    const entry = this.#entries.get(nonce);
    // One with blobs waited for its uploads.
    if (entry && entry.said > 0 && entry.blobs.length === 0)
      this.#roundTrip.answered(now - entry.saidAt);
    this.#entries.delete(nonce);
    this.#again.delete(nonce);
    if (entry?.kind === 'report' && entry.blobs.length === 0)
      return this.kept.add(nonce, entry, receipt);
    return [del('spool', hex32(nonce)), del('kept', hex32(nonce))];
  }

  /** The master has forgotten what these receipts were for: it is offered again, as if it were new. */
  offerAgain(isVoid: (receipt: Acknowledged) => boolean, now: MonoMs): Op[] {
    return this.kept.takeVoid(isVoid).map(([nonce, {body, signature}]) => {
      this.#place('report', nonce, body, signature, now);
      this.#again.add(nonce);
      return del('kept', hex32(nonce));
    });
  }

  /** So many are offered again and wait for their second receipt. */
  get offered(): number {
    return this.#again.size;
  }

  /** What is to be sent (or whose blobs are to be uploaded) now; each is put off with back-off. */
  takeDue(now: MonoMs): Spooled[] {
    const due: Spooled[] = [];
    for (const entry of this.#entries.values()) {
      if (due.length >= DUE_MAX) break;
      if (entry.dueAt > now) continue;
      if (entry.said === 0) {
        entry.saidAt = now;
        entry.retryMs = this.#roundTrip.waitMs;
      }
      entry.dueAt = addMono(now, this.#prng.jitter(entry.retryMs));
      entry.retryMs = longerWait(entry.retryMs, this.#retryMsMax(entry));
      entry.said += 1;
      due.push(entry);
    }
    return due;
  }

  /**
   * A few reports are repeated each second: what is lost on the way must not keep a batch open. Many, or
   * those said so often that the master cannot want to hear them, grow rare.
   */
  #retryMsMax(entry: Spooled): number {
    if (entry.said > LIVELY_SAYS) return RETRY_MS_MAX;
    return Math.min(Math.max(RETRY_MS_LIVELY, this.size * REPEAT_MS), RETRY_MS_MAX);
  }

  /** Marks the blob as uploaded; entries that wait for nothing else any more become due now. */
  uploaded(blobId: BlobId, now: MonoMs): void {
    for (const entry of this.#entries.values()) {
      if (!entry.blobs.some(blob => blob.blobId === blobId)) continue;
      entry.uploaded.add(blobId);
      if (isReady(entry)) entry.dueAt = now;
    }
  }

  /**
   * The upload failed, perhaps because the workunit is decided and the master does not want it any more.
   * Only the report can tell: it goes out at its next time as if the blob were there, and the master
   * acknowledges it, or leaves it open until the blob has come.
   */
  refused(blobId: BlobId): void {
    for (const entry of this.#entries.values())
      if (entry.blobs.some(blob => blob.blobId === blobId)) entry.uploaded.add(blobId);
  }

  /** Whether a report that waits for its receipt has this output: equal outputs are one blob. */
  names(blobId: BlobId): boolean {
    for (const entry of this.#entries.values())
      if (entry.blobs.some(blob => blob.blobId === blobId)) return true;
    return false;
  }

  /**
   * A new session: everything is said again soon, spread so that a room does not speak at once.
   *
   * @returns whether there is anything
   */
  againSoon(now: MonoMs): boolean {
    this.#catchUpUntil = addMono(now, CATCH_UP_MS);
    this.#backlogEnd = this.#nextNonce;
    for (const entry of this.#entries.values()) {
      entry.uploaded.clear();
      entry.retryMs = RETRY_MS_MIN;
      entry.said = 0;
      entry.dueAt = addMono(now, this.#prng.fraction() * RETRY_MS_MIN);
    }
    return this.#entries.size > 0;
  }

  /**
   * What was computed without the master is not told yet: it gave that work back to all when we fell silent,
   * and would give it to us again.
   */
  isCatchingUp(now: MonoMs): boolean {
    const [oldest] = this.#entries.keys();
    return oldest !== undefined && oldest < this.#backlogEnd && now < this.#catchUpUntil;
  }

  wakeAt(): MonoMs {
    let least: number = NEVER;
    for (const entry of this.#entries.values()) least = Math.min(least, entry.dueAt);
    return least as MonoMs;
  }
}

export const isReady = (entry: Spooled): boolean =>
  entry.blobs.every(blob => entry.uploaded.has(blob.blobId));

function blobsOf(body: Uint8Array): Pending[] {
  const blobs: Pending[] = [];
  for (const item of decodeResults(body) ?? [])
    if (item.status === 'done' && item.output.kind === 'blob')
      blobs.push({
        blobId: item.output.blobId,
        size: item.output.size,
        replicaId: replicaId(item.batchId, item.index, item.replicaNo),
      });
  return blobs;
}
