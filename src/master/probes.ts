// Tries each version of an app on two processors before the rest of its first batch is given out (probe.ts). What
// comes out is a row of `meta`. Which workunit it is done with is not stored: a restart takes another one.
//
// It must not hold a batch up for ever: when nodes of a second processor are not there or bring nothing, the batch goes
// on as it is. Nodes are not blamed for an app that was not tried, or differs: a disagreement that is one of processors
// costs nobody anything.

import {addMono, type BlobId, type MonoMs, NEVER, type NodeId, type Now} from '../base/types.ts';
import {MINUTE_MS, SECOND_MS} from '../base/units.ts';
import {
  BY_RULE,
  type Mark,
  PROBE_PREFIX,
  type ProbeResult,
  type ProbeRow,
} from '../core/operator-rows.ts';
import type {Policy} from '../core/policy.ts';
import {type AppRow, encodeJson, put} from '../core/tables.ts';
import {look} from './agreement.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import {record} from './history.ts';
import {wasProbe} from './homogeneous.ts';
import {type Ballot, blameText, neededOf, resultOf, roomFor, triesApps, wantedOf} from './probe.ts';
import type {Results} from './results.ts';
import type {NodeState} from './roster.ts';
import {mayRunLater} from './scheduler.ts';
import {sameOutput, type Verdict, type Vote} from './validator.ts';
import {isValid, mayHold, type Workunit} from './workunit.ts';

/** Nobody has it who could tell more, for so long. */
const IDLE_MS_MAX = MINUTE_MS;
/** The rest of the batch waits no longer, however long one run takes. */
const HELD_MS_MAX = 10 * MINUTE_MS;
const LOOK_MS = SECOND_MS;

type Probe = {readonly workunit: Workunit; readonly since: MonoMs; idleSince: MonoMs | undefined};
type Canonical = Extract<Verdict, {kind: 'canonical'}>;

export class Probes {
  readonly #context: MasterContext;
  readonly #rows = new Map<BlobId, ProbeRow>();
  readonly #probes = new Map<Batch, Probe>();
  /** Batches that have shown nothing; they go on. */
  readonly #over = new WeakSet<Batch>();
  readonly #alike = new WeakMap<Batch, {readonly arch: string; readonly until: MonoMs}>();
  #lookAt: MonoMs = NEVER;

  constructor(context: MasterContext) {
    this.#context = context;
  }

  restore(row: ProbeRow): void {
    this.#rows.set(row.appId, row);
  }

  resultOf(appId: BlobId): ProbeRow | undefined {
    return this.#rows.get(appId);
  }

  /** How a batch begins whose app is known to differ. */
  suspension(policy: Policy, {appId}: AppRow, now: Now): Mark | undefined {
    const row = this.#rows.get(appId);
    if (!row || row.result === 'alike' || !triesApps(policy)) return undefined;
    return {by: BY_RULE.name, at: now.wall, reason: blameText(row.result, row.archs)};
  }

  /** What a node that asks is given of the batch. @param pick what it would be given if the app were tried */
  pick(
    batch: Batch,
    node: NodeState,
    able: () => number,
    pick: () => Workunit[],
    now: Now,
  ): Workunit[] {
    if (!this.#isHeld(batch, now.mono)) return pick();
    const {arch, nodeId} = node.row;
    const probe = this.#probes.get(batch) ?? this.#begin(batch, arch, now.mono);
    if (!probe) return pick();
    const {workunit} = probe;
    if (roomFor(ballotsOf(batch, workunit), neededOf(batch.row.policy), arch) === 0) return [];
    return workunit.wanted > 0 && mayHold(workunit, nodeId, able) ? [workunit] : [];
  }

  #isHeld(batch: Batch, mono: MonoMs): boolean {
    const {policy, appId} = batch.row;
    if (!triesApps(policy) || this.#rows.has(appId) || this.#over.has(batch)) return false;
    const probe = this.#probes.get(batch);
    return !probe || (probe.workunit.state === 'open' && mono < probe.since + HELD_MS_MAX);
  }

  /** With a workunit that nobody has begun; undefined = there is none, or all nodes have one processor. */
  #begin(batch: Batch, arch: string, mono: MonoMs): Probe | undefined {
    if (this.#isOnly(batch, arch, mono)) return undefined;
    const isFresh = ({votes, replicas, issued, firstReplica}: Workunit): boolean =>
      votes.length === 0 && replicas.length === 0 && issued === firstReplica;
    let workunit = [...batch.wanting].find(isFresh);
    if (!workunit) {
      workunit = batch.feeder.next();
      if (workunit) batch.adopt(workunit);
    }
    if (!workunit || !isFresh(workunit)) {
      if (workunit) batch.want(workunit, batch.row.policy.targetReplicas);
      return undefined;
    }
    workunit.isProbe = true;
    batch.want(workunit, 2);
    const probe = {workunit, since: mono, idleSince: undefined};
    this.#probes.set(batch, probe);
    if (this.#lookAt === NEVER) this.#lookAt = addMono(mono, LOOK_MS);
    return probe;
  }

  /** All nodes that could have it are of this processor, or were a second ago: of thousands each would ask anew. */
  #isOnly(batch: Batch, arch: string, mono: MonoMs): boolean {
    const known = this.#alike.get(batch);
    if (known?.arch === arch && mono < known.until) return true;
    for (const node of this.#context.roster.all())
      if (node.row.arch !== arch && node.up && mayRunLater(batch, node)) return false;
    this.#alike.set(batch, {arch, until: addMono(mono, LOOK_MS)});
    return true;
  }

  /** The verdict on a workunit that tries its app; undefined = the rules for all others count. */
  judge(batch: Batch, workunit: Workunit, now: MonoMs): Verdict | undefined {
    if (!workunit.isProbe) return undefined;
    const {policy, appId} = batch.row;
    const errors = workunit.votes.filter(vote => !isValid(vote)).length;
    if (this.#rows.has(appId) || errors >= policy.maxErrorReplicas)
      return this.#end(batch, workunit);
    if (policy.compare) {
      const {waiting} = look(this.#context, batch, workunit, policy.compare, workunit.votes);
      if (waiting > 0) return {kind: 'open', wanted: 0};
    }
    const ballots = ballotsOf(batch, workunit);
    const needed = neededOf(policy);
    const result = resultOf(ballots, needed);
    if (result !== undefined) return this.#found(batch, workunit, result, ballots, now);
    const wanted = wantedOf(ballots, needed);
    if (wanted > 0 || workunit.replicas.length > 0) return {kind: 'open', wanted};
    return this.#giveUp(batch, workunit);
  }

  #found(
    batch: Batch,
    workunit: Workunit,
    result: ProbeResult,
    ballots: readonly Ballot[],
    mono: MonoMs,
  ): Verdict | undefined {
    const context = this.#context;
    const {appId, appName, id} = batch.row;
    const archs = [...new Set(ballots.map(({arch}) => arch))];
    const at = context.instant(mono);
    const row: ProbeRow = {appId, result, archs, batchId: id, index: workunit.index, at};
    this.#rows.set(appId, row);
    context.save(put('meta', PROBE_PREFIX + appId, encodeJson(row)));
    this.#end(batch, workunit);
    if (result === 'alike') {
      context.note('info', 'app gives the same results', {app: appName, on: archs.join(', ')});
      return undefined;
    }
    const reason = blameText(result, archs);
    context.note('warn', 'app is at fault, its batches are suspended', {app: appName, reason});
    for (const other of context.running)
      if (other.row.appId === appId && triesApps(other.row.policy) && !other.control.suspended) {
        other.control = {...other.control, suspended: {by: BY_RULE.name, at, reason}};
        const what = {actor: BY_RULE, action: 'suspended', detail: reason};
        record(context, other, what, {mono, wall: at});
      }
    // Not decided as long as it is held: one replica more would make one side win.
    return {kind: 'open', wanted: 1};
  }

  #giveUp(batch: Batch, workunit: Workunit): undefined {
    this.#over.add(batch);
    this.#context.note('warn', 'app could not be tried on two processors', {
      app: batch.row.appName,
      batch: batch.row.id,
    });
    return this.#end(batch, workunit);
  }

