import test from 'ava';
import {VolleyError} from '../../src/base/errors.ts';
import {asBatchId, asBlobId, asNodeId} from '../../src/base/types.ts';
import {type Check, checkKey, encodeChecks} from '../../src/core/checks.ts';
import {
  type Decision,
  encodePage,
  encodeReportRow,
  pageKey,
  reportKey,
} from '../../src/core/tables.ts';
import {encodeResults} from '../../src/wire/codec.ts';
import type {OutputRef, ResultItem} from '../../src/wire/message.ts';
import {allOf, ask, BEARER, batchView, type FakeHandle, NODE, openRig} from './rig.ts';

const BATCH = asBatchId(1);
const text = (index: number): OutputRef => ({kind: 'inline', bytes: Buffer.from(`out ${index}`)});

const item = (index: number, output: OutputRef): ResultItem => ({
  batchId: BATCH,
  index,
  replicaNo: 0,
  proof: 1,
  cpuMs: 1,
  status: 'done',
  output,
});

function putReport(handle: FakeHandle, reportNo: number, items: readonly ResultItem[]): void {
  const row = {nodeId: NODE, signature: new Uint8Array(64), body: encodeResults(items)};
  handle.rows.set(`report/${reportKey(reportNo)}`, encodeReportRow(row));
}

function putPage(handle: FakeHandle, pageNo: number, decisions: [number, Decision][]): void {
  handle.rows.set(`page/${pageKey(BATCH, pageNo)}`, encodePage(new Map(decisions)));
}

/** 200 workunits, 10 to a report; pages name them in another order; every 50th failed. */
function fill(handle: FakeHandle): void {
  handle.batchViews.set(1, batchView(1, {count: 200}));
  for (let no = 0; no < 20; no++) {
    const items = Array.from({length: 10}, (_, i) => item(no * 10 + i, text(no * 10 + i)));
    putReport(handle, no, items.reverse());
  }
  for (let page = 0; page < 4; page++) {
    const decisions: [number, Decision][] = [];
    for (let index = Math.min(page * 64 + 63, 199); index >= page * 64; index--) {
      const done: Decision = {
        kind: 'done',
        reportNo: Math.floor(index / 10),
        item: 9 - (index % 10),
      };
      const failed: Decision = {kind: 'failed', reason: 'too many errors'};
      decisions.push([index % 64, index % 50 === 0 ? failed : done]);
    }
    putPage(handle, page, decisions);
  }
}

test('results come in the order of their indexes, from pages and the reports they name', async t => {
  const {client, handle} = await openRig(t);
  fill(handle);
  const results = await allOf(client.results(BATCH));
  t.deepEqual(
    results.map(({index}) => index),
    Array.from({length: 200}, (_, index) => index),
  );
  t.deepEqual(results[7], {batch: BATCH, index: 7, state: 'done', size: 5, text: 'out 7'});
  t.deepEqual(results[50], {
    batch: BATCH,
    index: 50,
    state: 'failed',
    size: 0,
    reason: 'too many errors',
  });
});

test('results can be cut out by index and by state', async t => {
  const {client, handle, url} = await openRig(t);
  fill(handle);
  const indexes = async (filter: object) =>
    (await allOf(client.results(BATCH, filter))).map(({index}) => index);
  t.deepEqual(await indexes({from: 62, to: 66}), [62, 63, 64, 65]);
  t.deepEqual(await indexes({state: 'failed'}), [0, 50, 100, 150]);
  t.deepEqual(await indexes({from: 198, to: 4_000_000_000}), [198, 199]);
  t.deepEqual(await indexes({from: 5, to: 5}), []);
  t.deepEqual(await indexes({from: 500}), []);
  const bad = await ask(`${url}/v1/batches/1/results?state=some`, {headers: BEARER});
  t.is(bad.status, 400);
});

test('an output that is no text is base64, a large one names its blob', async t => {
  const {client, handle} = await openRig(t);
  handle.batchViews.set(1, batchView(1));
  const blobId = asBlobId('c'.repeat(64));
  putReport(handle, 5, [
    item(0, {kind: 'inline', bytes: new Uint8Array([255, 0])}),
    item(1, {kind: 'blob', blobId, size: 99_999}),
    item(2, {kind: 'inline', bytes: new Uint8Array()}),
  ]);
  putPage(
    handle,
    0,
    [0, 1, 2].map(no => [no, {kind: 'done', reportNo: 5, item: no}]),
  );
  t.deepEqual(await allOf(client.results(BATCH)), [
    {batch: BATCH, index: 0, state: 'done', size: 2, base64: '/wA='},
    {batch: BATCH, index: 1, state: 'done', blobId, size: 99_999},
    {batch: BATCH, index: 2, state: 'done', size: 0, text: ''},
  ]);
});

