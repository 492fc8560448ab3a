// Captures: one Fire command for each shot, the signed statement of every node about it, and the
// collection of the files, a few nodes at a time (all at once would overrun the switch).

import {fromHex, toUtf8} from '../base/bytes.ts';
import {
  addMono,
  addWall,
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
import type {CaptureRequest, OperatorAnswer} from '../core/core.ts';
import {captureKey, encodeJson, put} from '../core/tables.ts';
import {decodeAck, decodeShot} from '../wire/codec.ts';
import {REPAIRABLE_COMMAND_BYTES_MAX} from '../wire/command.ts';
import {COLLECT_BLOBS_MAX, COMMAND_TTL_MS_MAX} from '../wire/limits.ts';
import type {CommandAck, ShotReport} from '../wire/message.ts';
import {
  type Capture,
  type CaptureRow,
  captureOf,
  isOver,
  type Shot,
  shotFor,
  shotKey,
  toShotRow,
} from './capture-row.ts';
import type {Commands} from './commands.ts';
import type {MasterContext} from './context.ts';
import {type NodeState, peerOf} from './roster.ts';

/** A command is sent this long before its instant at most; later shots wait for their turn. */
const AHEAD_MS_MAX = 20 * SECOND_MS;
/** After the instant: nobody who has not answered by then is waited for. */
const PATIENCE_MS = MINUTE_MS;
/** Nodes that upload at the same time. */
const COLLECTING_MAX = 4;
const COLLECT_RETRY_MS = 2 * SECOND_MS;
const COLLECT_TRIES_MAX = 15;

/** The rest of the command: ids, instants, state, and the tags of the parts. */
const FIRE_BYTES_MAX = REPAIRABLE_COMMAND_BYTES_MAX - 160;

type Uploading = {readonly capture: Capture; readonly shot: Shot; tries: number; nextAt: MonoMs};

export class Captures {
  readonly #context: MasterContext;
  readonly #commands: Commands;
  readonly #captures = new Map<CaptureId, Capture>();
  #nextId: number;
  readonly #toIssue: {at: MonoMs; capture: Capture; shot: number}[] = [];
  readonly #toCollect: Uploading[] = [];
  readonly #uploading = new Set<Uploading>();

  constructor(context: MasterContext, commands: Commands, saved: readonly Capture[]) {
    this.#context = context;
    this.#commands = commands;
    this.#nextId = 1;
    for (const capture of saved) {
      this.#captures.set(capture.row.id, capture);
      this.#nextId = Math.max(this.#nextId, capture.row.id + 1);
      for (const shot of capture.shots.values()) this.#queue(capture, shot);
    }
  }

  all(): IterableIterator<Capture> {
    return this.#captures.values();
  }

  capture(id: CaptureId): Capture | undefined {
    return this.#captures.get(id);
  }

  start(request: CaptureRequest, now: Now): OperatorAnswer {
    const nodes: NodeState[] = [];
    for (const node of this.#context.roster.targeted(request.target)) if (node.up) nodes.push(node);
    if (nodes.length === 0)
      return {
        ok: false,
        code: 'VOLLEY_NO_NODES',
        fields: {reason: 'no node that is up has such a label or id'},
      };
    if (fireBytes(request) > FIRE_BYTES_MAX)
      return {
        ok: false,
        code: 'VOLLEY_USAGE',
        fields: {reason: `labels, ids and arguments together exceed ${FIRE_BYTES_MAX} bytes`},
      };
    const {leadMs, intervalMs} = request;
    const instant = this.#context.instant(now.mono);
    const row: CaptureRow = {
      id: asCaptureId(this.#nextId++),
      action: request.action,
      args: request.args,
      target: request.target,
      nodes: nodes.map(node => node.row.nodeId),
      shots: request.shots,
      leadMs,
      at: Array.from({length: request.shots}, (_, k) =>
        leadMs > 0 ? addWall(instant, leadMs + k * intervalMs) : (0 as WallMs),
      ),
      createdAt: now.wall,
      salt: this.#context.prng.uint32(),
    };
    const lastMs = leadMs + (request.shots - 1) * intervalMs;
    const capture = captureOf(row, addMono(now.mono, lastMs + PATIENCE_MS));
    this.#captures.set(row.id, capture);
    this.#context.save(put('capture', captureKey(row.id), encodeJson(row)));
    for (let k = 0; k < request.shots; k++) {
      const aheadMs = Math.min(leadMs, AHEAD_MS_MAX);
      const at = addMono(now.mono, leadMs + k * intervalMs - aheadMs);
      this.#toIssue.push({at, capture, shot: k + 1});
    }
    this.tick(now);
    return {ok: true, captureId: row.id};
  }

  #issue(capture: Capture, shot: number, now: Now): void {
    const {row} = capture;
    const atWallMs = row.at[shot - 1] ?? (0 as WallMs);
    const leadMs = atWallMs === 0 ? 0 : Math.max(0, atWallMs - this.#context.instant(now.mono));
    const sent = this.#commands.issue(
      {
        kind: 'fire',
        captureId: row.id,
        shot,
        action: row.action,
        args: row.args,
        atWallMs,
        salt: row.salt,
      },
      now,
      {
        target: row.target,
        ackWindowMs: Math.min(1_000, Math.max(5, Math.ceil(row.nodes.length / 2))),
        ttlMs: Math.min(COMMAND_TTL_MS_MAX, leadMs + 5 * SECOND_MS),
      },
    );
    capture.commands.set(`${sent.epoch}/${sent.seq}`, shot);
    this.#context.announceCapture(row.id);
  }

  onAck(node: NodeState, ack: CommandAck): void {
    const statement = decodeAck(ack.body);
    if (!statement || !this.#signedBy(node, 'ack', ack)) return;
    const {epoch, seq} = statement;
    this.#commands.acknowledged(epoch, seq, node.row.nodeId);
    for (const capture of this.#captures.values()) {
      const shotNo = capture.commands.get(`${epoch}/${seq}`);
      const shot = shotNo && capture.shots.get(shotKey(capture.row.id, shotNo, node.row.nodeId));
      if (!shot) continue;
      shot.heardAt = statement.heardWallMs;
      this.#context.announceCapture(capture.row.id);
    }
  }

  /** Stores the signed statement and acknowledges it; a repeat is acknowledged again. */
  onShot(node: NodeState, report: ShotReport): void {
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
    this.#queue(capture, shot);
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

  blobStored(blobId: BlobId): void {
    for (const uploading of this.#uploading) {
      const {capture, shot} = uploading;
      if (!shot.statement?.files.some(file => file.blobId === blobId)) continue;
      shot.collected.add(blobId);
      const key = shotKey(capture.row.id, shot.shot, shot.nodeId);
      this.#context.save(put('shot', key, encodeJson(toShotRow(shot))));
      this.#context.announceCapture(capture.row.id);
      if (missing(shot).length === 0) this.#uploading.delete(uploading);
    }
  }

  /** Whether this node said in a signed statement that it made this file. */
  mayUpload(nodeId: NodeId, captureId: CaptureId, shot: number, size: number): boolean {
    const found = this.#captures.get(captureId)?.shots.get(shotKey(captureId, shot, nodeId));
    return found?.statement?.files.some(file => file.size === size) ?? false;
  }

  #queue(capture: Capture, shot: Shot): void {
    if (missing(shot).length > 0)
      this.#toCollect.push({capture, shot, tries: 0, nextAt: 0 as MonoMs});
  }

  wakeAt(): MonoMs {
    let least: number = NEVER;
    for (const {at} of this.#toIssue) least = Math.min(least, at);
    for (const {nextAt} of this.#uploading) least = Math.min(least, nextAt);
    for (const capture of this.#captures.values())
      if (!capture.over) least = Math.min(least, capture.deadlineAt);
    if (this.#toCollect.length > 0 && this.#uploading.size < COLLECTING_MAX) least = 0;
    return least as MonoMs;
  }

  tick(now: Now): void {
    for (let i = 0; i < this.#toIssue.length; ) {
      const due = this.#toIssue[i];
      if (!due || due.at > now.mono) i += 1;
      else {
        this.#toIssue.splice(i, 1);
        this.#issue(due.capture, due.shot, now);
      }
    }
    this.#collect(now);
    for (const capture of this.#captures.values())
      if (!capture.over && isOver(capture, now.mono)) {
        capture.over = true;
        this.#context.announceCapture(capture.row.id);
      }
  }

  #collect(now: Now): void {
    while (this.#uploading.size < COLLECTING_MAX) {
      const next = this.#toCollect.shift();
      if (!next) break;
      this.#uploading.add(next);
    }
    for (const uploading of this.#uploading)
      if (uploading.nextAt <= now.mono) this.#ask(uploading, now);
  }

  #ask(uploading: Uploading, now: Now): void {
    const {shot} = uploading;
    uploading.tries += 1;
    uploading.nextAt = addMono(now.mono, COLLECT_RETRY_MS);
    if (uploading.tries > COLLECT_TRIES_MAX) {
      this.#uploading.delete(uploading);
      this.#context.note('warn', 'files not collected', {node: shot.nodeId, shot: shot.shot});
      return;
    }
    const node = this.#context.roster.node(shot.nodeId);
    if (!node?.welcomed) return;
    const blobIds = missing(shot).slice(0, COLLECT_BLOBS_MAX);
    this.#context.emit({type: 'send', to: peerOf(node), message: {type: 'collect', blobIds}});
  }
}

/** What of a Fire command has no fixed size, as UTF-8, each with its tag and length. */
function fireBytes({action, args, target}: CaptureRequest): number {
  const texts = [action, ...args, ...target.labels].reduce(
    (sum, text) => sum + toUtf8(text).length + 3,
    0,
  );
  return texts + target.nodes.length * 18;
}

const missing = (shot: Shot): BlobId[] =>
  (shot.statement?.files ?? [])
    .map(file => file.blobId)
    .filter(blobId => !shot.collected.has(blobId));
