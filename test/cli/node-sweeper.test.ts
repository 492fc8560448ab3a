// The sweep of a running node, on a clock that a test sets.

import {existsSync, utimesSync} from 'node:fs';
import {join} from 'node:path';
import {mock} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import test, {type ExecutionContext} from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import {asMonoMs, asWallMs, type BlobId} from '../../src/base/types.ts';
import {DAY_MS, HOUR_MS, MINUTE_MS} from '../../src/base/units.ts';
import {Closers} from '../../src/cli/closers.ts';
import {type NodeSweeperOf, openNodeSweeper} from '../../src/cli/node-sweeper.ts';
import type {Note} from '../../src/core/core.ts';
import {BlobStore, openBlobStore} from '../../src/io/blob-store.ts';
import {json, report} from '../io/sweep-rig.ts';
import {temporaryFolder} from './rig.ts';

/** A folder of blobs of ages that a test chooses. */
async function agedBlobs(t: ExecutionContext) {
  const dir = join(await temporaryFolder(t), 'blobs');
  await openBlobStore(dir);
  const start = Date.now() + DAY_MS;
  const passed = {ms: 0};
  const clock = {now: () => ({mono: asMonoMs(passed.ms), wall: asWallMs(start + passed.ms)})};
  const blobs = new BlobStore(dir, error => t.fail(String(error)), clock);
  const pathOf = (id: BlobId): string => join(dir, id.slice(0, 2), id);
  const put = async (text: string, hours: number): Promise<BlobId> => {
    const id = await blobs.put(toUtf8(text));
    const seconds = (start - hours * HOUR_MS) / 1_000;
    utimesSync(pathOf(id), seconds, seconds);
    return id;
  };
  return {blobs, clock, passed, put, isHere: (id: BlobId) => existsSync(pathOf(id))};
}

test('a node forgets what no row and no work in hand needs: after a day, or the oldest when room is short', async t => {
  mock.timers.enable({apis: ['setInterval']});
  t.teardown(() => mock.timers.reset());
  const {blobs, clock, passed, put, isHere} = await agedBlobs(t);
  const notes: Note[] = [];
  const names = ['output', 'picture', 'app', 'input', 'shared', 'old input', 'asked for'];
  const ids = await Promise.all(names.map(name => put(name, 30)));
  const [output, picture, appId, input, shared, , asked] = ids as [BlobId, BlobId, ...BlobId[]];
  const older = await put('1'.repeat(20), 9);
  const newer = await put('2'.repeat(20), 3);
  const young = await put('3'.repeat(20), 0.5);
  const held = [
    {appId, input: {kind: 'slice', blobId: input}, shared: undefined},
    {appId, input: {kind: 'range'}, shared: {blobId: shared}},
  ];
  const closers = new Closers();
  const sweeper = openNodeSweeper(
    {
      core: {slots: {held: () => held.values()}} as unknown as NodeSweeperOf['core'],
      store: {
        async *rows() {
          yield [report(output), json('meta', {}, `file/${picture}`)];
        },
      },
      ...{blobs, clock, journal: {note: note => notes.push(note)}},
      fatal: error => t.fail(String(error)),
    },
    closers,
  );
  const told = async (count: number): Promise<void> => {
    while (notes.length < count) {
      mock.timers.tick(MINUTE_MS);
      await sleep(5);
    }
  };
  const here = (): boolean[] => [...ids, older, newer, young].map(isHere);
  await blobs.size(asked as BlobId);
  passed.ms += 6 * MINUTE_MS;
  await told(1);
  t.deepEqual(here(), [true, true, true, true, true, false, true, true, true, true]);
  sweeper.see({freeBytes: 15, floorBytes: 10});
  passed.ms += 5 * MINUTE_MS;
  await told(2);
  t.deepEqual(here(), [true, true, true, true, true, false, true, false, true, true]);
  sweeper.see({freeBytes: 0, floorBytes: 100});
  passed.ms += 5 * MINUTE_MS;
  await told(3);
  t.deepEqual(here(), [true, true, true, true, true, false, true, false, false, true]);
  t.true(notes.every(({what}) => what === 'blobs that nothing names are deleted'));
  await closers.closeAll();
});
