// When a running master or node sweeps its blobs: some minutes after its start, and from then on once a day at most, if
// something may have lost its last name since; sooner when much of what rows named is ripe (blob-claims.ts), or when
// room is short and there is something that may go. It works a quarter of the time, in parts of a few milliseconds.
//
// Ages of files are told by the wall clock, which may be set while the master runs, and which goes on while the machine
// sleeps. Both make bytes look old that came a moment ago, so it is believed only as far as the monotonic clock goes
// with it: a clock that was set forward makes sweeps late, never early.

import {once} from 'node:events';
import {setTimeout as sleep} from 'node:timers/promises';
import {VolleyError} from '../base/errors.ts';
import {addMono, type MonoMs, NEVER, type WallMs} from '../base/types.ts';
import {DAY_MS, MIB, MINUTE_MS, SECOND_MS} from '../base/units.ts';
import type {SpaceSeen} from '../core/free-space.ts';
import type {Clock, Journal} from '../runtime/ports.ts';
import {UNNAMED_MAX, type Unnamed} from './blob-claims.ts';
import type {SweepReport} from './blob-sweep.ts';
import {every} from './system-clock.ts';

const FIRST_MS = 5 * MINUTE_MS;
const LOOK_MS = 2 * SECOND_MS;
/** Unnamed blobs that are worth a sweep: so much, or so great a part of what is free. */
const MUCH_BYTES = 64 * MIB;
const MUCH_OF_FREE = 0.1;
const MUCH_COUNT = UNNAMED_MAX / 2;
/** From the end of one sweep to the next that cannot wait for the day … */
const SOON_MS = 30 * SECOND_MS;
/** … on a disk that is short of room so many times as long as the last one took; 30 s at most. */
const SHORT_REST = 10;
const SHORT_MS_MIN = 2 * SECOND_MS;
/** Young ones grow old: on a disk that is short of room they are looked at so often. */
const SPARE_MS = 5 * MINUTE_MS;
/** Room is short below so many floors; what is deleted makes a little more of it. */
const SHORT_FLOORS = 2;
const ROOMY_FLOORS = 2.5;
/** How much longer than a part of the work took is the rest behind it. */
const REST = 3;
const REST_MS_MIN = 1;
const REST_MS_MAX = SECOND_MS;

const NOTHING: Unnamed = {count: 0, bytes: 0};

export type SweepTurn = {
  /** Bytes that should become free; 0 = there is room. */
  readonly needBytes: number;
  /** When this life began, by the same clock as `now`. */
  readonly startedAt: WallMs;
  /** Ends with `waited`, or when the process does. */
  readonly unlessEnded: <T>(waited: Promise<T>) => Promise<T>;
  /** Wall clock as far as it is believed. */
  readonly now: () => WallMs;
  /** Rejects when the process ends. */
  readonly rest: () => Promise<void>;
};

export type BlobSweeperOptions = {
  readonly clock: Pick<Clock, 'now'>;
  readonly journal: Pick<Journal, 'note'>;
  /** One whole sweep. */
  readonly sweep: (turn: SweepTurn) => Promise<SweepReport>;
  /** Why there shall be none for now; undefined = there may be one. */
  readonly heldBack?: () => string | undefined;
  /** Something may lose its last name without being told. */
  readonly isAlwaysWanted?: boolean;
  /** What rows named that are gone. */
  readonly unnamed?: () => Unnamed;
  /** A row is not what was written: the process must stop, P11. */
  readonly fatal: (error: unknown) => void;
};

export class BlobSweeper {
  readonly #options: BlobSweeperOptions;
  readonly #stop: () => void;
  readonly #ended = new AbortController();
  readonly #startedAt: {readonly mono: MonoMs; readonly wall: WallMs};
  #dueAt: MonoMs;
  #endedAt = -NEVER as MonoMs;
  #tookMs = 0;
  #spareAt: MonoMs;
  #space: SpaceSeen = {freeBytes: Number.POSITIVE_INFINITY, floorBytes: 0};
  #deletedAt = -NEVER as MonoMs;
  /** The last sweep left what may go by the next one. */
  #isLeft = true;
  #toldHeld = false;
  #running: Promise<void> | undefined;

  constructor(options: BlobSweeperOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
    this.#dueAt = addMono(this.#startedAt.mono, FIRST_MS);
    this.#spareAt = this.#dueAt;
    this.#stop = every(LOOK_MS, () => void this.look());
  }

  /** Rows of a batch are going, or are gone. */
  noteDeleted(): void {
    this.#deletedAt = this.#options.clock.now().mono;
  }

