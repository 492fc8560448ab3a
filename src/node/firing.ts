// Commands with a fire time: whether this node is meant, whether it is still time, what to answer, and the
// signed statement afterwards. The floor (epoch, seq) is durable before anything fires: at most once.

import {keepNewest} from '../base/newest.ts';
import {addMono, type CaptureId, type MonoMs, type WallMs} from '../base/types.ts';
import type {ClockSync} from '../core/clock-sync.ts';
import type {NodeEvent} from '../core/core.ts';
import {CLOCK_BOUND_MS_MAX} from '../wire/limits.ts';
import type {AckVerdict, ShotStatement, ShotVerdict} from '../wire/message.ts';

/** A command that comes this much after its instant still fires, and reports how late. */
const LATE_MS_MAX = 5;
const SHOTS_MAX = 1_024;
/** Commands live for a minute at most, and nobody cancels so many in that time. */
const CANCELLED_MAX = 64;
/** The same acknowledgement again: a master says what it says several times, and hears one answer to all of these. */
const AGAIN_MS = 40;

export type FirePlan =
  | {readonly kind: 'fire'; readonly fireAt: MonoMs; readonly fireAtWall: WallMs}
  | {readonly kind: 'missed'; readonly lateMs: number}
  | {readonly kind: 'unknownClock'}
  /** Known, and not well enough. */
  | {readonly kind: 'inexact'; readonly boundMs: number};

/** When to fire on our clock. `atWall` 0 = at once. @param toleranceMs the bound that the operator allows */
export function planFire(
  clock: ClockSync,
  atWall: WallMs,
  now: MonoMs,
  toleranceMs = CLOCK_BOUND_MS_MAX,
): FirePlan {
  const wallNow = clock.toWall(now);
  if (wallNow === undefined) return {kind: 'unknownClock'}; // who knows how old the command is
  if (atWall === 0) return {kind: 'fire', fireAt: now, fireAtWall: wallNow};
  const fireAt = clock.toMono(atWall, now);
  if (fireAt === undefined || clock.boundMs(now) > CLOCK_BOUND_MS_MAX)
    return {kind: 'unknownClock'};
  const boundMs = clock.boundMs(now);
  if (boundMs > toleranceMs) return {kind: 'inexact', boundMs};
  if (now - fireAt > LATE_MS_MAX) return {kind: 'missed', lateMs: now - fireAt};
  return {kind: 'fire', fireAt, fireAtWall: atWall};
}

export type Heard = {
  readonly captureId: CaptureId;
  readonly shot: number;
  readonly epoch: number;
  readonly seq: number;
  readonly salt: number;
  readonly heardAt: MonoMs;
  readonly action?: string;
  readonly isPreview?: boolean;
};

export const ackVerdictOf = (plan: FirePlan): AckVerdict =>
  plan.kind === 'fire' ? 'accepted' : 'expired';

type ShotDone = Extract<NodeEvent, {type: 'shotDone'}>;

/** The shots that were heard and are not over yet. */
export class Firing {
  readonly #heard = new Map<string, Heard>();
  /** Fired, failed or refused: a master whose clock went back over a restart may command them again. */
  readonly #over = new Set<string>();
  /** Captures of which nothing is to fire any more: a command of theirs may come after the word. */
  readonly #cancelled = new Set<string>();

