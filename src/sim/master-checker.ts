// P1, P3 and P4 over what became durable at the master.

import type {NodeId} from '../base/types.ts';
import {decodeHead, HEAD_KEY} from '../core/journal.ts';
import {decodeCredit, decodePage, decodePageKey, type Op, PAGE_WORKUNITS} from '../core/tables.ts';
import {leaseProof} from '../master/leases.ts';
import {tryOf} from '../master/workunit.ts';
import type {Crypto} from '../wire/crypto.ts';
import type {ResultItem} from '../wire/message.ts';
import {BroadcastChecker} from './broadcast-checker.ts';
import type {Change} from './change.ts';
import {DecisionChecker} from './decision-checker.ts';
import {holds} from './fabric.ts';
import {getOr} from './get-or.ts';
import {keepsAll} from './how-decided.ts';
import {lastVoteOf} from './last-vote.ts';
import {MACHINES, type MachinePlan} from './machine-plan.ts';
import {LIARS, type Misdeed} from './misdeeds.ts';
import {type Decided, Model} from './model.ts';
import {batchOf, nameOf, outputName, type WorkunitKey, workunitKey} from './model-names.ts';
import type {BatchPlan} from './plan.ts';
import {checkProbes} from './probe-checker.ts';
import {type Acked, checkSalvage, type Salvaged, type Withdrawn} from './salvage-checker.ts';
import type {SimMaster} from './sim-master.ts';
import type {Profile} from './sim-runner.ts';
import {checkStage} from './stage-checker.ts';
import {truthOf} from './truth.ts';

/** Who may return what nobody computed. */
export const LYING: ReadonlySet<Profile | Misdeed> = new Set([...LIARS, 'wrong', 'colluding']);

/** Nodes as they were planned, by their ids of now. */
export type WhoIsWho = {
  readonly profileOf: (nodeId: NodeId) => Profile | Misdeed | undefined;
  readonly machineOf: (nodeId: NodeId) => MachinePlan | undefined;
  /** How many of them may return what nobody computed. */
  readonly liars: () => number;
};

/** What is held to be true of the master's disk at one moment. */
export type MasterBelief = {
  readonly model: Model;
  readonly credit: number;
  readonly journalNo: number;
};

export class MasterChecker {
  model = new Model();
  readonly #master: SimMaster;
  readonly #plans: ReadonlyMap<string, BatchPlan>;
  readonly #profileOf: WhoIsWho['profileOf'];
  readonly #machineOf: WhoIsWho['machineOf'];
  readonly #liars: WhoIsWho['liars'];
  readonly decisions: DecisionChecker;
  readonly broadcasts: BroadcastChecker;
  #credit = 0;
  /** Grants of this commit of which the rows do not tell whether they were made. */
  #perhaps = 0;
  /** Acknowledged results of workunits that were open when last looked at. */
  #acked: Acked[] = [];
  #journalNoSeen = 0;
  /** Last commit that is durable. */
  #head = 0;
  /** The commit that decided, by workunit. */
  readonly #decidedAt = new Map<WorkunitKey, number>();
  /** Results that were taken out since the disk was made, by workunit. */
  readonly #withdrawn = new Map<WorkunitKey, Withdrawn[]>();
  /** The commit that last quarantined a node: what it said before counts no more. */
  readonly #asideAt = new Map<NodeId, number>();
  /** A batch that a node has worked on may be of a past that this disk has lost, or of a second master. */
  #hasForeign: boolean;
  /** Canonical outputs that are wrong: only ever with a quorum of liars. */
  wrongCanonical = 0;

  constructor(
    crypto: Crypto,
    master: SimMaster,
    plans: ReadonlyMap<string, BatchPlan>,
    {profileOf, machineOf, liars}: WhoIsWho,
    hasSecond: boolean,
  ) {
    this.#hasForeign = hasSecond;
    this.#master = master;
    this.#plans = plans;
    this.#profileOf = profileOf;
    this.#machineOf = machineOf;
    this.#liars = liars;
    this.broadcasts = new BroadcastChecker(master);
    this.decisions = new DecisionChecker(crypto, master, machineOf);
  }

