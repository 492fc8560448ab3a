// Which shot is commanded when. What a master that was killed had not yet commanded is commanded by the next one, if
// there is still time.

import {addMono, type MonoMs, NEVER, type Now, type WallMs} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import {type Capture, isSpokenOf, offsetMs, plannedAt, sweepLengthMs} from './capture-row.ts';
import {sweepsOf, ttlMsOf} from './capture-start.ts';
import {nodesOf, stepOf} from './capture-steps.ts';
import type {Commands} from './commands.ts';
import type {MasterContext} from './context.ts';
import {windowOf} from './windows.ts';

/** A command is sent this long before its instant at most; later shots wait for their turn. */
const AHEAD_MS_MAX = 20 * SECOND_MS;
/** After a restart nodes come back within this; a shot waits for them as long as its instant allows. */
const LAST_CALL_MS = SECOND_MS;
const LOOK_MS = 50;

type Due = {
  at: MonoMs;
  readonly capture: Capture;
  readonly shot: number;
  /** After a restart: until when it waits for nodes that are not back. */
  readonly lastCallAt?: MonoMs;
};

export class ShotQueue {
  readonly #context: MasterContext;
  readonly #commands: Commands;
  #due: Due[] = [];

  constructor(context: MasterContext, commands: Commands) {
    this.#context = context;
    this.#commands = commands;
  }

  /** All shots of a capture whose instants are known now. */
  begin(capture: Capture, now: Now): void {
    const {leadMs, shots} = capture.row;
    for (let shot = 1; shot <= shots; shot++) {
      const aheadMs = Math.min(leadMs, AHEAD_MS_MAX);
      const at = addMono(now.mono, leadMs + offsetMs(capture.row, shot) - aheadMs);
      this.#due.push({at, capture, shot});
    }
    this.tick(now);
  }

  /**
   * Shots whose instant is still to come and that no node has spoken of. One that was commanded before the
   * kill is commanded again: nodes that hold it fire once (command-desk.ts of the node).
   */
  resume(capture: Capture, now: Now): void {
    const {row} = capture;
    const instant = this.#context.instant(now.mono);
    for (let shot = 1; shot <= row.at.length; shot++) {
      const leftMs = plannedAt(row, shot) - instant;
      if (leftMs < LAST_CALL_MS || isSpokenOf(capture, shot)) continue;
      const lastCallAt = addMono(now.mono, leftMs - (row.leadMs > 0 ? LAST_CALL_MS : 0));
      const aheadMs = row.leadMs > 0 ? AHEAD_MS_MAX : 0;
      const at = addMono(now.mono, Math.max(0, leftMs - aheadMs));
      this.#due.push({at, capture, shot, lastCallAt});
    }
  }

  drop(capture: Capture): void {
    this.#due = this.#due.filter(due => due.capture !== capture);
  }

  /** Of one that was commanded before a restart nobody knows whether it was heard. */
  firstUncommanded(capture: Capture, now: Now): number {
    const {row} = capture;
    const aheadMs = Math.min(row.leadMs, AHEAD_MS_MAX);
    const instant = this.#context.instant(now.mono);
    const isNew = ({shot, lastCallAt}: Due): boolean =>
      lastCallAt === undefined || plannedAt(row, shot) - aheadMs > instant;
    const shots = this.#due.filter(due => due.capture === capture && isNew(due));
    return shots.reduce((least, {shot}) => Math.min(least, shot), row.shots + 1);
  }

  wakeAt(): MonoMs {
    return this.#due.reduce<number>((least, {at}) => Math.min(least, at), NEVER) as MonoMs;
  }

  tick(now: Now): void {
    for (let i = 0; i < this.#due.length; ) {
      const due = this.#due[i];
      if (!due || due.at > now.mono || this.#waits(due, now)) i += 1;
      else {
        this.#due.splice(i, 1);
        this.#issue(due.capture, due.shot, now);
      }
    }
  }

  /** A master that has just started has nobody to command yet. */
  #waits(due: Due, now: Now): boolean {
    if (due.lastCallAt === undefined || now.mono >= due.lastCallAt) return false;
    const {roster} = this.#context;
    if (due.capture.row.nodes.every(nodeId => roster.node(nodeId)?.welcomed)) return false;
    due.at = addMono(now.mono, LOOK_MS);
    return true;
  }

  #issue(capture: Capture, shot: number, now: Now): void {
    const {row} = capture;
    const atWallMs = row.at[shot - 1] ?? (0 as WallMs);
    const leadMs = atWallMs === 0 ? 0 : Math.max(0, atWallMs - this.#context.instant(now.mono));
    const {action, args, target} = stepOf(row, shot) ?? row;
    const meant = nodesOf(row, shot);
    if (meant.length === 0) return; // nobody was up that this step is of
    const what = {
      kind: 'fire' as const,
      ...{captureId: row.id, shot, action, args, atWallMs, salt: row.salt},
      ...(row.preview ? {preview: true as const} : {}),
      ...(row.toleranceMs ? {toleranceMs: row.toleranceMs} : {}),
    };
    const ttlMs = ttlMsOf(leadMs + sweepLengthMs(row));
    for (const sweep of sweepsOf(row)) {
      const first = sweep?.from ?? 0;
      const nodes = sweep ? meant.slice(first, first + sweep.nodes.length) : meant;
      const sent = this.#commands.issue(sweep ? {...what, sweep} : what, now, {
        ...{target, ackWindowMs: windowOf(nodes.length, leadMs), ttlMs, leadMs},
        ...(sweep ? {expected: nodes} : {}),
      });
      capture.commands.set(`${sent.epoch}/${sent.seq}`, shot);
    }
    this.#context.announceCapture(row.id);
  }
}
