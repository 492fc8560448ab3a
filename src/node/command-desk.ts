// What a node does with a command that is authentic and inside its window: is it meant, is it in time,
// what is answered.

import {addWall, type MonoMs, type NodeId, type Now, type WallMs} from '../base/types.ts';
import {MIB} from '../base/units.ts';
import {CANCELLED, notAllowed} from '../core/action-events.ts';
import type {ClockSync} from '../core/clock-sync.ts';
import type {NodeEffect, NodeEvent} from '../core/core.ts';
import type {FreeSpace} from '../core/free-space.ts';
import type {TransferEffect} from '../core/transfer-events.ts';
import {decodeShot, encodeAck, encodeShot} from '../wire/codec.ts';
import {commandExpired, targets} from '../wire/command.ts';
import {CLOCK_BOUND_MS_MAX, SWEEP_ID_BYTES} from '../wire/limits.ts';
import type {AckStatement, AckVerdict, CommandWhat, ShotVerdict, Target} from '../wire/message.ts';
import {ActionNews} from './action-news.ts';
import {Ear} from './ear.ts';
import {Acks, ackVerdictOf, type FirePlan, Firing, type Heard, planFire} from './firing.ts';
import type {NodeConfig} from './memory.ts';
import {ShotShelf} from './shot-shelf.ts';
import {ShotTimes} from './shot-times.ts';
import {Transfers} from './transfers.ts';

type CommandEvent = Extract<NodeEvent, {type: 'command'}>;
type FireWhat = Extract<CommandWhat, {kind: 'fire'}>;

const CLOCK_UNKNOWN = 'the clock of the master is not known yet';
const inexact = (boundMs: number): string => `its clock may be ${boundMs.toFixed(1)} ms off`;

function whyNot(plan: Exclude<FirePlan, {kind: 'fire'}>): string {
  if (plan.kind === 'missed') return `heard ${plan.lateMs.toFixed(1)} ms after the instant`;
  return plan.kind === 'inexact' ? inexact(plan.boundMs) : CLOCK_UNKNOWN;
}

export type FireAnswer = {
  /** AckStatement to acknowledge with. */
  readonly body: Uint8Array;
  readonly effects?: readonly NodeEffect[];
  /** ShotStatement of a shot that is not fired. */
  readonly refusal?: Uint8Array;
};

export class CommandDesk {
  readonly #nodeId: NodeId;
  readonly #labels: readonly string[];
  /** Labels that the operator gave this node, as the master said. */
  givenLabels: readonly string[] = [];
  readonly #actions: readonly string[];
  /** 0 … 1: which part of a window of acknowledgements is its own. */
  readonly #slot: number;
  readonly #firing = new Firing();
  readonly news: ActionNews;
  readonly ear = new Ear();
  readonly #acks = new Acks();
  readonly times = new ShotTimes();
  readonly shelf: ShotShelf;
  readonly transfers: Transfers;

  constructor(
    nodeId: NodeId,
    config: Pick<NodeConfig, 'labels' | 'actions' | 'keepShotsMib' | 'filesMib'>,
  ) {
    const {labels, actions, keepShotsMib, filesMib} = config;
    this.#nodeId = nodeId;
    this.#labels = labels;
    this.#actions = actions;
    this.shelf = new ShotShelf(keepShotsMib);
    this.news = new ActionNews(actions);
    this.transfers = new Transfers(filesMib);
    this.#slot = Number.parseInt(nodeId.slice(0, 8), 16) / 2 ** 32;
  }

  /** In a new session. */
  welcomed(now: MonoMs): TransferEffect[] {
    this.news.welcomed(now);
    return this.transfers.begin(now);
  }

