// Every canonical result and every credit once more, from the signed reports that are on the master's disk:
//
//   S2  a canonical result has a quorum of distinct nodes behind it, each with a report that its node signed,
//       and more than half of all valid results of its workunit
//   S5  no workunit has more leases or replicas than its policy allows, and each lease is of the node that has it
//   S17 what a revoked node alone stood for is computed again; what is said of the outcome is so
//   S19 where a policy is homogeneous all of these are of one kind of machine, and others are neither paid nor blamed
//   S8  what each node is credited is what it earned, decision by decision

import {fromHex} from '../base/bytes.ts';
import type {BatchId, NodeId} from '../base/types.ts';
import type {Homogeneity, Policy} from '../core/policy.ts';
import {type CreditRow, decodeReportRow, jsonRow, type NodeRow, type Op} from '../core/tables.ts';
import type {MasterContext} from '../master/context.ts';
import {leaseProof} from '../master/leases.ts';
import type {MasterCore} from '../master/master.ts';
import type {Replica, Workunit} from '../master/workunit.ts';
import type {Crypto} from '../wire/crypto.ts';
import type {ResultItem} from '../wire/message.ts';
import type {Change} from './change.ts';
import {EscrowLedger} from './escrow-ledger.ts';
import {holds} from './fabric.ts';
import {getOr} from './get-or.ts';
import {compares, homogeneityOf, keepsAll} from './how-decided.ts';
import {lastVoteOf} from './last-vote.ts';
import type {MachinePlan} from './machine-plan.ts';
import type {Decided, Model} from './model.ts';
import {batchOf, nameOf, outputName, type WorkunitKey, workunitKey} from './model-names.ts';
import type {SimMaster} from './sim-master.ts';

type Earned = {credit: number; disagreed: number};

/** Nodes whose results agree with the canonical one, and those whose do not. */
type Sides = {readonly agreeing: Set<NodeId>; readonly disagreeing: Set<NodeId>};

const nothing = (): Earned => ({credit: 0, disagreed: 0});
const hasVoted = ({agreeing, disagreeing}: Sides, nodeId: NodeId): boolean =>
  agreeing.has(nodeId) || disagreeing.has(nodeId);

export class DecisionChecker {
  readonly #crypto: Crypto;
  readonly #master: SimMaster;
  readonly #machineOf: (nodeId: NodeId) => MachinePlan | undefined;
  /** Nodes that agree with the newest decision. */
  lastAgreeing = 0;
  #earned = new Map<NodeId, Earned>();
  /** Nodes that may have cast the last vote of a decision of this commit, together with others. */
  readonly #unsure = new Set<NodeId>();
  /** Reports of the commit under way, in their order. */
  #fresh: number[] = [];
  readonly #ledger = new EscrowLedger();
  decided = 0;
  /** Of these, those that stand alone. */
  singles = 0;
  withdrawnCount = 0;
  checkedCount = 0;
  /** Replicas whose leases were looked at. */
  readonly #proven = new WeakSet<Replica>();

  constructor(
    crypto: Crypto,
    master: SimMaster,
    machineOf: (nodeId: NodeId) => MachinePlan | undefined,
  ) {
    this.#crypto = crypto;
    this.#master = master;
    this.#machineOf = machineOf;
  }

