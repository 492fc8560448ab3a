// Fires shots: the node's port to cameras and whatever else its owner allows by name. Each action
// is a lane: its shots wait in the order of their instants, one at a time is under way, and the
// files of one are stored while the next already fires. Every order ends in exactly one `shotDone`.
//
// How an instant is met: instant.ts. Around it the board is quiet: quiet.ts.

import {Heap} from '../base/heap.ts';
import {asMonoMs, type CaptureId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import {
  type ActionReport,
  type Applied,
  CANCELLED,
  notAllowed,
  type SetActionEffect,
} from '../core/action-events.ts';
import type {ActionSettings} from '../core/action-settings.ts';
import type {Actions, Clock, FireOrder, Tell} from '../runtime/ports.ts';
import {COMMAND_TTL_MS} from '../wire/limits.ts';
import {CommandProgram} from './action-command.ts';
import {PersistentProgram} from './action-process.ts';
import type {ActionSpec} from './allowed-actions.ts';
import {standUntil, timerMs} from './instant.ts';
import {QuietTimes} from './quiet.ts';
import {type ActionState, type ProgramSpec, type Shooter, STOPPING} from './shooter.ts';
import {type PutFile, ShotFiles, type ShotLimits} from './shot-files.ts';
import {sleptMs} from './system-clock.ts';

export type ActionRunnerOptions = {
  /** Folder for files until they are blobs; made, or cleared of old shots. */
  readonly dir: string;
  /** By name; a name that is not in it is forbidden. See allowedActions. */
  readonly actions: ReadonlyMap<string, ActionSpec>;
  readonly clock: Clock;
  readonly tell: Tell;
  readonly putFile: PutFile;
  /** Of what an action may write. */
  readonly limits?: ShotLimits;
  /** Stops what computes around the instants of shots, and lets it go on. */
  readonly hush?: (isQuiet: boolean) => void;
  /** Gives a process that fires real-time priority where it may; see realtime.ts. Default: nothing is done. */
  readonly raise?: (pid: number, threads: 'main' | 'all') => unknown;
  /** How long this machine has been suspended, counted from anywhere. Default: sleptMs of system-clock.ts. */
  readonly sleptMs?: () => number;
};

/** What is ready is not asked again so shortly before a shot. */
const ARM_AHEAD_MS = 20;
/** A timer that is later than this was not late: the process stood still. */
const SLEPT_MS_MIN = 1_000;
/** Time for a command that waited in the socket to be durable, and to be done. */
const HEAR_FIRST_MS = 200;
/** The clock that goes on in a suspended machine tells steps of 10 ms. */
const SUSPENDED_MS_MIN = 250;
const SUSPENDED = 'this machine was suspended between the command and the instant';
const STOOD_STILL = `the node stood still until more than ${COMMAND_TTL_MS / SECOND_MS} s after the instant`;
/** A shot that waits longer than this in a row of shots was not meant for this node. */
const WAITING_MAX = 256;

export class ActionRunner implements Actions {
  readonly #options: ActionRunnerOptions;
  readonly #files: ShotFiles;
  readonly #lanes = new Map<string, Lane>();
  readonly #quiet: QuietTimes;
  #isRaised = false;
  #closed = false;

  constructor(options: ActionRunnerOptions) {
    this.#options = options;
    this.#quiet = new QuietTimes(options.clock, isQuiet => options.hush?.(isQuiet));
    this.#files = new ShotFiles(options.dir, options.putFile, options.limits);
  }

  fire(order: FireOrder): void {
    const lane = this.#laneOf(order.action);
    if (lane !== undefined) {
      if (!this.#isRaised) this.#options.raise?.(process.pid, 'main');
      this.#isRaised = true;
      this.#quiet.expect(order.fireAt);
      lane.offer(order);
      return;
    }
    const why = this.#closed
      ? {failure: STOPPING}
      : {failure: notAllowed(order.action), unfired: 'forbidden' as const};
    this.#tellEnd(order, {...UNFIRED, doneAt: this.#options.clock.now().mono, ...why});
  }

  cancel({captureId, shot}: Parameters<Actions['cancel']>[0]): void {
    for (const lane of this.#lanes.values())
      for (const {fireAt} of lane.cancel(captureId, shot)) this.#quiet.forget(fireAt);
  }

  set({action, id, settings, isKept}: SetActionEffect): void {
    const lane = this.#laneOf(action);
    const {tell} = this.#options;
    if (lane !== undefined) {
      void lane.set(settings, isKept).then(applied => {
        if (applied) tell({type: 'actionSet', action, id, settings, applied});
      });
      return;
    }
    const reason = this.#closed ? STOPPING : notAllowed(action);
    tell({type: 'actionSet', action, id, settings, applied: {ok: false, reason}});
  }

  /** Starts a persistent action before its first shot; does nothing for others. */
  arm(action: string): void {
    this.#laneOf(action)?.arm();
  }

  /** Ends all programs; shots that wait or are under way end as failed. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#quiet.close();
    await Promise.all(Array.from(this.#lanes.values(), lane => lane.close()));
  }

  #laneOf(action: string): Lane | undefined {
    const known = this.#lanes.get(action);
    if (known !== undefined || this.#closed) return this.#closed ? undefined : known;
    const spec = this.#options.actions.get(action);
    if (spec === undefined) return undefined;
    const {clock, sleptMs: slept = sleptMs} = this.#options;
    const lane = new Lane({
      ...{clock, slept, spec},
      shooter: this.#shooterOf(action, spec),
      files: this.#files,
      end: (order, end) => this.#tellEnd(order, end),
    });
    this.#lanes.set(action, lane);
    return lane;
  }

  #shooterOf(action: string, spec: ActionSpec): Shooter {
    const {dir, clock, raise, tell} = this.#options;
    const onStart = (pid: number): unknown => raise?.(pid, 'all');
    const {argv, timeoutMs, armed: staysArmed = false} = spec;
    const onState = (state: ActionState): void =>
      tell({type: 'actionSaid', action, report: reportOf(state)});
    const program: ProgramSpec = {argv, timeoutMs, dir, clock, onStart, onState, staysArmed};
    return spec.persistent
      ? new PersistentProgram(program)
      : new CommandProgram(program, file => this.#files.pathOf(file));
  }

  #tellEnd({captureId, shot}: FireOrder, end: OrderEnd): void {
    this.#options.tell({type: 'shotDone', captureId, shot, ...end});
  }
}

const reportOf = ({phase, error, info, settings}: ActionState): ActionReport => {
  const {model, warmUpMs, sensorPeriodMs} = info;
  return {phase, error, model, warmUpMs, sensorPeriodMs, settings};
};

type OrderEnd = Omit<Parameters<Tell>[0] & {type: 'shotDone'}, 'type' | 'captureId' | 'shot'>;

const UNFIRED = {firedAt: undefined, files: []} as const;

type LaneOptions = {
  readonly clock: Clock;
  readonly slept: () => number;
  readonly shooter: Shooter;
  readonly spec: ActionSpec;
  readonly files: ShotFiles;
  readonly end: (order: FireOrder, end: OrderEnd) => void;
};

/** The shots of one action. */
class Lane {
  readonly #clock: Clock;
  readonly #shooter: Shooter;
  readonly #spec: ActionSpec;
  readonly #files: ShotFiles;
  readonly #end: (order: FireOrder, end: OrderEnd) => void;
  readonly #slept: () => number;
  readonly #waiting = new Heap<FireOrder>();
  /** How long the machine had been suspended when each came. */
  readonly #sleptBefore = new WeakMap<FireOrder, number>();
  readonly #underway = new Set<Promise<void>>();
  #busy = false;
  /** The process stood still: packets that wait come before the shots that are due. */
  #hearsFirst = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor({clock, slept, shooter, spec, files, end}: LaneOptions) {
    this.#clock = clock;
    this.#slept = slept;
    this.#shooter = shooter;
    this.#spec = spec;
    this.#files = files;
    this.#end = end;
  }

  arm(): void {
    this.#shooter.arm();
  }

  /** undefined = kept for its next start. */
  set(settings: ActionSettings, isKept: boolean): Promise<Applied | undefined> {
    return this.#shooter.set(settings, isKept);
  }

  offer(order: FireOrder): void {
    if (this.#waiting.size >= WAITING_MAX) {
      this.#fail(order, `${WAITING_MAX} shots are waiting already`);
      return;
    }
    // to ask what is ready at the instant itself would only be in the way
    const isSoon = order.fireAt - this.#clock.now().mono < ARM_AHEAD_MS;
    const isInTheWay = isSoon && this.#shooter.isReady;
    if (!isInTheWay && !this.#busy && this.#waiting.size === 0) this.#shooter.arm();
    this.#waiting.push(order.fireAt, order);
    this.#sleptBefore.set(order, this.#slept());
    this.#next();
  }

  /** Only while it waits: what has been told to a program cannot be called back. */
  cancel(captureId: CaptureId, shot: number): FireOrder[] {
    const kept: FireOrder[] = [];
    const cancelled: FireOrder[] = [];
    for (let order = this.#waiting.pop(); order !== undefined; order = this.#waiting.pop())
      (order.captureId === captureId && order.shot === shot ? cancelled : kept).push(order);
    for (const order of cancelled) this.#fail(order, CANCELLED, 'cancelled');
    for (const order of kept) this.#waiting.push(order.fireAt, order);
    this.#next();
    return cancelled;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (let order = this.#waiting.pop(); order !== undefined; order = this.#waiting.pop()) {
      this.#fail(order, STOPPING);
    }
    await this.#shooter.close();
    await Promise.all(this.#underway);
  }

  /**
   * A timer comes before the packets that wait: when the process stood still (stopped, or starved) they are heard
   * first, for one may take the shot back.
   */
  #wake(): void {
    const now = this.#clock.now().mono;
    const sleptMs = now - this.#waiting.peekAt();
    while (this.#waiting.size > 0 && now - this.#waiting.peekAt() > COMMAND_TTL_MS) {
      const order = this.#waiting.pop();
      if (order !== undefined) this.#fail(order, STOOD_STILL, 'missed');
    }
    this.#hearsFirst = sleptMs > SLEPT_MS_MIN && sleptMs < Number.POSITIVE_INFINITY;
    if (!this.#hearsFirst) return this.#next();
    this.#timer = setTimeout(() => {
      this.#hearsFirst = false;
      this.#next();
    }, HEAR_FIRST_MS);
  }

  /** Fires the first of the waiting shots when its instant has come, else sets the timer. */
  #next(): void {
    if (this.#busy || this.#closed || this.#hearsFirst || this.#waiting.size === 0) return;
    clearTimeout(this.#timer);
    const fireAt = asMonoMs(this.#waiting.peekAt());
    const {aheadMs} = this.#shooter;
    const waitMs = timerMs(asMonoMs(fireAt - aheadMs), this.#clock.now().mono);
    if (waitMs > 0) {
      this.#timer = setTimeout(() => this.#wake(), waitMs);
      return;
    }
    const order = this.#waiting.pop();
    if (order === undefined) return;
    if (this.#slept() - (this.#sleptBefore.get(order) ?? 0) > SUSPENDED_MS_MIN) {
      // The clock that its instant is told by stood still meanwhile: it is long over.
      this.#fail(order, SUSPENDED, 'missed');
      return this.#next();
    }
    if (aheadMs === 0) standUntil(fireAt, this.#clock);
    this.#busy = true;
    const shot = this.#shoot(order);
    this.#underway.add(shot);
    void shot.finally(() => this.#underway.delete(shot));
  }

  async #shoot(order: FireOrder): Promise<void> {
    const shot = `${order.captureId}-${order.shot}`;
    const {args, fireAt, fireAtWall} = order;
    const file = `${shot}.${this.#spec.extension}`;
    const shooting = this.#shooter.shoot({
      shot,
      file,
      askedWall: fireAtWall,
      fireAt,
      args,
      isPreview: order.preview ?? false,
    });
    const unwatch = this.#files.watch(reason => this.#shooter.abort(reason));
    const {firedAt, doneAt, failure, files} = await shooting;
    unwatch();
    this.#busy = false;
    this.#next();
    if (failure !== undefined) {
      this.#files.discard(shot);
      this.#end(order, {firedAt, doneAt, files: [], failure});
      return;
    }
    const collected = await this.#files.collect(shot, files, this.#mustMakeFile);
    this.#files.discard(shot);
    this.#end(
      order,
      collected.kind === 'files'
        ? {firedAt, doneAt, files: collected.files, failure: undefined}
        : {firedAt, doneAt, files: [], failure: collected.reason},
    );
  }

  /** A command that is given no file name (a flash, a motor) is not asked for a file. */
  get #mustMakeFile(): boolean {
    return this.#spec.persistent || this.#spec.argv.some(part => part.includes('{file}'));
  }

  #fail(order: FireOrder, failure: string, unfired?: OrderEnd['unfired']): void {
    const doneAt = this.#clock.now().mono;
    this.#end(order, {...UNFIRED, doneAt, failure, ...(unfired ? {unfired} : {})});
  }
}
