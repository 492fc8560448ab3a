// Comparisons with real threads and runner processes, and with outputs and apps that mean harm.

import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {asBatchId, asNodeId, type BlobId} from '../../src/base/types.ts';
import type {Compare, Comparison, NumericCompare} from '../../src/core/compare.ts';
import {admitModule} from '../../src/io/app-source.ts';
import {OutputComparer} from '../../src/io/comparer.ts';
import {NO_JAIL} from '../../src/io/sandbox.ts';
import type {FetchedApp} from '../../src/node/app-shelf.ts';
import type {OutputRef} from '../../src/wire/message.ts';
import {appIdOf, compile, manifestOf} from './runner-rig.ts';

const JSON_NUMBERS: NumericCompare = {kind: 'numeric', format: 'json', rtol: 1e-9, atol: 1e-12};

/** Equal when the sums of the letters are; what the first output begins with may say otherwise. */
const COMPARING = `
import {readAll, inputAt, inputLength, write, fail} from "./lib/wasi";
const words: usize = memory.data(64);
function say(text: string): void {
  write(words, <u32>String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, words));
}
let at: usize = 0;
function number(): u32 {
  let value: u32 = 0;
  for (let c = load<u8>(at); c >= 48; c = load<u8>(++at)) value = value * 10 + (c - 48);
  at++;
  return value;
}
function sum(length: u32): u32 {
  let total: u32 = 0;
  for (let i: u32 = 0; i < length; i++) total += load<u8>(at++);
  return total;
}
export function _start(): void {
  readAll();
  at = inputAt;
  const first = number();
  const second = number();
  if (at + first + second != inputAt + inputLength) fail("lengths");
  const what = first > 0 ? load<u8>(at) : 0;
  if (what == 0x4c) for (;;) at++;
  if (what == 0x54) unreachable();
  if (what == 0x46) for (;;) write(inputAt, 1000);
  if (what == 0x4d) for (;;) if (memory.grow(1) < 0) unreachable();
  if (what == 0x58) fail("it is broken");
  if (what == 0x47) return say("perhaps");
  if (what == 0x53) return say("different\\n");
  if (what == 0x52) return;
  say(sum(first) == sum(second) ? "equal\\n" : "different");
}
`;

type Rig = {
  readonly comparer: OutputComparer;
  readonly ask: (
    compare: Compare,
    a: string | OutputRef,
    b?: string | OutputRef,
    node?: string,
  ) => Promise<Comparison>;
  readonly put: (bytes: Uint8Array | string) => OutputRef;
};

let sumApp: FetchedApp;
/** Its process goes from one test to the next. */
let shared: Rig;
test.before(async () => {
  const limits = {timeSeconds: 2, memoryMib: 4, outputBytes: 64};
  sumApp = admitModule(manifestOf('sum', {limits}), await compile(COMPARING));
  shared = rig();
});

const CUSTOM: Compare = {kind: 'custom', app: 'sum', appId: appIdOf('sum')};

const folders: string[] = [];
const open: OutputComparer[] = [];
function rig(app: FetchedApp = sumApp, timeMsMax = 10_000): Rig {
  const dir = mkdtempSync(join(tmpdir(), 'volley-compare-'));
  folders.push(dir);
  const blobs = new Map<BlobId, Uint8Array>();
  const comparer = new OutputComparer({
    readBlob: async blobId => {
      const bytes = blobs.get(blobId);
      if (!bytes) throw new Error('there is no such blob');
      return bytes.slice();
    },
    fetchApp: async () => app,
    jail: async () => NO_JAIL,
    dir,
    timeMsMax,
  });
  open.push(comparer);
  const refOf = (output: string | OutputRef): OutputRef =>
    typeof output === 'string'
      ? {kind: 'inline', bytes: new Uint8Array(Buffer.from(output))}
      : output;
  return {
    comparer,
    put: content => {
      const bytes = new Uint8Array(Buffer.from(content as string));
      const blobId = appIdOf(`blob ${blobs.size}`);
      blobs.set(blobId, bytes);
      return {kind: 'blob', blobId, size: bytes.length};
    },
    ask: (compare, first, second = first, node = 'n') =>
      new Promise(resolve => {
        const [a, b] = [refOf(first), refOf(second)];
        const where = {batchId: asBatchId(1), index: 0, nodeId: asNodeId(node)};
        comparer.compare({...where, compare, a, b}, resolve);
      }),
  };
}

test.after.always(async () => {
  await Promise.all(open.map(comparer => comparer.close()));
  for (const dir of folders) rmSync(dir, {recursive: true, force: true});
});

const SAME: Comparison = {kind: 'same'};
const DIFFERENT: Comparison = {kind: 'different'};

test('numbers in blobs are compared', async t => {
  const {ask, put} = rig();
  const long = Array.from({length: 5_000}, (_, i) => i / 3);
  const a = put(JSON.stringify(long));
  const b = put(
    JSON.stringify(
      long.map(x => x * (1 + 1e-12)),
      undefined,
      1,
    ),
  );
  const c = put(JSON.stringify(long.map(x => x + 1)));
  t.deepEqual(await ask(JSON_NUMBERS, a), SAME);
  t.deepEqual(await ask(JSON_NUMBERS, a, b), SAME);
  t.deepEqual(await ask(JSON_NUMBERS, a, c), DIFFERENT);
  t.deepEqual(await ask(JSON_NUMBERS, a, '[1]'), DIFFERENT);
});

