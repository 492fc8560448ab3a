// The receiving end of a bulk transfer: symbols become blocks, blocks are checked and written where they belong, each
// once and in any order. Memory holds the blocks under way and nothing else.
//
// What counts has the tag of the transfer; what is written has the hash that the master signed. Before the list of
// hashes is whole, blocks that are wait for it.

import {concat, EMPTY, equalBytes} from '../base/bytes.ts';
import type {Prng} from '../base/prng.ts';
import {addMono, type MonoMs, NEVER} from '../base/types.ts';
import type {TransferReport, TransferState} from '../wire/bulk-message.ts';
import {type BulkPacket, provesBulk, readBulk} from '../wire/bulk-packet.ts';
import type {Crypto} from '../wire/crypto.ts';
import {packDeficits, runsOf} from './bulk-deficits.ts';
import {BLOCK_HASH_BYTES, type BulkLayout} from './bulk-layout.ts';
import {type CameSymbol, recoverSources, SYMBOLS_MAX} from './reed-solomon.ts';

/** Blocks under way, checked or waiting for the disk: 17 MiB of symbols of 1,400 bytes. */
export const BULK_MEMORY_BLOCKS = 192;
/** Who lacks nothing answers each so-manieth poll, or when so many blocks have become whole. */
const QUIET_POLLS = 8;
const QUIET_BLOCKS = 32;
/** A block that was spoiled so often is not waited for again. */
const SPOILED_MAX = 2;

export type BulkReceiveEffect =
  /** Write it at this offset of the file; then tell `written`. */
  | {
      readonly type: 'write';
      readonly block: number;
      readonly offset: number;
      readonly bytes: Uint8Array;
    }
  /** The list of hashes, whole and checked: kept beside the file, it makes what is there good after a restart. */
  | {readonly type: 'list'; readonly bytes: Uint8Array}
  /** All blocks are written: check the whole file, make it durable, tell `finished`. */
  | {readonly type: 'finish'}
  | {readonly type: 'report'; readonly report: TransferReport};

export type BulkDrop = 'malformed' | 'notForUs' | 'replayed' | 'badSeal';

export type BulkReceiverOptions = {
  readonly layout: BulkLayout;
  readonly transferId: number;
  readonly salt: number;
  readonly listHash: Uint8Array;
  readonly key: Uint8Array;
  readonly crypto: Pick<Crypto, 'hmacSha256' | 'sha256'>;
  readonly dice: Prng;
  /** What a life before this one left: the list, and the blocks of the file that fit it. */
  readonly known?: {readonly list: Uint8Array; readonly blocks: readonly number[]};
};

type Partial = {
  readonly sources: (Uint8Array | undefined)[];
  readonly parity: CameSymbol[];
  count: number;
  /** All of it, when it waits for the list or the disk. */
  bytes: Uint8Array | undefined;
};

export class BulkReceiver {
  readonly #options: BulkReceiverOptions;
  readonly #layout: BulkLayout;
  readonly #partial = new Map<number, Partial>();
  /** 1 = whole: of the list in memory, of the file on the disk. */
  readonly #whole: Uint8Array;
  #wholeCount = 0;
  #lowest = 0;
  #list: Uint8Array | undefined;
  readonly #listParts: (Uint8Array | undefined)[] = [];
  readonly #spoiled = new Map<number, number>();
  #state: TransferState = 'listening';
  #reason = '';
  #poll = 0;
  #sequence = 0;
  #heard = 0;
  #highest = -1;
  #isEnding = false;
  #isFinishing = false;
  #reportAt: MonoMs = NEVER;
  #quietPolls = 0;
  #toldBlocks = 0;
  #effects: BulkReceiveEffect[] = [];

