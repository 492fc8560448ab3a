// A node's end of bulk transfers in a simulated world: the receiver of io/bulk-ear.ts, on the process's clock, and files
// that outlive it.

import {assertNever} from '../base/assert.ts';
import {equalBytes} from '../base/bytes.ts';
import type {Prng} from '../base/prng.ts';
import {type BlobId, NEVER} from '../base/types.ts';
import {BulkLayout} from '../core/bulk-layout.ts';
import {type BulkReceiveEffect, BulkReceiver} from '../core/bulk-receiver.ts';
import {plainReport, type TransferEffect} from '../core/transfer-events.ts';
import type {BulkEar, Tell} from '../runtime/ports.ts';
import type {TransferOffer, TransferReport} from '../wire/bulk-message.ts';
import type {Crypto} from '../wire/crypto.ts';
import {holds} from './fabric.ts';
import type {SimClock} from './sim-clock.ts';
import {EVENT} from './timeline.ts';
import {contentOf} from './transfer-plan.ts';

/** What there is of a file that is on its way. */
export type SimPart = {list: Uint8Array | undefined; readonly blocks: Map<number, Uint8Array>};

/** Files of a machine: they outlive its processes. */
export type Pushed = {
  /** Whole ones, and their sizes. */
  readonly whole: Map<BlobId, number>;
  readonly parts: Map<BlobId, SimPart>;
  /** All that were ever whole here, also before a disk was lost. */
  readonly ever: Set<BlobId>;
};

export type SimEarOptions = {
  readonly clock: SimClock;
  readonly crypto: Crypto;
  readonly dice: Prng;
  readonly tell: Tell;
  readonly pushed: Pushed;
  readonly diskMs: () => number;
  readonly uploadMs: () => number;
  /** true = the connection breaks on the way. */
  readonly breaks: () => boolean;
  /** Does the master answer? */
  readonly isServed: () => boolean;
};

type Hearing = {
  readonly offer: TransferOffer;
  readonly layout: BulkLayout;
  receiver: BulkReceiver | undefined;
  isFetching: boolean;
  wakesAt: number;
};

export class SimEar implements BulkEar {
  readonly #options: SimEarOptions;
  readonly #hearings = new Map<number, Hearing>();

  constructor(options: SimEarOptions) {
    this.#options = options;
  }

  order(order: TransferEffect): void {
    switch (order.type) {
      case 'receive':
        return this.#receive(order.offer);
      case 'fetchRest':
        return this.#fetchRest(order.transferId);
      case 'dropTransfer': {
        const hearing = this.#hearings.get(order.transferId);
        if (hearing) this.#options.pushed.parts.delete(hearing.offer.blobId);
        this.#hearings.delete(order.transferId);
        return;
      }
      default:
        return assertNever(order);
    }
  }

  /** false = it is of no transfer that is heard, or says nothing new. */
  hear(datagram: Uint8Array): boolean {
    for (const hearing of this.#hearings.values()) {
      if (hearing.isFetching) continue;
      const {mono} = this.#options.clock.now();
      const effects = hearing.receiver?.datagram(datagram, mono);
      if (effects === undefined || typeof effects === 'string') continue;
      this.#perform(hearing, effects);
      return true;
    }
    return false;
  }

  #receive(offer: TransferOffer): void {
    const known = this.#hearings.get(offer.transferId);
    if (known !== undefined && equalBytes(known.offer.key, offer.key)) {
      if (known.receiver) this.#perform(known, known.receiver.offered());
      return;
    }
    const layout = new BulkLayout(offer);
    const hearing = {offer, layout, receiver: undefined, isFetching: false, wakesAt: NEVER};
    this.#hearings.set(offer.transferId, hearing);
    const {clock, diskMs} = this.#options;
    clock.after(diskMs(), EVENT.blob, () => this.#begin(hearing));
  }

  #begin(hearing: Hearing): void {
    const {offer, layout} = hearing;
    if (this.#hearings.get(offer.transferId) !== hearing) return;
    const {pushed, crypto, dice} = this.#options;
    if (pushed.whole.get(offer.blobId) === offer.size) return this.#whole(hearing);
    const part = this.#partOf(offer.blobId);
    const isSame = part.list !== undefined && equalBytes(crypto.sha256(part.list), offer.listHash);
    const known =
      isSame && part.list ? {list: part.list, blocks: [...part.blocks.keys()]} : undefined;
    hearing.receiver = new BulkReceiver({
      layout,
      transferId: offer.transferId,
      salt: offer.salt,
      listHash: offer.listHash,
      key: offer.key,
      crypto,
      dice: dice.fork(),
      ...(known ? {known} : {}),
    });
    this.#perform(hearing, hearing.receiver.offered());
  }