  /** How much room the disk has. */
  see(seen: SpaceSeen): void {
    this.#space = seen;
  }

  /** Sweeps if it is time. Resolves when nothing is under way any more; never rejects. */
  async look(): Promise<void> {
    const {mono} = this.#options.clock.now();
    if (!this.#running && !this.#ended.signal.aborted && this.#isDue(mono)) {
      if (this.#isHeldBack()) return;
      this.#dueAt = addMono(mono, DAY_MS);
      this.#spareAt = addMono(mono, SPARE_MS);
      this.#running = this.#sweep().finally(() => {
        this.#running = undefined;
        this.#endedAt = this.#options.clock.now().mono;
        this.#tookMs = this.#endedAt - mono;
      });
    }
    await this.#running;
  }

  #isDue(mono: MonoMs): boolean {
    const isLeft = this.#isLeft || this.#options.isAlwaysWanted === true;
    const isWanted = isLeft || this.#deletedAt > addMono(this.#dueAt, -2 * DAY_MS);
    if (mono >= this.#dueAt && isWanted) return true;
    if (mono < addMono(this.#endedAt, this.#pauseMs)) return false;
    const {count, bytes} = this.#options.unnamed?.() ?? NOTHING;
    const {freeBytes} = this.#space;
    if (this.#isShort && (count > 0 || (isLeft && mono >= this.#spareAt))) return true;
    return (
      count >= MUCH_COUNT || bytes >= MUCH_BYTES || (count > 0 && bytes >= MUCH_OF_FREE * freeBytes)
    );
  }

  get #isShort(): boolean {
    return this.#space.freeBytes < SHORT_FLOORS * this.#space.floorBytes;
  }

  /** What is computed waits for room, so on a disk that is short of it the next sweep comes as soon as it can. */
  get #pauseMs(): number {
    if (!this.#isShort) return SOON_MS;
    return Math.min(Math.max(SHORT_REST * this.#tookMs, SHORT_MS_MIN), SOON_MS);
  }

  /** What is under way ends with its part; twice is fine. */
  async close(): Promise<void> {
    this.#stop();
    this.#ended.abort();
    await this.#running;
  }

  #isHeldBack(): boolean {
    const reason = this.#options.heldBack?.();
    if (reason !== undefined && !this.#toldHeld) this.#note('info', 'blobs stay', {reason});
    this.#toldHeld = reason !== undefined;
    return this.#toldHeld;
  }

  async #sweep(): Promise<void> {
    this.#isLeft = true;
    try {
      const report = await this.#options.sweep(this.#turn());
      this.#isLeft = report.young.blobs > 0 || report.failed.blobs > 0;
      this.#tell(report);
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      const reason = error instanceof Error ? error.message : String(error);
      this.#note('warn', 'blobs cannot be swept', {reason});
      if (error instanceof VolleyError && error.code === 'VOLLEY_STORE_DAMAGED')
        this.#options.fatal(error);
    }
  }

  #tell({deleted, failed}: SweepReport): void {
    if (deleted.blobs > 0) this.#note('info', 'blobs that nothing names are deleted', {...deleted});
    if (failed.blobs > 0) this.#note('warn', 'blobs cannot be deleted', {...failed});
  }

  #turn(): SweepTurn {
    const {clock} = this.#options;
    const {mono: startMono, wall: startWall} = this.#startedAt;
    const {signal} = this.#ended;
    let since = clock.now().mono;
    const {freeBytes, floorBytes} = this.#space;
    return {
      needBytes: this.#isShort ? ROOMY_FLOORS * floorBytes - freeBytes : 0,
      startedAt: startWall,
      unlessEnded: async waited => {
        signal.throwIfAborted();
        const stop = new AbortController();
        const ended = once(signal, 'abort', {signal: stop.signal});
        ended.catch(() => {});
        try {
          return await Promise.race([waited, ended.then(() => Promise.reject(signal.reason))]);
        } finally {
          stop.abort();
        }
      },
      now: () => {
        const {mono, wall} = clock.now();
        return Math.min(wall, startWall + (mono - startMono)) as WallMs;
      },
      rest: async () => {
        const tookMs = clock.now().mono - since;
        const ms = Math.min(Math.max(REST * tookMs, REST_MS_MIN), REST_MS_MAX);
        await sleep(ms, undefined, {signal});
        since = clock.now().mono;
      },
    };
  }

  #note(level: 'info' | 'warn', what: string, fields: Record<string, string | number>): void {
    this.#options.journal.note({level, what, fields});
  }
}
