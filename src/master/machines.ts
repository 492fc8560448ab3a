// Which kinds of machines are there for batches that are homogeneous (homogeneous.ts): a workunit is begun only where
// enough of one kind are up, and goes to another kind when nobody of its own could be given it for long, or takes it.

import {addMono, type MonoMs, NEVER, type NodeId, type Now} from '../base/types.ts';
import {MINUTE_MS, SECOND_MS} from '../base/units.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import {Exhausted} from './exhausted.ts';
import {isHomogeneous, machineOf, nextPin, type Side} from './homogeneous.ts';
import type {Results} from './results.ts';
import type {NodeState} from './roster.ts';
import {type Beginner, mayRunLater} from './scheduler.ts';
import {hadTurn, isValid, type Workunit} from './workunit.ts';

/** Longer than a board takes to start again. */
const STUCK_MS_MAX = 60 * SECOND_MS;
/** Nodes of its kind are there, and busy with other things, or never ask: others who could do it may. */
const LEFT_MS_MAX = 10 * MINUTE_MS;
const LOOK_MS = SECOND_MS;

/** Workunits that a note names. */
const MOVES_TOLD = 3;

/** Nodes that are up and could be given work of a batch, by the kind of their machine. */
type Kinds = ReadonlyMap<string, readonly NodeId[]>;

export class Machines {
  readonly #context: MasterContext;
  /** What was there of each batch at the last look. */
  #seen = '';
  #lookAt: MonoMs = NEVER;
  readonly #exhausted: Exhausted;
  readonly #known = new WeakMap<Batch, {readonly kinds: Kinds; readonly until: MonoMs}>();

  constructor(context: MasterContext) {
    this.#context = context;
    this.#exhausted = new Exhausted(context);
  }

  /** A node asks for work: what is it, and may it be the first of its kind on a workunit? */
  beginner(batch: Batch, node: NodeState, now: Now): Beginner {
    const {policy} = batch.row;
    const machine = machineOf(policy, node.row);
    this.#exhausted.watch(now.mono);
    if (machine === undefined) return {mayBegin: true};
    if (this.#lookAt === NEVER) this.#lookAt = addMono(now.mono, LOOK_MS);
    const alike = this.#kindsOf(batch, now.mono).get(machine) ?? [];
    return {machine, mayBegin: alike.length >= policy.minQuorum};
  }

  /** As they were a second ago at most: of thousands of nodes each would count all. */
  #kindsOf(batch: Batch, mono: MonoMs): Kinds {
    const known = this.#known.get(batch);
    if (known && mono < known.until) return known.kinds;
    const kinds = this.#kindsFor(batch);
    this.#known.set(batch, {kinds, until: addMono(mono, LOOK_MS)});
    return kinds;
  }

