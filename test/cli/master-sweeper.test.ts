// The sweep of a running master, put together as it is there, on a clock that a test sets.

import {existsSync, mkdirSync, rmSync, utimesSync} from 'node:fs';
import {join} from 'node:path';
import {mock} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import ava, {type ExecutionContext} from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import {asBatchId, asMonoMs, asWallMs, type BlobId} from '../../src/base/types.ts';
import {DAY_MS, MINUTE_MS} from '../../src/base/units.ts';
import {Closers} from '../../src/cli/closers.ts';
import {openSweeper, type SweeperOf} from '../../src/cli/master-sweeper.ts';
import type {Note} from '../../src/core/core.ts';
import {batchKey, encodeJson, put} from '../../src/core/tables.ts';
import {BlobStore, openBlobStore} from '../../src/io/blob-store.ts';
import {openLevelStore} from '../../src/io/level-store.ts';
import {Uploads} from '../../src/master/uploads.ts';
import {temporaryFolder} from './rig.ts';

const ID = asBatchId(1);
const DELETED = 'blobs that nothing names are deleted';

/** Another test of this file may not have its hands on the timers. */
const test = ava.serial;
/** A store in which batch 1 names one blob, and the sweeper on it. */
async function rig(t: ExecutionContext) {
  mock.timers.enable({apis: ['setInterval']});
  t.teardown(() => mock.timers.reset());
  const data = await temporaryFolder(t);
  const store = await openLevelStore(join(data, 'store'));
  let mono = 0;
  const start = Date.now();
  const clock = {now: () => ({mono: asMonoMs(mono), wall: asWallMs(start + mono)})};
  await openBlobStore(join(data, 'blobs'));
  const blobs = new BlobStore(join(data, 'blobs'), error => t.fail(String(error)), clock);
  const closers = new Closers();
  closers.add(() => store.close());
  const notes: Note[] = [];
  const pathOf = (id: BlobId): string => join(data, 'blobs', id.slice(0, 2), id);
  const age = (id: BlobId, seconds = 1_000): void => utimesSync(pathOf(id), seconds, seconds);
  const old = async (text: string): Promise<BlobId> => {
    const id = await blobs.put(toUtf8(text));
    age(id);
    return id;
  };
  const named = await old('named');
  const row = put('batch', batchKey(ID), encodeJson({input: {kind: 'blob', blobId: named}}));
  await new Promise<void>((done, failed) =>
    store.commit([row], error => (error ? failed(error) : done())),
  );
  const uploads = new Uploads();
  const fences = {passed: 0};
  const begun = {sweeps: 0};
  const beginSweep = blobs.beginSweep.bind(blobs);
  blobs.beginSweep = () => {
    begun.sweeps += 1;
    return beginSweep();
  };
  const {heard, unnamed, see} = openSweeper(
    {
      ...{store, blobs, data, fatal: error => t.fail(String(error))},
      core: {context: {batches: new Map([[ID, {}]]), uploads}} as unknown as SweeperOf['core'],
      settled: async () => {
        fences.passed += 1;
      },
      clock,
      journal: {note: note => notes.push(note)},
    },
    closers,
  );
  const pass = (ms: number): void => {
    mono += ms;
    mock.timers.tick(MINUTE_MS);
  };
  /** Once so many sweeps have told what they deleted, which is the last that they do. */
  const told = async (count: number): Promise<void> => {
    while (notes.filter(({what}) => what === DELETED).length < count) await sleep(5);
  };
  const isHere = (id: BlobId): boolean => existsSync(pathOf(id));
  const parts = {data, blobs, closers, notes, named, begun, uploads, fences};
  return {...parts, age, old, heard, unnamed, see, pass, told, isHere};
}

test('a running master forgets what nothing names, again when a batch is deleted, and not beside a damaged store', async t => {
  const {data, blobs, closers, notes, age, old, named, begun, heard, pass, told, isHere} =
    await rig(t);
  const [first, second] = [await old('first'), await old('second')];
  const kept = join(data, 'store.damaged-20261122T101500');
  mkdirSync(kept);
  await blobs.size(second); // makes it young
  pass(10 * MINUTE_MS);
  t.is(begun.sweeps, 0);
  t.is(notes[0]?.what, 'blobs stay');
  t.regex(String(notes[0]?.fields['reason']), /^store\.damaged-20261122T101500 may name some/);
  rmSync(kept, {recursive: true});
  pass(MINUTE_MS);
  await told(1);
  t.deepEqual([named, first, second].map(isHere), [true, false, true]);
  age(second);
  pass(DAY_MS);
  await told(2);
  t.deepEqual([named, second].map(isHere), [true, false]);
  const third = await old('third');
  heard({kind: 'batch', batchId: ID});
  pass(3 * DAY_MS);
  t.is(begun.sweeps, 2, 'that batch is there');
  heard({kind: 'batch', batchId: asBatchId(2)});
  pass(MINUTE_MS);
  t.is(begun.sweeps, 3, 'and that one is not any more');
  await told(3);
  t.deepEqual([named, third].map(isHere), [true, false]);
  await closers.closeAll();
});

test('what went with a deleted batch goes at once when room is short, but for what somebody counts on', async t => {
  const {blobs, closers, named, begun, uploads, fences, unnamed, see, pass, told, isHere} =
    await rig(t);
  const put = async (text: string): Promise<BlobId> => await blobs.put(toUtf8(text));
  const ids = await Promise.all(['goes', 'asked', 'believed', 'never named'].map(put));
  const [goes, asked, believed, other] = ids as [BlobId, BlobId, BlobId, BlobId];
  unnamed([named, goes, asked, believed].map(blobId => ({blobId})));
  while (blobs.unnamed.count < 4) await sleep(1);
  t.is(await blobs.size(asked), 5);
  uploads.stored(believed, 8, asMonoMs(0));
  pass(10_000);
  t.is(begun.sweeps, 0, 'it is little, and there is room');
  see({freeBytes: 19, floorBytes: 10});
  pass(10_000);
  await told(1);
  t.deepEqual([named, goes, asked, believed, other].map(isHere), [true, false, true, true, true]);
  t.is(fences.passed, 1);
  t.deepEqual(blobs.unnamed, {count: 0, bytes: 0});
  await closers.closeAll();
});

test('on a full disk what an earlier life left goes after minutes, the oldest first, as much as is needed', async t => {
  const {blobs, closers, age, old, see, pass, told, isHere, named, begun} = await rig(t);
  const text = 'x'.repeat(20);
  const [first, second] = [await old(`1${text}`), await old(`2${text}`)];
  const ours = await blobs.put(toUtf8('of this life'));
  for (const [id, minutesAgo] of [
    [first, 3],
    [second, 2],
  ] as const)
    age(id, Date.now() / 1_000 - 60 * minutesAgo);
  see({freeBytes: 10, floorBytes: 10});
  pass(9 * MINUTE_MS);
  t.is(begun.sweeps, 1, 'too early for that');
  while (isHere(first)) {
    await sleep(20);
    pass(MINUTE_MS);
  }
  await told(1);
  t.deepEqual([named, first, second, ours].map(isHere), [true, false, true, true]);
  await closers.closeAll();
});
