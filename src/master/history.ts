// Who did what to a batch, when: one row for each thing that an operator, or a rule of the master, did. Rows
// are only added, the newest 1,000 of a batch are kept, and they stay when the batch is deleted.

import type {Now} from '../base/types.ts';
import {type Actor, HISTORY_ROWS_MAX, historyKey} from '../core/operator-rows.ts';
import {encodeJson, put} from '../core/tables.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';

export function record(
  context: MasterContext,
  batch: Batch,
  what: {readonly actor: Actor; readonly action: string; readonly detail?: string},
  now: Now,
): void {
  const {actor, action, detail = ''} = what;
  const no = batch.control.historyNo ?? 0;
  const {id} = batch.row;
  const row = {at: now.wall, actor: actor.name, role: actor.role, action, detail};
  context.save(put('history', historyKey(id, no), encodeJson(row)));
  if (no >= HISTORY_ROWS_MAX) context.drop('history', historyKey(id, no - HISTORY_ROWS_MAX));
  batch.control = {...batch.control, historyNo: no + 1};
  context.dirtyBatches.add(batch);
  context.note('info', `batch ${action}`, {batch: id, by: actor.name, detail});
}
