// A model of the rows of one disk, as if one commit had written them all.

import {decodeHead, HEAD_KEY} from '../core/journal.ts';
import {put, type TableName} from '../core/tables.ts';
import type {Rows} from './disk-damage.ts';
import {Model} from './model.ts';

/**
 * Votes after pages: on a workunit that is decided there are none, and none of a node that is quarantined. What was
 * deleted is told last: rows of it may still be there.
 */
const ORDER = [
  'batch',
  'node',
  'control',
  'report',
  'page',
  'tries',
  'vote',
  'credit',
  'history',
] as const;

export function modelOf(rows: Rows): {model: Model; credit: number; head: number} {
  const model = new Model();
  const of = (table: TableName) => [...(rows.get(table) ?? [])].map(([k, v]) => put(table, k, v));
  for (const table of ORDER) model.apply(of(table));
  for (const key of model.decisions.keys()) model.evidence.delete(key);
  model.forgetWitnesses(model.revoked);
  let credit = 0;
  for (const row of model.credits.values()) credit += row.credit;
  const headRow = rows.get('meta')?.get(HEAD_KEY);
  return {model, credit, head: headRow ? decodeHead(headRow).journalNo : 0};
}
