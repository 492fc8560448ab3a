// What a node owes the master: signed reports and shot statements, from the spool's row to its receipt.

import type {BlobId, MonoMs, PeerId} from '../base/types.ts';
import type {NodeEffect} from '../core/core.ts';
import {encodeJson, type Op, put} from '../core/tables.ts';
import type {Crypto, KeyPair} from '../wire/crypto.ts';
import type {Receipt} from '../wire/message.ts';
import {receiptIsGood} from '../wire/receipt.ts';
import type {Acknowledged} from './kept.ts';
import {LateSaves} from './late-saves.ts';
import {type Membership, type NodeMemory, RECEIPT_KEY} from './memory.ts';
import {isReady, type Spool, type Spooled, type SpoolKind} from './spool.ts';

/** Reports that wait for their receipts before a node stops asking for work. */
const SPOOL_MAX = 4_096;

export class Outbox {
  readonly #identity: KeyPair;
  readonly #crypto: Crypto;
  readonly #memory: NodeMemory;
  readonly #late = new LateSaves();
  readonly spool: Spool;

  constructor(identity: KeyPair, crypto: Crypto, memory: NodeMemory, spool: Spool) {
    this.#identity = identity;
    this.#crypto = crypto;
    this.#memory = memory;
    this.spool = spool;
  }

  /** A spool that the master does not empty is a reason to stop asking, not to fill the disk. */
  get isFull(): boolean {
    return this.spool.size >= SPOOL_MAX;
  }

  sign(purpose: 'results' | 'shot' | 'ack', {clusterId}: Membership, body: Uint8Array): Uint8Array {
    return this.#crypto.sign(this.#identity.secretKey, purpose, clusterId, body);
  }

  /** Signs and keeps it; it is sent once its row is durable. */
  add(kind: SpoolKind, member: Membership, body: Uint8Array, now: MonoMs): NodeEffect {
    const signature = this.sign(kind === 'report' ? 'results' : 'shot', member, body);
    return {type: 'save', op: this.spool.add(kind, body, signature, now)};
  }

  /** false = the receipt is not the master's: an alarm. */
  onReceipt(receipt: Receipt, {clusterId, commandKey}: Membership, now: MonoMs): boolean {
    const entry = this.spool.entry(receipt.nonce);
    if (!entry) return true; // a repeat
    if (!receiptIsGood(this.#crypto, commandKey, clusterId, entry.body, receipt)) return false;
    const {journalNo} = receipt;
    const {epoch, instance} = this.#memory;
    for (const op of this.spool.acknowledged(receipt.nonce, {journalNo, epoch, instance}, now))
      this.#late.add(op, now);
    for (const {blobId} of entry.blobs) this.#late.addBlob(blobId);
    if (journalNo > this.#memory.receiptHead) this.#setReceiptHead(journalNo, now);
    return true;
  }

  #setReceiptHead(journalNo: number, now: MonoMs): void {
    this.#memory.receiptHead = journalNo;
    this.#late.add(put('meta', RECEIPT_KEY, encodeJson({journalNo})), now);
  }

  /** Offers again what has a receipt that is void, and answers how many. No receipt is above `journalNo`. */
  offerAgain(isVoid: (receipt: Acknowledged) => boolean, journalNo: number, now: MonoMs): number {
    const ops = this.spool.offerAgain(isVoid, now);
    for (const op of ops) this.#late.add(op, now);
    if (this.#memory.receiptHead > journalNo) this.#setReceiptHead(journalNo, now);
    return ops.length;
  }

  /** Signed acknowledgements of commands. */
  acks(member: Membership, bodies: readonly Uint8Array[]): NodeEffect[] {
    return bodies.map(body => {
      const signature = this.sign('ack', member, body);
      return {type: 'send', to: member.peer, message: {type: 'commandAck', body, signature}};
    });
  }

  /** A save that may be lost in a crash; see late-saves.ts. */
  addLate(op: Op, now: MonoMs): void {
    this.#late.add(op, now);
  }

  /** The row is saved at once: what was to be saved of it later is out of date. */
  supersede(table: Op['table'], key: string): void {
    this.#late.supersede(table, key);
  }

  /** What is due to be said, or uploaded before it can be. */
  due(to: PeerId, now: MonoMs): NodeEffect[] {
    if (this.spool.wakeAt() > now) return [];
    return this.spool.takeDue(now).flatMap(entry => say(to, entry));
  }

  /**
   * @param riding a save that matters is made in this turn anyway
   * @param isNeeded whether something beside the spool still has use for a blob
   */
  lateEffects(now: MonoMs, riding: boolean, isNeeded: (blobId: BlobId) => boolean): NodeEffect[] {
    const {ops, blobs} = this.#late.take(now, riding);
    return [
      ...ops.map(op => ({type: 'save', op}) as const),
      ...blobs
        .filter(blobId => !this.spool.names(blobId) && !isNeeded(blobId))
        .map(blobId => ({type: 'dropBlob', blobId}) as const),
    ];
  }

  lateAt(): MonoMs {
    return this.#late.wakeAt();
  }
}

function say(to: PeerId, entry: Spooled): NodeEffect[] {
  const {nonce, body, signature} = entry;
  if (entry.kind === 'shot')
    return [{type: 'send', to, message: {type: 'shotReport', nonce, body, signature}}];
  if (isReady(entry)) {
    // Said and not acknowledged by the next time: the master may have forgotten the uploads.
    entry.uploaded.clear();
    // Early: it promises nothing. A crash before its row is durable loses no more than the row: either
    // the master has the results, or they are computed again.
    return [{type: 'send', to, message: {type: 'report', nonce, body, signature}, early: true}];
  }
  return entry.blobs
    .filter(({blobId}) => !entry.uploaded.has(blobId))
    .map(({blobId, size, replicaId}) => ({
      type: 'upload',
      blobId,
      size,
      purpose: {kind: 'replica', replicaId},
    }));
}
