import test from 'ava';
import {asBatchId, asNodeId} from '../../src/base/types.ts';
import type {SinglesPage} from '../../src/core/core.ts';
import {
  type Decision,
  encodePage,
  encodeReportRow,
  pageKey,
  reportKey,
  type TableName,
} from '../../src/core/tables.ts';
import {type Rows, StoredSingles} from '../../src/io/singles.ts';

const BAD = asNodeId('ba'.repeat(16));
const GOOD = asNodeId('90'.repeat(16));

/** Pages of batches, and reports that are in turns of BAD and GOOD: odd numbers are BAD's. */
function rowsOf(pages: readonly [number, number, ReadonlyMap<number, Decision>][]): Rows {
  const rows = new Map<string, Uint8Array>();
  for (const [batch, pageNo, page] of pages)
    rows.set(`page/${pageKey(asBatchId(batch), pageNo)}`, encodePage(page));
  for (let no = 0; no < 10; no++) {
    const nodeId = no % 2 === 1 ? BAD : GOOD;
    const row = {nodeId, signature: new Uint8Array(64), body: new Uint8Array(1)};
    rows.set(`report/${reportKey(no)}`, encodeReportRow(row));
  }
  return {
    get: async (table, key) => rows.get(`${table}/${key}`),
    async *scan(table: TableName, from: string, to: string) {
      for (const [name, value] of [...rows].sort(([a], [b]) => (a < b ? -1 : 1)))
        if (name >= `${table}/${from}` && name < `${table}/${to}`)
          yield [name.slice(table.length + 1), value] as const;
    },
  };
}

const done = (reportNo: number): Decision => ({kind: 'done', reportNo, item: 0});

test('the canonical results of one node are found in all pages of the named batches', async t => {
  const rows = rowsOf([
    [
      1,
      0,
      new Map([
        [5, done(3)],
        [0, done(1)],
        [1, done(2)],
      ]),
    ],
    [1, 7, new Map([[63, done(1)]])],
    [2, 0, new Map([[0, done(1)]])],
    [
      3,
      0,
      new Map<number, Decision>([
        [0, done(2)],
        [1, {kind: 'failed', reason: 'x'}],
      ]),
    ],
  ]);
  const singles = new StoredSingles(rows, error => t.fail(String(error)));
  const found: SinglesPage[] = [];
  const total = await new Promise<number>(resolve => {
    singles.list(BAD, [asBatchId(1), asBatchId(3)], (pages, all) => {
      found.push(...pages);
      if (all !== undefined) resolve(all);
    });
  });
  t.is(total, 3);
  t.deepEqual(found, [
    {batchId: asBatchId(1), pageNo: 0, offsets: [0, 5]},
    {batchId: asBatchId(1), pageNo: 7, offsets: [63]},
  ]);
});

test('a row that cannot be read is fatal, and nothing is told as complete', async t => {
  const rows = rowsOf([[1, 0, new Map([[0, done(1)]])]]);
  const broken: Rows = {...rows, get: () => Promise.reject(new Error('EIO'))};
  const error = await new Promise(resolve => {
    const singles = new StoredSingles(broken, resolve);
    singles.list(BAD, [asBatchId(1)], () => t.fail('told'));
  });
  t.regex(String(error), /EIO/);
});