  belief(): MasterBelief {
    return {model: this.model.copy(), credit: this.#credit, journalNo: this.#head};
  }

  /** The disk is an older one: what was acknowledged since is lost, all before must still be there. */
  rolledBack(belief: MasterBelief): void {
    this.#hasForeign = true;
    for (const [key, list] of this.#withdrawn)
      this.#withdrawn.set(
        key,
        list.filter(({at}) => at <= belief.journalNo),
      );
    for (const [nodeId, at] of this.#asideAt)
      if (at > belief.journalNo) this.#asideAt.delete(nodeId);
    this.model = belief.model.copy();
    this.#credit = belief.credit;
    this.decisions.rolledBack(this.model.credits);
    this.#journalNoSeen = belief.journalNo;
    this.#head = belief.journalNo;
    this.#acked = this.#acked.filter(({key, nodeId}) => this.model.votedBy(key, nodeId));
  }

  /** The disk was damaged, and the operator made a new one of what was left. */
  salvaged(salvaged: Salvaged): void {
    checkSalvage(this.model, salvaged, this.#decidedAt, this.#acked, this.#withdrawn);
    this.#withdrawn.clear();
    const {model, credit, head, lastGood} = salvaged;
    this.rolledBack({model, credit, journalNo: head});
    // The new store writes every row anew, from the first commit behind what was good.
    for (const key of model.decisions.keys()) this.#decidedAt.set(key, lastGood + 1);
    this.#acked = this.#acked.map(acked => ({...acked, journalNo: lastGood + 1}));
    this.#checkCredit();
  }

  durable(ops: readonly Op[]): void {
    const before = new Map(this.model.batches);
    const change = this.model.apply(ops);
    for (const row of this.model.batches.values())
      if (row.stage && !before.has(row.id)) checkStage(row, before, this.model);
    this.#head = numberOf(ops) ?? this.#head;
    for (const key of change.decided.keys()) this.#decidedAt.set(key, this.#head);
    this.model.checkCounters(ops);
    for (const key of change.later) {
      // In one commit it may begin anew and fail again: nobody is left to compute it.
      const hadFailed = change.undone.has(key) || this.model.decisions.get(key)?.kind === 'failed';
      holds(hadFailed, 'P1', () => `${nameOf(key)} begins anew, and had not failed`);
    }
    checkProbes(ops, this.model, this.#machineOf, this.#liars());
    this.decisions.reported(ops);
    this.#credit -= change.withdrawn.size;
    this.decisions.withdrawn(change);
    this.#forgetAcked(change);
    for (const [key, decision] of change.decided) this.#onDecided(key, decision, change);
    this.decisions.checked(this.model, change);
    this.model.forgetWitnesses(change.revoked);
    this.model.forgetWitnesses(change.aside);
    for (const [key, votes] of change.removed) {
      const isOver =
        change.decided.has(key) ||
        this.model.hasEnded(batchOf(key)) ||
        change.anew.has(batchOf(key)) ||
        votes.every(({nodeId, barred}) => barred || this.model.revoked.has(nodeId));
      holds(isOver, 'P1', () => `votes on ${nameOf(key)} are gone, and no decision`);
    }
    if (change.credited.size > 0 || change.decided.size > 0) this.#checkCredit();
    this.decisions.credited(change, this.model.credits);
  }

  /** What was acknowledged of what is taken out, set aside or begun anew is not looked for any more. */
  #forgetAcked({withdrawn, undone, anew, aside}: Change): void {
    const at = this.#head;
    for (const [key, doubted] of withdrawn)
      getOr(this.#withdrawn, key, () => []).push({...doubted, at});
    for (const [key, former] of undone)
      getOr(this.#withdrawn, key, () => []).push({nodeId: undefined, former, at});
    for (const nodeId of aside) this.#asideAt.set(nodeId, at);
    if (withdrawn.size + undone.size + anew.size + aside.size === 0) return;
    this.#acked = this.#acked.filter(
      ({key, nodeId}) =>
        !(withdrawn.has(key) || undone.has(key) || anew.has(batchOf(key)) || aside.has(nodeId)),
    );
  }

  #onDecided(key: WorkunitKey, decision: Decided, change: Change): void {
    const {model} = this;
    holds(!model.votes.has(key), 'P4', () => `${nameOf(key)} is decided and has open votes`);
    const evidence = model.evidence.get(key);
    model.evidence.delete(key);
    if (decision.kind !== 'done') return;
    const report = model.reports.get(decision.reportNo);
    this.broadcasts.decided(key, report, model);
    const item = report?.items[decision.item];
    holds(item, 'P1', () => `${nameOf(key)}: its canonical report ${decision.reportNo} is missing`);
    const fits = workunitKey(item.batchId, item.index) === key && item.status === 'done';
    holds(fits, 'P4', () => `${nameOf(key)}: its canonical report is of another workunit`);
    if (item.status !== 'done') return;
    const name = outputName(item.output);
    const witnesses = evidence?.get(name) ?? new Set<NodeId>();
    const isSingle = decision.single === true;
    const minQuorum = this.#checkOutput(key, item, witnesses, isSingle);
    if (isSingle) this.#onSingle(key, report?.nodeId, name, change);
    else {
      this.decisions.done(key, name, minQuorum, this.model, change);
      this.#credit += this.#agreeing(key, name, change, minQuorum);
    }
  }

  /**
   * How many are paid: those whose votes are stored, and the one whose vote decided, where that is not among
   * them (last-vote.ts).
   */
  #agreeing(key: WorkunitKey, name: string, change: Change, minQuorum: number): number {
    const removed = change.removed.get(key) ?? [];
    const voters = new Set<NodeId>();
    for (const {nodeId, row, barred} of removed)
      if (row.status === 'done' && outputName(row.output) === name && !barred) voters.add(nodeId);
    if (keepsAll(this.model, key)) return this.decisions.lastAgreeing;
    const lastVote = lastVoteOf(removed, name, minQuorum);
    if (lastVote === 'stored') return voters.size;
    if (lastVote === 'reported' && !this.model.hasBarred) return voters.size + 1;
    if (!this.#isReported(key, name, change, voters)) return voters.size;
    if (lastVote === 'reported') return voters.size + 1;
    this.#perhaps += 1;
    return voters.size;
  }

  /** One result of a trusted node alone: it was voted before, and others have confirmed one of its results since. */
  #onSingle(key: WorkunitKey, nodeId: NodeId | undefined, name: string, change: Change): void {
    this.decisions.single(key, nodeId, name, this.model, change);
    this.#credit += 1;
  }

  /** Whether a report of this commit agrees, of a node that is not among the voters. */
  #isReported(
    key: WorkunitKey,
    name: string,
    {reported}: Change,
    voters: ReadonlySet<NodeId>,
  ): boolean {
    const isVote = (item: ResultItem): boolean =>
      workunitKey(item.batchId, item.index) === key &&
      item.status === 'done' &&
      outputName(item.output) === name;
    for (const reportNo of reported) {
      const report = this.model.reports.get(reportNo);
      if (report && !voters.has(report.nodeId) && report.items.some(isVote)) return true;
    }
    return false;
  }

  /** What the operator asked for as a quorum. */
  #checkOutput(
    key: WorkunitKey,
    item: ResultItem & {readonly status: 'done'},
    witnesses: ReadonlySet<NodeId>,
    isSingle: boolean,
  ): number {
    const row = this.model.batches.get(item.batchId);
    const plan = row && this.#plans.get(row.name);
    holds(row && plan, 'P3', () => `${nameOf(key)} is of a batch that nobody submitted`);
    // What the operator asked for, not what the row says now.
    const {policy} = plan.request;
    const mayBeSingle = policy.redundancy === 'adaptive';
    holds(!isSingle || mayBeSingle, 'P3', () => `${nameOf(key)} is single, its batch is not`);
    const minQuorum = isSingle ? 1 : (policy.minQuorum ?? row.policy.minQuorum);
    holds(
      witnesses.size >= minQuorum,
      'P3',
      () => `${nameOf(key)}: ${witnesses.size} nodes agree, the quorum is ${minQuorum}`,
    );
    if (item.output.kind === 'blob') {
      const {blobId, size} = item.output;
      const isThere = this.#master.blobs.get(blobId) === size;
      holds(isThere, 'P1', () => `${nameOf(key)}: its canonical blob is not there`);
    }
    const inputNo = policy.broadcast ? 0 : item.index;
    const isTrue = (machine: MachinePlan): boolean =>
      outputName(item.output) ===
      outputName(truthOf(row.input, row.args, inputNo, machine, row.shared));
    if (MACHINES.some(isTrue)) return minQuorum;
    this.wrongCanonical += 1;
    for (const nodeId of witnesses) {
      const profile = this.#profileOf(nodeId);
      const isLiar = profile !== undefined && LYING.has(profile);
      holds(isLiar, 'P3', () => `${nameOf(key)}: wrong, and ${profile} node ${nodeId} agrees`);
    }
    return minQuorum;
  }

