// What a batch is after a salvage: which of its workunits are open again, and whether it goes on.

import {type BroadcastRow, broadcastKey} from '../core/operator-rows.ts';
import {
  type BatchRow,
  batchKey,
  type Decision,
  encodeJson,
  jsonRow,
  PAGE_WORKUNITS,
} from '../core/tables.ts';
import {attempt} from './salvage-votes.ts';

/** Of a page that is lost or older nobody knows which of its workunits were decided. */
export function* openOf(
  row: BatchRow,
  pageNo: number,
  page: ReadonlyMap<number, Decision> | undefined,
): Generator<number> {
  const start = pageNo * PAGE_WORKUNITS;
  for (let index = start; index < Math.min(start + PAGE_WORKUNITS, row.count); index++)
    if (!page?.has(index - start)) yield index;
}

/** What a batch is after its decisions were counted again. */
export function stateOf(
  row: BatchRow,
  {done, failed}: {readonly done: number; readonly failed: number},
  wall: number,
  isDecided: (index: number) => boolean,
): Partial<BatchRow> {
  const whole = done + failed === row.count;
  if (row.retrying) return {}; // its failed ones are still to be looked up
  if (row.state === 'running')
    // With stages there is more to come than its own workunits; which of those are there a start finds out.
    return whole && !row.plan ? {state: failed > 0 ? 'failed' : 'done', endedAt: wall} : {};
  const isWon = row.winner !== undefined && isDecided(row.winner);
  if (row.state !== 'done' || whole || isWon) return {};
  const reason = row.winner === undefined ? row.reason : '';
  return {state: 'running', endedAt: 0, winner: undefined, reason};
}

/**
 * A broadcast without the list of its nodes goes no further: nobody knows whose its workunits are. It keeps what it has.
 * @param meta rows of table `meta`; a list that cannot be read goes
 */
export function endWithoutNodes(
  row: BatchRow,
  meta: Map<string, Uint8Array>,
  wall: number,
): BatchRow {
  if (!row.policy.broadcast) return row;
  const key = broadcastKey(row.id);
  const list = attempt(() => jsonRow<BroadcastRow>(meta.get(key) ?? new Uint8Array()));
  if (list?.nodes?.length === row.count) return row;
  meta.delete(key);
  if (row.state !== 'running') return row;
  const {retrying: _, suspended: __, ...rest} = row;
  return {...rest, state: 'cancelled', reason: 'the list of its nodes is lost', endedAt: wall};
}

/**
 * A batch that was done is not, when its last stage has lost results: it runs until they are here again.
 * @param batches rows of table `batch`, mended
 */
export function goOnWithStages(batches: Map<string, Uint8Array>): void {
  for (const value of [...batches.values()]) {
    const row = jsonRow<BatchRow>(value);
    if (row.state !== 'done' || !row.stageAt) continue;
    const stage = batches.get(batchKey(row.stageAt.batchId));
    if (!stage || jsonRow<BatchRow>(stage).state !== 'running') continue;
    const going: BatchRow = {...row, state: 'running', reason: '', endedAt: 0};
    batches.set(batchKey(row.id), encodeJson(going));
  }
}

/**
 * The numbers from 1 to the highest that are not among the known ones: first and last of each gap.
 * @param highest at least; the row that says it may be an older one than a known number
 */
export function gapsIn(known: readonly number[], highest: number): [number, number][] {
  const gaps: [number, number][] = [];
  const numbers = [...known].sort((a, b) => a - b);
  const end = Math.max(highest, numbers.at(-1) ?? 0) + 1;
  let next = 1;
  for (const number of [...numbers, end]) {
    if (number > next) gaps.push([next, number - 1]);
    next = Math.max(next, number + 1);
  }
  return gaps;
}