  heard(heard: Heard): void {
    this.#heard.set(keyOf(heard.captureId, heard.shot), heard);
    keepNewest(this.#heard, SHOTS_MAX);
  }

  /** The action of a shot that was done, and how long it took; undefined = it is no measure of others. */
  timeOf({captureId, shot, firedAt, doneAt, failure}: ShotDone): [string, number] | undefined {
    const {action, isPreview} = this.#heard.get(keyOf(captureId, shot)) ?? {};
    if (action === undefined || isPreview || firedAt === undefined || failure !== undefined)
      return undefined;
    return [action, doneAt - firedAt];
  }

  /** The same shot was commanded before and is not over: a master that was killed commands it again. */
  holds({captureId, shot, salt}: Heard): boolean {
    const isWaiting = this.#heard.get(keyOf(captureId, shot))?.salt === salt;
    return isWaiting || this.#over.has(overKey({captureId, shot, salt}));
  }

  /** Its shots that were heard and are not over: they end in one statement each. */
  cancel({captureId, salt}: Pick<Heard, 'captureId' | 'salt'>): number[] {
    this.#cancelled.add(`${captureId}/${salt}`);
    keepNewest(this.#cancelled, CANCELLED_MAX);
    return [...this.#heard.values()]
      .filter(heard => heard.captureId === captureId && heard.salt === salt)
      .map(({shot}) => shot);
  }

  isCancelled({captureId, salt}: Pick<Heard, 'captureId' | 'salt'>): boolean {
    return this.#cancelled.has(`${captureId}/${salt}`);
  }

  /** Over in this life, or in an earlier one whose statement still waits for its receipt. */
  remember(shot: Pick<Heard, 'captureId' | 'shot' | 'salt'>): void {
    this.#over.add(overKey(shot));
    keepNewest(this.#over, SHOTS_MAX);
  }

  /** The statement of a shot that is over; undefined when it was never heard in this life. */
  statement(
    done: ShotDone,
    clock: ClockSync,
    now: MonoMs,
    periodOf: (action: string) => number = () => 0,
  ): ShotStatement | undefined {
    const key = keyOf(done.captureId, done.shot);
    const heard = this.#heard.get(key);
    if (!heard) return undefined;
    this.#heard.delete(key);
    this.remember(heard);
    const {firedAt, failure, unfired} = done;
    const sensorPeriodMs = firedAt === undefined ? 0 : periodOf(heard.action ?? '');
    return {
      ...base(heard, clock, now),
      firedWallMs: firedAt === undefined ? NOT : (clock.toWall(firedAt) ?? NOT),
      doneWallMs: clock.toWall(done.doneAt) ?? NOT,
      verdict: unfired ?? (failure === undefined ? 'fired' : 'failed'),
      reason: failure ?? '',
      files: done.files,
      ...(sensorPeriodMs > 0 ? {sensorPeriodMs} : {}),
    };
  }

  /** The statement of a shot that was not fired at all. */
  refusal(
    heard: Heard,
    verdict: ShotVerdict,
    reason: string,
    clock: ClockSync,
    now: MonoMs,
  ): ShotStatement {
    return {
      ...base(heard, clock, now),
      firedWallMs: NOT,
      doneWallMs: clock.toWall(now) ?? NOT,
      verdict,
      reason,
      files: [],
    };
  }
}

const NOT = 0 as WallMs;

const base = (heard: Heard, clock: ClockSync, now: MonoMs) => ({
  captureId: heard.captureId,
  shot: heard.shot,
  epoch: heard.epoch,
  seq: heard.seq,
  salt: heard.salt,
  heardWallMs: clock.toWall(heard.heardAt) ?? NOT,
  clockBoundMs: clock.boundMs(now),
});

const overKey = ({captureId, shot, salt}: Pick<Heard, 'captureId' | 'shot' | 'salt'>): string =>
  `${captureId}/${shot}/${salt}`;

const keyOf = (captureId: CaptureId, shot: number): string => `${captureId}/${shot}`;

/** Acknowledgements wait for their node's slot of the window that the command names. */
export class Acks {
  readonly #due: {readonly at: MonoMs; readonly body: Uint8Array}[] = [];
  /** The first answer to each command, for repeats of it. */
  readonly #given = new Map<string, {body: Uint8Array; windowMs: number; dueAt: MonoMs}>();

  /** @param fraction 0 … 1: which part of the window to wait */
  give(
    {epoch, seq}: Pick<Heard, 'epoch' | 'seq'>,
    body: Uint8Array,
    now: MonoMs,
    windowMs: number,
    fraction: number,
  ): void {
    const at = addMono(now, fraction * windowMs);
    this.#given.set(`${epoch}/${seq}`, {body, windowMs, dueAt: at});
    keepNewest(this.#given, SHOTS_MAX);
    this.#due.push({at, body});
  }

  /** Spread over the window too: the whole room hears the same repeat in the same instant. */
  repeat(epoch: number, seq: number, now: MonoMs, fraction: number): void {
    const given = this.#given.get(`${epoch}/${seq}`);
    if (!given || this.#due.some(due => due.body === given.body)) return;
    const soonest = Math.max(now, given.dueAt + AGAIN_MS) as MonoMs;
    given.dueAt = addMono(soonest, fraction * given.windowMs);
    this.#due.push({at: given.dueAt, body: given.body});
  }

  takeDue(now: MonoMs): Uint8Array[] {
    const bodies: Uint8Array[] = [];
    for (let i = 0; i < this.#due.length; ) {
      const due = this.#due[i];
      if (due && due.at <= now) {
        this.#due.splice(i, 1);
        bodies.push(due.body);
      } else i += 1;
    }
    return bodies;
  }

  wakeAt(): number {
    return this.#due.reduce((least, {at}) => Math.min(least, at), Number.POSITIVE_INFINITY);
  }
}
