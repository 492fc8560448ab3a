// Captures: one Fire command for each shot, and the signed statement of every node about it. What a master
// that was killed had not yet commanded is commanded by the next one, if there is still time.

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
  type WallMs,
} from '../base/types.ts';
import {MINUTE_MS, SECOND_MS} from '../base/units.ts';
import type {CaptureRequest, OperatorAnswer} from '../core/operator-request.ts';
import {captureKey, encodeJson, put} from '../core/tables.ts';
import {decodeAck, decodeShot} from '../wire/codec.ts';
import {COMMAND_TTL_MS_MAX} from '../wire/limits.ts';
import type {ActionState, CommandAck, ShotReport} from '../wire/message.ts';
import {ActionDesk} from './action-desk.ts';
import {CaptureRemoval} from './capture-removal.ts';
import {
  arrange,
  type Capture,
  type CaptureRow,
  captureOf,
  isOver,
  isSpokenOf,
  offsetMs,
  plannedAt,
  shotFor,
  shotKey,
  sweepLengthMs,
  toShotRow,
} from './capture-row.ts';
import {faultOf, inOrder, refusalOf, rowOf, sweepsOf, timed} from './capture-start.ts';
import {Collection} from './collection.ts';
import type {Commands} from './commands.ts';
import type {MasterContext} from './context.ts';
import {Pulses} from './pulses.ts';
import {leadFor, type RollCallRow, RollCalls} from './roll-call.ts';
import {type NodeState, peerOf} from './roster.ts';
import {windowOf} from './windows.ts';

/** A command is sent this long before its instant at most; later shots wait for their turn. */
const AHEAD_MS_MAX = 20 * SECOND_MS;
/** After a restart nodes come back within this; a shot waits for them as long as its instant allows. */
const LAST_CALL_MS = SECOND_MS;
const LOOK_MS = 50;

/** What a dry run found is shown for this long. */
const DRY_RUN_MS = MINUTE_MS;
const RESTARTED = 'the master was restarted before it fired';

