// Stores with damage, and masters that come up from what a salvage makes of them.

import {toUtf8} from '../../src/base/bytes.ts';
import type {Tables} from '../../src/core/journal-salvage.ts';
import {type BatchRow, jsonRow, TABLES, type TableName} from '../../src/core/tables.ts';
import {type Loss, MasterSalvage} from '../../src/master/salvage.ts';
import {MasterRig} from './rig.ts';
import type {TestNode} from './test-node.ts';

export const WALL = 1_700_000_009_000;
export const BAD = toUtf8('\u0001no row');
/** No row of any table. */
export const CUT = new Uint8Array([200]);
export const rangeOf = (count: number) =>
  ({kind: 'range', start: 0, end: count, chunk: 1}) as const;

/** The reports are told one by one, as from a disk. */
export function mendTables(tables: Tables, damaged: readonly string[], hasGaps = false): Loss {
  const reports = tables.get('report') ?? new Map<string, Uint8Array>();
  tables.delete('report');
  const salvage = new MasterSalvage({tables, damaged: new Set(damaged), hasGaps});
  for (const [key, value] of reports) salvage.report(key, value);
  const loss = salvage.mend(WALL, 7);
  for (const key of salvage.badReports) reports.delete(key);
  tables.set('report', reports);
  return loss;
}

/**
 * What a rig has saved, without the damaged rows, put right; and a master that came up from it.
 * @param older rows that are there and known to be out of date
 * @param hasGaps commits in the middle are lost
 */
export function mend(
  rig: MasterRig,
  damaged: readonly string[] = [],
  wrong: readonly string[] = [],
  older: readonly string[] = [],
  hasGaps = false,
) {
  const tables: Tables = new Map();
  for (const table of Object.keys(TABLES) as TableName[])
    tables.set(table, new Map(rig.scan(table)));
  const place = (rowKey: string) => {
    const [table, key] = rowKey.split('/') as [TableName, string];
    return {rows: tables.get(table) ?? new Map<string, Uint8Array>(), key};
  };
  for (const rowKey of damaged) place(rowKey).rows.delete(place(rowKey).key);
  for (const rowKey of wrong) place(rowKey).rows.set(place(rowKey).key, CUT);
  const loss = mendTables(tables, [...damaged, ...older], hasGaps);
  const rows = new Map<string, Uint8Array>();
  for (const [table, own] of tables)
    for (const [key, value] of own) rows.set(`${table}/${key}`, value);
  return {loss, rows, next: new MasterRig(rows, rig.mono + 1_000)};
}

export const keyOf = (rig: MasterRig, table: TableName, at = 0): string =>
  `${table}/${rig.scan(table)[at]?.[0]}`;

export const rowOf = (rig: MasterRig): BatchRow =>
  jsonRow<BatchRow>(rig.scan('batch')[0]?.[1] ?? BAD);

/** A batch of so many workunits, decided by one node. */
export function decided(count: number): {rig: MasterRig; a: TestNode} {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 1}, rangeOf(count));
  const a = rig.node('a');
  rig.report(a, rig.pull(a, 2));
  rig.report(a, rig.pull(a, 4));
  return {rig, a};
}

/** The node comes back and does what is open. */
export function finish(rig: MasterRig, node: TestNode): void {
  rig.turn();
  rig.pass(3_000); // nobody else comes back
  rig.join(node);
  for (let i = 0; i < 10; i++) rig.report(node, rig.pull(node, 4));
}
