// The master's core: all control flow of the master is here, the parts it calls decide.
//
//   operator ─▶ submit, cancel, capture, apps, membership    ─▶ saves, commands, answer
//   node     ─▶ Hello, Pull, Report, CommandAck, ShotReport  ─▶ Welcome, Assign, Receipt, Collect
//   tick     ─▶ silent nodes, leases, repeats of commands, collection of files
// Every handler is right under loss, duplication, reordering and delay.

import {assert, assertNever} from '../base/assert.ts';
import type {CaptureId, MonoMs, NodeId, Now, PeerId} from '../base/types.ts';
import type {Core, MasterEffect, MasterEvent, UploadPurpose, UploadVerdict} from '../core/core.ts';
import type {SpaceSeen} from '../core/free-space.ts';
import type {OperatorAnswer, OperatorRequest} from '../core/operator-request.ts';
import {type Actor, BY_RULE, type NumbersRow} from '../core/operator-rows.ts';
import type {BatchRow} from '../core/tables.ts';
import type {Message} from '../wire/message.ts';
import {settleAllLater, settleLater} from './agreement.ts';
import type {Batch} from './batch.ts';
import {BatchDesk} from './batch-desk.ts';
import {takeUpAll} from './broadcast.ts';
import {Captures, type SavedCaptures} from './capture.ts';
import type {Capture} from './capture-row.ts';
import {Commands} from './commands.ts';
import type {MasterContext} from './context.ts';
import {Deletions, RETENTION} from './deletion.ts';
import {Enrolment} from './enrolment.ts';
import {Etas} from './eta.ts';
import {Guests} from './guests.ts';
import {Hedges} from './hedges.ts';
import {ownVotes} from './homogeneous.ts';
import {heartbeatMs, Liveness} from './liveness.ts';
import {NewBatches} from './new-batches.ts';
import {NodeDesk} from './node-desk.ts';
import {Operator} from './operator.ts';
import {pauseCluster} from './pause.ts';
import type {Pending} from './pending.ts';
import {Pulls} from './pulls.ts';
import {Recall} from './recall.ts';
import {Results} from './results.ts';
import {Retries} from './retry.ts';
import {Revocation} from './revocation.ts';
import type {NodeState} from './roster.ts';
import {checkMaster} from './self-check.ts';
import {Stages} from './stages.ts';
import type {SavedTransfers} from './transfer-book.ts';
import {TransferDesk} from './transfer-desk.ts';
import {Transfers} from './transfers.ts';
import {TrustWatch} from './trust-watch.ts';
import {uploadVerdict} from './uploads.ts';
import {wantedAfterRestart} from './validator.ts';
import {Waker} from './waker.ts';
import {countedOf} from './workunit.ts';

type From<T extends Message['type']> = Extract<Message, {type: T}>;

export type MasterParts = {
  context: MasterContext;
  /** The highest numbers that were ever given out. */
  numbers: NumbersRow;
  /** Batches whose deletion an earlier life began. */
  going: readonly BatchRow[];
  captures: SavedCaptures;
  transfers: SavedTransfers;
  /** Highest version of the trust document that earlier lives saw. */
  trustSeen?: number;
};

export class MasterCore implements Core<MasterEvent, MasterEffect> {
  readonly #context: MasterContext;
  readonly #commands: Commands;
  readonly #results: Results;
  readonly #liveness: Liveness;
  readonly #enrolment: Enrolment;
  readonly #recall: Recall;
  readonly #pulls: Pulls;
  readonly #guests: Guests;
  readonly #captures: Captures;
  readonly transfers: Transfers;
  readonly #operator: Operator;
  readonly #revocation: Revocation;
  readonly #trust: TrustWatch;
  readonly #retries: Retries;
  readonly #deletions: Deletions;
  readonly #stages: Stages;
  readonly #waker: Waker;
  readonly #hedges: Hedges;
  readonly etas: Etas;

