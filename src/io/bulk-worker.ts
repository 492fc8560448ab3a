// The thread that sends a bulk transfer: it is awake each millisecond, which the master's loop, with its JSON and its
// LevelDB, is not. One transfer in a thread, which may have been started before there was one; see bulk-line.ts.

import {createSocket, type Socket} from 'node:dgram';
import {performance} from 'node:perf_hooks';
import {parentPort} from 'node:worker_threads';
import {addMono, asMonoMs, type MonoMs, NEVER, type NodeId} from '../base/types.ts';
import {BulkLayout} from '../core/bulk-layout.ts';
import type {BulkNews} from '../core/bulk-orders.ts';
import {type BulkSendEffect, BulkSender} from '../core/bulk-sender.ts';
import type {TransferOffer, TransferReport} from '../wire/bulk-message.ts';
import {BULK_OVERHEAD_BYTES, sealBulk} from '../wire/bulk-packet.ts';
import {BulkSource} from './bulk-source.ts';
import {NodeCrypto} from './crypto.ts';

export type BulkJob = {
  readonly path: string;
  readonly size: number;
  readonly symbolBytes: number;
  readonly symbolsPerBlock: number;
  /** IPv4 address of the interface. */
  readonly address: string;
};

export type ToBulk =
  /** First of all, once. */
  | {readonly kind: 'prepare'; readonly job: BulkJob}
  | {
      readonly kind: 'send';
      readonly offer: TransferOffer;
      readonly nodes: readonly NodeId[];
      readonly rate: {readonly first: number; readonly most: number};
    }
  | {readonly kind: 'report'; readonly nodeId: NodeId; readonly report: TransferReport}
  | {readonly kind: 'join' | 'leave'; readonly nodeId: NodeId};

const PROGRESS_MS = 250;
/** Datagrams that may wait for the kernel: then its buffer is full, and we stand still. */
const QUEUED_MAX = 64;
/**
 * A larger one hides that the link is slower than we send: of what an unpaced sender gave to 4 MiB, 97 % went nowhere,
 * without an error.
 */
const SEND_BUFFER_BYTES = 256 * 1_024;
/** The interface is down: tried again so often. */
const AGAIN_MS = 100;

const now = (): MonoMs => asMonoMs(performance.now());
const tell = (...news: readonly BulkNews[]): void => parentPort?.postMessage(news);
const failed = (error: unknown): void =>
  tell({kind: 'failed', reason: error instanceof Error ? error.message : String(error)});

class BulkThread {
  readonly #job: BulkJob;
  readonly #layout: BulkLayout;
  readonly #source: BulkSource;
  readonly #crypto = new NodeCrypto();
  #socket: Socket | undefined;
  #sender: BulkSender | undefined;
  #offer: TransferOffer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #wakeAt: MonoMs = NEVER;
  #toldAt = 0;
  #toldSent = 0;
  /** Since when nothing leaves this machine. */
  #downSince: MonoMs | undefined;

