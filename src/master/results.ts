// Results come back: check the signature, take each as a vote, decide its workunit, pay credit, and
// acknowledge what is durable. A report is acknowledged whole or not at all; what is not acknowledged
// comes again, and taking it twice changes nothing.

import {fromHex, toHex} from '../base/bytes.ts';
import {type BatchId, type BlobId, type NodeId, type Now, workunitId} from '../base/types.ts';
import {hashOfOutput} from '../core/checks.ts';
import type {MasterEvent} from '../core/core.ts';
import {
  type Decision,
  encodeReportRow,
  encodeVote,
  put,
  reportKey,
  voteKey,
} from '../core/tables.ts';
import {decodeResults} from '../wire/codec.ts';
import type {Report, ResultItem} from '../wire/message.ts';
import {hear, judge} from './agreement.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import {judgedWith, keepsAllVotes, machineOf} from './homogeneous.ts';
import {leaseProof, rewant, takeBack} from './leases.ts';
import {notePace} from './pace.ts';
import type {NodeState} from './roster.ts';
import {CREDIT, peerOf} from './roster.ts';
import {sizeOf, suspicionOf} from './suspicion.ts';
import type {Verdict, Vote} from './validator.ts';
import {noteReplica, type Workunit} from './workunit.ts';

/** A batch whose first workunits all failed is not worth the rest (it ends `failed`). */
const FAILED_AT_FIRST_MAX = 8;

type Fate =
  | {readonly kind: 'take'; readonly batch: Batch; readonly workunit: Workunit}
  /** Of no use any more (or never was): acknowledged, changes nothing. */
  | {readonly kind: 'stale'}
  /** Of use later: not acknowledged, so that it comes again. */
  | {readonly kind: 'later'};

/** Votes of each side that a disagreement names. */
const VOTES_TOLD = 3;

type Closing = Exclude<Verdict, {kind: 'open'}>;
type Canonical = Extract<Verdict, {kind: 'canonical'}>;

const STALE: Fate = {kind: 'stale'};
const LATER: Fate = {kind: 'later'};

export class Results {
  readonly #context: MasterContext;
  readonly #cancel: (batch: Batch) => void;
  #nextReportNo: number;

  /** @param cancel tells the nodes to stop what they hold of an ended batch */
  constructor(context: MasterContext, nextReportNo: number, cancel: (batch: Batch) => void) {
    this.#context = context;
    this.#nextReportNo = nextReportNo;
    this.#cancel = cancel;
  }

  blobStored(blobId: BlobId, size: number, now: Now): void {
    this.#context.uploads.stored(blobId, size, now.mono);
  }

  onReport(node: NodeState, report: Report, now: Now): void {
    const context = this.#context;
    if (context.space.isFull) return; // not acknowledged: the node keeps it and says it again
    if (node.control.hold?.kind === 'quarantined') return; // nor this: it counts when it is released
    const items = decodeResults(report.body);
    const identity = fromHex(node.row.identityKey);
    const {clusterId} = context.config;
    if (
      !items ||
      !identity ||
      !context.crypto.verify(identity, 'results', report.signature, clusterId, report.body)
    ) {
      context.note('warn', 'report refused', {node: node.row.nodeId, name: node.row.name});
      return;
    }
    const reportNo = this.#nextReportNo;
    let taken = 0;
    let later = 0;
    items.forEach((item, at) => {
      const fate = this.#fateOf(node, item, now);
      if (fate.kind === 'later') later += 1;
      if (fate.kind !== 'take') return;
      taken += 1;
      this.#take(fate.batch, fate.workunit, voteOf(fate, node, item, reportNo, at), now);
    });
    if (taken > 0) {
      this.#nextReportNo += 1;
      const row = {nodeId: node.row.nodeId, signature: report.signature, body: report.body};
      context.save(put('report', reportKey(reportNo), encodeReportRow(row)));
    }
    if (later > 0) return;
    const bodyHash = context.crypto.sha256(report.body);
    context.emit({type: 'receipt', to: peerOf(node), nonce: report.nonce, bodyHash});
  }