  /** What of a node's machine must be alike with that of the canonical result; '' = nothing. */
  #kindOf(nodeId: NodeId | undefined, homogeneous: Homogeneity): string {
    const machine = nodeId === undefined ? undefined : this.#machineOf(nodeId);
    if (!machine || homogeneous === 'off') return '';
    return homogeneous === 'arch' ? machine.arch : `${machine.arch} ${machine.engine}`;
  }

  /** The disk is an older one: what it says was earned is where the ledger goes on. */
  rolledBack(credits: ReadonlyMap<NodeId, CreditRow>): void {
    this.#earned = new Map(
      [...credits].map(([id, {credit, disagreed}]) => [id, {credit, disagreed}]),
    );
  }

  /** Before the decisions of a commit are looked at. */
  reported(ops: readonly Op[]): void {
    this.#fresh = [];
    this.#unsure.clear();
    const {disk} = this.#master.store;
    for (const op of ops) {
      if (op.table !== 'report' || op.type !== 'put') continue;
      const {nodeId, signature, body} = decodeReportRow(op.value);
      const row = disk.get('node', nodeId);
      const key = row && fromHex(jsonRow<NodeRow>(row).identityKey);
      const {clusterId} = this.#master;
      const isSigned = key && this.#crypto.verify(key, 'results', signature, clusterId, body);
      holds(isSigned, 'S2', () => `report ${op.key} is not signed by node ${nodeId}`);
      this.#fresh.push(Number.parseInt(op.key, 16));
    }
  }

  /** @param canonical name of the output; `change.removed` holds the votes before the last one */
  done(key: WorkunitKey, canonical: string, minQuorum: number, model: Model, change: Change): void {
    const sides = this.#stored(key, canonical, model, change);
    const {agreeing, disagreeing} = sides;
    const removed = change.removed.get(key) ?? [];
    const lastVote = keepsAll(model, key) ? 'stored' : lastVoteOf(removed, canonical, minQuorum);
    if (lastVote === 'reported') this.#addLast(key, canonical, sides, model);
    if (lastVote === 'unknown')
      for (const nodeId of this.#lastVoters(key, undefined, sides, model)) this.#unsure.add(nodeId);
    this.lastAgreeing = agreeing.size;
    const story = `${nameOf(key)}: ${agreeing.size} agree, ${disagreeing.size} do not`;
    holds(agreeing.size >= minQuorum, 'S2', () => `${story}, the quorum is ${minQuorum}`);
    holds(agreeing.size > disagreeing.size, 'S2', () => `${story}: no majority`);
    const blamed = this.#isByArch(key, sides, model) ? new Set<NodeId>() : disagreeing;
    // Whether its app was tried by then nobody can tell from the rows: the ledger takes over what was held against them.
    if (blamed !== disagreeing) for (const nodeId of disagreeing) this.#unsure.add(nodeId);
    this.#earn(agreeing, blamed);
    this.#ledger.decided(appOf(key, model), agreeing, blamed);
    this.decided += 1;
  }

  /** Processors disagree, not nodes: that may be the app's fault. */
  #isByArch(key: WorkunitKey, {agreeing, disagreeing}: Sides, model: Model): boolean {
    const {policy} = model.batches.get(batchOf(key)) ?? {};
    if (!policy || policy.homogeneous !== undefined || policy.compare?.kind === 'custom')
      return false;
    const archs = new Set([...agreeing].map(nodeId => this.#machineOf(nodeId)?.arch));
    return ![...disagreeing].some(nodeId => archs.has(this.#machineOf(nodeId)?.arch));
  }

  /** One that stands alone: see escrow-ledger.ts. */
  single(
    key: WorkunitKey,
    nodeId: NodeId | undefined,
    name: string,
    model: Model,
    change: Change,
  ): void {
    const {agreeing, disagreeing} = this.#stored(key, name, model, change);
    const story = `${nameOf(key)} stands alone: ${agreeing.size} agree, ${disagreeing.size} do not`;
    const isAlone = nodeId !== undefined && agreeing.has(nodeId) && agreeing.size === 1;
    holds(isAlone && disagreeing.size === 0, 'S2', () => story);
    if (nodeId !== undefined)
      this.#ledger.single(nodeId, appOf(key, model), nameOf(key), !compares(model, key));
    this.#earn(agreeing, disagreeing);
    this.decided += 1;
    this.singles += 1;
  }

  #stored(key: WorkunitKey, canonical: string, model: Model, change: Change): Sides {
    const {reports} = model;
    const votes = change.removed.get(key) ?? [];
    const sides: Sides = {agreeing: new Set(), disagreeing: new Set()};
    const decision = change.decided.get(key); // the model forgot it, if its batch is deleted by the same commit
    const winner = decision?.kind === 'done' ? reports.get(decision.reportNo)?.nodeId : undefined;
    const homogeneous = homogeneityOf(model, key);
    const kind = this.#kindOf(winner, homogeneous);
    for (const {nodeId, row, barred} of votes) {
      if (row.status !== 'done' || barred) continue;
      const output = outputName(row.output);
      const item = reports.get(row.reportNo)?.items[row.item];
      const isReported =
        reports.get(row.reportNo)?.nodeId === nodeId &&
        item?.status === 'done' &&
        nameOf(key) === `${item.batchId}/${item.index}` &&
        outputName(item.output) === output;
      holds(isReported, 'S2', () => `a vote of ${nodeId} on ${nameOf(key)} is in no report of it`);
      const own = this.#kindOf(nodeId, homogeneous);
      const isKnown = homogeneous === 'off' || row.machine === own;
      holds(isKnown, 'S19', () => `a vote of ${nodeId} says ${row.machine}`);
      if (own !== kind) continue; // it is not held against it
      holds(!hasVoted(sides, nodeId), 'S2', () => `node ${nodeId} votes twice on ${nameOf(key)}`);
      (output === canonical ? sides.agreeing : sides.disagreeing).add(nodeId);
    }
    return sides;
  }

  /** The vote that decides is never stored, where bytes are compared: it is in a report of this commit that agrees. */
  #addLast(key: WorkunitKey, canonical: string, sides: Sides, model: Model): void {
    const [last, ...others] = this.#lastVoters(key, canonical, sides, model);
    // Whose blob was there first nobody can tell from the rows: the ledger takes over what was paid to them.
    for (const nodeId of others) this.#unsure.add(nodeId);
    if (last !== undefined && others.length > 0) this.#unsure.add(last);
    // A revocation takes votes away, and those that are left may decide.
    const isKnown = last !== undefined || model.hasBarred;
    holds(isKnown, 'S2', () => `${nameOf(key)} is decided by a vote that no report holds`);
    if (last !== undefined) sides.agreeing.add(last);
  }

  /** Results of a revoked node alone are taken out, and what it earned by them. */
  withdrawn({withdrawn}: Change): void {
    for (const {nodeId} of withdrawn.values()) getOr(this.#earned, nodeId, nothing).credit -= 1;
    this.withdrawnCount += withdrawn.size;
  }

  /** What is said of a result that was computed again is what the reports show. */
  checked({decisions, reports, orders}: Model, {checked}: Change): void {
    const nameOfOutput = (decision: Decided | undefined): string => {
      if (decision?.kind !== 'done') return '';
      const item = reports.get(decision.reportNo)?.items[decision.item];
      return item?.status === 'done' ? outputName(item.output) : '';
    };
    for (const [key, {former, state}] of checked) {
      const decision = decisions.get(key);
      if (!decision && orders.deleted.has(batchOf(key))) continue; // in the same commit
      holds(decision, 'S17', () => `${nameOf(key)} is ${state} and not decided`);
      const isEqual = nameOfOutput(decision) === nameOfOutput(former);
      const found = decision?.kind === 'failed' ? 'failed' : isEqual ? 'confirmed' : 'replaced';
      holds(found === state, 'S17', () => `${nameOf(key)} is ${found}, the master says ${state}`);
    }
    this.checkedCount += checked.size;
  }

  #earn(agreeing: ReadonlySet<NodeId>, disagreeing: ReadonlySet<NodeId>): void {
    for (const nodeId of agreeing) getOr(this.#earned, nodeId, nothing).credit += 1;
    for (const nodeId of disagreeing) getOr(this.#earned, nodeId, nothing).disagreed += 1;
  }

  /** Who has a result in a report of this commit and no stored vote; of this output, if one is given. */
  #lastVoters(
    key: WorkunitKey,
    output: string | undefined,
    sides: Sides,
    {reports, batches}: Model,
  ): NodeId[] {
    const voters = new Set<NodeId>();
    for (const reportNo of this.#fresh) {
      const report = reports.get(reportNo);
      if (!report || hasVoted(sides, report.nodeId)) continue;
      for (const item of report.items)
        if (
          item.status === 'done' &&
          nameOf(key) === `${item.batchId}/${item.index}` &&
          (output === undefined || outputName(item.output) === output) &&
          this.#isLeased(report.nodeId, item, batches.get(item.batchId)?.salt)
        )
          voters.add(report.nodeId);
    }
    return [...voters];
  }

  /**
   * Not of a lost batch whose number another one has now. `salt` is of the row on the disk: the master may have
   * deleted the batch while it was written.
   */
  #isLeased(nodeId: NodeId, item: ResultItem, salt: number | undefined): boolean {
    const context = this.#master.core?.context;
    return !context || leaseProof(context, nodeId, item, salt) === item.proof;
  }

  /** After a commit: the rows that it changed. */
  credited({credited, revoked}: Change, credits: ReadonlyMap<NodeId, CreditRow>): void {
    this.#ledger.committed();
    for (const nodeId of revoked) {
      const {credit, disagreed} = credits.get(nodeId) ?? nothing();
      this.#earned.set(nodeId, {credit, disagreed}); // it earns no more
    }
    for (const nodeId of this.#unsure) {
      const {credit, disagreed} = credits.get(nodeId) ?? nothing();
      this.#earned.set(nodeId, {credit, disagreed});
    }
    for (const nodeId of credited) {
      const row = credits.get(nodeId);
      const earned = this.#earned.get(nodeId) ?? nothing();
      const isEqual = row?.credit === earned.credit && row.disagreed === earned.disagreed;
      holds(
        isEqual,
        'S8',
        () =>
          `node ${nodeId} has credit ${row?.credit} and disagreed ${row?.disagreed} times, ` +
          `it earned ${earned.credit} and did ${earned.disagreed} times`,
      );
    }
  }

  /**
   * A restarted master may hand out one replica more in place of each lease that it forgot; so may one that
   * revoked a node, in place of its; and one in place of each vote of a node that was quarantined. A retry begins
   * anew.
   */
  leases(core: MasterCore, model: Model): void {
    const {context} = core;
    const nodes = [...context.roster.all()];
    const revoked = nodes.filter(({row}) => row.revokedAt > 0).length;
    // Quarantined, and the disk does not know yet.
    const fresh = nodes
      .filter(({control}) => control.hold?.kind === 'quarantined')
      .map(({row}) => row.nodeId)
      .filter(nodeId => !model.orders.quarantined.has(nodeId));
    for (const {row, open} of context.running) {
      const {targetReplicas, minQuorum} = row.policy;
      const leasesMax = Math.max(targetReplicas, minQuorum);
      const forgotten = (this.#master.lives - 1) * leasesMax;
      for (const workunit of open.values()) {
        const {index, replicas, issued, firstReplica} = workunit;
        const aside = model.votesAside(workunitKey(row.id, index), fresh);
        const {atOnceMax, givenMax} = allowed(row.policy, workunit);
        const replicasMax = givenMax + forgotten + revoked + aside;
        // An old copy that is put back, or a salvage, may know nothing of a retry that its nodes know of.
        const tryBegins = this.#master.lives > 1 ? firstOfTry(issued - 1) : firstReplica;
        const given = issued - Math.max(firstReplica, tryBegins);
        const story = (): string =>
          `${row.id}/${index}: ${replicas.length} leases, ${given} replicas`;
        // Each that is late may have one more beside it; a restart forgets which were.
        const late = this.#master.lives > 1 ? leasesMax : replicas.filter(isLate).length;
        const hedges = Math.min(leasesMax, late);
        const isWithin = replicas.length <= atOnceMax + hedges && given <= replicasMax;
        holds(isWithin, 'S5', story);
        if (this.#master.lives > 1) this.#given(context, row.id, workunit, story); // else all are of this life
      }
    }
  }

  #given(
    context: MasterContext,
    batchId: BatchId,
    {index, issued, replicas}: Workunit,
    story: () => string,
  ): void {
    for (const replica of replicas) {
      if (this.#proven.has(replica)) continue; // nothing of it changes
      const {nodeId, replicaNo, proof} = replica;
      const ref = {batchId, index, replicaNo};
      const isGiven = replicaNo < issued && proof === leaseProof(context, nodeId, ref);
      holds(isGiven, 'S5', () => `${story()}; node ${nodeId} holds one that it was not given`);
      this.#proven.add(replica);
    }
  }
}

/** Replicas are numbered by tries of 256. */
const firstOfTry = (replicaNo: number): number => Math.floor(replicaNo / 256) * 256;

const isLate = (replica: {readonly isLate: boolean}): boolean => replica.isLate;

const appOf = (key: WorkunitKey, {batches}: Model): string =>
  batches.get(batchOf(key))?.appId ?? '';

/** Leases at once, and replicas ever. What was given to other kinds of machines than now, or to try an app, is beside it. */
function allowed(
  {targetReplicas, minQuorum, maxTotalReplicas, homogeneous = 'off'}: Policy,
  {votes, replicas, issued}: Workunit,
): {readonly atOnceMax: number; readonly givenMax: number} {
  const atOnceMax = Math.max(targetReplicas, minQuorum);
  if (homogeneous !== 'off') return {atOnceMax, givenMax: maxTotalReplicas + votes.length};
  const isTried = [...votes, ...replicas].some(each => each.machine !== undefined);
  if (!isTried) return {atOnceMax, givenMax: maxTotalReplicas};
  return {
    atOnceMax: Math.max(atOnceMax, 2 * Math.max(2, minQuorum)),
    givenMax: maxTotalReplicas + issued,
  };
}
