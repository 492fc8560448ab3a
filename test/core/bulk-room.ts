// A sender and its receivers in one heap of plain functions: time, losses and delays are of the test's making. The
// datagrams are the real ones.

import {concat} from '../../src/base/bytes.ts';
import {Heap} from '../../src/base/heap.ts';
import {Prng} from '../../src/base/prng.ts';
import {asMonoMs, asNodeId, type MonoMs, type NodeId} from '../../src/base/types.ts';
import {BLOCK_HASH_BYTES, BulkLayout} from '../../src/core/bulk-layout.ts';
import type {BulkNews} from '../../src/core/bulk-orders.ts';
import {type BulkReceiveEffect, BulkReceiver} from '../../src/core/bulk-receiver.ts';
import {type BulkSendEffect, BulkSender} from '../../src/core/bulk-sender.ts';
import {paritySymbol} from '../../src/core/reed-solomon.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import type {TransferReport} from '../../src/wire/bulk-message.ts';
import {BULK_OVERHEAD_BYTES, BULK_TAG_BYTES, sealBulk} from '../../src/wire/bulk-packet.ts';

const real = new NodeCrypto();
/** A keyed sum in place of the HMAC, which would be nine tenths of the time. */
const cheap = {
  sha256: (...parts: readonly Uint8Array[]) => real.sha256(...parts),
  hmacSha256: (key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array => {
    let sum = 0x811c9dc5;
    for (const part of [key, ...parts])
      for (let i = 0; i < part.length; i++) sum = Math.imul(sum ^ (part[i] ?? 0), 0x01000193);
    return new Uint8Array(32).fill(sum & 0xff).fill((sum >>> 8) & 0xff, 4);
  },
};
export type RoomCrypto = typeof cheap;
export const KEY = new Uint8Array(32).fill(7);

export type RoomOptions = {
  readonly nodes: number;
  readonly size: number;
  readonly seed?: number;
  readonly symbolBytes?: number;
  readonly symbolsPerBlock?: number;
  /** Bits per second of the wire, as the datagrams here count. */
  readonly rate?: number;
  /** Is this datagram lost on its way to this node? */
  readonly loses?: (node: number, now: number, dice: Prng) => boolean;
  /** Is what this node says lost? */
  readonly mutes?: (node: number, now: number, dice: Prng) => boolean;
  /** When each node says for the first time that it listens; Infinity = never. */
  readonly startsAt?: (node: number) => number;
  /** How long a write takes. */
  readonly writeMs?: (node: number) => number;
  readonly crypto?: RoomCrypto;
  /** What comes of a datagram on its way. */
  readonly spoils?: (node: number, datagram: Uint8Array, dice: Prng) => Uint8Array;
};

export class RoomNode {
  readonly file: Uint8Array;
  readonly receiver: BulkReceiver;
  writes = new Map<number, number>();
  drops = 0;
  /** It was offered the transfer, and is in its group. */
  listens = false;
  wakeAt = Number.POSITIVE_INFINITY;
  constructor(size: number, receiver: BulkReceiver) {
    this.file = new Uint8Array(size);
    this.receiver = receiver;
  }
}

export const fileOf = (size: number, seed = 1): Uint8Array => {
  const dice = new Prng(seed);
  const file = new Uint8Array(size);
  for (let i = 0; i < size; i++) file[i] = dice.below(256);
  return file;
};

export function listOf(file: Uint8Array, layout: BulkLayout): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let block = layout.lists; block < layout.blocks; block++) {
    const at = layout.offsetOf(block);
    const bytes = file.subarray(at, at + layout.bytesOf(block));
    parts.push(real.sha256(bytes).slice(0, BLOCK_HASH_BYTES));
  }
  return concat(...parts);
}

export class Room {
  readonly layout: BulkLayout;
  readonly file: Uint8Array;
  readonly list: Uint8Array;
  readonly sender: BulkSender;
  readonly nodes: RoomNode[];
  readonly ids: NodeId[];
  /** The last word of each, or why it was left behind. */
  readonly outcomes = new Map<NodeId, string>();
  readonly options: RoomOptions;
  readonly crypto: RoomCrypto;
  now = 0;
  overAt: number | undefined;
  /** When the last of those that became whole was that. */
  lastWholeAt = 0;
  /** Postponed for their losses. */
  readonly lossy: number[] = [];
  readonly wholeAt = new Map<number, number>();
  firstAt: number | undefined;
  datagrams = 0;
  reports = 0;
  readonly #dice: Prng;
  readonly #due = new Heap<() => void>();
  #tickAt = Number.POSITIVE_INFINITY;

