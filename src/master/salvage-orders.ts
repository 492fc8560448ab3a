// What operators decided, in a damaged store: nobody else knows it. It stays as it is; where a row of it is lost or an
// older one, that is named, so that they can say it again. A batch that they deleted does not come back: its history
// stays, and says so.

import type {Tables} from '../core/journal-salvage.ts';
import {
  type HistoryRow,
  type NodeControl,
  NUMBERS_KEY,
  type NumbersRow,
  STATE_KEY,
  type StateRow,
} from '../core/operator-rows.ts';
import {encodeJson, jsonRow} from '../core/tables.ts';
import {attempt} from './salvage-votes.ts';

type Rows = Map<string, Uint8Array>;

const batchIn = (historyKey: string): number => Number.parseInt(historyKey.slice(0, 8), 16);

/** @param control rows of table `control` */
export function quarantinedIn(control: Rows): Set<string> {
  const isHeld = (row: Uint8Array): boolean =>
    attempt(() => jsonRow<NodeControl>(row))?.hold?.kind === 'quarantined';
  return new Set([...control].flatMap(([key, row]) => (isHeld(row) ? [key] : [])));
}

/** @param history rows of table `history` */
export function deletedIn(history: Rows): Set<number> {
  const deleted = new Set<number>();
  for (const [key, value] of history)
    if (attempt(() => jsonRow<HistoryRow>(value))?.action === 'deleted') deleted.add(batchIn(key));
  return deleted;
}

/**
 * Numbers of deleted batches, and of reports, that must never come again: no other row may name them any more.
 * @param meta rows of table `meta`; changed
 */
export function keepNumbers(meta: Rows, history: Rows, lastReportNo: number): void {
  const known = attempt(() => jsonRow<NumbersRow>(meta.get(NUMBERS_KEY) ?? new Uint8Array()));
  if (!known && history.size === 0) {
    meta.delete(NUMBERS_KEY);
    return;
  }
  const ids = [...history.keys()].map(batchIn).filter(id => id > 0);
  const batchId = ids.reduce((most, id) => Math.max(most, id), known?.batchId ?? 0);
  const reportNo = Math.max(known?.reportNo ?? 0, lastReportNo);
  meta.set(NUMBERS_KEY, encodeJson({batchId, reportNo} satisfies NumbersRow));
}

const LOST: readonly (readonly [RegExp, string])[] = [
  [/^control\//, 'labels that operators gave, or a hold, may be lost or out of date'],
  [/^batch\//, 'a priority, a suspension or a cancellation may be out of date'],
  [
    /^meta\/broadcast-/,
    'the nodes of a broadcast: it is cancelled if it runs, and cannot be retried',
  ],
  [/^meta\/state$/, 'whether the cluster is suspended may be lost or out of date'],
];

/** A batch whose row is gone is told with what it lost. A state that cannot be read goes. */
export function ordersLost(
  tables: Tables,
  damaged: ReadonlySet<string>,
): {readonly rowKey: string; readonly reason: string}[] {
  const meta: Rows = tables.get('meta') ?? new Map();
  const state = meta.get(STATE_KEY);
  if (state && !attempt(() => jsonRow<StateRow>(state))) meta.delete(STATE_KEY);
  const lost: {rowKey: string; reason: string}[] = [];
  for (const rowKey of [...damaged].sort()) {
    const [table, key = ''] = rowKey.split('/', 2);
    const reason = LOST.find(([pattern]) => pattern.test(rowKey))?.[1];
    const isTold = table === 'batch' && !tables.get('batch')?.has(key);
    if (reason !== undefined && !isTold) lost.push({rowKey, reason});
  }
  return lost;
}
