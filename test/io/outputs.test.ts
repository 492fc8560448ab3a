// Outputs of a stage put together, of rows in a real store and blobs on a real disk.

import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {fromUtf8, toUtf8} from '../../src/base/bytes.ts';
import {VolleyError} from '../../src/base/errors.ts';
import {asBatchId, asNodeId} from '../../src/base/types.ts';
import type {GatheredSource, InputSource} from '../../src/core/input-source.ts';
import type {Gathered} from '../../src/core/lookups.ts';
import type {GatherHow} from '../../src/core/stages.ts';
import {
  type Decision,
  encodePage,
  encodeReportRow,
  type Op,
  PAGE_WORKUNITS,
  pageKey,
  put,
  reportKey,
} from '../../src/core/tables.ts';
import {type BlobStore, openBlobStore} from '../../src/io/blob-store.ts';
import {BlobInputs} from '../../src/io/inputs.ts';
import {openLevelStore} from '../../src/io/level-store.ts';
import {StoredOutputs} from '../../src/io/outputs.ts';
import {encodeResults} from '../../src/wire/codec.ts';
import type {Input, OutputRef} from '../../src/wire/message.ts';

const STAGE = asBatchId(7);
const NODE = asNodeId('11'.repeat(16));

/** A stage of which workunit i put out `texts[i]`; every third output is a blob. */
async function stage(t: ExecutionContext, texts: readonly string[]) {
  const dir = await mkdtemp(join(tmpdir(), 'volley-outputs-'));
  const store = await openLevelStore(join(dir, 'store'));
  const blobs = await openBlobStore(join(dir, 'blobs'));
  t.teardown(async () => {
    await store.close();
    await rm(dir, {recursive: true, force: true});
  });
  const ops: Op[] = [];
  const pages = new Map<number, Map<number, Decision>>();
  for (const [index, text] of texts.entries()) {
    const output = await outputOf(blobs, index, text);
    const item = {batchId: STAGE, index, replicaNo: 0, proof: 0, cpuMs: 1, status: 'done', output};
    const body = encodeResults([item as never]);
    const row = encodeReportRow({nodeId: NODE, signature: new Uint8Array(64), body});
    ops.push(put('report', reportKey(1_000 - index), row));
    const pageNo = Math.floor(index / PAGE_WORKUNITS);
    const page = pages.get(pageNo) ?? new Map<number, Decision>();
    pages.set(pageNo, page);
    page.set(index % PAGE_WORKUNITS, {kind: 'done', reportNo: 1_000 - index, item: 0});
  }
  for (const [pageNo, page] of pages)
    ops.push(put('page', pageKey(STAGE, pageNo), encodePage(page)));
  await new Promise<void>((resolve, reject) => {
    store.commit(ops, error => (error ? reject(error) : resolve()));
  });
  return {blobs, outputs: new StoredOutputs(store, blobs), inputs: new BlobInputs(blobs)};
}

async function outputOf(blobs: BlobStore, index: number, text: string): Promise<OutputRef> {
  const bytes = toUtf8(text);
  if (index % 3 !== 2) return {kind: 'inline', bytes};
  return {kind: 'blob', blobId: await blobs.put(bytes), size: bytes.length};
}

const gather = (outputs: StoredOutputs, count: number, how: GatherHow): Promise<Gathered> =>
  new Promise(resolve => outputs.gather(STAGE, count, how, resolve));

async function sourceOf(gathered: Promise<Gathered>): Promise<GatheredSource> {
  const answer = await gathered;
  if (answer.kind === 'failed') throw new Error(answer.reason);
  return answer.source;
}

async function textsOf(
  {blobs, inputs}: {readonly blobs: BlobStore; readonly inputs: BlobInputs},
  source: InputSource,
  count: number,
): Promise<(string | undefined)[]> {
  const read = await new Promise<readonly Input[]>((resolve, reject) => {
    inputs.read(source, 0, count, answer =>
      answer.kind === 'inputs' ? resolve(answer.inputs) : reject(new Error(answer.reason)),
    );
  });
  const slices = read.filter(input => input.kind === 'slice');
  return Promise.all(
    slices.map(async ({blobId, offset, length}) =>
      length === 0 ? '' : fromUtf8(await blobs.read(blobId, offset, length)),
    ),
  );
}

test('all outputs in the order of their indexes are one blob, the same each time', async t => {
  const texts = Array.from({length: 150}, (_, i) => `${i}\n`);
  const rig = await stage(t, texts);
  const source = await sourceOf(gather(rig.outputs, texts.length, 'whole'));
  t.like(source, {kind: 'blob', count: 1, size: texts.join('').length});
  t.deepEqual(await textsOf(rig, source, 1), [texts.join('')]);
  t.deepEqual(await sourceOf(gather(rig.outputs, texts.length, 'whole')), source);
});

test('with a halo each workunit gets its own output and those of its neighbours', async t => {
  const rig = await stage(t, ['a', 'bb', '', 'dddd', 'e']);
  const alone = await sourceOf(gather(rig.outputs, 5, {halo: 0}));
  t.deepEqual(await textsOf(rig, alone, 5), ['a', 'bb', '', 'dddd', 'e']);
  const next = await sourceOf(gather(rig.outputs, 5, {halo: 1}));
  t.deepEqual(await textsOf(rig, next, 5), ['abb', 'abb', 'bbdddd', 'dddde', 'dddde']);
  const wide = await sourceOf(gather(rig.outputs, 5, {halo: 9}));
  t.deepEqual(
    await textsOf(rig, wide, 5),
    Array.from({length: 5}, () => 'abbdddde'),
  );
  t.is(wide.blobId, next.blobId, 'the bytes are there once');
});

test('outputs of which nothing came are no bytes', async t => {
  const rig = await stage(t, ['', '']);
  const source = await sourceOf(gather(rig.outputs, 2, 'whole'));
  t.like(source, {kind: 'blob', size: 0});
  t.deepEqual(await textsOf(rig, source, 1), ['']);
});

test('an output that is missing is named', async t => {
  const rig = await stage(t, ['a', 'b']);
  t.like(await gather(rig.outputs, 3, 'whole'), {kind: 'failed'});
  const answer = await gather(rig.outputs, 3, 'whole');
  t.regex(answer.kind === 'failed' ? answer.reason : '', /workunit 7\/2 has no output/);
});

test('what is put together when the master ends is told to nobody', async t => {
  const rig = await stage(t, ['a', 'b']);
  rig.outputs.gather(STAGE, 2, 'whole', () => t.fail('told'));
  rig.outputs.close();
  await new Promise(resolve => setImmediate(resolve));
  t.pass();
});

test('on a full disk it waits, and goes on when there is room', async t => {
  const {blobs, outputs} = await stage(t, ['a', 'b', 'c']);
  const putStream = blobs.putStream.bind(blobs);
  // A master has other things that keep it alive.
  const alive = setInterval(() => {}, 1_000);
  t.teardown(() => clearInterval(alive));
  let tries = 0;
  blobs.putStream = (...args) => {
    tries += 1;
    const fields = {path: 'blobs', free: 0, floor: 1, what: 'a file could not be written'};
    if (tries === 1) return Promise.reject(new VolleyError('VOLLEY_NO_SPACE', fields));
    return putStream(...args);
  };
  const source = await sourceOf(gather(outputs, 3, 'whole'));
  t.is(source.kind, 'blob');
  t.is(tries, 2);
});
