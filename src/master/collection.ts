// Files of captures on their way here: the master asks a few nodes at a time, as many as the link gives
// something for (collect-pace.ts). A node that is away, or does not bring them, gives its place to the next and is asked again
// later, ever more rarely: its files may still be there when it is mended.

import {addMono, type BlobId, type MonoMs, NEVER, type Now} from '../base/types.ts';
import {MINUTE_MS, SECOND_MS} from '../base/units.ts';
import {COLLECT_BLOBS_MAX} from '../wire/limits.ts';
import type {Capture, Shot} from './capture-row.ts';
import {CollectPace} from './collect-pace.ts';
import type {MasterContext} from './context.ts';
import {peerOf} from './roster.ts';

const ASK_MS = 2 * SECOND_MS;
/** Asked so often in its place without a file that comes, a node lets others go first. */
const ASKS_MAX = 15;
/** Asked so often without a file that comes: its upload broke, or the link is overrun. */
const ASKS_BROKEN = 4;
/** Files that a node sends at the same time. */
const SENT_AT_ONCE = 2;
/** How soon a node that was away may have its turn. */
const AWAY_MS = 2 * SECOND_MS;
const REST_MS_MIN = 30 * SECOND_MS;
const REST_MS_MAX = 10 * MINUTE_MS;

type Waiting = {
  readonly capture: Capture;
  readonly shot: Shot;
  asks: number;
  restMs: number;
  /** When it is asked next, or may have a place again. */
  nextAt: MonoMs;
};

export class Collection {
  readonly #context: MasterContext;
  /** In the order of their statements. */
  readonly #waiting = new Set<Waiting>();
  readonly #uploading = new Set<Waiting>();
  readonly #pace = new CollectPace();

  constructor(context: MasterContext) {
    this.#context = context;
  }

  /** A shot with files that are not here; one without is none of ours. */
  add(capture: Capture, shot: Shot): void {
    if (missing(shot).length === 0) return;
    const nextAt = Number.NEGATIVE_INFINITY as MonoMs;
    this.#waiting.add({capture, shot, asks: 0, restMs: REST_MS_MIN, nextAt});
  }

  /** Nobody wants its files any more. */
  drop(capture: Capture): void {
    for (const set of [this.#waiting, this.#uploading])
      for (const waiting of set) if (waiting.capture === capture) set.delete(waiting);
  }

  /** Shots that have this file now, of those that miss some. */
  stored(blobId: BlobId, now: Now): readonly {readonly capture: Capture; readonly shot: Shot}[] {
    const found = [...this.#uploading, ...this.#waiting].filter(
      ({shot}) =>
        !shot.collected.has(blobId) && shot.statement?.files.some(file => file.blobId === blobId),
    );
    const isFilled = !this.#hasRoom();
    for (const waiting of found) {
      if (this.#uploading.has(waiting))
        this.#pace.arrived(sizeOf(waiting.shot, blobId), isFilled, now.mono);
      waiting.shot.collected.add(blobId);
      waiting.asks = 0;
      if (missing(waiting.shot).length > 0) continue;
      this.#uploading.delete(waiting);
      this.#waiting.delete(waiting);
    }
    return found;
  }

  /** A full disk asks for nothing: what is not asked for stays where it is. */
  wakeAt(): MonoMs {
    if (this.#context.space.isFull) return NEVER;
    let least: number = NEVER;
    for (const {nextAt} of this.#uploading) least = Math.min(least, nextAt);
    if (this.#hasRoom()) for (const {nextAt} of this.#waiting) least = Math.min(least, nextAt);
    return least as MonoMs;
  }

  tick(now: Now): void {
    if (this.#context.space.isFull) return;
    for (const uploading of this.#uploading)
      if (uploading.nextAt <= now.mono) this.#ask(uploading, now);
    for (const waiting of this.#waiting) {
      if (!this.#hasRoom()) return;
      if (waiting.nextAt > now.mono) continue;
      this.#waiting.delete(waiting);
      this.#uploading.add(waiting);
      this.#ask(waiting, now);
    }
  }

  /** Counts what each node sends at once, not all that it was asked for. */
  #hasRoom(): boolean {
    let bytes = 0;
    for (const {shot} of this.#uploading)
      for (const blobId of missing(shot).slice(0, SENT_AT_ONCE)) bytes += sizeOf(shot, blobId);
    return this.#pace.hasRoom(this.#uploading.size, bytes);
  }

  #ask(waiting: Waiting, now: Now): void {
    const {shot} = waiting;
    const node = this.#context.roster.node(shot.nodeId);
    if (!node?.welcomed || !node.up) {
      if (waiting.asks > 0) this.#pace.broke(now.mono);
      return this.#rest(waiting, AWAY_MS, now);
    }
    if (waiting.asks === ASKS_BROKEN) this.#pace.broke(now.mono);
    if (waiting.asks >= ASKS_MAX) {
      this.#context.note('warn', 'files not collected', {node: shot.nodeId, shot: shot.shot});
      this.#rest(waiting, waiting.restMs, now);
      waiting.restMs = Math.min(waiting.restMs * 2, REST_MS_MAX);
      return;
    }
    waiting.asks += 1;
    waiting.nextAt = addMono(now.mono, ASK_MS);
    const blobIds = missing(shot).slice(0, COLLECT_BLOBS_MAX);
    this.#context.emit({type: 'send', to: peerOf(node), message: {type: 'collect', blobIds}});
  }

  /** Behind all others, and not before its time. */
  #rest(waiting: Waiting, ms: number, now: Now): void {
    this.#uploading.delete(waiting);
    waiting.asks = 0;
    waiting.nextAt = addMono(now.mono, ms);
    this.#waiting.add(waiting);
  }
}

const sizeOf = (shot: Shot, blobId: BlobId): number =>
  shot.statement?.files.find(file => file.blobId === blobId)?.size ?? 0;

const missing = (shot: Shot): BlobId[] =>
  (shot.statement?.files ?? [])
    .map(file => file.blobId)
    .filter(blobId => !shot.collected.has(blobId));
