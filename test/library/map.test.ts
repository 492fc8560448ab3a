import {setImmediate as turn} from 'node:timers/promises';
import test from 'ava';
import {asBatchId} from '../../src/base/types.ts';
import {LineSource} from '../../src/library/line-source.ts';
import {type MapOptions, type Mapped, mapInputs} from '../../src/library/map.ts';
import {ValueSource} from '../../src/library/value-source.ts';
import {FakeMaster, FakeSource, type TestInput} from './fake-master.ts';

type Options = Partial<MapOptions<TestInput>>;

const numbers = (count: number): string[] => Array.from({length: count}, (_, i) => String(i));

function open(master: FakeMaster, source: FakeSource, options: Options = {}) {
  const taken: number[] = [];
  const results = mapInputs<TestInput>({
    port: master,
    source,
    ordered: true,
    ahead: 100,
    launch: async ({inputs}) => ({batchId: master.submit(inputs)}),
    onTaken: ({batchId}) => taken.push(batchId),
    ...options,
  });
  return {results, taken};
}

const byInput = (a: string, b: string): number => Number(a.split('=')[0]) - Number(b.split('=')[0]);

const said = (mapped: Mapped<TestInput>): string =>
  mapped.state === 'done'
    ? `${mapped.input.text}=${new TextDecoder().decode(mapped.output)}`
    : `${mapped.input.text}!${mapped.reason}`;

async function allOf(results: AsyncIterable<Mapped<TestInput>>): Promise<string[]> {
  const all: string[] = [];
  for await (const mapped of results) all.push(said(mapped));
  return all;
}