type Due = {
  at: MonoMs;
  readonly capture: Capture;
  readonly shot: number;
  /** After a restart: until when it waits for nodes that are not back. */
  readonly lastCallAt?: MonoMs;
};

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
  #toIssue: Due[] = [];
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
    const meant = [...this.#context.roster.targeted(request.target)];
    const up = meant.filter(node => node.up);
    if (up.length === 0) {
      const reason = 'no node that is up has such a label or id';
      return {ok: false, code: 'VOLLEY_NO_NODES', fields: {reason}};
    }
    const fault = faultOf(request, meant.length);
    if (fault !== undefined) return {ok: false, code: 'VOLLEY_USAGE', fields: {reason: fault}};
    const row = rowOf(request, {
      id: asCaptureId(this.#nextId++),
      nodes: (request.sweepMs ? inOrder(up) : up).map(node => node.row.nodeId),
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
      this.#rolls.begin(capture, row, now);
    }
    return {ok: true, captureId: row.id};
  }

  /** Nobody hears of a roll call that is over, or of one that the master does not live through. */
  #save({row}: Capture): void {
    if (!row.dryRun) this.#context.save(put('capture', captureKey(row.id), encodeJson(row)));
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
  #warmUpMs({nodes, action}: CaptureRow): number {
    let warmUpMs = 0;
    for (const nodeId of nodes) {
      const told = this.#context.roster.node(nodeId)?.actions.get(action)?.view;
      if (told && told.phase !== 'ready') warmUpMs = Math.max(warmUpMs, told.warmUpMs);
    }
    return warmUpMs;
  }

  /** Its instants are known: the row is durable before the first command. */
  #begin(capture: Capture, row: CaptureRow, now: Now): void {
    const {leadMs, shots} = row;
    const lastMs = leadMs + offsetMs(row, shots) + sweepLengthMs(row);
    arrange(capture, row, addMono(now.mono, lastMs));
    this.#save(capture);
    for (let shot = 1; shot <= shots; shot++) {
      const aheadMs = Math.min(leadMs, AHEAD_MS_MAX);
      const at = addMono(now.mono, leadMs + offsetMs(row, shot) - aheadMs);
      this.#toIssue.push({at, capture, shot});
    }
    this.#issueDue(now);
  }

  /** Nodes that were commanded fire all the same: what they say then is acknowledged and not kept. */
  remove(id: CaptureId, force: boolean, now: Now): OperatorAnswer {
    const capture = this.#captures.get(id);
    if (!capture) return {ok: false, code: 'VOLLEY_UNKNOWN_CAPTURE', fields: {capture: id}};
    if (!capture.over && !force) {
      const reason = `capture ${id} is running; wait for its end, or give --force`;
      return {ok: false, code: 'VOLLEY_USAGE', fields: {reason}};
    }
    this.#captures.delete(id);
    this.#toIssue = this.#toIssue.filter(due => due.capture !== capture);
    this.#collection.drop(capture);
    this.#rolls.drop(capture);
    if (!capture.row.dryRun) this.#removal.begin(capture, (this.#nextId - 1) as CaptureId, now);
    return {ok: true};
  }

  #issue(capture: Capture, shot: number, now: Now): void {
    const {row} = capture;
    const atWallMs = row.at[shot - 1] ?? (0 as WallMs);
    const leadMs = atWallMs === 0 ? 0 : Math.max(0, atWallMs - this.#context.instant(now.mono));
    const what = {
      kind: 'fire' as const,
      ...{captureId: row.id, shot, action: row.action, args: row.args, atWallMs, salt: row.salt},
      ...(row.preview ? {preview: true as const} : {}),
      ...(row.toleranceMs ? {toleranceMs: row.toleranceMs} : {}),
    };
    const ttlMs = Math.min(COMMAND_TTL_MS_MAX, leadMs + sweepLengthMs(row) + 5 * SECOND_MS);
    for (const sweep of sweepsOf(row)) {
      const first = sweep?.from ?? 0;
      const nodes = sweep ? row.nodes.slice(first, first + sweep.nodes.length) : row.nodes;
      const sent = this.#commands.issue(sweep ? {...what, sweep} : what, now, {
        ...{target: row.target, ackWindowMs: windowOf(nodes.length, leadMs), ttlMs, leadMs},
        ...(sweep ? {expected: nodes} : {}),
      });
      capture.commands.set(`${sent.epoch}/${sent.seq}`, shot);
    }
    this.#context.announceCapture(row.id);
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
      this.#removal.wakeAt(),
      this.#rolls.wakeAt(),
      this.pulses.wakeAt(),
    );
    for (const {at} of this.#toIssue) least = Math.min(least, at);
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
    this.#issueDue(now);
    this.pulses.tick(now);
    this.#collection.tick(now);
    this.#removal.tick(now);
    for (const capture of this.#captures.values()) {
      const {called, over, row} = capture;
      if (over && row.dryRun && now.mono >= capture.deadlineAt) this.#captures.delete(row.id);
      capture.called ||= now.mono >= capture.callAt;
      capture.over ||= isOver(capture, now.mono);
      if (capture.called !== called || capture.over !== over)
        this.#context.announceCapture(capture.row.id);
    }
  }

  #issueDue(now: Now): void {
    for (let i = 0; i < this.#toIssue.length; ) {
      const due = this.#toIssue[i];
      if (!due || due.at > now.mono || this.#waits(due, now)) i += 1;
      else {
        this.#toIssue.splice(i, 1);
        this.#issue(due.capture, due.shot, now);
      }
    }
  }

  /**
   * Shots whose instant is still to come and that no node has spoken of. One that was commanded before the
   * kill is commanded again: nodes that hold it fire once (command-desk.ts of the node).
   */
  #resume(capture: Capture, now: Now): void {
    const {row} = capture;
    if (row.calling) return this.#end(capture, {...row, refused: RESTARTED}, now);
    const instant = this.#context.instant(now.mono);
    for (let shot = 1; shot <= row.at.length; shot++) {
      const leftMs = plannedAt(row, shot) - instant;
      if (leftMs < LAST_CALL_MS || isSpokenOf(capture, shot)) continue;
      const lastCallAt = addMono(now.mono, leftMs - (row.leadMs > 0 ? LAST_CALL_MS : 0));
      const aheadMs = row.leadMs > 0 ? AHEAD_MS_MAX : 0;
      const at = addMono(now.mono, Math.max(0, leftMs - aheadMs));
      this.#toIssue.push({at, capture, shot, lastCallAt});
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
}
