// Captures: one Fire command for each shot, and the signed statement of every node about it.

import {fromHex} from '../base/bytes.ts';
import {
  addMono,
  asCaptureId,
  type BlobId,
  type CaptureId,
  type MonoMs,
  NEVER,
  type NodeId,
  type Now,
} from '../base/types.ts';
import {MINUTE_MS} from '../base/units.ts';
import type {CaptureRequest, OperatorAnswer} from '../core/operator-request.ts';
import {type Actor, CAPTURES_KEY, type CapturesRow} from '../core/operator-rows.ts';
import {captureKey, encodeJson, put} from '../core/tables.ts';
import {decodeAck, decodeShot} from '../wire/codec.ts';
import type {ActionState, CommandAck, ShotReport, Target} from '../wire/message.ts';
import {ActionDesk} from './action-desk.ts';
import {cancelWhat, lastInstantOf, whyTooLate} from './capture-cancel.ts';
import {CaptureRemoval} from './capture-removal.ts';
import {
  arrange,
  type Capture,
  type CaptureRow,
  captureOf,
  expect,
  isOver,
  offsetMs,
  shotFor,
  shotKey,
  sweepLengthMs,
  toShotRow,
} from './capture-row.ts';
import {faultOf, inOrder, refusalOf, rowOf, targetOf, timed, ttlMsOf} from './capture-start.ts';
import {callsOf, nodesOf, placed, stepsOf} from './capture-steps.ts';
import {Collection} from './collection.ts';
import type {Commands} from './commands.ts';
import type {MasterContext} from './context.ts';
import {Pulses} from './pulses.ts';
import {leadFor, type RollCallRow, RollCalls, warmUpOf} from './roll-call.ts';
import {type NodeState, peerOf} from './roster.ts';
import {leastGapMs} from './shot-gaps.ts';
import {ShotQueue} from './shot-queue.ts';
import {windowOf} from './windows.ts';

/** What a dry run found is shown for this long. */
const DRY_RUN_MS = MINUTE_MS;
const RESTARTED = 'the master was restarted before it fired';

export type SavedCaptures = {
  readonly list: readonly Capture[];
  /** The highest number that was ever given out, as far as a deleted capture had it. */
  readonly lastId: number;
};

export class Captures {
  readonly #context: MasterContext;
  readonly #commands: Commands;
  readonly #captures = new Map<CaptureId, Capture>();
  #nextId: number;
  readonly #queue: ShotQueue;
  readonly #collection: Collection;
  readonly #removal: CaptureRemoval;
  readonly #rolls: RollCalls<Capture>;
  readonly actions: ActionDesk;
  readonly pulses: Pulses;
  /** Captures of an earlier life, until the first tick. */
  #restored: readonly Capture[];

  constructor(context: MasterContext, commands: Commands, {list, lastId}: SavedCaptures) {
    this.#context = context;
    this.#commands = commands;
    this.#queue = new ShotQueue(context, commands);
    this.#collection = new Collection(context);
    this.actions = new ActionDesk(context, commands);
    this.pulses = new Pulses(context, commands);
    this.#removal = new CaptureRemoval(context);
    this.#rolls = new RollCalls(context, commands);
    this.#restored = list.filter(({row}) => !row.deleting);
    this.#nextId = lastId + 1;
    for (const capture of list) {
      this.#nextId = Math.max(this.#nextId, capture.row.id + 1);
      if (capture.row.deleting) {
        this.#removal.goOn(capture, context.bootedAt);
        continue;
      }
      this.#captures.set(capture.row.id, capture);
      for (const shot of capture.shots.values()) this.#collection.add(capture, shot);
    }
  }

  all(): IterableIterator<Capture> {
    return this.#captures.values();
  }

  capture(id: CaptureId): Capture | undefined {
    return this.#captures.get(id);
  }

