import {createHash} from 'node:crypto';
import test from 'ava';
import {asBatchId, asBlobId, asNodeId} from '../../src/base/types.ts';
import {type Check, checkKey, doubtKey, encodeChecks, encodeDoubt} from '../../src/core/checks.ts';
import type {CheckPage, SinglesPage} from '../../src/core/lookups.ts';
import {
  type Decision,
  encodePage,
  encodeReportRow,
  pageKey,
  reportKey,
  type TableName,
} from '../../src/core/tables.ts';
import {type Rows, StoredSingles} from '../../src/io/singles.ts';
import {encodeResults} from '../../src/wire/codec.ts';
import type {OutputRef} from '../../src/wire/message.ts';

const BAD = asNodeId('ba'.repeat(16));
const GOOD = asNodeId('90'.repeat(16));

const crypto = {
  sha256: (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest()),
};
const BLOB = asBlobId('5b'.repeat(32));
/** The odd reports, but for one whose output is a file. */
const outputOf = (no: number): OutputRef =>
  no === 3 ? {kind: 'blob', blobId: BLOB, size: 9} : {kind: 'inline', bytes: Uint8Array.of(no)};
const result = (no: number) => ({
  batchId: asBatchId(1),
  index: 0,
  replicaNo: 0,
  proof: 1,
  cpuMs: 1,
  status: 'done' as const,
  output: outputOf(no),
});
const all = (batch: number) => ({batchId: asBatchId(batch), onlySingle: false});
const checkOf = (no: number): Check => ({
  state: 'open',
  reportNo: no,
  item: 0,
  hash: no === 3 ? new Uint8Array(32).fill(0x5b) : crypto.sha256(Uint8Array.of(no)),
});

/** Pages of batches, and reports that are in turns of BAD and GOOD: odd numbers are BAD's. */
function rowsOf(pages: readonly [number, number, ReadonlyMap<number, Decision>][]): Rows {
  const rows = new Map<string, Uint8Array>();
  for (const [batch, pageNo, page] of pages)
    rows.set(`page/${pageKey(asBatchId(batch), pageNo)}`, encodePage(page));
  for (let no = 0; no < 10; no++) {
    const nodeId = no % 2 === 1 ? BAD : GOOD;
    const row = {nodeId, signature: new Uint8Array(64), body: encodeResults([result(no)])};
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
  const singles = new StoredSingles(rows, crypto, error => t.fail(String(error)));
  const found: SinglesPage[] = [];
  const total = await new Promise<number>(resolve => {
    singles.list(BAD, [all(1), all(3)], (pages, all) => {
      found.push(...pages);
      if (all !== undefined) resolve(all);
    });
  });
  t.is(total, 3);
  t.deepEqual(found, [
    {
      batchId: asBatchId(1),
      pageNo: 0,
      singles: new Map([
        [0, checkOf(1)],
        [5, checkOf(3)],
      ]),
    },
    {batchId: asBatchId(1), pageNo: 7, singles: new Map([[63, checkOf(1)]])},
  ]);
});

test('a row that cannot be read is fatal, and nothing is told as complete', async t => {
  const rows = rowsOf([[1, 0, new Map([[0, done(1)]])]]);
  const broken: Rows = {...rows, get: () => Promise.reject(new Error('EIO'))};
  const error = await new Promise(resolve => {
    const singles = new StoredSingles(broken, crypto, resolve);
    singles.list(BAD, [all(1)], () => t.fail('told'));
  });
  t.regex(String(error), /EIO/);
});

const reading = (
  rows: Rows,
  after: string,
): Promise<{pages: readonly CheckPage[]; isLast: boolean}> =>
  new Promise((resolve, reject) => {
    const singles = new StoredSingles(rows, crypto, reject);
    singles.read(BAD, after, (pages, isLast) => resolve({pages, isLast}));
  });

/** `count` pages with one result each that is to be checked, listed for BAD, and one of GOOD. */
function listed(count: number): Map<string, Uint8Array> {
  const rows = new Map<string, Uint8Array>();
  const batchId = asBatchId(1);
  for (let pageNo = 0; pageNo < count; pageNo++) {
    rows.set(`page/${pageKey(batchId, pageNo)}`, encodePage(new Map([[5, done(1)]])));
    rows.set(`doubt/${doubtKey(BAD, batchId, pageNo)}`, encodeDoubt([5]));
    const checks = new Map([[5, checkOf(1)]]);
    rows.set(`check/${checkKey(batchId, pageNo, BAD)}`, encodeChecks(checks));
  }
  rows.set(`doubt/${doubtKey(GOOD, batchId, 0)}`, encodeDoubt([6]));
  return rows;
}

const inMap = (rows: ReadonlyMap<string, Uint8Array>): Rows => ({
  get: async (table, key) => rows.get(`${table}/${key}`),
  async *scan(table, from, to) {
    for (const [name, value] of [...rows].sort(([a], [b]) => (a < b ? -1 : 1)))
      if (name >= `${table}/${from}` && name < `${table}/${to}`)
        yield [name.slice(table.length + 1), value] as const;
  },
});

test('what is listed is read in slices of some pages, each with its checks', async t => {
  const rows = inMap(listed(40));
  const seen: number[] = [];
  const sizes: number[] = [];
  let after = '';
  for (let isLast = false; !isLast; ) {
    const slice = await reading(rows, after);
    isLast = slice.isLast;
    sizes.push(slice.pages.length);
    for (const {batchId, pageNo, decisions, checks} of slice.pages) {
      seen.push(pageNo);
      t.deepEqual(decisions, new Map([[5, done(1)]]));
      t.deepEqual(checks, new Map([[5, checkOf(1)]]));
      after = doubtKey(BAD, batchId, pageNo);
    }
  }
  t.deepEqual(
    seen,
    Array.from({length: 40}, (_, pageNo) => pageNo),
  );
  t.deepEqual(sizes, [16, 16, 8]);
  t.deepEqual(await reading(rows, after), {pages: [], isLast: true});
});

test('a list without its checks has none, one without its page is a damaged store', async t => {
  const rows = listed(1);
  rows.delete(`check/${checkKey(asBatchId(1), 0, BAD)}`);
  t.is((await reading(inMap(rows), '')).pages[0]?.checks.size, 0);
  rows.delete(`page/${pageKey(asBatchId(1), 0)}`);
  await t.throwsAsync(reading(inMap(rows), ''), {code: 'VOLLEY_STORE_DAMAGED'});
});

test('a page that names a result which its report does not hold is a damaged store', async t => {
  const wrong = rowsOf([[1, 0, new Map([[0, {kind: 'done', reportNo: 1, item: 7}]])]]);
  const error = await new Promise(resolve => {
    new StoredSingles(wrong, crypto, resolve).list(BAD, [all(1)], () => t.fail('told'));
  });
  t.like(error, {code: 'VOLLEY_STORE_DAMAGED'});
});