  #partOf(blobId: BlobId): SimPart {
    const {parts} = this.#options.pushed;
    const part = parts.get(blobId) ?? {list: undefined, blocks: new Map()};
    parts.set(blobId, part);
    return part;
  }

  #perform(hearing: Hearing, effects: readonly BulkReceiveEffect[]): void {
    for (const effect of effects) this.#performOne(hearing, effect);
    this.#wake(hearing);
  }

  #performOne(hearing: Hearing, effect: BulkReceiveEffect): void {
    const {clock, diskMs, tell} = this.#options;
    const {offer, layout} = hearing;
    const isOpen = (): boolean => this.#hearings.get(offer.transferId) === hearing;
    switch (effect.type) {
      case 'write':
        return clock.after(diskMs(), EVENT.disk, () => {
          if (!isOpen() || !hearing.receiver) return;
          this.#partOf(offer.blobId).blocks.set(effect.block - layout.lists, effect.bytes);
          this.#perform(hearing, hearing.receiver.written(effect.block));
        });
      case 'list':
        this.#partOf(offer.blobId).list = effect.bytes;
        return;
      case 'finish':
        return clock.after(diskMs(), EVENT.disk, () => {
          if (isOpen()) this.#finish(hearing);
        });
      case 'report':
        if (effect.report.state === 'listening')
          tell({type: 'transferTold', report: effect.report});
        else this.#tellOver(hearing, effect.report);
        return;
      default:
        return assertNever(effect);
    }
  }

  /** Each block fits its hash by now, so the whole must be the file. */
  #finish(hearing: Hearing): void {
    const {blobId, size} = hearing.offer;
    const {blocks} = this.#partOf(blobId);
    const {blockBytes, lists} = hearing.layout;
    const file = new Uint8Array(size);
    for (let block = 0; block < hearing.layout.blocks - lists; block++) {
      const bytes = blocks.get(block);
      holds(bytes, 'S26', () => `block ${block} of ${blobId} was never written`);
      file.set(bytes, block * blockBytes);
    }
    const isRight = equalBytes(file, contentOf(blobId, size));
    holds(isRight, 'S26', () => `${blobId} is whole, and is another file`);
    this.#whole(hearing);
  }

  #whole(hearing: Hearing): void {
    const {blobId, size} = hearing.offer;
    const {whole, parts, ever} = this.#options.pushed;
    whole.set(blobId, size);
    ever.add(blobId);
    parts.delete(blobId);
    const {blocks} = hearing.layout;
    this.#tellOver(hearing, plainReport(hearing.offer, 'whole', {blocks}));
  }

  #tellOver(hearing: Hearing, report: TransferReport): void {
    const {blobId, size, fileName, transferId} = hearing.offer;
    const file = fileName === undefined ? {} : {fileName};
    this.#options.tell({type: 'transferOver', report, blobId, size, ...file});
    if (report.state !== 'aside') this.#hearings.delete(transferId);
  }

  #fetchRest(transferId: number): void {
    const hearing = this.#hearings.get(transferId);
    if (hearing === undefined || hearing.isFetching) return;
    hearing.isFetching = true;
    const {clock, uploadMs, breaks, isServed} = this.#options;
    clock.after(uploadMs(), EVENT.blob, () => {
      if (this.#hearings.get(transferId) !== hearing) return;
      if (!breaks() && isServed()) this.#whole(hearing);
      else hearing.isFetching = false;
    });
  }

  #wake(hearing: Hearing): void {
    const {clock} = this.#options;
    const at = hearing.receiver?.wakeAt() ?? NEVER;
    if (at === NEVER || hearing.wakesAt <= at) return;
    hearing.wakesAt = at;
    clock.after(Math.max(0, at - clock.now().mono) + 0.01, EVENT.blob, () => {
      hearing.wakesAt = NEVER;
      if (this.#hearings.get(hearing.offer.transferId) !== hearing || !hearing.receiver) return;
      this.#perform(hearing, hearing.receiver.tick(clock.now().mono));
    });
  }
}