  constructor(parts: MasterParts) {
    const {context, numbers} = parts;
    this.#context = context;
    this.#commands = new Commands(context);
    this.#waker = new Waker(context, this.#commands);
    this.#hedges = new Hedges(context);
    this.etas = new Etas(context);
    this.#results = new Results(context, numbers.reportNo + 1, batch => this.#tellEnded(batch));
    this.transfers = new Transfers(context, this.#commands, parts.transfers);
    this.#liveness = new Liveness(context, this.#results, this.transfers);
    this.#enrolment = new Enrolment(
      context,
      this.#commands,
      (node, now) => this.#liveness.lose(node, now),
      (node, now) => this.transfers.returned(node, now),
    );
    this.#recall = new Recall(context);
    this.#pulls = new Pulls(context, this.#recall);
    this.#guests = new Guests(context, this.#liveness);
    this.#captures = new Captures(context, this.#commands, parts.captures);
    this.#revocation = new Revocation(context, this.#results, this.#liveness);
    this.#retries = new Retries(context, this.#results);
    this.#deletions = new Deletions(context, parts.going, numbers);
    const transfers = new TransferDesk(context, this.transfers);
    const newBatches = new NewBatches(context, numbers.batchId + 1, transfers);
    this.#stages = new Stages(context, {
      results: this.#results,
      retries: this.#retries,
      deletions: this.#deletions,
      newBatches,
      numbers: () => this.#operator.numbers,
    });
    const desk = {retries: this.#retries, deletions: this.#deletions, stages: this.#stages};
    this.#operator = new Operator({
      context,
      results: this.#results,
      captures: this.#captures,
      transfers,
      enrolment: this.#enrolment,
      guests: this.#guests,
      batches: new BatchDesk(context, this.#results, desk),
      nodes: new NodeDesk(context, {
        results: this.#results,
        liveness: this.#liveness,
        enrolment: this.#enrolment,
      }),
      newBatches,
    });
    this.#deletions.watch(context.bootedAt);
    context.conducts.restore(context.bootedAt);
    this.#trust = new TrustWatch(context, parts.trustSeen ?? 0);
    context.raiseEpoch(context.epoch); // durable before anything of this epoch leaves
    settleAllLater(context);
  }

  get context(): MasterContext {
    return this.#context;
  }

  /** Nodes that ask to be let in. */
  get pending(): Pending {
    return this.#enrolment.pending;
  }

  get captures(): Captures {
    return this.#captures;
  }

  handle(event: MasterEvent, now: Now): MasterEffect[] {
    this.#now = now;
    this.#dispatch(event, now);
    return this.#context.takeEffects();
  }

  /** Of the turn under way; for what is told out of turn (an ended batch). */
  #now: Now | undefined;

  #dispatch(event: MasterEvent, now: Now): void {
    switch (event.type) {
      case 'message':
        return this.#onMessage(event.peer, event.message, now);
      case 'linked':
        return this.#enrolment.onLinked(event);
      case 'operator':
        return this.#onOperator(event.requestId, event.request, event.actor, now);
      case 'inputsRead':
        return this.#onInputs(event);
      case 'inputsFailed':
        return this.#results.inputsFailed(event.batchId, event.reason, now);
      case 'compared':
        return this.#results.onCompared(event, now);
      case 'singlesListed':
        return this.#revocation.onListed(event);
      case 'checksRead':
        return this.#context.rechecks.onRead(event.nodeId, event.pages, event.isLast);
      case 'pagesListed':
        return this.#retries.onListed(event, now);
      case 'reportsListed':
        return this.#deletions.onListed(event, now);
      case 'gathered':
        return this.#stages.onGathered(event, now);
      case 'blobStored':
        this.#results.blobStored(event.blobId, event.size, now);
        return this.#captures.blobStored(event.blobId, now);
      case 'bulkNews':
        return this.transfers.onNews(event.transferId, event.news, now);
      case 'freeSpace':
        return this.#onSpace(event, now);
      case 'fence':
        return this.#context.emit(event);
      case 'tick':
        return this.#onTick(now);
      default:
        return assertNever(event);
    }
  }

  #onMessage(peer: PeerId, message: Message, now: Now): void {
    if (message.type === 'hello') {
      this.#liveness.watch(now);
      this.#enrolment.onHello(peer, message, now);
      return;
    }
    const node = this.#context.roster.byPeer(peer);
    if (!node?.welcomed) return; // nothing but Hello counts before Welcome
    this.#heard(node, now);
    this.#enrolment.tellEpoch(node, now);
    switch (message.type) {
      case 'pull':
        this.#commands.pulled(node.row.nodeId);
        this.#context.groupKeys.pulled(node, message.groupKeyId);
        this.#guests.pulled(node, message, now);
        this.#captures.pulses.onPull(node, message.ear, now);
        this.#hedges.watch(now.mono);
        return this.#pulls.onPull(node, message, now);
      case 'report':
        return this.#results.onReport(node, message, now);
      case 'commandAck':
      case 'shotReport':
      case 'actionState':
        return this.#captures.onMessage(node, message);
      case 'timeProbe':
        return this.#onTimeProbe(peer, message, now);
      case 'trustUpdate':
        return this.#trust.onUpdate(node, message);
      case 'transferReport':
        return this.transfers.onReport(node, message, now);
      case 'welcome':
      case 'refusal':
      case 'assign':
      case 'groupKey':
      case 'receipt':
      case 'commandCopy':
      case 'timeReply':
      case 'collect':
      case 'preferences':
      case 'actionHeard':
      case 'transferOffer':
      case 'transferOrder':
        return; // a master's words: a node that says them is told nothing
      default:
        return assertNever(message);
    }
  }

  #heard(node: NodeState, now: Now): void {
    node.heardAt = now.mono;
    node.heardWall = now.wall;
    if (node.up) return;
    node.up = true;
    this.#context.announceNode(node.row.nodeId);
  }

  /** The runtime answers probes itself, closer to the socket; this serves a world without one. */
  #onTimeProbe(peer: PeerId, {nonce}: From<'timeProbe'>, now: Now): void {
    const instant = this.#context.instant(now.mono);
    this.#context.emit({
      type: 'send',
      to: peer,
      message: {type: 'timeReply', nonce, receivedWallMs: instant, sentWallMs: instant},
    });
  }

  #onOperator(
    requestId: number,
    request: OperatorRequest,
    actor: Actor | undefined,
    now: Now,
  ): void {
    const answer = this.#answer(request, actor ?? BY_RULE, now);
    this.#context.emit({type: 'answer', requestId, answer});
  }

  #answer(request: OperatorRequest, actor: Actor, now: Now): OperatorAnswer {
    if (request.kind === 'revokeNode') return this.#revoke(request.nodeId, now);
    if (request.kind === 'pauseCluster')
      return pauseCluster(this.#context, this.#commands, request, actor, now);
    return this.#operator.handle(request, now, actor);
  }

  #revoke(nodeId: NodeId, now: Now): OperatorAnswer {
    this.transfers.revoked(nodeId, now);
    return this.#revocation.revoke(nodeId, now);
  }

  #onInputs(event: Extract<MasterEvent, {type: 'inputsRead'}>): void {
    const batch = this.#context.batches.get(event.batchId);
    if (!batch?.running) return;
    // Of before it was cancelled and retried: it begins anew, and asks anew.
    const isOld = (batch.control.retries ?? 0) > 0;
    if (isOld && !batch.feeder.awaits(event.from, event.inputs.length)) return;
    for (const workunit of batch.feeder.inputsRead(event.from, event.inputs)) {
      batch.adopt(workunit);
      const wanted = wantedAfterRestart(batch.row.policy, ownVotes(workunit), countedOf(workunit));
      if (wanted === undefined) this.#results.settle(batch, workunit, this.#nowOf());
      else batch.want(workunit, wanted);
      settleLater(this.#context, batch, workunit);
    }
    this.#context.workNo += 1;
  }

  /** A full disk takes nothing new: what is there must still find room. Commands go on. */
  #onSpace(seen: SpaceSeen, now: Now): void {
    const context = this.#context;
    if (!context.space.see(seen)) return;
    context.emit({type: 'note', note: context.space.note('nothing new is taken')});
    context.fullSince = now.wall;
    if (context.space.isFull) return;
    context.workNo += 1;
    context.callAll = true;
  }

  #onTick(now: Now): void {
    this.#liveness.tick(now);
    this.#recall.tick(now);
    this.#commands.tick(now);
    this.#captures.tick(now);
    this.transfers.tick(now);
    this.#context.conducts.tick(now);
    this.#context.escrow.tick(now);
    this.#hedges.tick(now);
    this.#context.machines.tick(this.#results, now);
    this.#context.probes.tick(this.#results, now);
    this.#context.groupKeys.tick(now);
    for (const batch of this.#deletions.tick(now))
      this.#deletions.begin(batch, RETENTION, this.#operator.numbers, now);
  }

  #nowOf(): Now {
    assert(this.#now, 'a core acts only inside handle()');
    return this.#now;
  }

  #tellEnded(batch: Batch): void {
    this.#commands.issue({kind: 'cancelBatch', batchId: batch.row.id}, this.#nowOf());
  }

  /** Saves each row that changed once, feeds batches, wakes idle nodes. */
  endTurn(now: Now): MasterEffect[] {
    this.#now = now;
    const context = this.#context;
    this.#results.settleRestored(now);
    context.rechecks.next();
    this.#stages.pump(now);
    for (const batch of [...context.running]) {
      const read = batch.feeder.readAhead(batch.wanting.size);
      if (read) context.emit(read);
      if (batch.owners) takeUpAll(context, this.#results, batch, now);
    }
    this.#retries.pump();
    this.#waker.endTurn(now);
    for (const batch of context.dirtyBatches) {
      const row = batch.toRow();
      for (const op of batch.saves(row)) context.save(op);
      context.announceBatch(row);
    }
    context.dirtyBatches.clear();
    for (const op of context.roster.saves()) context.save(op);
    return context.takeEffects();
  }

  wakeAt(): MonoMs {
    const {conducts, escrow, machines, probes, groupKeys} = this.#context;
    const own = [this.#liveness, this.#recall, this.#commands, this.#captures, this.transfers];
    const later = [this.#deletions, this.#hedges, this.#waker];
    const all = [...own, ...later, conducts, escrow, machines, probes, groupKeys];
    return Math.min(...all.map(each => each.wakeAt())) as MonoMs;
  }

  /** Whether this node may store so many bytes for this purpose now. */
  mayUpload(nodeId: NodeId, purpose: UploadPurpose, size: number): UploadVerdict {
    return uploadVerdict(this.#context, this.#captures, nodeId, purpose, size);
  }

  /** The runtime tells that a turn's rows are durable: only now may faces show them. */
  onDurable(row: BatchRow): void {
    this.#context.batches.get(row.id)?.show(row);
  }

  capture(id: CaptureId): Capture | undefined {
    return this.#captures.capture(id);
  }

  get heartbeatMs(): number {
    return heartbeatMs(this.#context.roster.size);
  }

  check(): void {
    checkMaster(this.#context);
    this.#stages.check();
    this.transfers.check();
  }
}