  constructor(job: BulkJob) {
    this.#job = job;
    this.#layout = new BulkLayout(job);
    this.#source = new BulkSource(job.path, this.#layout);
    const list = this.#source.list();
    tell({kind: 'prepared', listHash: this.#crypto.sha256(list)});
  }

  take(message: Exclude<ToBulk, {kind: 'prepare'}>): void {
    if (message.kind === 'send') return this.#begin(message);
    const sender = this.#sender;
    if (sender === undefined) return;
    if (message.kind === 'report')
      this.#perform(sender.report(message.nodeId, message.report, now()));
    else if (message.kind === 'leave') this.#perform(sender.leave(message.nodeId));
    else sender.join(message.nodeId, now());
    this.#wake();
  }

  #begin({offer, nodes, rate}: Extract<ToBulk, {kind: 'send'}>): void {
    const datagramBytes = this.#job.symbolBytes + BULK_OVERHEAD_BYTES;
    const options = {layout: this.#layout, nodes, rate, datagramBytes, now: now()};
    this.#sender = new BulkSender(options);
    this.#offer = offer;
    const socket = createSocket('udp4');
    // What cannot even begin will not get better by waiting.
    socket.on('error', error => (this.#socket === undefined ? failed(error) : this.#stumble()));
    socket.bind(0, this.#job.address, () => {
      socket.setMulticastTTL(1);
      socket.setMulticastLoopback(true);
      socket.setMulticastInterface(this.#job.address);
      limitBuffer(socket);
      // Connected, a datagram leaves in the call that sends it.
      socket.connect(offer.port, offer.group, (error?: Error) => {
        if (error) return failed(error);
        this.#socket = socket;
        this.#turn();
      });
    });
  }

  #turn(): void {
    this.#timer = undefined;
    const {sender, socket} = {sender: this.#sender, socket: this.#socket};
    if (sender === undefined || socket === undefined) return;
    // Behind a full buffer the time is forgotten: it would come back as a burst.
    if (socket.getSendQueueCount() <= QUEUED_MAX) this.#perform(sender.tick(now()));
    this.#maybeTellProgress(sender);
    this.#wake();
  }

  #wake(): void {
    if (this.#sender === undefined || this.#socket === undefined) return;
    const at = this.#sender.wakeAt(now());
    if (at === NEVER) return;
    const waitMs = Math.max(1, Math.ceil(at - now()));
    const ms = this.#downSince === undefined ? waitMs : AGAIN_MS;
    // What was just told may make it due sooner.
    if (this.#timer !== undefined && this.#wakeAt <= now() + ms) return;
    clearTimeout(this.#timer);
    this.#wakeAt = addMono(now(), ms);
    this.#timer = setTimeout(() => this.#turn(), ms);
  }

  #perform(effects: readonly BulkSendEffect[]): void {
    const news: BulkNews[] = [];
    let isFirst = true;
    for (const effect of effects) {
      if (effect.type === 'news') news.push(effect.news);
      else {
        this.#send(effect, isFirst);
        isFirst = false;
      }
    }
    const isOver = news.some(({kind}) => kind === 'over');
    // What is told of it from now on is what it took in the end.
    if (isOver && this.#sender) this.#tellProgress(this.#sender);
    if (news.length > 0) tell(...news);
  }

  /** @param isFirst of a burst: asked how it went, for all of them, since that costs as much as the sending */
  #send(datagram: Extract<BulkSendEffect, {type: 'datagram'}>, isFirst: boolean): void {
    const {offer, socket} = {offer: this.#offer, socket: this.#socket};
    if (offer === undefined || socket === undefined) return;
    const {symbol: pick, sequence, poll, isEnding, answerMs} = datagram;
    const symbol = pick && {
      block: pick.block,
      no: pick.no,
      bytes: this.#source.symbol(pick.block, pick.no),
    };
    const {transferId, key} = offer;
    const packet = {transferId, sequence, poll, isEnding, answerMs, symbol};
    const sealed = sealBulk(this.#crypto, key, packet);
    if (isFirst) socket.send(sealed, this.#onSent);
    else socket.send(sealed);
  }

  readonly #onSent = (error: Error | null): void => (error ? this.#stumble() : this.#getUp());

  #stumble(): void {
    this.#downSince ??= now();
  }

  /** Nobody is to blame for the silence while we were cut off. */
  #getUp(): void {
    if (this.#downSince === undefined) return;
    this.#downSince = undefined;
    this.#sender?.excuse(now());
  }

  #maybeTellProgress(sender: BulkSender): void {
    const isFirst = sender.sent > 0 && this.#toldSent === 0;
    if (isFirst || now() - this.#toldAt >= PROGRESS_MS) this.#tellProgress(sender);
  }

  #tellProgress(sender: BulkSender): void {
    this.#toldAt = now();
    const blocks = [...sender.members.all()].map(
      ({nodeId, blocks: whole}) => [nodeId, whole] as const,
    );
    const {sent, bitsPerSecond} = sender;
    this.#toldSent = sent;
    tell({kind: 'progress', sent, bitsPerSecond, blocks});
  }
}

function limitBuffer(socket: Socket): void {
  try {
    if (socket.getSendBufferSize() > 2 * SEND_BUFFER_BYTES)
      socket.setSendBufferSize(SEND_BUFFER_BYTES);
  } catch {
    // As the kernel has it, then.
  }
}

let thread: BulkThread | undefined;
parentPort?.on('message', (message: ToBulk) => {
  try {
    if (message.kind === 'prepare') thread = new BulkThread(message.job);
    else thread?.take(message);
  } catch (error) {
    failed(error);
  }
});