/** Until it holds: everything here moves in turns of the event loop and timers of 20 ms. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

for (const ordered of [true, false])
  test(`each input has one result, ${ordered ? 'in order' : 'as decided'}`, async t => {
    const master = new FakeMaster();
    master.answer = input => `${input}!`;
    const source = new FakeSource().push(...numbers(5_000)).end();
    const {results, taken} = open(master, source, {ordered, ahead: 1_000});
    const all = await allOf(results);
    const wanted = numbers(5_000).map(text => `${text}=${text}!`);
    t.deepEqual(ordered ? all : all.sort(byInput), wanted);
    t.is(taken.length, master.batches.size);
    t.deepEqual(master.cancelled, []);
    t.true(source.closed);
    t.true(master.batches.size >= 20, 'a window of 1,000 holds batches of at most 250');
    t.true(master.batches.size < 45, `${master.batches.size} batches grow`);
    t.true(master.streamsMax <= (ordered ? 1 : 8), `${master.streamsMax} streams at once`);
  });

test('what is there goes when its producer is quiet, alone when nothing else runs', async t => {
  const master = new FakeMaster();
  master.answer = input => input;
  const source = new FakeSource();
  const {results} = open(master, source);
  for (const text of ['a', 'b']) {
    source.push(text);
    const {value} = await results.next();
    t.is(value && said(value), `${text}=${text}`);
  }
  t.is(master.batches.size, 2);
  source.end();
  t.true((await results.next()).done);
});

test('who takes nothing lets nothing more than the window be read', async t => {
  for (const ordered of [true, false]) {
    const master = new FakeMaster();
    master.answer = input => input;
    const source = new FakeSource().push(...numbers(10_000));
    const {results} = open(master, source, {ordered, ahead: 64});
    await results.next();
    await until(() => source.taken >= 64);
    for (let i = 0; i < 200; i++) await turn();
    t.true(source.taken <= 65, `${source.taken} were read, one was taken`);
    await results.return();
    t.true(source.closed);
  }
});

test('batches under way are bounded, and inputs gather meanwhile', async t => {
  const master = new FakeMaster();
  const source = new FakeSource();
  const {results} = open(master, source, {ahead: 10_000});
  const first = results.next();
  for (let i = 0; i < 16; i++) {
    source.push(String(i));
    await until(() => master.batches.size > i);
  }
  source.push('a');
  await until(() => source.taken === 17);
  source.push('b', 'c');
  await until(() => source.taken === 19);
  t.is(master.batches.size, 16);
  for (let no = 1; no <= 16; no++) master.decide(no, 0, 'x');
  await first;
  await results.next();
  await until(() => master.batches.size === 17);
  t.is(master.batches.get(asBatchId(17))?.inputs.length, 3);
  await results.return();
});

test('in order a late one holds back those behind it; as decided it does not', async t => {
  for (const ordered of [true, false]) {
    const master = new FakeMaster();
    const source = new FakeSource().push('a', 'b', 'c').end();
    const {results} = open(master, source, {ordered});
    const first = results.next();
    await until(() => master.batches.size === 1);
    master.decide(1, 2, 'z');
    if (!ordered) await first;
    master.decide(1, 0, 'x');
    master.decide(1, 1, {reason: 'too many errors'});
    const {value} = await first;
    const rest = await allOf(results);
    const all = [value ? said(value) : '', ...rest];
    const inOrder = ['a=x', 'b!too many errors', 'c=z'];
    t.deepEqual(all, ordered ? inOrder : ['c=z', 'a=x', 'b!too many errors']);
  }
});

test('who breaks off or aborts cancels what is under way', async t => {
  for (const ordered of [true, false])
    for (const how of ['break', 'abort', 'abort unheard'] as const) {
      const master = new FakeMaster();
      const source = new FakeSource().push(...numbers(40));
      const stop = new AbortController();
      const {results} = open(master, source, {ordered, signal: stop.signal});
      const first = results.next();
      await until(() => master.batches.size >= 2);
      if (how === 'abort') {
        stop.abort(new Error('enough'));
        await t.throwsAsync(first, {message: 'enough'});
      } else {
        master.decide(1, 0, 'x');
        await first;
        if (how === 'break') await results.return();
        else stop.abort(new Error('enough'));
      }
      await until(() => master.cancelled.length === master.batches.size);
      t.true(source.closed, how);
      if (how === 'abort unheard') await t.throwsAsync(results.next(), {message: 'enough'});
    }
});

test('a signal that was aborted before begins nothing', async t => {
  const master = new FakeMaster();
  const source = new FakeSource().push('a');
  const {results} = open(master, source, {signal: AbortSignal.abort(new Error('too late'))});
  await t.throwsAsync(results.next(), {message: 'too late'});
  t.true(source.closed);
  t.is(master.batches.size, master.cancelled.length);
});

test('a fault of the source comes after what was before it', async t => {
  for (const ordered of [true, false]) {
    const master = new FakeMaster();
    master.answer = input => input;
    const source = new FakeSource().push('a', 'b').end(new Error('the disk died'));
    const {results} = open(master, source, {ordered});
    const all: string[] = [];
    const read = async () => {
      for await (const mapped of results) all.push(said(mapped));
    };
    await t.throwsAsync(read(), {message: 'the disk died'});
    t.deepEqual(all, ['a=a', 'b=b']);
  }
});

/** Texts of a program through the engine: its results, and what it threw. */
async function mapped(values: AsyncIterable<unknown> | Iterable<unknown>, ordered: boolean) {
  const master = new FakeMaster();
  master.answer = input => input;
  const all: number[] = [];
  try {
    for await (const {input} of mapInputs({
      port: master,
      source: new ValueSource(values),
      ordered,
      ahead: 100,
      launch: async ({inputs}) => ({batchId: master.submit(inputs)}),
    }))
      all.push(input.index);
  } catch (error) {
    return {all, error};
  }
  return {all};
}

function* throwing(count: number, error: unknown, last: unknown[] = []) {
  for (let i = 0; i < count; i++) yield i;
  yield* last;
  throw error;
}

async function* throwingLater(count: number, error: unknown) {
  yield* throwing(count, error);
}