  /** From now on it is as any other; what it took beyond its policy does not count. */
  #end(batch: Batch, workunit: Workunit): undefined {
    this.#probes.delete(batch);
    workunit.isProbe = false;
    if (wasProbe(workunit.votes))
      workunit.forgiven = Math.max(workunit.forgiven, workunit.issued - 1);
    this.#context.workNo += 1;
    return undefined;
  }

  wakeAt(): MonoMs {
    return this.#lookAt;
  }

  tick(results: Results, now: Now): void {
    if (now.mono < this.#lookAt) return;
    for (const [batch, probe] of this.#probes) {
      const {workunit} = probe;
      if (workunit.state !== 'open' || !batch.running) this.#probes.delete(batch);
      else if (this.#rows.has(batch.row.appId)) results.settle(batch, workunit, now);
      else if (this.#isIdle(probe, now.mono)) {
        this.#giveUp(batch, workunit);
        results.settle(batch, workunit, now);
      }
    }
    this.#lookAt = this.#probes.size > 0 ? addMono(now.mono, LOOK_MS) : NEVER;
  }

  #isIdle(probe: Probe, mono: MonoMs): boolean {
    const isOut = probe.workunit.replicas.length > 0;
    probe.idleSince = isOut ? undefined : (probe.idleSince ?? mono);
    const isLong = mono >= probe.since + HELD_MS_MAX;
    return isLong || (probe.idleSince !== undefined && mono >= probe.idleSince + IDLE_MS_MAX);
  }

  /** Who is not blamed: all that disagree have other processors than all that agree, and the app was not found good. */
  spared(batch: Batch, {agreeing, disagreeing}: Canonical): readonly Vote[] {
    const {policy, appId} = batch.row;
    if (!triesApps(policy) || this.#rows.get(appId)?.result === 'alike') return [];
    const archOf = (nodeId: NodeId): string => this.#context.roster.node(nodeId)?.row.arch ?? '';
    const archs = new Set(agreeing.map(({nodeId}) => archOf(nodeId)));
    return disagreeing.some(({nodeId}) => archs.has(archOf(nodeId))) ? [] : disagreeing;
  }

  waitsFor(batch: Batch): string {
    if (!this.#probes.has(batch)) return '';
    return 'has a new app: one workunit is computed on two processors before the rest is given out';
  }
}

/** Votes in groups that agree, and replicas that are out. */
function ballotsOf({row}: Batch, {votes, replicas, sight}: Workunit): Ballot[] {
  const compare = row.policy.compare ? sight : undefined;
  const agree = (a: Vote, b: Vote): boolean => {
    if (a.status !== 'done' || b.status !== 'done') return a.status === b.status;
    if (!compare) return sameOutput(a.output, b.output);
    return compare.agree(compare.noOf(a.output), compare.noOf(b.output)) === true;
  };
  const first: Vote[] = [];
  const ballots: Ballot[] = votes.filter(isValid).map(vote => {
    const known = first.findIndex(other => agree(other, vote));
    return {arch: vote.machine ?? '', group: known >= 0 ? known : first.push(vote) - 1};
  });
  for (const {machine = ''} of replicas) ballots.push({arch: machine, group: undefined});
  return ballots;
}
