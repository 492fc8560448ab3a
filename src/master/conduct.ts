// Keeps the conduct of nodes by the rules of quarantine.ts: hears what became of their results, says who may have
// work of which app, and makes what it decides durable.
//
// A bench must not stop a batch: where fewer nodes than its quorum are left, or those that are left have all had what
// is open of it (a tie), those on the bench are given work as well. What they return is held against others as ever, so
// the worst of it is time.

import {keepNewest} from '../base/newest.ts';
import {addMono, type BlobId, type MonoMs, NEVER, type Now} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {Bench} from '../core/operator-rows.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import {machineOf} from './homogeneous.ts';
import {type Conduct, FREE, judge, type Outcome, type Standing, standingOf} from './quarantine.ts';
import type {NodeState} from './roster.ts';
import {canServe} from './scheduler.ts';
import type {Verdict, Vote} from './validator.ts';
import {mayHold} from './workunit.ts';

type Canonical = Extract<Verdict, {kind: 'canonical'}>;

/** Apps of a node that are remembered when it is not perfect with them. */
const APPS_PER_NODE_MAX = 256;
const LOOK_MS = SECOND_MS;
/** Open workunits of a batch that are looked at: more of them are no tie. */
const STUCK_LOOKED_AT_MAX = 1_024;

export class Conducts {
  readonly #context: MasterContext;
  /** Nodes that are on the bench or on probation with any app. */
  readonly #watched = new Set<NodeState>();
  #lookAt: MonoMs = NEVER;

  constructor(context: MasterContext) {
    this.#context = context;
  }

  /** What an earlier life decided. */
  restore(now: MonoMs): void {
    for (const node of this.#context.roster.all())
      for (const bench of node.control.benches ?? []) {
        node.conduct.set(bench.appId, {...FREE, ...bench});
        this.#watch(node, now);
      }
    this.#look(now);
  }

  #watch(node: NodeState, now: MonoMs): void {
    this.#watched.add(node);
    if (this.#lookAt === NEVER) this.#lookAt = addMono(now, LOOK_MS);
  }

  /** A workunit has a canonical result: whose votes were with it, and whose not. */
  heard(batch: Batch, votes: readonly Vote[], verdict: Canonical, now: Now): void {
    const agreeing = new Set(verdict.agreeing);
    for (const vote of votes) {
      const node = this.#context.roster.node(vote.nodeId);
      if (!node) continue;
      if (agreeing.has(vote)) {
        if (node.conduct.size > 0) this.#judge(node, batch, 'agreed', now);
      } else this.#judge(node, batch, vote.status === 'done' ? 'disagreed' : 'erred', now);
    }
  }

  #judge(node: NodeState, {row}: Batch, outcome: Outcome, {mono}: Now): void {
    const before = node.conduct.get(row.appId);
    if (!before && outcome === 'agreed') return;
    const after = judge(before ?? FREE, outcome, this.#context.instant(mono));
    if (after === FREE) node.conduct.delete(row.appId);
    else node.conduct.set(row.appId, after);
    keepNewest(node.conduct, APPS_PER_NODE_MAX);
    if (after.reason === (before?.reason ?? '') && after.since === (before?.since ?? 0)) return;
    if (after.reason === '')
      this.#note('info', 'node may work for an app again', node, row.appName);
    else this.#note('warn', 'node is quarantined for an app', node, row.appName, after.reason);
    this.#save(node, row.appId, row.appName, after);
    this.#watch(node, mono);
    this.#look(mono);
  }

  #note(level: 'info' | 'warn', what: string, node: NodeState, app: string, reason = ''): void {
    this.#context.note(level, what, {node: node.row.nodeId, name: node.row.name, app, reason});
    this.#context.announceNode(node.row.nodeId);
  }

  #save(node: NodeState, appId: BlobId, app: string, conduct: Conduct): void {
    const others = (node.control.benches ?? []).filter(bench => bench.appId !== appId);
    const {reason, since, until, times} = conduct;
    const bench: Bench = {appId, app, reason, since, until, times};
    const benches = reason === '' ? others : [...others, bench];
    this.#context.setControl(node, {...node.control, benches});
  }

  /** The operator's word: all is forgiven. */
  release(node: NodeState): void {
    node.conduct.clear();
    node.standing.clear();
    this.#watched.delete(node);
    this.#context.setControl(node, {...node.control, benches: []});
  }

  forget(node: NodeState): void {
    this.#watched.delete(node);
  }

  wakeAt(): MonoMs {
    return this.#lookAt;
  }

  tick({mono}: Now): void {
    if (mono >= this.#lookAt) this.#look(mono);
  }

  /** Whose time is over, and which batches need those on the bench. */
  #look(mono: MonoMs): void {
    const wall = this.#context.instant(mono);
    const before = this.#fingerprint();
    for (const node of this.#watched) {
      node.standing.clear();
      for (const [appId, conduct] of node.conduct) {
        const standing = standingOf(conduct, wall);
        if (standing !== 'free') node.standing.set(appId, standing);
      }
      if (node.standing.size === 0) this.#watched.delete(node);
    }
    for (const batch of this.#context.running) batch.takesAll = this.#isShort(batch);
    this.#lookAt = this.#watched.size > 0 ? addMono(mono, LOOK_MS) : NEVER;
    if (this.#fingerprint() !== before) this.#context.workNo += 1;
  }

  /** Changes when somebody may have work who might not before. */
  #fingerprint(): string {
    const standings = [...this.#watched].map(
      node => `${node.row.nodeId}${[...node.standing.values()].join()}`,
    );
    const batches = [...this.#context.running].filter(batch => batch.takesAll);
    return `${standings.join(' ')} ${batches.map(batch => batch.row.id).join()}`;
  }

  #isShort(batch: Batch): boolean {
    if (![...this.#watched].some(node => node.standing.has(batch.row.appId))) return false;
    return !this.#hasQuorum(batch) || this.#isStuck(batch);
  }

  /** Whether those that are not on the bench are enough. */
  #hasQuorum(batch: Batch): boolean {
    const {policy, appId} = batch.row;
    const able = new Map<string | undefined, number>(); // by kind of machine, where that counts
    for (const node of this.#context.roster.all()) {
      if (!node.up || !canServe(batch, node) || node.standing.has(appId)) continue;
      const machine = machineOf(policy, node.row);
      const count = (able.get(machine) ?? 0) + 1;
      if (count >= policy.minQuorum) return true;
      able.set(machine, count);
    }
    return false;
  }

  /** Nothing is out, all that is open wants a replica, and nobody but those on the bench may have one. */
  #isStuck(batch: Batch): boolean {
    if (batch.out > 0 || batch.wanting.size === 0 || batch.feeder.hasNext) return false;
    const {policy, appId} = batch.row;
    const free = [...this.#context.roster.all()].filter(
      node => node.up && canServe(batch, node) && !node.standing.has(appId),
    );
    let looked = 0;
    for (const workunit of batch.wanting) {
      if (++looked > STUCK_LOOKED_AT_MAX) return false;
      for (const {row} of free)
        if (mayHold(workunit, row.nodeId, () => free.length, machineOf(policy, row))) return false;
    }
    return true;
  }
}

export const standingWith = (node: NodeState, batch: Batch): Standing =>
  node.standing.get(batch.row.appId) ?? 'free';
