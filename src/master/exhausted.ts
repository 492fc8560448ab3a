// Workunits that everybody has answered who could, and no quorum came of it. A node that joins may decide them, so they
// wait, and the batch says so. Where no two of three results or more agree it is seldom the nodes' fault: after a
// minute, which a board takes to join, such a workunit fails.

import {addMono, type MonoMs, NEVER, type Now} from '../base/types.ts';
import {MINUTE_MS, SECOND_MS} from '../base/units.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import {mayRun} from './feasible.ts';
import {machineOf} from './homogeneous.ts';
import type {Results} from './results.ts';
import {candidateOf} from './roster.ts';
import {isValid, type Workunit} from './workunit.ts';

const LOOK_MS = SECOND_MS;
const PATIENCE_MS = MINUTE_MS;
/** One alone has nothing to disagree with. */
const ANSWERS_MIN = 2;

export class Exhausted {
  readonly #context: MasterContext;
  #lookAt: MonoMs = NEVER;

  constructor(context: MasterContext) {
    this.#context = context;
  }

  /** A node asks for work of it: from now on it is looked at, until it wants nothing. */
  watch(now: MonoMs): void {
    if (this.#lookAt === NEVER) this.#lookAt = addMono(now, LOOK_MS);
  }

  wakeAt(): MonoMs {
    return this.#lookAt;
  }

  tick(results: Results, now: Now): void {
    if (now.mono < this.#lookAt) return;
    this.#lookAt = NEVER;
    for (const batch of [...this.#context.running]) {
      if (batch.wanting.size === 0) continue;
      this.#lookAt = addMono(now.mono, LOOK_MS);
      for (const workunit of [...batch.wanting]) this.#look(results, batch, workunit, now);
    }
  }

  #look(results: Results, batch: Batch, workunit: Workunit, now: Now): void {
    if (!isExhausted(this.#context, batch, workunit)) {
      workunit.exhaustedSince = undefined;
      return;
    }
    workunit.exhaustedSince ??= now.mono;
    // Whether it fails the validator says, who knows which results agree.
    if (isHopeless(workunit, now.mono) && workunit.state === 'open')
      results.settle(batch, workunit, now);
  }
}

/** It was waited for somebody else for long enough. */
export const isHopeless = ({exhaustedSince}: Workunit, now: MonoMs): boolean =>
  exhaustedSince !== undefined && now - exhaustedSince >= PATIENCE_MS;

/** Members that are away count as those that could: they come back. */
function isExhausted({roster}: MasterContext, batch: Batch, workunit: Workunit): boolean {
  if (workunit.owner !== undefined || workunit.replicas.length > 0) return false;
  const answers = workunit.votes.filter(isValid);
  if (answers.length < ANSWERS_MIN) return false;
  const {policy} = batch.row;
  const wish = {...batch.row, ...batch.control};
  const free = new Map<string | undefined, number>();
  for (const node of roster.all()) {
    const {nodeId} = node.row;
    if (answers.some(vote => vote.nodeId === nodeId)) continue;
    if (node.control.hold?.kind === 'quarantined' || !mayRun(wish, candidateOf(node))) continue;
    const machine = machineOf(policy, node.row);
    if (machine === workunit.machine) return false;
    const count = (free.get(machine) ?? 0) + 1;
    free.set(machine, count);
    const voted = answers.filter(vote => vote.machine === machine).length;
    if (count + voted >= policy.minQuorum) return false; // it will be pinned to these: machines.ts
  }
  return true;
}

/** For whoever wonders why a batch does not go on; '' = somebody can still be asked. */
export function whatIsExhausted({wanting}: Batch): string {
  let count = 0;
  for (const {exhaustedSince} of wanting) if (exhaustedSince !== undefined) count += 1;
  if (count === 0) return '';
  const what = count === 1 ? '1 workunit has' : `${count} workunits have`;
  return `needs another node: ${what} a result of every node that could compute it, and no quorum agrees`;
}