  #fateOf(node: NodeState, item: ResultItem, now: Now): Fate {
    const batch = this.#context.batches.get(item.batchId);
    if (!batch?.running) return STALE;
    const open = batch.open.get(item.index);
    if (!open && !batch.feeder.isPending(item.index)) return STALE;
    const {nodeId} = node.row;
    if (open?.votes.some(vote => vote.nodeId === nodeId && sameReplica(vote, item))) return STALE;
    if (open && item.replicaNo < open.firstReplica) return STALE; // of before a retry
    if (!this.#isLeased(nodeId, item, open)) return STALE;
    const workunit = open ?? this.#takeUp(batch, item.index);
    if (!workunit) return LATER;
    if (item.replicaNo < workunit.firstReplica) return STALE;
    if (item.status === 'done' && !this.#context.uploads.has(item.output, now.mono)) return LATER;
    return {kind: 'take', batch, workunit};
  }

  #isLeased(nodeId: NodeId, item: ResultItem, open: Workunit | undefined): boolean {
    const lease = open?.replicas.find(replica => replica.nodeId === nodeId);
    const known = lease?.replicaNo === item.replicaNo ? lease.proof : undefined;
    if ((known ?? leaseProof(this.#context, nodeId, item)) === item.proof) return true;
    this.#context.note('warn', 'result without a lease', {
      node: nodeId,
      workunit: workunitId(item.batchId, item.index),
    });
    return false;
  }

  /** A restart forgot the lease and the workunit has not come up again: its result brings it up. */
  #takeUp(batch: Batch, index: number): Workunit | undefined {
    const workunit = batch.feeder.take(index);
    if (!workunit) return undefined;
    batch.adopt(workunit);
    batch.want(workunit, batch.row.policy.targetReplicas);
    return workunit;
  }