  isTarget(target: Target): boolean {
    return targets(target, this.#nodeId, [...this.#labels, ...this.givenLabels]);
  }

  /** What to do, or undefined: not meant for us, or past its time to live. */
  judge(event: CommandEvent, clock: ClockSync, now: Now): CommandWhat | undefined {
    const {command} = event;
    if (!this.isTarget(command.target) || this.#placeOf(command.what) < 0) return undefined;
    const wall = clock.toWall(now.mono);
    const expired = wall !== undefined && commandExpired(command, wall);
    if (!expired) return command.what;
    if (command.ackWindowMs > 0)
      this.acknowledge(event, this.#ackBody(event, 'expired', clock, now), now.mono);
    return undefined;
  }

  /** How many fire before this node in a sweep; 0 where all fire at once, negative = it is not meant. */
  #placeOf(what: CommandWhat): number {
    if (what.kind !== 'fire' || !what.sweep) return 0;
    const {nodes, from} = what.sweep;
    const place = nodes.indexOf(this.#nodeId.slice(0, 2 * SWEEP_ID_BYTES));
    return place < 0 ? place : from + place;
  }

  /** Its instant: in a sweep later for each node that fires before this one. */
  #instantOf(what: FireWhat): WallMs {
    const delayMs = this.#placeOf(what) * (what.sweep?.stepMs ?? 0);
    return what.atWallMs === 0 ? what.atWallMs : addWall(what.atWallMs, delayMs);
  }

  /** Says whether it would fire, and does nothing. */
  rollCall(event: CommandEvent, clock: ClockSync, now: Now, space: FreeSpace): FireAnswer {
    const {what} = event.command;
    const {action, toleranceMs} = what.kind === 'rollCall' ? what : {action: ''};
    const isAllowed = this.#actions.includes(action);
    const {freeBytes} = space.seen;
    const shotMs = this.times.shotMs(action);
    const body = this.#ackBody(event, isAllowed ? 'accepted' : 'notAllowed', clock, now, {
      unready: isAllowed
        ? this.#unready(action, toleranceMs, clock, now, space.isFull)
        : notAllowed(action),
      ...(Number.isFinite(freeBytes) ? {freeMib: Math.floor(freeBytes / MIB)} : {}),
      ...(shotMs === undefined ? {} : {shotMs}),
    });
    return {body};
  }