test('what values throw comes after the results before it, whatever it is', async t => {
  const fault = new Error('row 900 is bad');
  for (const ordered of [true, false])
    for (const error of [fault, undefined, null])
      for (const values of [throwing(900, error), throwingLater(90, error)]) {
        const read = await mapped(values, ordered);
        t.true('error' in read, 'it is no end');
        t.is(read.error, error);
        t.true([90, 900].includes(read.all.length), `${read.all.length} results before it`);
      }
  const bad = await mapped(throwing(50, fault, [10n]), true);
  t.regex(String(bad.error), /input 50 is neither text/);
  for (const value of [new Map(), new Set(), new ArrayBuffer(2), new Float64Array(1)])
    t.regex(String((await mapped([value], true)).error), /input 0 is neither text/);
  t.is(bad.all.length, 50);
});

test('an iterator that throws when it is closed is no fault of the map', async t => {
  let closed = 0;
  const fail = (): never => {
    closed += 1;
    throw new Error('closing the file failed');
  };
  function* endless() {
    try {
      for (;;) yield 'x';
    } finally {
      fail();
    }
  }
  async function* endlessLater() {
    try {
      for (;;) yield new Uint8Array([49, 10]);
    } finally {
      fail();
    }
  }
  // Were one of them unheard, it would end this process.
  for (const source of [
    new ValueSource(endless()),
    new ValueSource(endlessLater()),
    new LineSource(endlessLater(), {form: 'json', badLines: 'stop'}),
  ]) {
    await source.take(1);
    source.close();
    await turn();
  }
  t.is(closed, 3);
});

test('no result comes after an abort', async t => {
  for (const ordered of [true, false]) {
    const master = new FakeMaster();
    master.answer = input => input;
    const stop = new AbortController();
    const source = new FakeSource().push(...numbers(50)).end();
    const {results} = open(master, source, {ordered, signal: stop.signal});
    await results.next();
    await turn(); // more of them are there
    const next = results.next();
    stop.abort(new Error('enough'));
    await t.throwsAsync(next, {message: 'enough'});
  }
});

test('a batch that somebody ends is a fault that names it, and the others are cancelled', async t => {
  for (const ordered of [true, false]) {
    const master = new FakeMaster();
    const source = new FakeSource().push(...numbers(40));
    const {results} = open(master, source, {ordered});
    const all = allOf(results);
    await until(() => master.batches.size >= 2);
    master.end(1, 'cancelled');
    await t.throwsAsync(all, {
      code: 'VOLLEY_BATCH_FAILED',
      message: 'batch 1 ended cancelled: somebody ended it',
    });
    t.true(master.cancelled.includes(asBatchId(2)));
  }
});

test('a batch that is refused is a fault', async t => {
  const master = new FakeMaster();
  const source = new FakeSource().push('a');
  const launch = () => Promise.reject(new Error('no space'));
  await t.throwsAsync(allOf(open(master, source, {launch}).results), {message: 'no space'});
});

test('batches of an earlier run are cut as they were, and what was taken of them is passed over', async t => {
  for (const ordered of [true, false]) {
    const master = new FakeMaster();
    master.answer = input => input;
    const source = new FakeSource().push(...numbers(10)).end();
    const firsts: [number, number][] = [];
    const {results, taken} = open(master, source, {
      ordered,
      counts: [3, 1, 4],
      ahead: 2,
      launch: async ({inputs, first}, no) => {
        firsts.push([first, inputs.length]);
        if (no === 0) return undefined;
        const isTaken = no === 2 ? (index: number) => index < 2 : undefined;
        return {batchId: master.submit(inputs), isTaken};
      },
    });
    t.deepEqual((await allOf(results)).sort(), ['3=3', '6=6', '7=7', '8=8', '9=9']);
    t.deepEqual(firsts.slice(0, 3), [
      [0, 3],
      [3, 1],
      [4, 4],
    ]);
    t.is(taken.length, master.batches.size);
  }
});
