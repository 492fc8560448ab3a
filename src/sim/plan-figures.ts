// What came of a plan, in numbers. Pure; the same for a seed on every machine.

import type {BatchRow, TableName} from '../core/tables.ts';
import type {PlanOptions} from './plan-options.ts';
import type {PlanWorld} from './plan-world.ts';

const MILLION = 1e6;
/** Of n results of which none was wrong, fewer than 3/n are, with a confidence of 95 % (the rule of three). */
const RULE_OF_THREE = 3;

export type PlanFigures = {
  readonly options: PlanOptions;
  readonly quorum: number;
  /** `stuck`: nothing was decided any more. */
  readonly state: BatchRow['state'] | 'stuck';
  readonly reason: string;
  readonly makespanMs: number;
  /** Share of the time of slots that were there in which they ran what came to a result, 0 … 1. */
  readonly utilisation: number;
  readonly done: number;
  readonly failed: number;
  readonly replicas: number;
  /** Replicas beyond one for each workunit, as a share of the workunits. */
  readonly overhead: number;
  readonly results: number;
  readonly errors: number;
  readonly disagreements: number;
  /** Canonical results that rest on one node. */
  readonly singles: number;
  /** Canonical results that are wrong. */
  readonly wrong: number;
  /** The same of a million: as seen, and an upper bound at 95 % where none was seen. */
  readonly wrongPerMillion: number;
  readonly wrongPerMillionMax: number | undefined;
  readonly deaths: number;
  /** Times that a node was quarantined for the app. */
  readonly quarantines: number;
  readonly heardPerSecond: number;
  readonly saidPerSecond: number;
  /** Most workunits that were open at once. */
  readonly openMax: number;
  readonly rows: Readonly<Partial<Record<TableName, number>>>;
  readonly events: number;
};

/** Of a plan that is over. */
export function figuresOf(world: PlanWorld): PlanFigures {
  const {master, options} = world;
  const {batch, store} = master;
  if (!batch || !store) throw new RangeError('the batch was not submitted yet');
  const {state, reason, replicas, results, errors, disagreements} = batch.counters;
  const makespanMs = world.now - world.submittedAt;
  const {done, failed, wrong, singles} = store;
  const seconds = Math.max(makespanMs, 1) / 1_000;
  return {
    options,
    quorum: batch.row.policy.minQuorum,
    state: world.isStuck ? 'stuck' : state,
    reason,
    makespanMs,
    utilisation: world.busyMs / Math.max(world.slotMs, 1),
    done,
    failed,
    replicas,
    overhead: replicas / batch.row.count - 1,
    results,
    errors,
    disagreements,
    singles,
    wrong,
    wrongPerMillion: done === 0 ? 0 : (MILLION * wrong) / done,
    wrongPerMillionMax:
      wrong === 0 && done > 0 ? Math.min(MILLION, (MILLION * RULE_OF_THREE) / done) : undefined,
    deaths: world.deaths,
    quarantines: master.notes.get('node is quarantined for an app') ?? 0,
    heardPerSecond: master.heard / seconds,
    saidPerSecond: master.said / seconds,
    openMax: master.openMax,
    rows: Object.fromEntries(store.rows),
    events: world.events,
  };
}