  #unready(
    action: string,
    toleranceMs = CLOCK_BOUND_MS_MAX,
    clock: ClockSync,
    now: Now,
    isFull: boolean,
  ): string {
    const boundMs = clock.boundMs(now.mono);
    if (boundMs < 0) return CLOCK_UNKNOWN;
    if (boundMs > Math.min(toleranceMs, CLOCK_BOUND_MS_MAX)) return inexact(boundMs);
    return this.shelf.noRoom(isFull) ?? this.news.unableBy(action);
  }

  /** @param isFull the disk has no room for anything new */
  fire(event: CommandEvent, clock: ClockSync, now: Now, isFull = false): FireAnswer {
    const {what} = event.command;
    if (what.kind !== 'fire') return {body: this.#ackBody(event, 'expired', clock, now)};
    const heard: Heard = {
      captureId: what.captureId,
      shot: what.shot,
      epoch: event.epoch,
      seq: event.seq,
      salt: what.salt,
      heardAt: event.heardAt,
    };
    if (!this.#actions.includes(what.action)) {
      const reason = notAllowed(what.action);
      return {
        body: this.#ackBody(event, 'notAllowed', clock, now),
        refusal: encodeShot(this.#firing.refusal(heard, 'forbidden', reason, clock, now.mono)),
      };
    }
    if (this.#firing.holds(heard)) return {body: this.#ackBody(event, 'accepted', clock, now)};
    const refuse = (verdict: ShotVerdict, reason: string): FireAnswer => ({
      body: this.#ackBody(event, 'accepted', clock, now),
      refusal: encodeShot(this.#firing.refusal(heard, verdict, reason, clock, now.mono)),
    });
    if (this.#firing.isCancelled(heard)) return refuse('cancelled', CANCELLED);
    const noRoom = this.shelf.noRoom(isFull);
    if (noRoom !== undefined) return refuse('failed', noRoom);
    const plan = planFire(clock, this.#instantOf(what), now.mono, what.toleranceMs);
    const body = this.#ackBody(event, ackVerdictOf(plan), clock, now);
    if (plan.kind !== 'fire') {
      const statement = this.#firing.refusal(heard, 'missed', whyNot(plan), clock, now.mono);
      return {body, refusal: encodeShot(statement)};
    }
    this.#firing.heard({...heard, action: what.action, isPreview: what.preview ?? false});
    const {captureId, shot, action, args} = what;
    const {fireAt, fireAtWall} = plan;
    const more = {
      ...(what.preview ? {preview: true as const} : {}),
      ...(what.atWallMs === 0 ? {early: true as const} : {}),
    };
    const order = {captureId, shot, action, args, fireAt, fireAtWall, ...more};
    return {body, effects: [{type: 'fire', ...order}]};
  }

  /** The shell knows which of them are under way already: it ends the others. */
  cancel(event: CommandEvent, clock: ClockSync, now: Now): FireAnswer {
    const body = this.#ackBody(event, 'accepted', clock, now);
    const {what} = event.command;
    if (what.kind !== 'cancelCapture') return {body};
    const {captureId} = what;
    const shots = this.#firing.cancel(what);
    return {body, effects: shots.map(shot => ({type: 'cancelShot', captureId, shot}))};
  }

  /** What came of it is news of the action. */
  setAction(event: CommandEvent, clock: ClockSync, now: Now): FireAnswer {
    const {what} = event.command;
    if (what.kind !== 'setAction') return {body: this.#ackBody(event, 'expired', clock, now)};
    const isAllowed = this.#actions.includes(what.action);
    if (isAllowed && clock.toWall(now.mono) === undefined) {
      this.news.refuse(what, CLOCK_UNKNOWN, now.mono); // who knows how old it is: others may have come after it
      return {body: this.#ackBody(event, 'expired', clock, now)};
    }
    const effect = this.news.set(what, now.mono);
    const body = this.#ackBody(event, isAllowed ? 'accepted' : 'notAllowed', clock, now);
    return effect ? {body, effects: [effect]} : {body};
  }

  /** ShotStatement of an earlier life that waits for its receipt: what was fired is not fired again. */
  remember(body: Uint8Array): void {
    const statement = decodeShot(body);
    if (statement && statement.firedWallMs > 0) this.#firing.remember(statement);
  }

  #ackBody(
    event: CommandEvent,
    verdict: AckVerdict,
    clock: ClockSync,
    now: Now,
    more: Pick<AckStatement, 'unready' | 'freeMib' | 'shotMs'> = {},
  ): Uint8Array {
    return encodeAck({
      ...more,
      epoch: event.epoch,
      seq: event.seq,
      heardWallMs: clock.toWall(event.heardAt) ?? (0 as WallMs),
      clockBoundMs: clock.boundMs(now.mono),
      verdict,
    });
  }

  /** In this node's slot of the window that the command names: a room of them does not answer at once. */
  acknowledge(event: CommandEvent, body: Uint8Array, now: MonoMs): void {
    const {ackWindowMs} = event.command;
    if (ackWindowMs === 0) return;
    this.#acks.give(event, body, now, ackWindowMs, this.#slot);
  }

  onDuplicate(epoch: number, seq: number, now: MonoMs): void {
    this.#acks.repeat(epoch, seq, now, this.#slot);
  }

  takeAcks(now: MonoMs): Uint8Array[] {
    return this.#acks.takeDue(now);
  }

  /** Encoded statement of a shot that is over; its files are kept for collection. */
  shotDone(
    event: Extract<NodeEvent, {type: 'shotDone'}>,
    clock: ClockSync,
    now: Now,
  ): Uint8Array | undefined {
    const periodOf = (action: string): number => this.news.sensorPeriodMs(action);
    const time = this.#firing.timeOf(event);
    if (time) this.times.took(...time);
    const statement = this.#firing.statement(event, clock, now.mono, periodOf);
    if (!statement) return undefined;
    const {captureId, shot} = statement;
    for (const {blobId, size} of statement.files) this.shelf.keep({blobId, size, captureId, shot});
    return encodeShot(statement);
  }

  wakeAt(): number {
    return Math.min(this.#acks.wakeAt(), this.news.wakeAt(), this.transfers.wakeAt());
  }
}