  start(request: CaptureRequest, now: Now): OperatorAnswer {
    const meant = [...this.#context.roster.targeted(targetOf(request))];
    const up = meant.filter(node => node.up);
    if (up.length === 0) {
      const reason = 'no node that is up has such a label or id';
      return {ok: false, code: 'VOLLEY_NO_NODES', fields: {reason}};
    }
    const fault = faultOf(request, meant.length);
    if (fault !== undefined) return {ok: false, code: 'VOLLEY_USAGE', fields: {reason: fault}};
    const nodes = (request.sweepMs ? inOrder(up) : up).map(node => node.row.nodeId);
    const row = rowOf(request, {
      id: asCaptureId(this.#nextId++),
      nodes,
      steps: placed(stepsOf(request), nodes, target => this.#idsOf(target)),
      createdAt: now.wall,
      salt: this.#context.prng.uint32(),
    });
    const capture = captureOf(row, NEVER);
    this.#captures.set(row.id, capture);
    const {leadMs, needs, dryRun} = request;
    const isCalled = leadMs === undefined || needs !== undefined || dryRun === true;
    if (!isCalled) this.#begin(capture, timed(row, leadMs, this.#context.instant(now.mono)), now);
    else {
      this.#save(capture);
      const gapOf = (action: string, nodeId: NodeId) => leastGapMs(row, action, nodeId);
      this.#rolls.begin(capture, callsOf(row), row.toleranceMs, gapOf, now);
    }
    return {ok: true, captureId: row.id};
  }

  #idsOf(target: Target): ReadonlySet<NodeId> {
    return new Set(Array.from(this.#context.roster.targeted(target), node => node.row.nodeId));
  }

  /** Nobody hears of a roll call that is over, or of one that the master does not live through; its number was told. */
  #save({row}: Capture): void {
    const lastId = this.#nextId - 1;
    this.#context.save(
      row.dryRun
        ? put('meta', CAPTURES_KEY, encodeJson({lastId} satisfies CapturesRow))
        : put('capture', captureKey(row.id), encodeJson(row)),
    );
    this.#context.announceCapture(row.id);
  }

  /** Everybody has said whether they would fire, or is not waited for. */
  #onRoll(capture: Capture, rollCall: RollCallRow, now: Now): void {
    const called = {...capture.row, rollCall};
    const leadMs = called.leadIsOurs ? leadFor(rollCall, this.#warmUpMs(called)) : called.leadMs;
    const refused = called.dryRun ? undefined : refusalOf(called, rollCall);
    const row = timed(called, leadMs, this.#context.instant(now.mono));
    if (refused === undefined && !row.dryRun) return this.#begin(capture, row, now);
    this.#end(capture, refused === undefined ? row : {...row, refused}, now);
  }

  /** Nothing of it fires. */
  #end(capture: Capture, {calling: _, ...row}: CaptureRow, now: Now): void {
    capture.row = {...row, at: []};
    capture.over = true;
    capture.deadlineAt = addMono(now.mono, DRY_RUN_MS);
    this.#save(capture);
  }

  /** Of those that are not ready to fire at once. */
  #warmUpMs(row: CaptureRow): number {
    const steps = row.steps ?? [row];
    return Math.max(...steps.map(({action}, i) => this.#warmUpOf(action, nodesOf(row, i + 1))));
  }

  #warmUpOf(action: string, nodes: readonly NodeId[]): number {
    let warmUpMs = 0;
    for (const nodeId of nodes) {
      const told = this.#context.roster.node(nodeId)?.actions.get(action)?.view;
      warmUpMs = Math.max(warmUpMs, warmUpOf(told));
    }
    return warmUpMs;
  }

  /** Its instants are known: the row is durable before the first command. */
  #begin(capture: Capture, row: CaptureRow, now: Now): void {
    const {leadMs, shots} = row;
    const lastMs = leadMs + offsetMs(row, shots) + sweepLengthMs(row);
    arrange(capture, row, addMono(now.mono, lastMs));
    this.#save(capture);
    this.#queue.begin(capture, now);
  }

  /** What has not been commanded is not; nodes that were commanded are told not to fire. */
  cancel(id: CaptureId, actor: Actor, now: Now): OperatorAnswer {
    const capture = this.#captures.get(id);
    if (!capture) return {ok: false, code: 'VOLLEY_UNKNOWN_CAPTURE', fields: {capture: id}};
    const reason = whyTooLate(capture, this.#context.instant(now.mono));
    if (reason !== undefined) return {ok: false, code: 'VOLLEY_USAGE', fields: {reason}};
    const {row} = capture;
    if (row.cancelled) return {ok: true};
    this.#context.note('info', 'capture cancelled', {capture: id, by: actor.name});
    if (row.calling) {
      this.#rolls.drop(capture);
      this.#end(capture, {...row, refused: `cancelled by ${actor.name}`}, now);
      return {ok: true};
    }
    const from = this.#queue.firstUncommanded(capture, now);
    this.#queue.drop(capture);
    this.#commands.withdraw(capture.commands);
    capture.row = {...row, cancelled: {from, by: actor.name}};
    this.#save(capture);
    this.#callOff(capture, now);
    return {ok: true};
  }

  /** Also after a restart, as long as a node may still fire. */
  #callOff(capture: Capture, now: Now): void {
    const {row} = capture;
    const leftMs = Math.max(0, lastInstantOf(row) - this.#context.instant(now.mono));
    expect(capture, addMono(now.mono, leftMs));
    capture.over ||= isOver(capture, this.#context.roster, now.mono);
    if (leftMs === 0) return;
    const {target, nodes} = row;
    const ackWindowMs = windowOf(nodes.length, leftMs);
    const options = {target, ackWindowMs, ttlMs: ttlMsOf(leftMs), expected: nodes};
    this.#commands.issue(cancelWhat(row), now, options);
  }

  /** Nodes that were commanded fire all the same: what they say then is acknowledged and not kept. */
  remove(id: CaptureId, force: boolean, now: Now): OperatorAnswer {
    const capture = this.#captures.get(id);
    if (!capture) return {ok: false, code: 'VOLLEY_UNKNOWN_CAPTURE', fields: {capture: id}};
    if (!capture.over && !force) {
      const reason = `capture ${id} is running; cancel it, wait for its end, or give --force`;
      return {ok: false, code: 'VOLLEY_USAGE', fields: {reason}};
    }
    this.#captures.delete(id);
    this.#queue.drop(capture);
    this.#collection.drop(capture);
    this.#rolls.drop(capture);
    if (!capture.row.dryRun) this.#removal.begin(capture, (this.#nextId - 1) as CaptureId, now);
    return {ok: true};
  }

  /** What nodes say of commands, of shots, and of their actions. */
  onMessage(node: NodeState, message: CommandAck | ShotReport | ActionState): void {
    if (message.type === 'commandAck') this.#onAck(node, message);
    else if (message.type === 'shotReport') this.#onShot(node, message);
    else this.actions.onState(node, message);
  }

  #onAck(node: NodeState, ack: CommandAck): void {
    const statement = decodeAck(ack.body);
    if (!statement || !this.#signedBy(node, 'ack', ack)) return;
    const {epoch, seq} = statement;
    this.#commands.acknowledged(epoch, seq, node.row.nodeId);
    this.#rolls.onAck(node.row.nodeId, statement);
    for (const capture of this.#captures.values()) {
      const shotNo = capture.commands.get(`${epoch}/${seq}`);
      const shot = shotNo && capture.shots.get(shotKey(capture.row.id, shotNo, node.row.nodeId));
      if (!shot) continue;
      shot.heardAt = statement.heardWallMs;
      this.#context.announceCapture(capture.row.id);
    }
  }

  /** Stores the signed statement and acknowledges it; a repeat is acknowledged again. */
  #onShot(node: NodeState, report: ShotReport): void {
    const statement = decodeShot(report.body);
    if (!statement || !this.#signedBy(node, 'shot', report)) return;
    const bodyHash = this.#context.crypto.sha256(report.body);
    this.#context.emit({type: 'receipt', to: peerOf(node), nonce: report.nonce, bodyHash});
    const capture = this.#captures.get(statement.captureId);
    if (!capture || capture.row.salt !== statement.salt) return;
    const shot = shotFor(capture, node.row.nodeId, statement.shot);
    if (!shot || shot.statement) return;
    const key = shotKey(capture.row.id, shot.shot, shot.nodeId);
    this.#commands.acknowledged(statement.epoch, statement.seq, node.row.nodeId);
    shot.statement = statement;
    shot.body = report.body;
    shot.signature = report.signature;
    this.#context.save(put('shot', key, encodeJson(toShotRow(shot))));
    this.#collection.add(capture, shot);
    this.#context.announceCapture(capture.row.id);
  }

  #signedBy(
    node: NodeState,
    purpose: 'ack' | 'shot',
    {body, signature}: {readonly body: Uint8Array; readonly signature: Uint8Array},
  ): boolean {
    const {crypto, config} = this.#context;
    const identity = fromHex(node.row.identityKey);
    if (identity && crypto.verify(identity, purpose, signature, config.clusterId, body))
      return true;
    this.#context.note('warn', 'statement refused', {node: node.row.nodeId, purpose});
    return false;
  }

  blobStored(blobId: BlobId, now: Now): void {
    for (const {capture, shot} of this.#collection.stored(blobId, now)) {
      const key = shotKey(capture.row.id, shot.shot, shot.nodeId);
      this.#context.save(put('shot', key, encodeJson(toShotRow(shot))));
      this.#context.announceCapture(capture.row.id);
    }
  }

  /** Whether this node said in a signed statement that it made this file. */
  mayUpload(nodeId: NodeId, captureId: CaptureId, shot: number, size: number): boolean {
    const found = this.#captures.get(captureId)?.shots.get(shotKey(captureId, shot, nodeId));
    return found?.statement?.files.some(file => file.size === size) ?? false;
  }

  wakeAt(): MonoMs {
    if (this.#restored.length > 0) return 0 as MonoMs;
    let least: number = Math.min(
      this.#collection.wakeAt(),
      this.#queue.wakeAt(),
      this.#removal.wakeAt(),
      this.#rolls.wakeAt(),
      this.pulses.wakeAt(),
    );
    for (const {over, called, callAt, deadlineAt, row} of this.#captures.values()) {
      if (!over || row.dryRun) least = Math.min(least, deadlineAt);
      if (!called) least = Math.min(least, callAt);
    }
    return least as MonoMs;
  }

  tick(now: Now): void {
    for (const capture of this.#restored) this.#resume(capture, now);
    this.#restored = [];
    for (const {about, row} of this.#rolls.takeOver(now.mono)) this.#onRoll(about, row, now);
    this.#queue.tick(now);
    this.pulses.tick(now);
    this.#collection.tick(now);
    this.#removal.tick(now);
    for (const capture of this.#captures.values()) {
      const {called, over, row} = capture;
      if (over && row.dryRun && now.mono >= capture.deadlineAt) this.#captures.delete(row.id);
      capture.called ||= now.mono >= capture.callAt;
      capture.over ||= isOver(capture, this.#context.roster, now.mono);
      if (capture.called !== called || capture.over !== over)
        this.#context.announceCapture(capture.row.id);
    }
  }

  #resume(capture: Capture, now: Now): void {
    const {row} = capture;
    if (row.calling) this.#end(capture, {...row, refused: RESTARTED}, now);
    else if (row.cancelled) this.#callOff(capture, now);
    else this.#queue.resume(capture, now);
  }
}
