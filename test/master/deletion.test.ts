// Batches that go: what is deleted, what stays, in slices, and what a restart makes of it.

import test from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import type {BatchId, BlobId} from '../../src/base/types.ts';
import {MINUTE_MS} from '../../src/base/units.ts';
import {listedReport} from '../../src/core/lookups.ts';
import {jsonRow, put} from '../../src/core/tables.ts';
import {batchOf, creditOf, only} from './look.ts';
import {MasterRig} from './rig.ts';
import {goOn} from './shelving.ts';
import {blobOf, type TestNode} from './test-node.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;

function finish(rig: MasterRig, node: TestNode): void {
  for (let work = rig.pull(node, 64); work.length > 0; work = rig.pull(node, 64))
    rig.report(node, work);
}

const remove = (rig: MasterRig, batchId: BatchId, force = false) =>
  rig.asked({kind: 'deleteBatch', batchId, force});

test('a deleted batch is gone at once, and its rows soon', t => {
  const rig = MasterRig.ready();
  const [gone, kept] = [rig.submit({minQuorum: 1}, rangeOf(200)), rig.submit({minQuorum: 1})];
  const a = rig.node('a', {slots: 64});
  finish(rig, a);
  const credit = {...creditOf(rig, a)};
  const {effects} = remove(rig, gone);
  t.false(rig.core.context.batches.has(gone));
  t.true(only(effects, 'announce').some(({about, row}) => about.kind === 'batch' && !row));
  goOn(rig, effects);
  t.deepEqual(
    rig.scan('page').map(([key]) => Number.parseInt(key.slice(0, 8), 16)),
    [kept],
  );
  t.is(rig.scan('batch').length, 1);
  for (const [, row] of rig.scan('report')) t.true(listedReport(0, row).batchIds.includes(kept));
  t.deepEqual({...creditOf(rig, a)}, credit);
  t.true(rig.scan('history').some(([key]) => Number.parseInt(key.slice(0, 8), 16) === gone));
  rig.kill();
  t.deepEqual([...rig.core.context.batches.keys()], [kept]);
});

test('a report with results of another batch too stays until that goes as well', t => {
  const rig = MasterRig.ready();
  const ids = [rig.submit({minQuorum: 1}, rangeOf(2)), rig.submit({minQuorum: 1}, rangeOf(2))];
  const a = rig.node('a');
  rig.report(a, [...rig.pull(a, 2), ...rig.pull(a, 2)]);
  t.is(rig.scan('report').length, 1);
  goOn(rig, remove(rig, ids[0] as BatchId).effects);
  t.is(rig.scan('report').length, 1);
  t.is(rig.scan('page').length, 1);
  goOn(rig, remove(rig, ids[1] as BatchId).effects);
  t.is(rig.scan('report').length, 0);
});

test('blobs are told to the shell with the last rows that named them, and believed no more', t => {
  const rig = MasterRig.ready();
  const input = {...blobOf('a line'), kind: 'blob', count: 1} as const;
  const ids = [rig.submit({minQuorum: 1}, input), rig.submit({minQuorum: 1}, rangeOf(1))] as [
    BatchId,
    BatchId,
  ];
  const a = rig.node('a');
  rig.feed();
  const output = blobOf('an output');
  rig.turn({type: 'blobStored', ...output});
  const work = [...rig.pull(a, 1), ...rig.pull(a, 1)];
  rig.report(a, work, () => ({kind: 'blob', ...output}));
  t.is(rig.scan('report').length, 1);
  const unnamedBy = (batchId: BatchId): BlobId[] => {
    const told: BlobId[] = [];
    goOn(rig, remove(rig, batchId).effects, effects => {
      for (const {blobs} of only(effects, 'unnamed')) {
        told.push(...blobs.map(({blobId}) => blobId));
        for (const {blobId} of blobs)
          t.false(rig.core.context.uploads.believes(blobId, rig.now.mono), 'it may be gone');
      }
    });
    return told;
  };
  t.true(rig.core.context.uploads.believes(output.blobId, rig.now.mono));
  t.deepEqual(unnamedBy(ids[0]), [input.blobId], 'the report is of another batch too');
  t.true(rig.core.context.uploads.believes(output.blobId, rig.now.mono));
  t.deepEqual(new Set(unnamedBy(ids[1])), new Set([output.blobId]));
  // A late report of it has the output asked for again.
  const again = rig.submit({minQuorum: 1}, rangeOf(1));
  const late = rig.report(a, rig.pull(a), () => ({kind: 'blob', ...output}));
  t.is(only(late, 'receipt').length, 0);
  rig.turn({type: 'blobStored', ...output});
  t.true(batchOf(rig, again).running);
});

test('a turn deletes a bounded slice, however large the batch was', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(64 * 1_000));
  rig.ask({kind: 'cancelBatch', batchId: id});
  const deleted = goOn(rig, remove(rig, id).effects);
  t.true(Math.max(...deleted) <= 257, String(deleted));
  t.is(
    deleted.reduce((sum, count) => sum + count, 0),
    1_001,
  );
});

