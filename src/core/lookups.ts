// What a master asks its shell to read, run or look up in what is durable, and what comes back.

import type {BatchId, NodeId} from '../base/types.ts';
import {decodeResults} from '../wire/codec.ts';
import type {BlobRef, OutputRef} from '../wire/message.ts';
import type {Check} from './checks.ts';
import type {Compare} from './compare.ts';
import type {GatheredSource} from './input-source.ts';
import {type Decision, decodeReportRow} from './tables.ts';

/** A batch of which canonical results of one node are looked for. */
export type ListedBatch = {
  readonly batchId: BatchId;
  /** Its redundancy is adaptive: only decisions that say they are single. */
  readonly onlySingle: boolean;
};

/** Workunits of one page whose canonical result is one node's, by rising offset. */
export type SinglesPage = {
  readonly batchId: BatchId;
  readonly pageNo: number;
  readonly singles: ReadonlyMap<number, Check>;
};

/** A page that holds results to be checked again, and its row of them. */
export type CheckPage = {
  readonly batchId: BatchId;
  readonly pageNo: number;
  readonly decisions: ReadonlyMap<number, Decision>;
  readonly checks: ReadonlyMap<number, Check>;
};

/** Do these two outputs of a workunit agree? The same one twice: can it be compared at all? */
export type CompareQuestion = {
  readonly batchId: BatchId;
  readonly index: number;
  readonly compare: Compare;
  /** Whose result it is about: nodes share the time of the comparison. */
  readonly nodeId: NodeId;
  readonly a: OutputRef;
  readonly b: OutputRef;
};

/** What came of outputs that were to be put together. */
export type Gathered =
  | {readonly kind: 'source'; readonly source: GatheredSource}
  | {readonly kind: 'failed'; readonly reason: string};

/** What a page row holds, by offset. */
export type ListedPage = {
  readonly pageNo: number;
  readonly decisions: ReadonlyMap<number, Decision>;
};
/** A report row: the batches that it has results of, and the outputs of these that are blobs. */
export type ListedReport = {
  readonly reportNo: number;
  readonly batchIds: readonly BatchId[];
  readonly blobs: readonly BlobRef[];
};

/** What a report row holds. */
export function listedReport(reportNo: number, value: Uint8Array): ListedReport {
  const items = decodeResults(decodeReportRow(value).body) ?? [];
  const blobs = items.flatMap(item =>
    item.status === 'done' && item.output.kind === 'blob'
      ? [{blobId: item.output.blobId, size: item.output.size}]
      : [],
  );
  return {reportNo, batchIds: [...new Set(items.map(({batchId}) => batchId))], blobs};
}

/** The decisions of a page that one result made. */
export const standingAlone = (
  page: ReadonlyMap<number, Decision>,
  onlySingle: boolean,
): ReadonlyMap<number, Decision> =>
  onlySingle
    ? new Map([...page].filter(([, decision]) => decision.kind === 'done' && decision.single))
    : page;