  constructor(options: BulkReceiverOptions) {
    this.#options = options;
    this.#layout = options.layout;
    this.#whole = new Uint8Array(options.layout.blocks);
    const {known, layout} = options;
    if (known && this.#takeList(known.list))
      for (const block of known.blocks) this.#settle(layout.lists + block);
  }

  get state(): TransferState {
    return this.#state;
  }

  /** Whole blocks, and all. */
  get progress(): {readonly blocks: number; readonly of: number} {
    return {blocks: this.#wholeCount, of: this.#layout.blocks};
  }

  /** Can blocks be checked? */
  get hasList(): boolean {
    return this.#list !== undefined;
  }

  /** A block that came another way; it is checked as the others. */
  given(block: number, bytes: Uint8Array): readonly BulkReceiveEffect[] {
    if (this.#state === 'listening' && this.#whole[block] === 0 && this.#list) {
      const held = this.#partial.get(block);
      if (held?.bytes === undefined) {
        const count = this.#layout.sourcesOf(block);
        this.#partial.set(block, {sources: [], parity: [], count, bytes});
        this.#check(block, bytes);
      }
    }
    return this.#take();
  }

  /** Blocks of the file that are not whole, ascending. */
  lacking(): number[] {
    const {lists, blocks} = this.#layout;
    const lacking: number[] = [];
    for (let block = lists; block < blocks; block++)
      if (this.#whole[block] === 0) lacking.push(block - lists);
    return lacking;
  }

  /** Told of the transfer, for the first time or again: says what it lacks. */
  offered(): readonly BulkReceiveEffect[] {
    // Nothing is written of a file of no bytes, nor of one that an earlier life has completed.
    if (this.#state === 'listening' && this.#isComplete) this.#finish();
    this.#isEnding = true;
    this.#report();
    this.#isEnding = false;
    return this.#take();
  }

  /** One datagram from the group. What is dropped changed nothing. */
  datagram(datagram: Uint8Array, now: MonoMs): readonly BulkReceiveEffect[] | BulkDrop {
    const {layout, transferId, crypto, key} = this.#options;
    const packet = readBulk(datagram, layout.symbolBytes);
    if (packet === undefined) return 'malformed';
    if (packet.transferId !== transferId) return 'notForUs';
    if (this.#state !== 'listening') return this.#take();
    const {symbol} = packet;
    // The tag costs a hash of the datagram; what says nothing new is known without it.
    const isNew = packet.sequence > this.#sequence;
    const isWanted = symbol !== undefined && this.#wants(symbol.block, symbol.no);
    if (!isNew && !isWanted) return 'replayed';
    if (!provesBulk(crypto, key, datagram)) return 'badSeal';
    if (isNew) this.#hear(packet, now);
    if (isWanted) this.#keep(symbol.block, symbol);
    return this.#take();
  }

  /** The disk has this block. */
  written(block: number): readonly BulkReceiveEffect[] {
    this.#partial.delete(block);
    this.#settle(block);
    if (this.#isComplete) this.#finish();
    return this.#take();
  }

  /** The whole file is checked and durable, or why not. */
  finished(reason?: string): readonly BulkReceiveEffect[] {
    this.#end(reason === undefined ? 'whole' : 'gaveUp', reason);
    return this.#take();
  }

  /** No room, a disk that fails, … */
  fail(reason: string): readonly BulkReceiveEffect[] {
    this.#end('gaveUp', reason);
    return this.#take();
  }

  tick(now: MonoMs): readonly BulkReceiveEffect[] {
    if (now >= this.#reportAt) this.#report();
    return this.#take();
  }

  wakeAt(): MonoMs {
    return this.#reportAt;
  }

  get #isComplete(): boolean {
    return this.#wholeCount === this.#layout.blocks;
  }

  #hear({sequence, poll, isEnding, answerMs, symbol}: BulkPacket, now: MonoMs): void {
    this.#sequence = sequence;
    this.#heard += 1;
    this.#isEnding = isEnding;
    if (symbol && symbol.block > this.#highest) this.#highest = symbol.block;
    if (poll === this.#poll) return;
    this.#poll = poll;
    this.#quietPolls += 1;
    const isDue =
      isEnding ||
      this.#partial.size > 0 ||
      this.#lowest <= this.#highest ||
      this.#quietPolls >= QUIET_POLLS ||
      this.#wholeCount - this.#toldBlocks >= QUIET_BLOCKS;
    if (!isDue || this.#reportAt !== NEVER) return;
    this.#reportAt = addMono(now, this.#options.dice.fraction() * answerMs);
  }

  #wants(block: number, no: number): boolean {
    if (block >= this.#layout.blocks || this.#whole[block] === 1 || no >= SYMBOLS_MAX) return false;
    const partial = this.#partial.get(block);
    if (partial === undefined) return this.#partial.size < BULK_MEMORY_BLOCKS;
    if (partial.bytes !== undefined) return false;
    return no < partial.sources.length
      ? partial.sources[no] === undefined
      : partial.parity.every(each => each.no !== no);
  }

  #keep(block: number, symbol: CameSymbol): void {
    const sources = this.#layout.sourcesOf(block);
    let partial = this.#partial.get(block);
    if (partial === undefined) {
      partial = {sources: new Array(sources), parity: [], count: 0, bytes: undefined};
      this.#partial.set(block, partial);
    }
    if (symbol.no < sources) partial.sources[symbol.no] = symbol.bytes;
    else partial.parity.push({no: symbol.no, bytes: symbol.bytes});
    partial.count += 1;
    if (partial.count < sources) return;
    const recovered = recoverSources(Array.from(partial.sources), partial.parity);
    if (recovered === undefined) return;
    partial.sources.fill(undefined);
    partial.parity.length = 0;
    partial.bytes = concat(...recovered).subarray(0, this.#layout.bytesOf(block));
    if (this.#layout.isList(block)) this.#joinList(block, partial.bytes);
    else if (this.#list) this.#check(block, partial.bytes);
  }

  #joinList(block: number, bytes: Uint8Array): void {
    this.#listParts[block] = bytes;
    const parts: Uint8Array[] = [];
    for (let i = 0; i < this.#layout.lists; i++) {
      const part = this.#listParts[i];
      if (part === undefined) return;
      parts.push(part);
    }
    this.#listParts.length = 0;
    for (let i = 0; i < this.#layout.lists; i++) this.#partial.delete(i);
    const list = concat(...parts);
    if (!this.#takeList(list)) return this.#spoil(0);
    this.#effects.push({type: 'list', bytes: list});
    for (const [held, {bytes: waiting}] of this.#partial)
      if (waiting !== undefined) this.#check(held, waiting);
  }

  #takeList(list: Uint8Array): boolean {
    const {layout, listHash, crypto} = this.#options;
    if (list.length !== layout.listBytes || !equalBytes(crypto.sha256(list), listHash))
      return false;
    this.#list = list;
    for (let block = 0; block < layout.lists; block++) this.#settle(block);
    return true;
  }

  #check(block: number, bytes: Uint8Array): void {
    const {layout, crypto} = this.#options;
    const at = (block - layout.lists) * BLOCK_HASH_BYTES;
    const hash = crypto.sha256(bytes).subarray(0, BLOCK_HASH_BYTES);
    const expected = (this.#list ?? EMPTY).subarray(at, at + BLOCK_HASH_BYTES);
    if (equalBytes(hash, expected))
      this.#effects.push({type: 'write', block, offset: layout.offsetOf(block), bytes});
    else {
      this.#partial.delete(block);
      this.#spoil(block);
    }
  }

  /** A member forged a symbol of it, or memory rots: all of it is dropped, and asked for again. */
  #spoil(block: number): void {
    const times = (this.#spoiled.get(block) ?? 0) + 1;
    this.#spoiled.set(block, times);
    if (times >= SPOILED_MAX) this.#end('aside', 'what came was not what the master signed');
  }

  #settle(block: number): void {
    if (this.#whole[block] !== 0) return;
    this.#whole[block] = 1;
    this.#wholeCount += 1;
    while (this.#lowest < this.#layout.blocks && this.#whole[this.#lowest] === 1) this.#lowest += 1;
  }

  /** Once: it may be offered again meanwhile. */
  #finish(): void {
    if (this.#isFinishing) return;
    this.#isFinishing = true;
    this.#effects.push({type: 'finish'});
  }

  #end(state: TransferState, reason = ''): void {
    if (this.#state !== 'listening') return;
    this.#state = state;
    this.#reason = reason;
    this.#partial.clear();
    this.#reportAt = NEVER;
    this.#report();
  }

  #report(): void {
    this.#reportAt = NEVER;
    this.#quietPolls = 0;
    this.#toldBlocks = this.#wholeCount;
    this.#effects.push({
      type: 'report',
      report: {
        type: 'transferReport',
        transferId: this.#options.transferId,
        salt: this.#options.salt,
        state: this.#state,
        poll: this.#poll,
        sequence: this.#sequence,
        heard: this.#heard,
        blocks: this.#wholeCount,
        room: Math.max(0, BULK_MEMORY_BLOCKS - this.#partial.size),
        from: this.#lowest,
        deficits: this.#state === 'listening' ? packDeficits(runsOf(this.#deficits())) : EMPTY,
        reason: this.#reason,
      },
    });
  }

  *#deficits(): Generator<number> {
    const {blocks} = this.#layout;
    const end = this.#isEnding ? blocks : Math.min(blocks, this.#highest + 1);
    for (let block = this.#lowest; block < end; block++) yield this.#deficit(block);
  }

  #deficit(block: number): number {
    if (this.#whole[block] === 1) return 0;
    const partial = this.#partial.get(block);
    if (partial?.bytes !== undefined) return 0;
    return this.#layout.sourcesOf(block) - (partial?.count ?? 0);
  }

  #take(): readonly BulkReceiveEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}
