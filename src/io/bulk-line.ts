// The master's end of bulk transfers: a thread for the one that is under way (bulk-worker.ts).

import {readFileSync} from 'node:fs';
import {extname} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {Worker} from 'node:worker_threads';
import {assertNever} from '../base/assert.ts';
import type {BlobId} from '../base/types.ts';
import {KIB} from '../base/units.ts';
import type {BulkNews, BulkOrder} from '../core/bulk-orders.ts';
import {SYMBOL_BYTES, SYMBOLS_PER_BLOCK} from '../core/transfer.ts';
import type {Bulk} from '../runtime/ports.ts';
import type {BulkJob, ToBulk} from './bulk-worker.ts';
import {startThread} from './thread.ts';

/** Of a link whose speed nobody tells: the most boards have. */
const UNKNOWN_MBIT = 100;
/** Of the link for a transfer: commands must find room beside it. */
const LINK_PART = 0.97;
/** No board takes more than this, whatever its link says. */
const MOST_MBIT = 2_500;

/** A thread that stands by takes 23 MiB. */
const SPARE_MS = 30_000;
/** Most blobs that come in are small inputs: no thread for each of them. */
const WARM_BYTES_MIN = 128 * KIB;

const WORKER = new URL(`bulk-worker${extname(fileURLToPath(import.meta.url))}`, import.meta.url);

export type BulkLineOptions = {
  /** Path of a blob's file. */
  readonly pathOf: (blobId: BlobId) => string;
  /** IPv4 address of the interface, and its name where there is one. */
  readonly address: string;
  readonly interfaceName: string | undefined;
  readonly tell: (transferId: number, news: BulkNews) => void;
};

export class BulkLine implements Bulk {
  readonly #options: BulkLineOptions;
  #thread: {readonly transferId: number; readonly worker: Worker} | undefined;
  /** Started, and of no transfer yet. */
  #spare: {readonly worker: Worker; readonly timer: NodeJS.Timeout} | undefined;

  constructor(options: BulkLineOptions) {
    this.#options = options;
  }

  order(order: BulkOrder): void {
    switch (order.kind) {
      case 'prepare':
        return this.#prepare(order);
      case 'send':
        return this.#send(order);
      case 'report':
        return this.#post(order.report.transferId, order);
      case 'join':
      case 'leave':
        return this.#post(order.transferId, order);
      case 'stop':
        if (this.#thread?.transferId === order.transferId) this.#end();
        return;
      default:
        return assertNever(order);
    }
  }

  /** So many bytes come in: they may have to go out soon, and a thread takes a tenth of a second until it runs. */
  warm(size: number): void {
    if (size < WARM_BYTES_MIN || this.#spare !== undefined || this.#thread !== undefined) return;
    const worker = startSender();
    // One that ends by itself is none.
    for (const event of ['error', 'exit']) worker.on(event, () => this.#cool(worker));
    const timer = setTimeout(() => this.#cool(worker), SPARE_MS);
    timer.unref();
    worker.unref();
    this.#spare = {worker, timer};
  }

  async close(): Promise<void> {
    const workers = [this.#thread?.worker, this.#spare?.worker];
    clearTimeout(this.#spare?.timer);
    this.#thread = undefined;
    this.#spare = undefined;
    await Promise.all(workers.map(worker => worker?.terminate()));
  }

  #cool(worker: Worker): void {
    if (this.#spare?.worker !== worker) return;
    clearTimeout(this.#spare.timer);
    this.#spare = undefined;
    void worker.terminate();
  }

  #takeThread(): Worker {
    const spare = this.#spare;
    if (spare === undefined) return startSender();
    const {worker, timer} = spare;
    clearTimeout(timer);
    this.#spare = undefined;
    worker.removeAllListeners();
    worker.ref();
    return worker;
  }

  #prepare({transferId, blobId, size}: Extract<BulkOrder, {kind: 'prepare'}>): void {
    this.#end();
    const {pathOf, address, tell} = this.#options;
    const geometry = {size, symbolBytes: SYMBOL_BYTES, symbolsPerBlock: SYMBOLS_PER_BLOCK};
    const job: BulkJob = {...geometry, path: pathOf(blobId), address};
    const worker = this.#takeThread();
    this.#thread = {transferId, worker};
    const isMine = (): boolean => this.#thread?.worker === worker;
    const fail = (reason: string): void => {
      if (!isMine()) return;
      this.#end();
      tell(transferId, {kind: 'failed', reason});
    };
    worker.on('message', (news: readonly BulkNews[]) => {
      for (const each of news) if (isMine()) this.#hear(transferId, each);
    });
    worker.on('error', error => fail(error.message));
    worker.on('exit', () => fail('its thread ended'));
    worker.postMessage({kind: 'prepare', job} satisfies ToBulk);
  }

  #send({offer, nodes, bitsPerSecond}: Extract<BulkOrder, {kind: 'send'}>): void {
    const link = linkMbit(this.#options.interfaceName) * 1e6 * LINK_PART;
    const most = bitsPerSecond ?? MOST_MBIT * 1e6;
    this.#post(offer.transferId, {
      kind: 'send',
      offer,
      nodes,
      rate: {first: Math.min(most, link), most},
    });
  }

  #hear(transferId: number, news: BulkNews): void {
    if (news.kind === 'over' || news.kind === 'failed') this.#end();
    this.#options.tell(transferId, news);
  }

  #post(transferId: number, message: ToBulk): void {
    if (this.#thread?.transferId === transferId) this.#thread.worker.postMessage(message);
  }

  #end(): void {
    const worker = this.#thread?.worker;
    this.#thread = undefined;
    void worker?.terminate();
  }
}

const startSender = (): Worker => startThread(WORKER, {execArgv: [], env: {}});

/** What the kernel knows of a cable: Mbit/s. Virtual ones and wireless ones tell nothing of use. */
function linkMbit(name: string | undefined): number {
  if (name === undefined) return UNKNOWN_MBIT;
  try {
    const told = Number(readFileSync(`/sys/class/net/${name}/speed`, 'utf8'));
    return told > 0 && told <= MOST_MBIT ? told : UNKNOWN_MBIT;
  } catch {
    return UNKNOWN_MBIT;
  }
}
