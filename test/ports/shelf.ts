// What every Shelf must do. shelf.test.ts of io and sim-shelf.test.ts run this.

import test from 'ava';
import {asBatchId, asNodeId} from '../../src/base/types.ts';
import type {ListedPage, ListedReport} from '../../src/core/lookups.ts';
import {
  type Decision,
  encodePage,
  encodeReportRow,
  type Op,
  pageKey,
  put,
  reportKey,
} from '../../src/core/tables.ts';
import type {Shelf} from '../../src/runtime/ports.ts';
import {encodeResults} from '../../src/wire/codec.ts';

const NODE = asNodeId('0a'.repeat(16));
const [ONE, TWO] = [asBatchId(1), asBatchId(2)];
const FAILED: Decision = {kind: 'failed', reason: 'x'};

const page = (batch: typeof ONE, pageNo: number, offset: number): Op =>
  put('page', pageKey(batch, pageNo), encodePage(new Map([[offset, FAILED]])));

export const report = (reportNo: number, ...batches: readonly (typeof ONE)[]): Op => {
  const items = batches.map(batchId => ({
    batchId,
    index: 0,
    replicaNo: 0,
    proof: 0,
    cpuMs: 1,
    status: 'trapped' as const,
    reason: 'x',
  }));
  const row = {nodeId: NODE, signature: new Uint8Array(64), body: encodeResults(items)};
  return put('report', reportKey(reportNo), encodeReportRow(row));
};

/** @param open a shelf over these rows */
export function shelfSuite(name: string, open: (ops: readonly Op[]) => Promise<Shelf>): void {
  test(`${name}: pages of one batch, from one number on`, async t => {
    const shelf = await open([page(ONE, 0, 1), page(ONE, 2, 3), page(ONE, 9, 0), page(TWO, 1, 0)]);
    const pages = await new Promise<readonly ListedPage[]>(found => shelf.pages(ONE, 0, 9, found));
    t.deepEqual(pages, [
      {pageNo: 0, decisions: new Map([[1, FAILED]])},
      {pageNo: 2, decisions: new Map([[3, FAILED]])},
    ]);
  });

  test(`${name}: reports between two numbers, with the batches they are about`, async t => {
    const shelf = await open([report(1, ONE), report(3, ONE, TWO), report(4, TWO), report(9, ONE)]);
    const seen: ListedReport[] = [];
    for (let from: number | undefined = 2; from !== undefined; ) {
      const at: number = from;
      from = await new Promise<number | undefined>(resolve =>
        shelf.reports(at, 4, (reports, next) => {
          seen.push(...reports);
          resolve(next);
        }),
      );
    }
    t.deepEqual(seen, [
      {reportNo: 3, batchIds: [ONE, TWO], blobs: []},
      {reportNo: 4, batchIds: [TWO], blobs: []},
    ]);
  });
}
