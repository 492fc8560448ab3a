// The master's end of bulk transfers in a simulated world: the sender of io/bulk-worker.ts, on the process's clock.

import {assertNever} from '../base/assert.ts';
import {BLOCK_HASH_BYTES, BulkLayout} from '../core/bulk-layout.ts';
import type {BulkNews, BulkOrder} from '../core/bulk-orders.ts';
import {type BulkSendEffect, BulkSender} from '../core/bulk-sender.ts';
import {paritySymbol} from '../core/reed-solomon.ts';
import {SYMBOL_BYTES, SYMBOLS_PER_BLOCK} from '../core/transfer.ts';
import type {Bulk} from '../runtime/ports.ts';
import type {TransferOffer} from '../wire/bulk-message.ts';
import {BULK_OVERHEAD_BYTES, sealBulk} from '../wire/bulk-packet.ts';
import type {Crypto} from '../wire/crypto.ts';
import type {SimClock} from './sim-clock.ts';
import {EVENT} from './timeline.ts';
import {contentOf} from './transfer-plan.ts';

const GEOMETRY = {symbolBytes: SYMBOL_BYTES, symbolsPerBlock: SYMBOLS_PER_BLOCK};
/** Of a cluster that nobody told how fast its cables are. */
const LINK_BITS = 20_000_000;

export type SimBulkOptions = {
  readonly clock: SimClock;
  readonly crypto: Crypto;
  readonly multicast: (bytes: Uint8Array) => void;
  readonly takesMs: () => number;
  readonly tell: (transferId: number, news: BulkNews) => void;
};

type Prepared = {
  readonly transferId: number;
  readonly layout: BulkLayout;
  readonly list: Uint8Array;
  readonly content: Uint8Array;
};
type Sending = Prepared & {readonly offer: TransferOffer; readonly sender: BulkSender};

export class SimBulk implements Bulk {
  readonly #options: SimBulkOptions;
  #prepared: Prepared | undefined;
  #sending: Sending | undefined;

  constructor(options: SimBulkOptions) {
    this.#options = options;
  }

  order(order: BulkOrder): void {
    switch (order.kind) {
      case 'prepare':
        return this.#prepare(order);
      case 'send':
        return this.#send(order);
      case 'report':
      case 'join':
      case 'leave':
        return this.#say(order);
      case 'stop':
        this.#prepared = this.#sending = undefined;
        return;
      default:
        return assertNever(order);
    }
  }

  #prepare({transferId, blobId, size}: Extract<BulkOrder, {kind: 'prepare'}>): void {
    const {clock, crypto, takesMs, tell} = this.#options;
    const layout = new BulkLayout({size, ...GEOMETRY});
    const content = contentOf(blobId, size);
    const list = new Uint8Array(layout.listBytes);
    for (let block = layout.lists; block < layout.blocks; block++) {
      const at = layout.offsetOf(block);
      const hash = crypto.sha256(content.subarray(at, at + layout.bytesOf(block)));
      list.set(hash.subarray(0, BLOCK_HASH_BYTES), (block - layout.lists) * BLOCK_HASH_BYTES);
    }
    const prepared = {transferId, layout, list, content};
    this.#prepared = prepared;
    this.#sending = undefined;
    clock.after(takesMs(), EVENT.blob, () => {
      if (this.#prepared === prepared)
        tell(transferId, {kind: 'prepared', listHash: crypto.sha256(list)});
    });
  }

  #send({offer, nodes, bitsPerSecond = LINK_BITS}: Extract<BulkOrder, {kind: 'send'}>): void {
    const prepared = this.#prepared;
    if (prepared?.transferId !== offer.transferId) return;
    const sender = new BulkSender({
      layout: prepared.layout,
      nodes,
      rate: {first: bitsPerSecond, most: bitsPerSecond},
      datagramBytes: SYMBOL_BYTES + BULK_OVERHEAD_BYTES,
      now: this.#options.clock.now().mono,
    });
    this.#sending = {...prepared, offer, sender};
    this.#turn(this.#sending);
  }

  #say(order: Extract<BulkOrder, {kind: 'report' | 'join' | 'leave'}>): void {
    const sending = this.#sending;
    const transferId = order.kind === 'report' ? order.report.transferId : order.transferId;
    if (sending?.transferId !== transferId) return;
    const now = this.#options.clock.now().mono;
    const {sender} = sending;
    if (order.kind === 'report')
      this.#perform(sending, sender.report(order.nodeId, order.report, now));
    else if (order.kind === 'leave') this.#perform(sending, sender.leave(order.nodeId));
    else sender.join(order.nodeId, now);
  }

  #turn(sending: Sending): void {
    if (this.#sending !== sending) return;
    const {clock} = this.#options;
    const {sender} = sending;
    this.#perform(sending, sender.tick(clock.now().mono));
    const now = clock.now().mono;
    const waitMs = Math.max(1, sender.wakeAt(now) - now);
    if (waitMs !== Number.POSITIVE_INFINITY)
      clock.after(waitMs, EVENT.blob, () => this.#turn(sending));
  }

  #perform(sending: Sending, effects: readonly BulkSendEffect[]): void {
    for (const effect of effects) {
      if (this.#sending !== sending) return;
      if (effect.type === 'datagram') this.#datagram(sending, effect);
      else {
        if (effect.news.kind === 'over') this.#prepared = this.#sending = undefined;
        this.#options.tell(sending.transferId, effect.news);
      }
    }
  }

  #datagram(
    {offer, layout, list, content}: Sending,
    {symbol, ...head}: Extract<BulkSendEffect, {type: 'datagram'}>,
  ): void {
    const {crypto, multicast} = this.#options;
    const bytesOf = (block: number, no: number): Uint8Array => {
      const at = layout.offsetOf(block);
      const part = layout.isList(block) ? list : content;
      const sources = layout.sourcesIn(part.subarray(at, at + layout.bytesOf(block)));
      return sources[no] ?? paritySymbol(sources, no);
    };
    const packet = {
      ...head,
      transferId: offer.transferId,
      symbol: symbol && {...symbol, bytes: bytesOf(symbol.block, symbol.no)},
    };
    multicast(sealBulk(crypto, offer.key, packet));
  }
}
