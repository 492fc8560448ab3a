// The sweep of a running master, put together as it is there, on a clock that a test sets.

import {existsSync, mkdirSync, rmSync, utimesSync} from 'node:fs';
import {join} from 'node:path';
import {mock} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import test, {type ExecutionContext} from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import {asBatchId, asMonoMs, asWallMs, type BlobId} from '../../src/base/types.ts';
import {DAY_MS, MINUTE_MS} from '../../src/base/units.ts';
import {Closers} from '../../src/cli/closers.ts';
import {openSweeper, type SweeperOf} from '../../src/cli/master-sweeper.ts';
import type {Note} from '../../src/core/core.ts';
import {batchKey, encodeJson, put} from '../../src/core/tables.ts';
import {openBlobStore} from '../../src/io/blob-store.ts';
import {openLevelStore} from '../../src/io/level-store.ts';
import {temporaryFolder} from './rig.ts';

const ID = asBatchId(1);
const DELETED = 'blobs that nothing names are deleted';

/** A store in which batch 1 names one blob, and the sweeper on it. */
async function rig(t: ExecutionContext) {
  mock.timers.enable({apis: ['setInterval']});
  t.teardown(() => mock.timers.reset());
  const data = await temporaryFolder(t);
  const store = await openLevelStore(join(data, 'store'));
  const blobs = await openBlobStore(join(data, 'blobs'));
  const closers = new Closers();
  closers.add(() => store.close());
  const notes: Note[] = [];
  const pathOf = (id: BlobId): string => join(data, 'blobs', id.slice(0, 2), id);
  const age = (id: BlobId): void => utimesSync(pathOf(id), 1_000, 1_000);
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
  const begun = {sweeps: 0};
  const beginSweep = blobs.beginSweep.bind(blobs);
  blobs.beginSweep = () => {
    begun.sweeps += 1;
    return beginSweep();
  };
  let mono = 0;
  const start = Date.now();
  const heard = openSweeper(
    {
      ...{store, blobs, data, fatal: error => t.fail(String(error))},
      core: {context: {batches: new Map([[ID, {}]])}} as unknown as SweeperOf['core'],
      clock: {now: () => ({mono: asMonoMs(mono), wall: asWallMs(start + mono)})},
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
  return {data, blobs, closers, notes, age, old, named, begun, heard, pass, told, isHere};
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