  #kindsFor(batch: Batch): Kinds {
    const kinds = new Map<string, NodeId[]>();
    for (const node of this.#context.roster.all()) {
      if (!node.up || !mayRunLater(batch, node)) continue;
      const machine = machineOf(batch.row.policy, node.row) ?? '';
      const alike = kinds.get(machine);
      if (alike) alike.push(node.row.nodeId);
      else kinds.set(machine, [node.row.nodeId]);
    }
    return kinds;
  }

  wakeAt(): MonoMs {
    return this.#lookAt < this.#exhausted.wakeAt() ? this.#lookAt : this.#exhausted.wakeAt();
  }

  tick(results: Results, {mono, wall}: Now): void {
    this.#exhausted.tick(results, {mono, wall});
    if (mono < this.#lookAt) return;
    const {running, state} = this.#context;
    const batches = [...running].filter(batch => isHomogeneous(batch.row.policy));
    this.#lookAt = batches.length > 0 ? addMono(mono, LOOK_MS) : NEVER;
    const seen: string[] = [];
    for (const batch of batches) {
      const kinds = this.#kindsFor(batch);
      this.#known.set(batch, {kinds, until: addMono(mono, LOOK_MS)});
      for (const [machine, alike] of kinds)
        seen.push(`${batch.row.id} ${machine} ${alike.length >= batch.row.policy.minQuorum}`);
      if (batch.hasWork && !state.paused) this.#look(results, batch, kinds, {mono, wall});
    }
    const now = seen.sort().join();
    // Nodes that were told that there is nothing may begin now.
    if (now !== this.#seen) this.#context.workNo += 1;
    this.#seen = now;
  }

  /** Who waits for a machine that is not there. */
  #look(results: Results, batch: Batch, kinds: Kinds, now: Now): void {
    const {minQuorum} = batch.row.policy;
    const moved: string[] = [];
    for (const workunit of [...batch.wanting]) {
      const sides = sidesOf(workunit, kinds);
      const patienceMs = patienceOf(workunit, sides, minQuorum, now);
      const to = nextPin(minQuorum, workunit.machine, sides);
      const isNone = to === undefined || workunit.machine === undefined;
      if (workunit.stuckSince !== undefined) workunit.mayRetry = isNone;
      if (to === undefined || patienceMs > 0) continue;
      const from = workunit.machine;
      workunit.machine = to;
      workunit.stuckSince = undefined;
      workunit.leftSince = undefined;
      moved.push(`${workunit.index} from ${from} to ${to}`);
      results.settle(batch, workunit, now);
    }
    if (moved.length === 0) return;
    this.#context.workNo += 1;
    this.#context.note('warn', 'workunits begin anew on other machines, theirs are gone', {
      batch: batch.row.id,
      workunits: moved.length,
      first: moved.slice(0, MOVES_TOLD).join(', '),
    });
  }
}

/** It has no result of it. */
const isFree = (workunit: Workunit, nodeId: NodeId): boolean =>
  !workunit.votes.some(vote => vote.nodeId === nodeId && isValid(vote));

const isFresh = (workunit: Workunit, nodeId: NodeId): boolean =>
  isFree(workunit, nodeId) && !hadTurn(workunit, nodeId);

/**
 * How much longer others of its kind are waited for; keeps since when nobody has it. Without results any kind will do
 * that is enough.
 */
function patienceOf(
  workunit: Workunit,
  sides: readonly Side[],
  minQuorum: number,
  {mono}: Now,
): number {
  const {machine, replicas} = workunit;
  const isLeft = workunit.state === 'open' && replicas.length === 0;
  const mayTake = sides.filter(side =>
    machine === undefined ? side.free >= minQuorum : side.machine === machine,
  );
  const isStuck = isLeft && !mayTake.some(({fresh}) => fresh > 0);
  workunit.leftSince = isLeft ? (workunit.leftSince ?? mono) : undefined;
  workunit.stuckSince = isStuck ? (workunit.stuckSince ?? mono) : undefined;
  if (machine === undefined || !isLeft) return Number.POSITIVE_INFINITY;
  const leftMs = (workunit.leftSince ?? mono) + LEFT_MS_MAX - mono;
  const stuckMs = (workunit.stuckSince ?? Number.POSITIVE_INFINITY) + STUCK_MS_MAX - mono;
  return Math.min(leftMs, stuckMs);
}

const sidesOf = (workunit: Workunit, kinds: Kinds): Side[] =>
  [...kinds].map(([machine, nodes]) => ({
    machine,
    free: nodes.filter(nodeId => isFree(workunit, nodeId)).length,
    fresh: nodes.filter(nodeId => isFresh(workunit, nodeId)).length,
    voted: workunit.votes.filter(vote => isValid(vote) && vote.machine === machine).length,
  }));

/** For whoever wonders why a batch does not go on; '' = nothing waits for machines of its kind. */
export function whatIsStuck({wanting}: Batch): string {
  const kinds = new Map<string, number>();
  for (const {machine, stuckSince, exhaustedSince} of wanting)
    if (stuckSince !== undefined && machine !== undefined && exhaustedSince === undefined)
      kinds.set(machine, (kinds.get(machine) ?? 0) + 1);
  if (kinds.size === 0) return '';
  const list = [...kinds].map(([machine, count]) => `${count} for ${machine}`).join(', ');
  return (
    `has workunits that were begun and wait for more nodes of their kind (homogeneous): ${list}; after ` +
    `${STUCK_MS_MAX / SECOND_MS} s others begin them anew, where enough of one kind are up`
  );
}