  constructor(options: RoomOptions) {
    const {size, nodes, symbolBytes = 16, symbolsPerBlock = 64, rate, seed = 1} = options;
    this.options = options;
    this.crypto = options.crypto ?? cheap;
    this.#dice = new Prng(seed);
    this.layout = new BulkLayout({size, symbolBytes, symbolsPerBlock});
    this.file = fileOf(size);
    this.list = listOf(this.file, this.layout);
    this.ids = Array.from({length: nodes}, (_, i) => asNodeId(i.toString(16).padStart(32, '0')));
    const datagramBytes = symbolBytes + BULK_OVERHEAD_BYTES;
    // As many datagrams a second as there are symbols of 1,400 bytes in 95 Mbit/s.
    const bits = rate ?? 7_950 * (datagramBytes + 66) * 8;
    this.sender = new BulkSender({
      layout: this.layout,
      nodes: this.ids,
      rate: {first: bits, most: bits},
      datagramBytes,
      now: asMonoMs(0),
    });
    this.nodes = this.ids.map(() => this.newNode());
    for (const [i] of this.nodes.entries()) {
      const at = options.startsAt?.(i) ?? 1;
      if (at < Number.POSITIVE_INFINITY) this.at(at, () => this.offer(i));
    }
    this.#tickSoon();
  }

  newNode(known?: {list: Uint8Array; blocks: readonly number[]}): RoomNode {
    const receiver = new BulkReceiver({
      layout: this.layout,
      transferId: 5,
      salt: 7,
      listHash: real.sha256(this.list),
      key: KEY,
      crypto: this.crypto,
      dice: this.#dice.fork(),
      ...(known ? {known} : {}),
    });
    return new RoomNode(this.options.size, receiver);
  }

  /** The same datagram with the tag that fits it: whoever has the key of the transfer can do that. */
  retag(datagram: Uint8Array): Uint8Array {
    const end = datagram.length - BULK_TAG_BYTES;
    const tag = this.crypto.hmacSha256(KEY, datagram.subarray(0, end));
    datagram.set(tag.subarray(0, BULK_TAG_BYTES), end);
    return datagram;
  }

  at(at: number, act: () => void): void {
    this.#due.push(Math.max(at, this.now), act);
  }

  offer(i: number): void {
    const node = this.nodes[i] as RoomNode;
    node.listens = true;
    this.#performAt(i, node.receiver.offered());
  }

  /** Runs until it is over, or time is up. */
  run(untilMs = 600_000): this {
    for (;;) {
      const at = this.#due.peekAt();
      if (at > untilMs || this.overAt !== undefined) return this;
      const act = this.#due.pop();
      if (act === undefined) return this;
      this.now = at;
      act();
    }
  }

  outcome(i: number): string | undefined {
    return this.outcomes.get(this.ids[i] as NodeId);
  }

  get mono(): MonoMs {
    return asMonoMs(this.now);
  }

  #tickSoon(): void {
    const wanted = this.sender.wakeAt(this.mono);
    // As a timer of a millisecond does.
    const at = Math.max(this.now + 1, Math.ceil(wanted));
    if (at >= this.#tickAt || at === Number.POSITIVE_INFINITY) return;
    this.#tickAt = at;
    this.at(at, () => {
      if (this.#tickAt === at) this.#tickAt = Number.POSITIVE_INFINITY;
      this.perform(this.sender.tick(this.mono));
    });
  }

  perform(effects: readonly BulkSendEffect[]): void {
    for (const effect of effects) this.#performOne(effect);
    this.#tickSoon();
  }

  #performOne(effect: BulkSendEffect): void {
    switch (effect.type) {
      case 'datagram':
        return this.#multicast(effect);
      case 'news':
        return this.#hear(effect.news);
    }
  }

