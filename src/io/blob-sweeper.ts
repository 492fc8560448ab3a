// When a running master sweeps its blobs: some minutes after its start, and from then on once a day at most, if
// something may have lost its last name since. It works a quarter of the time, in parts of a few milliseconds.
//
// Ages of files are told by the wall clock, which may be set while the master runs, and which goes on while the machine
// sleeps. Both make bytes look old that came a moment ago, so it is believed only as far as the monotonic clock goes
// with it: a clock that was set forward makes sweeps late, never early.

import {setTimeout as sleep} from 'node:timers/promises';
import {VolleyError} from '../base/errors.ts';
import {addMono, type MonoMs, NEVER, type WallMs} from '../base/types.ts';
import {DAY_MS, MINUTE_MS, SECOND_MS} from '../base/units.ts';
import type {Clock, Journal} from '../runtime/ports.ts';
import type {SweepReport} from './blob-sweep.ts';
import {every} from './system-clock.ts';

const FIRST_MS = 5 * MINUTE_MS;
const LOOK_MS = MINUTE_MS;
/** How much longer than a part of the work took is the rest behind it. */
const REST = 3;
const REST_MS_MIN = 1;
const REST_MS_MAX = SECOND_MS;

export type SweepTurn = {
  /** Wall clock as far as it is believed. */
  readonly now: () => WallMs;
  /** Rejects when the master ends. */
  readonly rest: () => Promise<void>;
};

export type BlobSweeperOptions = {
  readonly clock: Pick<Clock, 'now'>;
  readonly journal: Pick<Journal, 'note'>;
  /** One whole sweep. */
  readonly sweep: (turn: SweepTurn) => Promise<SweepReport>;
  /** Why there shall be none for now; undefined = there may be one. */
  readonly heldBack: () => string | undefined;
  /** A row is not what was written: the process must stop, P11. */
  readonly fatal: (error: unknown) => void;
};

export class BlobSweeper {
  readonly #options: BlobSweeperOptions;
  readonly #stop: () => void;
  readonly #ended = new AbortController();
  readonly #startedAt: {readonly mono: MonoMs; readonly wall: WallMs};
  #dueAt: MonoMs;
  #deletedAt = -NEVER as MonoMs;
  /** The last sweep left what may go by the next one. */
  #isLeft = true;
  #toldHeld = false;
  #running: Promise<void> | undefined;

  constructor(options: BlobSweeperOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
    this.#dueAt = addMono(this.#startedAt.mono, FIRST_MS);
    this.#stop = every(LOOK_MS, () => void this.look());
  }

  /** Rows of a batch are going, or are gone. */
  noteDeleted(): void {
    this.#deletedAt = this.#options.clock.now().mono;
  }

  /** Sweeps if it is time. Resolves when nothing is under way any more; never rejects. */
  async look(): Promise<void> {
    const {mono} = this.#options.clock.now();
    const isWanted = this.#isLeft || this.#deletedAt > addMono(this.#dueAt, -2 * DAY_MS);
    if (!this.#running && !this.#ended.signal.aborted && mono >= this.#dueAt) {
      if (!isWanted || this.#isHeldBack()) return;
      this.#dueAt = addMono(mono, DAY_MS);
      this.#running = this.#sweep().finally(() => {
        this.#running = undefined;
      });
    }
    await this.#running;
  }

  /** What is under way ends with its part; twice is fine. */
  async close(): Promise<void> {
    this.#stop();
    this.#ended.abort();
    await this.#running;
  }

  #isHeldBack(): boolean {
    const reason = this.#options.heldBack();
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
    return {
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
