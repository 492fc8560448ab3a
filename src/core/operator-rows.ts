// What operators decided and the master keeps: about batches, nodes and the whole cluster, and who did it.

import {hex32} from '../base/bytes.ts';
import type {BatchId} from '../base/types.ts';

/** Who asks: the name and the role of an operator token. */
export type Actor = {readonly name: string; readonly role: string};

/** The master by itself: what it does by a rule of its own. */
export const BY_RULE: Actor = {name: 'master', role: 'rule'};

/** Something that an operator set: by whom, when (wall clock, ms) and why ('' = not said). */
export type Mark = {readonly by: string; readonly at: number; readonly reason: string};

/** Part of the batch row. Absent = never asked for; rows of earlier versions have none of it. */
export type BatchControl = {
  /** No new replicas; those that are out may end. */
  readonly suspended?: Mark;
  /** How often its failed workunits were given back their error count. */
  readonly retries?: number;
  /** Pages are still being looked through for failed workunits: it cannot end before that. */
  readonly retrying?: true;
  /** Its rows are going; nothing shows it any more. */
  readonly deleting?: true;
  readonly clonedFrom?: BatchId;
  /** No report below this one names it. */
  readonly firstReportNo?: number;
  /** Rows of its history: the number of the next one. */
  readonly historyNo?: number;
};

/** One thing that somebody did to a batch. Only ever added. */
export type HistoryRow = {
  /** Wall clock, ms. */
  readonly at: number;
  readonly actor: string;
  readonly role: string;
  /** submitted, suspended, resumed, priority, retried, cancelled, ended, deleted … */
  readonly action: string;
  readonly detail: string;
};

/** Rows of one batch; the oldest goes first. */
export const HISTORY_ROWS_MAX = 1_000;

export const historyKey = (batchId: BatchId, no: number): string => hex32(batchId) + hex32(no);

/** Numbers given out, kept beside the rows that name them: a number of a deleted batch never comes again. */
export const NUMBERS_KEY = 'numbers';
export type NumbersRow = {readonly batchId: number; readonly reportNo: number};