  #hear(news: BulkNews): void {
    if (news.kind === 'over') this.overAt = this.now;
    if (news.kind === 'lossy') this.lossy.push(this.ids.indexOf(news.nodeId));
    if (news.kind === 'aside') this.outcomes.set(news.nodeId, news.reason);
    if (news.kind !== 'invite') return;
    for (const nodeId of news.nodes) {
      const i = this.ids.indexOf(nodeId);
      if ((this.options.startsAt?.(i) ?? 1) <= this.now)
        this.at(this.now + 0.3, () => this.offer(i));
    }
  }

  #multicast(effect: Extract<BulkSendEffect, {type: 'datagram'}>): void {
    this.datagrams += 1;
    const {symbol, sequence, poll, isEnding, answerMs} = effect;
    if (symbol) this.firstAt ??= this.now;
    const datagram = sealBulk(this.crypto, KEY, {
      transferId: 5,
      sequence,
      poll,
      isEnding,
      answerMs,
      symbol: symbol && {...symbol, bytes: this.#symbol(symbol.block, symbol.no)},
    });
    const {loses = () => false, spoils = (_, bytes) => bytes} = this.options;
    const heard = [...this.nodes.entries()].flatMap(([i, node]) =>
      node.listens && !loses(i, this.now, this.#dice)
        ? [{i, node, bytes: spoils(i, datagram, this.#dice)}]
        : [],
    );
    this.at(this.now + 0.2, () => {
      for (const {i, node, bytes} of heard) {
        if (this.nodes[i] !== node) continue;
        const effects = node.receiver.datagram(bytes, this.mono);
        if (typeof effects === 'string') node.drops += 1;
        else this.#performAt(i, effects);
      }
    });
  }

  #performAt(i: number, effects: readonly BulkReceiveEffect[]): void {
    const node = this.nodes[i] as RoomNode;
    for (const effect of effects) {
      if (effect.type === 'report') this.#say(i, effect.report);
      else if (effect.type === 'write') this.#write(i, effect);
      else if (effect.type === 'finish') {
        this.at(this.now + 1, () => {
          if (this.nodes[i] === node) this.#performAt(i, node.receiver.finished());
        });
      }
    }
    this.#wakeNode(i);
  }

  #write(i: number, {block, offset, bytes}: Extract<BulkReceiveEffect, {type: 'write'}>): void {
    const node = this.nodes[i] as RoomNode;
    node.writes.set(block, (node.writes.get(block) ?? 0) + 1);
    this.at(this.now + (this.options.writeMs?.(i) ?? 0.5), () => {
      if (this.nodes[i] !== node) return;
      node.file.set(bytes, offset);
      this.#performAt(i, node.receiver.written(block));
    });
  }

  #wakeNode(i: number): void {
    const node = this.nodes[i] as RoomNode;
    const at = node.receiver.wakeAt();
    if (at === node.wakeAt) return;
    node.wakeAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    this.at(at, () => {
      if (this.nodes[i] === node && node.receiver.wakeAt() <= this.now)
        this.#performAt(i, node.receiver.tick(this.mono));
    });
  }

  #say(i: number, report: TransferReport): void {
    this.reports += 1;
    if (report.state === 'whole' && !this.outcomes.has(this.ids[i] as NodeId))
      this.lastWholeAt = this.now;
    if (report.state === 'whole' && !this.wholeAt.has(i)) this.wholeAt.set(i, this.now);
    if (this.options.mutes?.(i, this.now, this.#dice)) {
      // The node's core says its last word until it is heard.
      if (report.state !== 'listening') this.at(this.now + 200, () => this.#say(i, report));
      return;
    }
    if (report.state !== 'listening') this.outcomes.set(this.ids[i] as NodeId, report.state);
    this.at(this.now + 0.3, () =>
      this.perform(this.sender.report(this.ids[i] as NodeId, report, this.mono)),
    );
  }

  #symbol(block: number, no: number): Uint8Array {
    const {layout} = this;
    const part = layout.isList(block) ? this.list : this.file;
    const at = layout.offsetOf(block);
    const sources = layout.sourcesIn(part.subarray(at, at + layout.bytesOf(block)));
    return sources[no] ?? paritySymbol(sources, no);
  }
}
