// Server-sent events: what changes, as it changes.
//
//   GET /v1/events             everything
//   GET /v1/events?batch=<id>  one batch, its present state first; ?capture=<id> and
//                            ?transfer=<id> likewise
//
//   event: batch | node | capture | transfer
//   data: BatchView | NodeView | CaptureView | TransferView, as JSON in one line
//
// One subscription at the master serves all watchers, and none when nobody watches. Each view is made
// and written as JSON once, and large ones are made less often (coalescer.ts): that of a capture has a row for each shot
// of each node. A watcher that does not read is cut, not waited for: it may come again and
// misses nothing, because events carry states, not differences.

import type {ServerResponse} from 'node:http';
import {assertNever} from '../base/assert.ts';
import type {BatchId, CaptureId, NodeId} from '../base/types.ts';
import {MIB, SECOND_MS} from '../base/units.ts';
import type {Announcement} from '../core/core.ts';
import {Coalescer} from './coalescer.ts';
import type {MasterHandle} from './handle.ts';
import {SECURITY_HEADERS} from './listen.ts';

const WINDOW_MS = 50;
/** handle.nodes() shows all nodes, so their changes are looked up together. */
const NODES_WINDOW_MS = 250;
const HEARTBEAT_MS = 15 * SECOND_MS;
/** What a watcher may leave unread before the next event; one event may be larger. */
const UNREAD_BYTES_MAX = MIB;

export type EventFilter = {
  readonly batchId?: BatchId | undefined;
  readonly captureId?: CaptureId | undefined;
  readonly transferId?: number | undefined;
};

export type EventHubOptions = {
  readonly handle: Pick<
    MasterHandle,
    'watch' | 'batch' | 'nodes' | 'capture' | 'captureMark' | 'transfer' | 'transferMark'
  >;
  /** Default 50 ms. */
  readonly windowMs?: number;
  /** Default 15 s. */
  readonly heartbeatMs?: number;
  /** Default 1 MiB. */
  readonly unreadBytesMax?: number;
};

type Watcher = {readonly response: ServerResponse; readonly filter: EventFilter};

export class EventHub {
  readonly #handle: EventHubOptions['handle'];
  readonly #watchers = new Set<Watcher>();
  readonly #batches: Coalescer<BatchId>;
  readonly #captures: Coalescer<CaptureId>;
  readonly #transfers: Coalescer<number>;
  readonly #nodes: Coalescer<'all'>;
  readonly #changedNodes = new Set<NodeId>();
  readonly #heartbeatMs: number;
  readonly #unreadBytesMax: number;
  #unwatch: (() => void) | undefined;
  #heart: NodeJS.Timeout | undefined;

  constructor(options: EventHubOptions) {
    const windowMs = options.windowMs ?? WINDOW_MS;
    this.#handle = options.handle;
    this.#heartbeatMs = options.heartbeatMs ?? HEARTBEAT_MS;
    this.#unreadBytesMax = options.unreadBytesMax ?? UNREAD_BYTES_MAX;
    this.#batches = new Coalescer(windowMs, id => this.#tellBatch(id));
    this.#captures = new Coalescer(windowMs, id => this.#tellCapture(id));
    this.#transfers = new Coalescer(NODES_WINDOW_MS, id => this.#tellTransfer(id));
    this.#nodes = new Coalescer(NODES_WINDOW_MS, () => this.#tellNodes());
  }

  get watcherCount(): number {
    return this.#watchers.size;
  }