test('floats in blobs are compared', async t => {
  const {ask, put} = rig();
  const floats = (by: number): Uint8Array =>
    new Uint8Array(Float64Array.from({length: 100_000}, (_, i) => i * by).buffer);
  const how: Compare = {...JSON_NUMBERS, format: 'f64'};
  const bytesOf = (bytes: Uint8Array): OutputRef => put(bytes);
  const a = bytesOf(floats(1));
  t.deepEqual(await ask(how, a, bytesOf(floats(1 + 1e-13))), SAME);
  t.deepEqual(await ask(how, a, bytesOf(floats(1.001))), DIFFERENT);
  t.like(await ask({...how, format: 'f32'}, put('123')), {kind: 'failed'});
});

test('a hostile text is refused with the reason, and the thread lives on', async t => {
  const {ask, put} = rig();
  for (const [text, reason] of [
    ['['.repeat(8_000_000), /deeper/],
    [`[${'{},'.repeat(2_000_000)}0]`, /values/],
    ['"', /not JSON/],
  ] as const) {
    const comparison = await ask(JSON_NUMBERS, put(text));
    t.regex(comparison.kind === 'failed' ? comparison.reason : comparison.kind, reason);
  }
  t.deepEqual(await ask(JSON_NUMBERS, put('[1]'), put('[1.0]')), SAME);
});

test('while a large output is compared the loop goes on', async t => {
  const {ask, put} = rig();
  const big = put(`[${'0.125,'.repeat(1_000_000)}1]`);
  await ask(JSON_NUMBERS, put('1')); // the thread is there
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 1);
  const comparison = await ask(JSON_NUMBERS, big, put(`[${'0.125,'.repeat(1_000_000)}1.0]`));
  clearInterval(timer);
  t.deepEqual(comparison, SAME);
  t.true(turns >= 5, `${turns} turns`);
});

test('a comparison of numbers that takes too long has failed', async t => {
  const {ask, put} = rig(sumApp, 1);
  const big = `[${'0.125,'.repeat(1_000_000)}1]`;
  const failed = {kind: 'failed', reason: 'not compared within 1 ms'} as const;
  t.deepEqual(await ask(JSON_NUMBERS, put(big), put(`${big} `)), failed);
});

test('a blob that cannot be had is a failed comparison', async t => {
  const {ask} = rig();
  const gone: OutputRef = {kind: 'blob', blobId: appIdOf('gone'), size: 5};
  t.deepEqual(await ask(JSON_NUMBERS, gone), {kind: 'failed', reason: 'there is no such blob'});
  const huge: OutputRef = {kind: 'blob', blobId: appIdOf('huge'), size: 2 ** 30};
  t.like(await ask(JSON_NUMBERS, huge), {kind: 'failed'});
});

test('a comparison app says equal or different', async t => {
  const {ask, put} = shared;
  t.deepEqual(await ask(CUSTOM, 'abc'), SAME);
  t.deepEqual(await ask(CUSTOM, 'abc', 'cba'), SAME);
  t.deepEqual(await ask(CUSTOM, 'abc', 'abd'), DIFFERENT);
  t.deepEqual(await ask(CUSTOM, '', ''), SAME);
  t.deepEqual(await ask(CUSTOM, put('x'.repeat(100_000)), put('x'.repeat(100_000))), SAME);
  t.deepEqual(await ask(CUSTOM, 'S'), DIFFERENT, 'not even itself');
});

for (const [letter, what, reason] of [
  ['L', 'runs for ever', /sum: timedOut/],
  ['T', 'traps', /sum: trapped/],
  ['F', 'writes without end', /sum: outputTooLarge/],
  ['M', 'takes all memory', /sum: (trapped|outOfMemory)/],
  ['X', 'gives up', /sum: trapped: exit code 2: it is broken/],
  ['G', 'answers in other words', /neither "equal" nor "different"/],
  ['R', 'says nothing', /neither "equal" nor "different"/],
] as const)
  test(`a comparison app that ${what} has failed, and the next question is answered`, async t => {
    const {ask} = shared;
    const comparison = await ask(CUSTOM, `${letter}abc`);
    t.regex(comparison.kind === 'failed' ? comparison.reason : comparison.kind, reason);
    t.deepEqual(await ask(CUSTOM, 'abc', 'cba'), SAME);
  });

test('questions about a node that takes long wait for those of others', async t => {
  const {ask} = rig();
  const order: string[] = [];
  const named = (name: string, node: string, a: string): Promise<unknown> =>
    ask(CUSTOM, a, a, node).then(() => order.push(name));
  await named('bad 1', 'bad', 'Labc');
  await Promise.all([
    named('bad 2', 'bad', 'Labc'),
    named('bad 3', 'bad', 'Labc'),
    named('good 1', 'good', 'abc'),
    named('good 2', 'good', 'abc'),
  ]);
  // One is under way when the others come; then the node with the least time is served first.
  t.deepEqual(order, ['bad 1', 'bad 2', 'good 1', 'good 2', 'bad 3']);
});

test('an app that cannot be had, or demands more than there is, is told as that', async t => {
  const missing = rig({kind: 'missing', reason: 'it cannot be had'});
  t.deepEqual(await missing.ask(CUSTOM, 'a'), {
    kind: 'unavailable',
    reason: 'sum: it cannot be had',
  });
  const refused = rig({kind: 'refused', reason: 'signed by nobody'});
  t.like(await refused.ask(CUSTOM, 'a'), {kind: 'unavailable', reason: 'sum: signed by nobody'});
  if (sumApp.kind !== 'app') return t.fail();
  const manifest = {...sumApp.manifest, sandboxLevel: 3 as const};
  t.like(await rig({...sumApp, manifest}).ask(CUSTOM, 'a'), {kind: 'unavailable'});
});

test('after close nothing is answered', async t => {
  const {ask, comparer} = rig();
  let answers = 0;
  for (let i = 0; i < 3; i++) void ask(CUSTOM, 'Labc').then(() => (answers += 1));
  await comparer.close();
  await new Promise(resolve => setImmediate(resolve));
  t.is(answers, 0);
});