test('a master that dies while it deletes begins again, and shows nothing of the batch', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(64 * 600));
  const a = rig.node('a', {slots: 64});
  rig.report(a, rig.pull(a, 64));
  rig.ask({kind: 'cancelBatch', batchId: id});
  remove(rig, id);
  rig.pass(20);
  rig.kill();
  t.is(rig.core.context.batches.size, 0);
  goOn(rig);
  t.deepEqual([...rig.scan('page'), ...rig.scan('batch'), ...rig.scan('report')], []);
  rig.kill();
  t.is(rig.core.context.batches.size, 0);
});

test('numbers of deleted batches and their reports never come again', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(1));
  const a = rig.node('a');
  rig.report(a, rig.pull(a));
  const [[before] = ['']] = rig.scan('report');
  goOn(rig, remove(rig, id).effects);
  rig.kill();
  rig.join(a);
  const next = rig.submit({minQuorum: 1}, rangeOf(1));
  t.true(next > id);
  rig.report(a, rig.pull(a));
  t.true((rig.scan('report')[0]?.[0] ?? '') > before);
});

test('a running batch is not deleted without force, and with it is cancelled first', t => {
  const rig = MasterRig.ready();
  const id = rig.submit();
  const a = rig.node('a');
  const work = rig.pull(a);
  t.like(remove(rig, id).answer, {ok: false, code: 'VOLLEY_USAGE'});
  t.true(batchOf(rig, id).running);
  const {answer, effects} = remove(rig, id, true);
  t.true(answer.ok);
  t.true(only(effects, 'multicast').some(({command}) => command.what.kind === 'cancelBatch'));
  goOn(rig, effects);
  // A late result is acknowledged and leaves nothing behind.
  t.is(only(rig.report(a, work), 'receipt').length, 1);
  t.is(rig.scan('report').length, 0);
  t.is(rig.scan('page').length, 0);
});

test('doubts about results of a deleted batch go with it', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(1));
  const a = rig.node('a');
  rig.report(a, rig.pull(a));
  rig.ask({kind: 'revokeNode', nodeId: a.id});
  const check = {state: 'open', reportNo: 1, item: 0, hash: new Uint8Array(32)} as const;
  const pages = [{batchId: id, pageNo: 0, singles: new Map([[0, check]])}];
  rig.turn({type: 'singlesListed', nodeId: a.id, pages, total: 1});
  t.is(rig.scan('doubt').length, 1);
  t.is(rig.scan('check').length, 1);
  goOn(rig, remove(rig, id, true).effects);
  t.deepEqual([...rig.scan('doubt'), ...rig.scan('check')], []);
});

/** A master that keeps ended batches for an hour. */
function forgetful(): MasterRig {
  const rig = MasterRig.ready();
  Object.assign(rig.config, {retentionMs: 60 * MINUTE_MS});
  rig.kill();
  return rig;
}

test('batches are deleted when they are kept long enough, by the rule and said so', t => {
  const rig = forgetful();
  const [ended, runs] = [rig.submit({}, rangeOf(1)), rig.submit()];
  rig.ask({kind: 'cancelBatch', batchId: ended});
  rig.pass(59 * MINUTE_MS);
  t.true(rig.core.context.batches.has(ended));
  goOn(rig, rig.pass(3 * MINUTE_MS));
  t.deepEqual([...rig.core.context.batches.keys()], [runs]);
  t.is(rig.scan('batch').length, 1);
  const last = rig.scan('history').findLast(([key]) => key.startsWith('00000001'));
  t.like(last && jsonRow(last[1]), {actor: 'retention', action: 'deleted'});
});

test('a wall clock that is set years ahead deletes nothing', t => {
  const rig = forgetful();
  const id = rig.submit({}, rangeOf(1));
  rig.ask({kind: 'cancelBatch', batchId: id});
  rig.wallStepMs = 365 * 24 * 60 * MINUTE_MS;
  rig.pass(3 * MINUTE_MS);
  t.true(rig.core.context.batches.has(id));
});

test('many overdue batches go one after the other', t => {
  const rig = forgetful();
  for (let i = 0; i < 70; i++) rig.ask({kind: 'cancelBatch', batchId: rig.submit({}, rangeOf(1))});
  rig.apply(put('meta', 'unused', toUtf8('{}')));
  goOn(rig, rig.pass(62 * MINUTE_MS));
  goOn(rig, rig.pass(2 * MINUTE_MS));
  t.is(rig.core.context.batches.size, 0);
});

test('a batch that is deleted while what rests on a node is listed leaves no row of it', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(1));
  const a = rig.node('a');
  rig.report(a, rig.pull(a));
  rig.ask({kind: 'revokeNode', nodeId: a.id});
  goOn(rig, remove(rig, id).effects);
  const check = {state: 'open', reportNo: 1, item: 0, hash: new Uint8Array(32)} as const;
  const pages = [{batchId: id, pageNo: 0, singles: new Map([[0, check]])}];
  rig.turn({type: 'singlesListed', nodeId: a.id, pages, total: 1});
  t.deepEqual([...rig.scan('doubt'), ...rig.scan('check')], []);
  t.is(rig.core.context.running.size, 0);
});