test('rows that contradict each other end the results with a named fault', async t => {
  const {client, handle} = await openRig(t);
  fill(handle);
  const reasonOf = async () => {
    const error = await t.throwsAsync(allOf(client.results(BATCH)), {instanceOf: VolleyError});
    t.is(error?.code, 'VOLLEY_STORE_DAMAGED');
    return error?.fields['reason'];
  };
  putReport(handle, 19, [item(3, text(3))]);
  t.is(await reasonOf(), 'report 19 does not hold the result of 1/190');
  handle.rows.set(`report/${reportKey(19)}`, new Uint8Array([200]));
  t.is(await reasonOf(), 'report 19 cannot be read');
  handle.rows.delete(`report/${reportKey(19)}`);
  t.is(await reasonOf(), 'report 19 is missing');
  handle.rows.set(`page/${pageKey(BATCH, 1)}`, new Uint8Array([200]));
  t.is(await reasonOf(), 'page 0000000100000001 cannot be read');
});

test('a reader that stops reading stops the reading of rows', async t => {
  const {client, handle} = await openRig(t);
  handle.batchViews.set(1, batchView(1, {count: 640_000}));
  const output: OutputRef = {kind: 'inline', bytes: new Uint8Array(700).fill(97)};
  for (let page = 0; page < 10_000; page++) {
    putReport(handle, page, [item(page * 64, output)]);
    putPage(handle, page, [[0, {kind: 'done', reportNo: page, item: 0}]]);
  }
  const results = client.results(BATCH);
  await results.next();
  let scanned = -1;
  while (scanned !== handle.scanned) {
    scanned = handle.scanned;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  t.log(`${scanned} of 10,000 pages read`);
  t.true(scanned < 9_500);
  let count = 1;
  for await (const result of results) {
    t.is(result.index, count * 64);
    count += 1;
  }
  t.is(count, 10_000);
});

const OTHER = asNodeId('0e'.repeat(16));

function putChecks(
  handle: FakeHandle,
  pageNo: number,
  states: [number, Check['state']][],
  nodeId = NODE,
  reportNo = 1,
): void {
  const hash = new Uint8Array(32);
  const checks = states.map(([offset, state]): [number, Check] => [
    offset,
    {state, reportNo, item: 0, hash},
  ]);
  const key = checkKey(BATCH, pageNo, nodeId);
  handle.rows.set(`check/${key}`, encodeChecks(new Map(checks)));
}

test('what is checked again shows no output until it is, and what came out then', async t => {
  const {client, handle} = await openRig(t);
  fill(handle);
  putChecks(handle, 0, [
    [2, 'open'],
    [3, 'confirmed'],
    [4, 'replaced'],
    [50, 'failed'],
  ]);
  putChecks(handle, 2, [[63, 'open']]);
  putChecks(handle, 2, [[63, 'confirmed']], OTHER, 9);
  const reopened = new Map<number, Decision>();
  handle.rows.set(`page/${pageKey(BATCH, 1)}`, encodePage(reopened)); // taken out, all 64
  putChecks(
    handle,
    1,
    Array.from({length: 64}, (_, offset) => [offset, 'open']),
  );
  const results = await allOf(client.results(BATCH));
  t.is(results.length, 200);
  t.deepEqual(results[2], {batch: BATCH, index: 2, state: 'rechecking', size: 0});
  t.like(results[3], {state: 'done', text: 'out 3', check: 'confirmed'});
  t.like(results[4], {state: 'done', text: 'out 4', check: 'replaced'});
  t.is(results[5]?.check, undefined);
  t.like(results[50], {state: 'failed'});
  t.true(results.slice(64, 128).every(({state}) => state === 'rechecking'));
  t.like(results[191], {state: 'done', check: 'confirmed'}, 'checked twice: the newer one');
  const done = await allOf(client.results(BATCH, {state: 'done'}));
  t.false(done.some(({index}) => index === 2 || (index >= 64 && index < 128)));
  const some = await allOf(client.results(BATCH, {from: 63, to: 66}));
  t.deepEqual(
    some.map(({state}) => state),
    ['done', 'rechecking', 'rechecking'],
  );
});

test('what was to be checked when its batch was cancelled stays as it was', async t => {
  const {client, handle} = await openRig(t);
  fill(handle);
  handle.batchViews.set(1, batchView(1, {count: 200, state: 'cancelled'}));
  putChecks(handle, 0, [[2, 'open']]);
  t.deepEqual((await allOf(client.results(BATCH)))[2], {
    batch: BATCH,
    index: 2,
    state: 'done',
    size: 5,
    text: 'out 2',
  });
});

test('a row of checks that cannot be read is a damaged store', async t => {
  const {client, handle} = await openRig(t);
  fill(handle);
  handle.rows.set(`check/${checkKey(BATCH, 0, NODE)}`, Uint8Array.of(1, 9));
  await t.throwsAsync(allOf(client.results(BATCH)), {code: 'VOLLEY_STORE_DAMAGED'});
});
