import test from 'ava';
import {asBatchId} from '../../src/base/types.ts';
import type {ListedReport} from '../../src/core/lookups.ts';
import type {Op, TableName} from '../../src/core/tables.ts';
import {REPORTS_PER_PART, StoredShelf} from '../../src/io/shelf.ts';
import type {Rows} from '../../src/io/singles.ts';
import {report, shelfSuite} from '../ports/shelf.ts';

function rowsOf(ops: readonly Op[]): Rows {
  const rows = new Map<string, Uint8Array>();
  for (const op of ops) if (op.type === 'put') rows.set(`${op.table}/${op.key}`, op.value);
  return {
    get: async (table, key) => rows.get(`${table}/${key}`),
    async *scan(table: TableName, from: string, to: string) {
      for (const [name, value] of [...rows].sort(([a], [b]) => (a < b ? -1 : 1)))
        if (name >= `${table}/${from}` && name < `${table}/${to}`)
          yield [name.slice(table.length + 1), value] as const;
    },
  };
}

shelfSuite('shelf', async ops => new StoredShelf(rowsOf(ops), () => {}));

test('many reports come in parts, each once', async t => {
  const count = 2 * REPORTS_PER_PART + 1;
  const ops = Array.from({length: count}, (_, i) => report(i + 1, asBatchId(1)));
  const shelf = new StoredShelf(rowsOf(ops), error => t.fail(String(error)));
  const parts: ListedReport[][] = [];
  await new Promise<void>(resolve => {
    const ask = (from: number): void =>
      shelf.reports(from, count, (reports, next) => {
        parts.push([...reports]);
        if (next === undefined) resolve();
        else ask(next);
      });
    ask(1);
  });
  t.deepEqual(
    parts.map(part => part.length),
    [REPORTS_PER_PART, REPORTS_PER_PART, 1],
  );
  const numbers = parts.flat().map(({reportNo}) => reportNo);
  t.deepEqual(
    numbers,
    Array.from({length: count}, (_, i) => i + 1),
  );
});

test('a disk that cannot be read is fatal, but not when the shelf is closed', async t => {
  const broken: Rows = {
    get: () => Promise.reject(new Error('EIO')),
    // biome-ignore lint/correctness/useYield: it fails before
    async *scan() {
      throw new Error('EIO');
    },
  };
  const error = await new Promise(resolve => {
    new StoredShelf(broken, resolve).pages(asBatchId(1), 0, 1, () => t.fail('told'));
  });
  t.regex(String(error), /EIO/);
  const closed = new StoredShelf(broken, () => t.fail('fatal'));
  closed.reports(0, 1, () => t.fail('told'));
  closed.close();
  await new Promise(resolve => setImmediate(resolve));
});