  #checkCredit(): void {
    let credit = 0;
    let validated = 0;
    for (const row of this.model.credits.values()) {
      credit += row.credit;
      validated += row.validated;
    }
    const more = credit - this.#credit;
    const isEarned = more >= 0 && more <= this.#perhaps;
    holds(isEarned, 'P4', () => `credit is ${credit}, earned were ${this.#credit}`);
    this.#credit = credit;
    this.#perhaps = 0;
    holds(validated === credit, 'P4', () => `${validated} validated, ${credit} credit`);
  }

  /** A node holds the master's signed word for these results. */
  acknowledged(nodeId: NodeId, items: readonly ResultItem[], journalNo: number): void {
    const durable = this.#head;
    holds(journalNo <= durable, 'P1', () => `receipt ${journalNo} above the head ${durable}`);
    this.#journalNoSeen = Math.max(this.#journalNoSeen, journalNo);
    for (const item of items) {
      const {batchId, index} = item;
      // Of a batch that is not here, whose number another one may have now: of no use to anybody.
      if (this.#hasForeign && !this.#isOurs(nodeId, item)) continue;
      const acked = {nodeId, key: workunitKey(batchId, index), journalNo};
      if (this.#wasWithdrawnSince(acked) || this.#isOfBefore(acked, item)) continue;
      this.#checkAcked(acked);
      if (this.#isOpen(acked)) this.#acked.push(acked);
    }
  }

  /** The decision that it came to stood when it was taken; the same commit may have withdrawn it a turn later. */
  #wasWithdrawnSince({key, journalNo}: Acked): boolean {
    return (this.#withdrawn.get(key) ?? []).some(({at}) => at >= journalNo);
  }

  /** Said before the node was quarantined, or before the workunit began anew: it counts no more. */
  #isOfBefore({nodeId, key, journalNo}: Acked, item: ResultItem): boolean {
    const {tries, batches} = this.model;
    const tryNo = tries.of(key, batches.get(batchOf(key))?.baseTry);
    return journalNo <= (this.#asideAt.get(nodeId) ?? -1) || tryOf(item) < tryNo;
  }

  #isOurs(nodeId: NodeId, item: ResultItem): boolean {
    const context = this.#master.core?.context;
    return context !== undefined && leaseProof(context, nodeId, item) === item.proof;
  }

  #isOpen({key}: Acked): boolean {
    return !this.model.decisions.has(key) && !this.model.hasEnded(batchOf(key));
  }

  #checkAcked(acked: Acked): void {
    const isKept =
      !this.#isOpen(acked) ||
      this.model.votedBy(acked.key, acked.nodeId) ||
      this.model.revoked.has(acked.nodeId);
    const story = `${nameOf(acked.key)} of ${acked.nodeId} was acknowledged and is not in the store`;
    holds(isKept, 'P1', () => story);
  }

  /** After each start: what is on the disk is what was made durable, and all that was acknowledged. */
  booted(): void {
    const head = this.#master.store.disk.get('meta', HEAD_KEY);
    const journalNo = head ? decodeHead(head).journalNo : 0;
    holds(
      journalNo >= this.#journalNoSeen,
      'P1',
      () => `the head is ${journalNo}, a receipt says ${this.#journalNoSeen}`,
    );
    this.auditRows();
    this.#acked = this.#acked.filter(acked => this.#isOpen(acked));
    for (const acked of this.#acked) this.#checkAcked(acked);
  }

  /** In the end no canonical result rests on a revoked node alone. */
  auditRevoked(): void {
    for (const key of this.model.restingOnRevoked())
      holds(false, 'S17', () => `${nameOf(key)} rests on a revoked node alone`);
  }

  auditRows(): void {
    const {disk} = this.#master.store;
    const {model} = this;
    let votes = 0;
    for (const list of model.votes.values()) {
      votes += list.size;
      for (const key of list.keys())
        holds(disk.get('vote', key), 'S13', () => `vote ${key} is not on the disk`);
    }
    holds(disk.rows('vote').length === votes, 'S13', () => 'the disk has votes of nobody');
    let decided = 0;
    for (const [key, value] of disk.rows('page')) {
      const {batchId, pageNo} = decodePageKey(key);
      const page = decodePage(value);
      decided += page.size;
      for (const offset of page.keys()) {
        const workunit = workunitKey(batchId, pageNo * PAGE_WORKUNITS + offset);
        holds(model.decisions.has(workunit), 'S13', () => `${nameOf(workunit)} decided by nobody`);
      }
    }
    holds(decided === model.decisions.size, 'S13', () => 'decisions are missing on the disk');
    holds(disk.rows('report').length === model.reports.size, 'S13', () => 'reports are missing');
    let credit = 0;
    for (const [, value] of disk.rows('credit')) credit += decodeCredit(value).credit;
    holds(credit === this.#credit, 'S13', () => `credit on the disk is ${credit}`);
  }
}

/** Of the commit that these operations are. */
function numberOf(ops: readonly Op[]): number | undefined {
  const head = ops.findLast(op => op.table === 'meta' && op.key === HEAD_KEY);
  return head?.type === 'put' ? decodeHead(head.value).journalNo : undefined;
}
