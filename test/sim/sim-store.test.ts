import test from 'ava';
import {Heap} from '../../src/base/heap.ts';
import {Prng} from '../../src/base/prng.ts';
import {put} from '../../src/core/tables.ts';
import {DAMAGES} from '../../src/sim/disk-damage.ts';
import {SimStore} from '../../src/sim/sim-store.ts';
import {commit, type StoreSubject, storeSuite} from '../ports/store.ts';

class World {
  now = 0;
  readonly #events = new Heap<() => void>();

  after = (ms: number, act: () => void): void => this.#events.push(this.now + ms, act);

  run(): void {
    for (let act = this.#step(); act; act = this.#step()) act();
  }

  #step(): (() => void) | undefined {
    if (this.#events.size === 0) return undefined;
    this.now = this.#events.peekAt();
    return this.#events.pop();
  }
}

function open(seed: number, world = new World()): {world: World; store: SimStore} {
  const prng = new Prng(seed);
  return {world, store: new SimStore({after: world.after, latencyMs: () => prng.jitter(2), prng})};
}

const subjectOf = (store: SimStore): StoreSubject => ({
  store,
  get: async (table, key) => store.get(table, key),
  scan: async (...range) => store.rows(...range),
  reopen: async () => {
    store.crash();
    return subjectOf(store);
  },
  close: async () => {},
});

storeSuite('sim-store', async () => {
  const later = (_ms: number, act: () => void) => setImmediate(act);
  return subjectOf(new SimStore({after: later, latencyMs: () => 1, prng: new Prng(1)}));
});

test('a disk that is damaged has no one row that is as it was made durable, and says so', t => {
  for (const kind of DAMAGES) {
    const {world, store} = open(3);
    const before: string[] = [];
    for (let i = 1; i <= 12; i++) {
      const value = Uint8Array.of(i);
      store.commit(
        [put('node', `${i % 3}`, value), put('journal', `${i}`, value)],
        () => undefined,
      );
      world.run();
      before.push(textOf(store));
    }
    t.is(store.damage, undefined);
    t.true(store.harm(kind, new Prng(9)), kind);
    t.not(textOf(store), before.at(-1), kind);
    t.truthy(store.damage);
    t.false(store.harm(kind, new Prng(9)), 'one at a time');
    if (kind === 'tail') t.true(before.includes(textOf(store)), 'an earlier moment');
    store.restore();
    t.is(store.damage, undefined);
  }
});

test('a gap loses what was written in it, and nothing that was written over later', t => {
  for (let seed = 1; seed < 100; seed++) {
    const {world, store} = open(4);
    for (let i = 1; i <= 3; i++) {
      const value = Uint8Array.of(i);
      store.commit([put('node', 'a', value), put('node', `${i}`, value)], () => undefined);
      world.run();
    }
    store.harm('gap', new Prng(seed));
    if (store.damage !== '1 commits are lost, 2 after them are not') continue;
    t.deepEqual(
      store.rows('node').map(([key]) => key),
      ['2', '3', 'a'],
    );
    t.deepEqual(store.get('node', 'a'), Uint8Array.of(3));
    return;
  }
  t.fail('no seed makes that gap');
});

const textOf = (store: SimStore): string =>
  (['node', 'journal'] as const)
    .flatMap(table => store.rows(table).map(([key, value]) => `${table}/${key}=${value}`))
    .join(' ');

const row = (key: string) => put('node', key, Uint8Array.of(1));

test('a commit takes its time, and the row is not there before', t => {
  const {world, store} = open(1);
  let doneAt = 0;
  store.commit([row('a')], () => {
    doneAt = world.now;
  });
  t.is(store.get('node', 'a'), undefined);
  world.run();
  t.true(doneAt >= 1.6 && doneAt <= 2.4);
  t.truthy(store.get('node', 'a'));
});

test('after a crash done is never called, and the whole commit or nothing is on the disk', t => {
  const outcomes = new Set<number>();
  for (let seed = 0; seed < 20; seed++) {
    const {world, store} = open(seed);
    store.commit([row('a'), row('b')], () => t.fail('the process is dead'));
    store.crash();
    world.run();
    outcomes.add(store.rows('node').length);
  }
  t.deepEqual([...outcomes].sort(), [0, 2]);
});

test('the next life commits at once, and the end of the dead commit does not end its commit', t => {
  const {world, store} = open(7);
  store.commit([row('a')], () => t.fail('the process is dead'));
  world.after(1, () => {
    store.crash();
    store.commit([row('b')], () => t.true(world.now > 2.5));
  });
  t.plan(1);
  world.run();
});

test('a disk that fails, fails for all commits until a crash', async t => {
  const store = new SimStore({
    after: (_ms, act) => setImmediate(act),
    latencyMs: () => 1,
    prng: new Prng(1),
  });
  store.fail(new Error('EIO'));
  await t.throwsAsync(commit(store, row('a')), {message: 'EIO'});
  await t.throwsAsync(commit(store, row('a')), {message: 'EIO'});
  store.crash();
  await commit(store, row('a'));
  t.is(store.commits, 1);
});

test('the same seed gives the same disk', t => {
  const run = (): string => {
    const {world, store} = open(42);
    for (let i = 0; i < 50; i++) {
      store.commit([row(String(i))], () => {});
      if (i % 3 === 0) store.crash();
      world.run();
    }
    return store
      .rows('node')
      .map(([key]) => key)
      .join();
  };
  t.is(run(), run());
});
