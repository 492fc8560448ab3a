// S24: what fires was to be fired: the row of its capture is durable and has the instant, of a sweep the node's own
// place in it; nothing fires of a roll call whose answer was no, of one that nobody waited for, or of a dry run; nor
// what an operator cancelled: no shot that was not commanded by then, and none at a node that has heard of it.
// S25: what the master holds of a shot is what happened: an honest node that is said to have fired did, then, within
// its bound, and one that is said not to have fired did not in that life of it.

import {fromHex} from '../base/bytes.ts';
import {addWall, asNodeId, type NodeId} from '../base/types.ts';
import type {NodeEffect, NodeEvent} from '../core/core.ts';
import {captureKey, decodeJson, type Op} from '../core/tables.ts';
import type {CaptureRow} from '../master/capture-row.ts';
import type {FireOrder} from '../runtime/ports.ts';
import {decodeShot} from '../wire/codec.ts';
import {holds} from './fabric.ts';
import type {SimMaster} from './sim-master.ts';
import type {SimNode} from './sim-node.ts';

/** Milliseconds of rounding: instants are doubles. */
const ROUNDING_MS = 0.001;
type CommandEvent = Extract<NodeEvent, {type: 'command'}>;

/** A node whose clock is off takes a command for so much older, at most. */
const EARLY_MS = 1_000;
const NOTHING = new Uint8Array();

export class CaptureChecker {
  readonly #master: SimMaster;
  readonly #wasLost: () => boolean;
  readonly #honest: (nodeId: NodeId) => SimNode | undefined;
  readonly #now: () => number;
  /** Node, capture and shot: when it really fired, and in which life. */
  readonly #fired = new Map<string, {readonly at: number; readonly life: number}>();
  /** Node, life, capture and salt: the node was told in time that nothing of it is to fire any more. */
  readonly #calledOff = new Set<string>();
  /** Node, life, capture and shot: its salt, until the shot is over. */
  readonly #inHand = new Map<string, number>();
  /** Statements that were held against what happened. */
  judged = 0;
  /** Shots that were in hand when their node heard that they are cancelled. */
  cancels = 0;

  /** @param wasLost whether the master's disk was ever replaced by an older one */
  constructor(
    master: SimMaster,
    parts: {
      readonly wasLost: () => boolean;
      /** undefined = it may say what it likes. */
      readonly honest: (nodeId: NodeId) => SimNode | undefined;
      readonly now: () => number;
    },
  ) {
    this.#master = master;
    this.#wasLost = parts.wasLost;
    this.#honest = parts.honest;
    this.#now = parts.now;
  }

  took(node: SimNode, event: NodeEvent, effects: readonly NodeEffect[]): void {
    const life = `${node.no}/${node.lives}`;
    if (event.type === 'shotDone') this.#inHand.delete(`${life}/${event.captureId}/${event.shot}`);
    if (event.type !== 'command') return;
    const {what} = event.command;
    if (what.kind === 'cancelCapture') this.#cancelled(node, event, effects);
    if (what.kind !== 'fire' || !effects.some(({type}) => type === 'fire')) return;
    const {captureId, shot, salt} = what;
    const isCalledOff = this.#calledOff.has(`${life}/${captureId}/${salt}`);
    holds(
      !isCalledOff,
      'S24',
      () => `node ${node.no} fires ${captureId}/${shot}, cancelled before`,
    );
    this.#inHand.set(`${life}/${captureId}/${shot}`, salt);
  }

  /** All that the node has in hand of it ends. Of those that are for everybody: labels may differ by what it knows. */
  #cancelled(node: SimNode, event: CommandEvent, effects: readonly NodeEffect[]): void {
    const {what, target, ttlMs, instanceId} = event.command;
    if (what.kind !== 'cancelCapture' || target.labels.length + target.nodes.length > 0) return;
    const saidAt = this.#master.issuedAt(instanceId, event.epoch, event.seq);
    if (saidAt === undefined || this.#now() - saidAt > ttlMs - EARLY_MS) return; // it may be too old for the node
    const capture = `${node.no}/${node.lives}/${what.captureId}`;
    this.#calledOff.add(`${capture}/${what.salt}`);
    const ended = new Set<string>();
    for (const effect of effects)
      if (effect.type === 'cancelShot') ended.add(`${capture}/${effect.shot}`);
    for (const [name, salt] of this.#inHand) {
      if (!name.startsWith(`${capture}/`) || salt !== what.salt) continue;
      this.cancels += 1;
      holds(ended.has(name), 'S24', () => `${name} is cancelled, and stays in hand`);
    }
  }

