// What every Store must do, whatever is below it. level-store.test.ts and sim-store.test.ts run
// this.

import test from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import {del, type Op, put, type TableName} from '../../src/core/tables.ts';
import type {Store} from '../../src/runtime/ports.ts';

/** A store and the means to look at it. */
export type StoreSubject = {
  readonly store: Store;
  readonly get: (table: TableName, key: string) => Promise<Uint8Array | undefined>;
  readonly scan: (
    table: TableName,
    from?: string,
    to?: string,
  ) => Promise<(readonly [string, Uint8Array])[]>;
  /** The process dies when nothing is under way; the next one opens what is on the disk. */
  readonly reopen: () => Promise<StoreSubject>;
  readonly close: () => Promise<void>;
};

export const commit = (store: Store, ...ops: readonly Op[]): Promise<void> =>
  new Promise((resolve, reject) => {
    store.commit(ops, error => (error ? reject(error) : resolve()));
  });

const bytes = (text: string): Uint8Array => toUtf8(text);

function using(
  name: string,
  title: string,
  open: () => Promise<StoreSubject>,
  body: (t: import('ava').ExecutionContext, subject: StoreSubject) => Promise<void>,
): void {
  test(`${name}: ${title}`, async t => {
    const subject = await open();
    try {
      await body(t, subject);
    } finally {
      await subject.close();
    }
  });
}

export function storeSuite(name: string, open: () => Promise<StoreSubject>): void {
  using(
    name,
    'a row is there when its commit is done, and not before it was asked for',
    open,
    async (t, {store, get}) => {
      t.is(await get('node', 'a'), undefined);
      await commit(store, put('node', 'a', bytes('one')));
      t.deepEqual(await get('node', 'a'), bytes('one'));
    },
  );

  using(name, 'done is never called before commit returns', open, async (t, {store}) => {
    let returned = false;
    const ended = new Promise<void>(resolve => {
      store.commit([put('node', 'a', bytes('one'))], () => {
        t.true(returned);
        resolve();
      });
    });
    returned = true;
    await ended;
  });

  using(name, 'the last of several operations on a key counts', open, async (t, {store, get}) => {
    await commit(
      store,
      put('node', 'a', bytes('1')),
      put('node', 'a', bytes('2')),
      del('node', 'b'),
    );
    await commit(store, put('node', 'b', bytes('3')), del('node', 'b'));
    await commit(store, del('node', 'c'), put('node', 'c', bytes('4')));
    t.deepEqual(await get('node', 'a'), bytes('2'));
    t.is(await get('node', 'b'), undefined);
    t.deepEqual(await get('node', 'c'), bytes('4'));
  });

  using(name, 'values of any length come back as they were', open, async (t, {store, get}) => {
    const lengths = [0, 1, 4_091, 4_092, 100_000];
    await commit(
      store,
      ...lengths.map(n => put('report', `${n}`, new Uint8Array(n).fill(n % 251))),
    );
    for (const n of lengths)
      t.deepEqual(await get('report', `${n}`), new Uint8Array(n).fill(n % 251));
  });

  using(
    name,
    'a scan gives rows of one table with from <= key < to, in order',
    open,
    async (t, {store, scan}) => {
      const rows = ['05', '01', '03', '02', '04'].map(key => put('vote', key, bytes(key)));
      await commit(
        store,
        ...rows,
        put('token', '03', bytes('before')),
        put('spool', '03', bytes('x')),
      );
      const keys = async (...range: string[]) => (await scan('vote', ...range)).map(([key]) => key);
      t.deepEqual(await keys(), ['01', '02', '03', '04', '05']);
      t.deepEqual(await keys('02', '04'), ['02', '03']);
      t.deepEqual(await keys('021'), ['03', '04', '05']);
      t.deepEqual(await scan('vote', '05'), [['05', bytes('05')]]);
      t.deepEqual(await scan('app'), []);
    },
  );

  using(name, 'a scan of thousands of rows misses none', open, async (t, {store, scan}) => {
    const keys = Array.from({length: 2_500}, (_, i) => String(i).padStart(6, '0'));
    await commit(store, ...keys.map(key => put('page', key, bytes(key))));
    t.deepEqual(
      (await scan('page')).map(([key]) => key),
      keys,
    );
  });

  using(name, 'a second commit while one is under way is a bug', open, async (t, {store}) => {
    const first = commit(store, put('node', 'a', bytes('1')));
    t.throws(() => store.commit([], () => {}), {message: /one commit at a time/});
    await first;
    await commit(store, put('node', 'a', bytes('2')));
  });

  using(name, 'done may begin the next commit', open, async (t, {store, get}) => {
    await new Promise<void>(resolve => {
      store.commit([put('node', 'a', bytes('1'))], () => {
        store.commit([put('node', 'b', bytes('2'))], () => resolve());
      });
    });
    t.deepEqual(await get('node', 'b'), bytes('2'));
  });

  test(`${name}: what is done is there in the next life`, async t => {
    const subject = await open();
    await commit(subject.store, put('batch', '1', bytes('kept')), put('batch', '2', bytes('gone')));
    await commit(subject.store, del('batch', '2'));
    const next = await subject.reopen();
    t.deepEqual(await next.scan('batch'), [['1', bytes('kept')]]);
    await next.close();
  });
}