  #take(batch: Batch, workunit: Workunit, vote: Vote, now: Now): void {
    const context = this.#context;
    const lease = workunit.replicas.find(replica => replica.nodeId === vote.nodeId);
    if (lease) takeBack(context, batch, lease);
    context.dirtyBatches.add(batch);
    noteReplica(workunit, vote.replicaNo);
    workunit.votes.push(vote);
    batch.counters.lastReportNo = vote.reportNo;
    if (vote.status === 'done') {
      batch.counters.results += 1;
      const node = context.roster.node(vote.nodeId);
      if (node) notePace(node, batch, vote.cpuMs);
      batch.noteRunMs(vote.cpuMs);
    } else {
      batch.counters.errors += 1;
      context.roster.addCredit(vote.nodeId, {errors: 1});
    }
    const key = voteKey(batch.row.id, workunit.index, vote.nodeId, vote.replicaNo);
    const save = (): void => {
      context.save(put('vote', key, encodeVote(vote)));
    };
    // Where more than bytes decides, no vote is the last one: all have rows before they are judged.
    if (keepsAllVotes(batch.row.policy)) {
      save();
      this.settle(batch, workunit, now);
    } else if (!this.settle(batch, workunit, now, vote)) save();
  }

  /**
   * Decides the workunit if its votes allow; false = it stays open, and wants what it wants.
   * @param unsaved the vote of this event, which has no row yet
   */
  settle(batch: Batch, workunit: Workunit, now: Now, unsaved?: Vote): boolean {
    const verdict = judge(this.#context, batch, workunit, now.mono);
    if (verdict.kind === 'open') {
      rewant(this.#context, batch, workunit, verdict);
      return false;
    }
    const spared = verdict.kind === 'canonical' ? this.#hear(batch, workunit, verdict, now) : [];
    this.#close(batch, workunit, verdict, spared, unsaved);
    if (!this.#isWon(batch, workunit, verdict, now)) this.endIfOver(batch, now);
    return true;
  }

  /** Who was right and who was not. @returns votes that disagree, and are not held against their nodes */
  #hear(batch: Batch, workunit: Workunit, verdict: Canonical, now: Now): readonly Vote[] {
    const spared = this.#context.probes.spared(batch, verdict);
    const judged = judgedWith(batch.row.policy, workunit.votes, verdict.canonical);
    const votes = spared.length > 0 ? judged.filter(vote => !spared.includes(vote)) : judged;
    this.#context.conducts.heard(batch, votes, verdict, now);
    this.#context.escrow.heard(batch, workunit, votes, verdict);
    return spared;
  }

  onCompared({question, comparison}: Extract<MasterEvent, {type: 'compared'}>, now: Now): void {
    const heard = hear(this.#context, question, comparison);
    if (!heard) return;
    if (comparison.kind === 'unavailable')
      this.end(heard.batch, 'failed', `comparison: ${comparison.reason}`, now);
    else this.settle(heard.batch, heard.workunit, now);
  }

  settleRestored(now: Now): void {
    const {toSettle, batches} = this.#context;
    for (const workunit of toSettle) {
      const batch = batches.get(workunit.batchId);
      if (batch && workunit.state === 'open') this.settle(batch, workunit, now);
    }
    toSettle.clear();
  }

  #close(
    batch: Batch,
    workunit: Workunit,
    verdict: Closing,
    spared: readonly Vote[],
    unsaved: Vote | undefined,
  ): void {
    this.#forgetVotes(batch, workunit, unsaved);
    this.#takeBackAll(batch, workunit);
    let decision: Decision;
    if (verdict.kind === 'canonical') {
      const {canonical, agreeing, disagreeing} = verdict;
      batch.counters.done += 1;
      batch.counters.disagreements += disagreeing.length;
      this.#pay(agreeing, disagreeing, spared);
      if (disagreeing.length > 0) this.#tellDisagreement(batch, workunit, verdict);
      const {reportNo, item} = canonical;
      const isSingle = workunit.alone !== undefined;
      if (isSingle) batch.counters.singles += 1;
      decision = {kind: 'done', reportNo, item, ...(isSingle ? {single: true} : {})};
    } else {
      batch.counters.failed += 1;
      decision = {kind: 'failed', reason: verdict.reason};
      if (batch.counters.failed === 1) batch.counters.reason = verdict.reason;
    }
    batch.close(workunit, verdict.kind === 'canonical' ? 'done' : 'failed', decision);
    this.#context.escrow.closed(workunit);
    this.#context.rechecks.decided(batch, workunit.index, () =>
      verdict.kind === 'canonical' ? this.#outputHash(verdict.canonical) : undefined,
    );
    this.#context.dirtyBatches.add(batch);
  }

  #pay(agreeing: readonly Vote[], disagreeing: readonly Vote[], spared: readonly Vote[]): void {
    const {roster} = this.#context;
    for (const vote of agreeing) roster.addCredit(vote.nodeId, {validated: 1, credit: CREDIT});
    for (const vote of disagreeing)
      if (!spared.includes(vote)) roster.addCredit(vote.nodeId, {disagreed: 1});
  }

  /** Who returned what: the reports themselves are kept as evidence. */
  #tellDisagreement(batch: Batch, workunit: Workunit, {agreeing, disagreeing}: Canonical): void {
    const named = (votes: readonly Vote[]): string =>
      votes
        .slice(0, VOTES_TOLD)
        .map(vote => `${vote.nodeId}=${this.#hashOf(vote)} in report ${vote.reportNo}`)
        .join(', ');
    this.#context.note('warn', 'nodes disagree on a result', {
      node: disagreeing[0]?.nodeId ?? '',
      workunit: workunitId(batch.row.id, workunit.index),
      agreed: named(agreeing),
      disagreed: named(disagreeing),
    });
  }

  #hashOf(vote: Vote): string {
    const hash = this.#outputHash(vote);
    return hash ? toHex(hash) : vote.status;
  }

  #outputHash(vote: Vote): Uint8Array | undefined {
    return vote.status === 'done' ? hashOfOutput(this.#context.crypto, vote.output) : undefined;
  }

  #forgetVotes(batch: Batch, workunit: Workunit, unsaved?: Vote): void {
    for (const vote of workunit.votes) {
      if (vote === unsaved) continue;
      const key = voteKey(batch.row.id, workunit.index, vote.nodeId, vote.replicaNo);
      this.#context.drop('vote', key);
    }
  }

  #takeBackAll(batch: Batch, workunit: Workunit): void {
    for (const replica of [...workunit.replicas]) takeBack(this.#context, batch, replica);
  }

  endIfOver(batch: Batch, now: Now): void {
    if (batch.retrying) return; // failed ones are still being looked for
    const {done, failed} = batch.counters;
    // Of a failure that was retried since, nobody wants to read.
    const reason = failed > 0 ? batch.counters.reason : '';
    const {count, policy} = batch.row;
    if (batch.counters.rechecking > 0) return;
    if (batch.row.plan || batch.row.stage) return this.#endStage(batch, reason, now);
    if (batch.decided === count && policy.firstWins)
      this.end(batch, 'failed', reason === '' ? 'no workunit has a result' : reason, now);
    else if (batch.decided === count) this.end(batch, failed > 0 ? 'failed' : 'done', reason, now);
    else if (done === 0 && !batch.owners && failed >= FAILED_AT_FIRST_MAX)
      this.end(batch, 'failed', reason, now);
  }

  /** Of outputs that are not all there nothing can be made. What follows the first stage is for stages.ts to say. */
  #endStage(batch: Batch, reason: string, now: Now): void {
    if (batch.counters.failed > 0) this.end(batch, 'failed', reason, now);
    else if (batch.decided === batch.row.count && !batch.row.plan) this.end(batch, 'done', '', now);
  }

  /** firstWins: a canonical result that says something is all that was wanted. */
  #isWon(batch: Batch, {index}: Workunit, verdict: Closing, now: Now): boolean {
    if (!batch.row.policy.firstWins || verdict.kind !== 'canonical') return false;
    const {canonical} = verdict;
    if (canonical.status !== 'done' || sizeOf(canonical.output) === 0) return false;
    batch.counters.winner = index;
    this.end(batch, 'done', `workunit ${index} has the first result`, now);
    return true;
  }

  inputsFailed(batchId: BatchId, reason: string, now: Now): void {
    const batch = this.#context.batches.get(batchId);
    if (batch?.running) this.end(batch, 'failed', `inputs: ${reason}`, now);
  }

  /** Ends the batch; what is still open of it is cancelled. */
  end(batch: Batch, state: 'done' | 'failed' | 'cancelled', reason: string, now: Now): void {
    const context = this.#context;
    const early = batch.decided < batch.row.count;
    for (const workunit of [...batch.open.values()]) {
      this.#forgetVotes(batch, workunit);
      this.#takeBackAll(batch, workunit);
      batch.close(workunit, 'cancelled');
      context.escrow.closed(workunit);
    }
    context.rechecks.drop(batch);
    for (const [index, votes] of batch.takeSavedVotes())
      for (const {nodeId, replicaNo} of votes)
        context.drop('vote', voteKey(batch.row.id, index, nodeId, replicaNo));
    batch.end(state, reason, now.wall);
    context.running.delete(batch);
    context.dirtyBatches.add(batch);
    if (early) this.#cancel(batch);
    context.note('info', 'batch ended', {batch: batch.row.id, state, reason});
  }

  /** Number of the next report row. */
  get nextReportNo(): number {
    return this.#nextReportNo;
  }
}

/** A node has one valid vote on a workunit, however often it was given a replica. */
export const sameReplica = (vote: Vote, item: Pick<ResultItem, 'replicaNo'>): boolean =>
  vote.status === 'done' || vote.status === 'trapped' || vote.replicaNo === item.replicaNo;

function voteOf(
  {batch, workunit}: Extract<Fate, {kind: 'take'}>,
  node: NodeState,
  item: ResultItem,
  reportNo: number,
  at: number,
): Vote {
  const {policy} = batch.row;
  const lease = workunit.replicas.find(({nodeId}) => nodeId === node.row.nodeId);
  const kind = machineOf(policy, node.row) ?? (workunit.isProbe ? node.row.arch : undefined);
  const machine = lease?.machine ?? kind;
  const head = {
    nodeId: node.row.nodeId,
    replicaNo: item.replicaNo,
    reportNo,
    item: at,
    cpuMs: item.cpuMs,
    ...(machine === undefined ? {} : {machine}),
  };
  if (item.status !== 'done') return {...head, status: item.status, reason: item.reason};
  const suspicion = suspicionOf(policy, node, item);
  const {status, output} = item;
  return {...head, status, output, ...(suspicion === undefined ? {} : {suspicion})};
}