  fired(node: SimNode, {captureId, shot}: FireOrder, salt: number | undefined): void {
    const name = `${node.nodeId}/${captureId}/${salt}/${shot}`;
    this.#fired.set(name, {at: this.#now(), life: node.lives});
  }

  #said(op: Extract<Op, {type: 'put'}>): void {
    const nodeId = asNodeId(op.key.slice(16)); // of a card that was changed meanwhile, the old one
    const node = this.#honest(nodeId);
    const statement = decodeShot(fromHex((decodeJson(op.value) as {body: string}).body) ?? NOTHING);
    if (!node || !statement) return;
    const {captureId, salt, shot, verdict, firedWallMs, clockBoundMs} = statement;
    const saysFired = verdict === 'fired' || firedWallMs > 0;
    const knewNoTime = statement.doneWallMs === 0;
    const truth = this.#fired.get(`${nodeId}/${captureId}/${salt}/${shot}`);
    const name = `node ${node.no} says ${verdict} of ${captureId}/${shot}`;
    this.judged += 1;
    if (!truth) return holds(!saysFired, 'S25', () => `${name}, and has not fired`);
    if (firedWallMs === 0) {
      // a node that had lost the time meanwhile cannot say when it fired; of one that failed nobody can tell, then
      const isSo = knewNoTime || (!saysFired && truth.life !== node.lives);
      return holds(isSo, 'S25', () => `${name}, and has fired`);
    }
    const offs = this.#master.wallsAtZero.map(wall => Math.abs(wall + truth.at - firedWallMs));
    const slackMs = Math.max(0, clockBoundMs) + this.#master.sleptMs + ROUNDING_MS;
    const offMs = Math.min(...offs);
    holds(offMs <= slackMs, 'S25', () => `${name}, ${offMs} ms off, its bound is ${clockBoundMs}`);
  }

  durable(ops: readonly Op[]): void {
    for (const op of ops) {
      if (op.table === 'shot' && op.type === 'put') this.#said(op);
      if (op.table !== 'capture' || op.type !== 'put') continue;
      const row = decodeJson(op.value) as CaptureRow;
      const {id, at, calling, refused, needs, rollCall, dryRun} = row;
      holds(!dryRun, 'S24', () => `capture ${id} is a dry run, and is kept`);
      const isSet = at.length > 0;
      const isOne = [isSet, calling, refused !== undefined].filter(Boolean).length === 1;
      holds(isOne, 'S24', () => `capture ${id} is called, refused and set: not one of them`);
      if (!isSet || needs === undefined) continue;
      const isRight = rollCall !== undefined && rollCall.ready >= leastOf(needs, rollCall.asked);
      holds(
        isRight,
        'S24',
        () => `capture ${id} needs ${needs} nodes, ${rollCall?.ready} are ready`,
      );
    }
  }

  ordered(node: SimNode, order: FireOrder, salt: number | undefined): void {
    const {disk} = this.#master.store;
    if (disk.damage !== undefined) return; // what it has lost comes out when it is opened
    const {captureId, shot, fireAtWall} = order;
    const name = `node ${node.no} fires ${captureId}/${shot}`;
    const value = disk.get('capture', captureKey(captureId));
    const row = value && (decodeJson(value) as CaptureRow);
    if (!row || row.salt !== salt) return holds(this.#wasLost(), 'S24', () => `${name} of nobody`);
    const asked = row.at[shot - 1];
    const isCancelled = row.cancelled !== undefined && shot >= row.cancelled.from;
    holds(!isCancelled, 'S24', () => `${name}, which was cancelled before it was commanded`);
    if (asked === undefined) return holds(false, 'S24', () => `${name}, which is not to be fired`);
    const step = row.steps?.[(shot - 1) % row.steps.length] ?? row;
    const isWhat = order.action === step.action && `${order.args}` === `${step.args}`;
    holds(isWhat, 'S24', () => `${name} with ${order.action} ${order.args}, which is another step`);
    if (asked === 0) return; // on hearing
    const place = row.sweepMs === undefined ? 0 : row.nodes.indexOf(node.nodeId);
    holds(place >= 0, 'S24', () => `${name}, and has no place in the sweep`);
    const offMs = fireAtWall - addWall(asked, place * (row.sweepMs ?? 0));
    holds(Math.abs(offMs) < ROUNDING_MS, 'S24', () => `${name} ${offMs} ms after its place`);
  }
}

/** Said once more in other words than the master's own. */
function leastOf(needs: string, asked: number): number {
  const percent = needs === 'all' ? 100 : Number(/^(\d+)%$/.exec(needs)?.[1] ?? Number.NaN);
  return Number.isNaN(percent) ? Number(needs) : (percent / 100) * asked;
}
