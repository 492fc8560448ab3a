// One transfer at a node: what the receiver decides is done to its file, and what comes of it is told. The socket is
// that of bulk-ear.ts.

import {chmod, link, mkdir, rename, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {assertNever} from '../base/assert.ts';
import {VolleyError} from '../base/errors.ts';
import type {Prng} from '../base/prng.ts';
import {MIB, SECOND_MS} from '../base/units.ts';
import {BulkLayout} from '../core/bulk-layout.ts';
import {type BulkReceiveEffect, BulkReceiver} from '../core/bulk-receiver.ts';
import {plainReport} from '../core/transfer-events.ts';
import type {Clock, Tell} from '../runtime/ports.ts';
import type {TransferOffer, TransferReport} from '../wire/bulk-message.ts';
import {type BlobStore, syncFolder} from './blob-store.ts';
import {BulkFile} from './bulk-file.ts';
import type {NodeCrypto} from './crypto.ts';

/** While the rest is fetched the master hears how far it is. */
const TOLD_MS = SECOND_MS;
/** Fetched at once, where the list says what belongs there. */
const SPAN_BYTES_MAX = 4 * MIB;

export type BulkHearingOptions = {
  /** Folder of unfinished files, and that of pushed ones. */
  readonly partsDir: string;
  readonly filesDir: string;
  readonly blobs: BlobStore;
  readonly crypto: NodeCrypto;
  readonly clock: Clock;
  readonly dice: Prng;
  readonly tell: Tell;
  /** Bytes that may be written until the disk is too full. */
  readonly room: () => Promise<number>;
  /** Bytes of a blob from the master; undefined = it does not bring them. */
  readonly fetchSpan: (
    offer: TransferOffer,
    offset: number,
    length: number,
  ) => Promise<Uint8Array | undefined>;
  /** The whole blob into the folder of blobs; false = it cannot be had. */
  readonly fetchWhole: (offer: TransferOffer) => Promise<boolean>;
};

/** One transfer at this node. */
export class BulkHearing {
  readonly offer: TransferOffer;
  readonly #options: BulkHearingOptions;
  readonly #layout: BulkLayout;
  readonly #onDeaf: () => void;
  readonly ended: Promise<void>;
  #resolve: () => void = () => {};
  #receiver: BulkReceiver | undefined;
  #file: BulkFile | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isFetching = false;
  /** Settles when the disk has all that it was given. */
  #writing: Promise<unknown> = Promise.resolve();
  #begun: Promise<void> = Promise.resolve();
  #isBegun = false;
  #isEnded = false;
  #isUnwanted = false;
  isListening = true;
  isOver = false;

  constructor(offer: TransferOffer, options: BulkHearingOptions, onDeaf: () => void) {
    this.offer = offer;
    this.#options = options;
    this.#layout = new BulkLayout(offer);
    this.#onDeaf = onDeaf;
    this.ended = new Promise(resolve => {
      this.#resolve = resolve;
    });
  }

  /** @param former of the same transfer: what it has of the file stays */
  begin(former?: BulkHearing): void {
    this.#begun = this.#begin(former).finally(() => {
      this.#isBegun = true;
      this.#onDeaf();
    });
  }

  /** It is over, and nothing of it touches the disk any more. */
  get isGone(): boolean {
    return this.#isBegun && this.#isEnded;
  }

  get #name(): string {
    return `${this.offer.transferId}-${this.offer.blobId}`;
  }

  async #begin(former: BulkHearing | undefined): Promise<void> {
    const {offer} = this;
    const {blobs, partsDir, crypto, dice} = this.#options;
    try {
      await former?.stop(false);
      const isHere = (await blobs.size(offer.blobId)) === offer.size;
      if (isHere && (await blobs.isIntact(offer.blobId))) {
        await BulkFile.remove(partsDir, this.#name);
        return await this.#settle();
      }
      const file = await BulkFile.open(partsDir, offer.blobId, this.#layout, this.#name);
      if (this.isOver) return await (this.#isUnwanted ? file.discard() : file.close());
      this.#file = file;
      // What is there of it needs no room.
      const isRoom = (await this.#options.room()) >= offer.size - (await file.bytesThere());
      if (this.isOver) return;
      if (!isRoom) return this.#leave('declined', 'there is no room for it on the disk');
      const known = await file.known(offer.listHash);
      if (this.isOver) return;
      this.#receiver = new BulkReceiver({
        layout: this.#layout,
        transferId: offer.transferId,
        salt: offer.salt,
        listHash: offer.listHash,
        key: offer.key,
        crypto,
        dice: dice.fork(),
        ...(known ? {known} : {}),
      });
      this.#perform(this.#receiver.offered());
    } catch (error) {
      this.#fail(error);
    }
  }

  offered(): void {
    if (this.#receiver && !this.isOver) this.#perform(this.#receiver.offered());
  }

  /** undefined = it was taken; else why not. */
  datagram(datagram: Uint8Array): string | undefined {
    if (!this.isListening) return 'notForUs';
    const effects = this.#receiver?.datagram(datagram, this.#options.clock.now().mono);
    if (effects === undefined) return 'notReady';
    if (typeof effects === 'string') return effects;
    if (effects.length > 0) this.#perform(effects);
    this.#wake();
    return undefined;
  }

  /** What the multicast did not bring: span by span where the list of hashes is here, else whole. */
  async fetchRest(): Promise<void> {
    if (this.#isFetching || this.isOver) return;
    this.#isFetching = true;
    // What an earlier life left need not be fetched again.
    await this.#begun;
    if (this.isOver) return;
    this.isListening = false;
    this.#onDeaf();
    const told = setInterval(() => this.offered(), TOLD_MS);
    try {
      if (await this.#fetchSpans()) return; // the last block that is written ends it
      const isHere = !this.isOver && (await this.#options.fetchWhole(this.offer));
      if (isHere && !this.isOver) await this.#settle();
    } catch (error) {
      this.#fail(error);
    } finally {
      clearInterval(told);
      this.#isFetching = false; // the master says it again
    }
  }

  /** Ends without a word. @param isUnwanted what is there of it goes */
  async stop(isUnwanted: boolean): Promise<void> {
    await this.#end(isUnwanted);
    await this.#begun;
  }

  async #end(isUnwanted: boolean): Promise<void> {
    this.#isUnwanted ||= isUnwanted;
    this.#over();
    const file = this.#file;
    this.#file = undefined;
    await (isUnwanted ? file?.discard() : file?.close())?.catch(() => {});
    this.#isEnded = true;
    this.#onDeaf();
  }

  #perform(effects: readonly BulkReceiveEffect[]): void {
    for (const effect of effects) this.#performOne(effect);
    this.#wake();
  }

  #performOne(effect: BulkReceiveEffect): void {
    switch (effect.type) {
      case 'write':
        return this.#write(effect.block, effect.bytes);
      case 'list':
        void this.#file?.keepList(effect.bytes).catch(() => {});
        return;
      case 'finish':
        void this.#finish();
        return;
      case 'report': {
        const {report} = effect;
        if (report.state === 'listening') this.#options.tell({type: 'transferTold', report});
        else this.#tellOver(report);
        return;
      }
      default:
        return assertNever(effect);
    }
  }

  #write(block: number, bytes: Uint8Array): void {
    const written = this.#file?.write(block - this.#layout.lists, bytes).then(
      () => {
        if (this.#receiver && !this.isOver) this.#perform(this.#receiver.written(block));
      },
      (error: unknown) => this.#fail(error),
    );
    this.#writing = Promise.all([this.#writing, written]);
  }

  async #finish(): Promise<void> {
    const file = this.#file;
    if (file === undefined || this.isOver) return;
    try {
      const isRight = await file.finish();
      if (this.isOver) return;
      if (!isRight)
        throw new VolleyError('VOLLEY_BAD_INPUT', {reason: 'the whole has another hash'});
      this.#file = undefined;
      await file.close();
      await this.#options.blobs.adopt(file.path, this.offer.blobId);
      await file.dropList();
      await this.#settle();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The blob is here. A pushed one gets its name beside it: the same bytes on the disk. */
  async #settle(): Promise<void> {
    const {fileName, blobId} = this.offer;
    const {blobs, filesDir} = this.#options;
    if (fileName !== undefined) {
      await mkdir(filesDir, {recursive: true, mode: 0o700});
      const [path, fresh] = [join(filesDir, fileName), join(filesDir, `.${this.#name}`)];
      await rm(fresh, {force: true});
      await link(blobs.pathOf(blobId), fresh);
      // Read only: who would edit it in place would edit the blob.
      await chmod(fresh, 0o444);
      await rename(fresh, path);
      // Of two names of one file neither goes by that.
      await rm(fresh, {force: true});
      await syncFolder(filesDir);
    }
    if (this.isOver) return;
    const {blocks} = this.#layout;
    this.#tellOver(plainReport(this.offer, 'whole', {blocks}));
    await this.#end(true);
  }

  #tellOver(report: TransferReport): void {
    const {blobId, size, fileName} = this.offer;
    const file = fileName === undefined ? {} : {fileName};
    this.#options.tell({type: 'transferOver', report, blobId, size, ...file});
    if (report.state !== 'aside') this.#over();
  }

  #fail(error: unknown): void {
    if (!this.isOver) this.#leave('gaveUp', error instanceof Error ? error.message : String(error));
  }

  #leave(state: 'declined' | 'gaveUp', reason: string): void {
    this.#tellOver(plainReport(this.offer, state, {reason}));
    void this.#end(true);
  }

  async #fetchSpans(): Promise<boolean> {
    const receiver = this.#receiver;
    if (receiver === undefined || !receiver.hasList || receiver.state !== 'listening') return false;
    const {blockBytes, lists} = this.#layout;
    const perSpan = Math.max(1, Math.floor(SPAN_BYTES_MAX / blockBytes));
    const lacking = receiver.lacking();
    for (let i = 0; i < lacking.length; ) {
      const first = lacking[i] ?? 0;
      let count = 1;
      while (count < perSpan && lacking[i + count] === first + count) count += 1;
      const offset = first * blockBytes;
      const length = Math.min(count * blockBytes, this.offer.size - offset);
      const bytes = await this.#options.fetchSpan(this.offer, offset, length);
      if (bytes === undefined || this.isOver) return false;
      for (let at = 0; at < bytes.length; at += blockBytes) {
        const block = lists + first + at / blockBytes;
        this.#perform(receiver.given(block, bytes.subarray(at, at + blockBytes)));
      }
      await this.#writing;
      i += count;
    }
    return receiver.lacking().length === 0;
  }

  #over(): void {
    this.isOver = true;
    this.isListening = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#resolve();
    this.#onDeaf();
  }

  #wake(): void {
    if (this.#timer !== undefined || this.isOver || this.#receiver === undefined) return;
    const at = this.#receiver.wakeAt();
    if (at === Number.POSITIVE_INFINITY) return;
    const ms = Math.max(0, at - this.#options.clock.now().mono);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#receiver && !this.isOver)
        this.#perform(this.#receiver.tick(this.#options.clock.now().mono));
    }, ms);
  }
}