  /** Takes over the response until either side ends it. */
  watch(response: ServerResponse, filter: EventFilter): void {
    const watcher = {response, filter};
    response.on('error', () => undefined);
    response.once('close', () => this.#leave(watcher));
    response.writeHead(200, {
      ...SECURITY_HEADERS,
      'content-type': 'text/event-stream',
      'x-accel-buffering': 'no',
    });
    response.write('retry: 1000\n\n');
    this.#watchers.add(watcher);
    if (this.#watchers.size === 1) this.#start();
    // After the subscription, so that nothing happens between this state and the first event.
    const {batchId, captureId, transferId} = filter;
    const batch = batchId && this.#handle.batch(batchId);
    const capture = captureId && this.#handle.capture(captureId);
    if (batch) this.#write(watcher, eventText('batch', batch));
    if (capture) this.#write(watcher, eventText('capture', capture));
    const transfer = transferId && this.#handle.transfer(transferId);
    if (transfer) this.#write(watcher, eventText('transfer', transfer));
  }

  /** Ends all streams. */
  close(): void {
    for (const {response} of this.#watchers) response.destroy();
    this.#watchers.clear();
    this.#stop();
  }

  #start(): void {
    this.#unwatch = this.#handle.watch(about => this.#onAnnouncement(about));
    this.#heart = setInterval(() => this.#send(':\n\n', () => true), this.#heartbeatMs);
    this.#heart.unref();
  }

  #stop(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    clearInterval(this.#heart);
    this.#batches.clear();
    this.#captures.clear();
    this.#transfers.clear();
    this.#nodes.clear();
    this.#changedNodes.clear();
  }

  #leave(watcher: Watcher): void {
    if (this.#watchers.delete(watcher) && this.#watchers.size === 0) this.#stop();
  }

  #onAnnouncement(about: Announcement): void {
    switch (about.kind) {
      case 'batch':
        this.#batches.touch(about.batchId, this.#handle.batch(about.batchId)?.state);
        return;
      case 'capture':
        this.#captures.touch(about.captureId, this.#handle.captureMark(about.captureId));
        return;
      case 'transfer':
        this.#transfers.touch(about.transferId, this.#handle.transferMark(about.transferId));
        return;
      case 'node':
        this.#changedNodes.add(about.nodeId);
        this.#nodes.touch('all');
        return;
      default:
        assertNever(about);
    }
  }

  #tellBatch(batchId: BatchId): void {
    const view = this.#handle.batch(batchId);
    if (view === undefined) return this.#end(filter => filter.batchId === batchId);
    const text = eventText('batch', view);
    this.#send(text, filter => isOfAll(filter) || filter.batchId === batchId);
  }

  /** What they watch was deleted: who watched it asks again and is told so. */
  #end(watched: (filter: EventFilter) => boolean): void {
    for (const watcher of this.#watchers) {
      if (!watched(watcher.filter)) continue;
      this.#leave(watcher);
      watcher.response.end();
    }
  }

  #tellCapture(captureId: CaptureId): void {
    const view = this.#handle.capture(captureId);
    if (view === undefined) return this.#end(filter => filter.captureId === captureId);
    const text = eventText('capture', view);
    this.#send(text, filter => isOfAll(filter) || filter.captureId === captureId);
  }

  #tellTransfer(transferId: number): void {
    const view = this.#handle.transfer(transferId);
    if (view === undefined) return this.#end(filter => filter.transferId === transferId);
    const text = eventText('transfer', view);
    this.#send(text, filter => isOfAll(filter) || filter.transferId === transferId);
  }

  #tellNodes(): void {
    const changed = this.#handle.nodes().filter(node => this.#changedNodes.has(node.nodeId));
    this.#changedNodes.clear();
    if (changed.length === 0) return;
    const text = changed.map(node => eventText('node', node)).join('');
    this.#send(text, isOfAll);
  }

  #send(text: string, wanted: (filter: EventFilter) => boolean): void {
    for (const watcher of this.#watchers) if (wanted(watcher.filter)) this.#write(watcher, text);
  }

  #write(watcher: Watcher, text: string): void {
    const {response} = watcher;
    if (response.writableLength > this.#unreadBytesMax) {
      this.#leave(watcher);
      response.destroy();
    } else response.write(text);
  }
}

const isOfAll = ({batchId, captureId, transferId}: EventFilter): boolean =>
  batchId === undefined && captureId === undefined && transferId === undefined;

const eventText = (event: string, view: object): string =>
  `event: ${event}\ndata: ${JSON.stringify(view)}\n\n`;
