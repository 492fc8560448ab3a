import test from 'ava';
import fc from 'fast-check';
import {batchesFor, type Share, shareOf} from '../../src/master/scheduler.ts';
import {batchOf, resultsOf, stateOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {EXEC_APP} from './test-node.ts';

const SHARE: Share = {
  wanted: 100,
  wantedMs: 1_000,
  slots: 4,
  runMs: 10,
  undecided: 1e6,
  nodesUp: 10,
};

const SHARES: readonly (readonly [string, Partial<Share>, number])[] = [
  ['one for each slot while nothing is measured', {runMs: -1}, 4],
  ['never more than is wanted', {runMs: -1, wanted: 2}, 2],
  ['as much as can be done in the time asked for', {}, 100],
  ['long ones: only as many as there is time for', {runMs: 500}, 2],
  ['very long ones: at least one', {runMs: 60_000}, 1],
  ['near the end no more than a fair share', {undecided: 50}, 10],
  ['a fair share is never below the slots', {undecided: 1}, 4],
  ['nothing is wanted', {wanted: 0}, 0],
  ['run times of nothing', {runMs: 0, wanted: 512}, 512],
  ['nobody is up', {nodesUp: 0, undecided: 3}, 6],
];

for (const [title, share, wanted] of SHARES)
  test(`shareOf: ${title}`, t => {
    t.is(shareOf({...SHARE, ...share}), wanted);
  });

test('shareOf is a whole number, never negative, never above what is wanted', t => {
  fc.assert(
    fc.property(
      fc.nat(1_000),
      fc.nat(100_000),
      fc.integer({min: 1, max: 64}),
      fc.oneof(fc.constant(-1), fc.double({min: 0, max: 1e6, noNaN: true})),
      fc.nat(1e7),
      fc.nat(1e4),
      (wanted, wantedMs, slots, runMs, undecided, nodesUp) => {
        const share = shareOf({wanted, wantedMs, slots, runMs, undecided, nodesUp});
        t.true(Number.isInteger(share) && share >= 0 && share <= wanted);
      },
    ),
  );
  t.pass();
});

const RANGE = {kind: 'range', start: 0, end: 100, chunk: 1} as const;

test('higher priority goes first', t => {
  const rig = MasterRig.ready();
  const low = rig.submit({priority: -1}, RANGE);
  const high = rig.submit({priority: 5}, RANGE);
  rig.submit({priority: 0}, RANGE);
  const node = rig.node('a');
  t.deepEqual(
    rig.pull(node, 4).map(({batchId}) => batchId),
    [high, high, high, high],
  );
  t.is(batchesFor(rig.core.context.running, stateOf(rig, node)).at(-1)?.row.id, low);
});

test('batches of one priority take turns', t => {
  const rig = MasterRig.ready();
  const a = rig.submit({}, RANGE);
  const b = rig.submit({}, RANGE);
  const c = rig.submit({}, RANGE);
  const node = rig.node('a');
  const served = Array.from({length: 6}, () => rig.pull(node, 1)[0]?.batchId);
  t.deepEqual(served, [a, b, c, a, b, c]);
});

test('one pull is filled from several batches when the first has too little', t => {
  const rig = MasterRig.ready();
  const a = rig.submit({priority: 1}, {kind: 'range', start: 0, end: 1, chunk: 1});
  const b = rig.submit({}, RANGE);
  const node = rig.node('a');
  t.deepEqual(
    rig.pull(node, 3).map(({batchId}) => batchId),
    [a, b, b],
  );
});

test('an exec batch goes only to nodes that allow its action', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, RANGE, {app: EXEC_APP.name});
  const wasm = rig.node('wasm', {runtimes: ['wasm', 'exec'], actions: ['render']});
  const never = rig.node('never', {runtimes: ['wasm'], actions: ['camera']});
  const able = rig.node('able', {runtimes: ['exec'], actions: ['camera']});
  t.is(rig.pull(wasm).length, 0);
  t.is(rig.pull(never).length, 0);
  t.deepEqual(new Set(rig.pull(able).map(({batchId}) => batchId)), new Set([id]));
});

test('an app with files, or of an image, goes only where its owner takes such', t => {
  const rig = MasterRig.ready();
  const grants = {files: 'camera+files', image: 'container:localhost/a:1'};
  const apps = {
    files: {...EXEC_APP, name: 'files', action: grants.files},
    image: {...EXEC_APP, name: 'image', runtime: 'container', action: grants.image},
  } as const;
  const ids = Object.values(apps).map(app => {
    rig.ask({kind: 'addApp', app});
    return rig.submit({minQuorum: 1}, RANGE, {app: app.name});
  });
  const runtimes = ['wasm', 'exec', 'container'];
  const served = (name: string, actions: string[], can = runtimes) =>
    new Set(rig.pull(rig.node(name, {runtimes: can, actions}), 2).map(({batchId}) => batchId));
  t.deepEqual(served('plain', ['camera', 'container:localhost/b:*']), new Set());
  t.deepEqual(served('engineless', ['container:localhost/a:1'], ['exec']), new Set());
  t.deepEqual(served('files', ['camera+files']), new Set([ids[0]]));
  t.deepEqual(served('image', ['container:localhost/*']), new Set([ids[1]]));
});

test('a wasm batch does not go to a node without the runtime', t => {
  const rig = MasterRig.ready();
  rig.submit({}, RANGE);
  t.is(rig.pull(rig.node('a', {runtimes: ['exec']})).length, 0);
});

test('a node never holds two replicas of a workunit', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 3}, {kind: 'range', start: 0, end: 2, chunk: 1});
  const [a, b] = rig.nodes(2);
  if (!a || !b) return t.fail();
  t.is(rig.pull(a, 8).length, 2);
  t.is(rig.pull(a, 8).length, 0);
  t.is(rig.pull(b, 8).length, 2);
});

test('workunits that were begun go before new ones', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 2}, RANGE);
  const [a, b] = rig.nodes(2);
  if (!a || !b) return t.fail();
  const first = rig.pull(a, 4).map(({index}) => index);
  t.deepEqual(
    rig.pull(b, 4).map(({index}) => index),
    first,
  );
});

test('a cancelled batch has no work', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, RANGE);
  rig.ask({kind: 'cancelBatch', batchId: id});
  t.false(batchOf(rig, id).hasWork);
  t.is(rig.pull(rig.node('a')).length, 0);
});

test('a range that one fast node runs through does not come into memory whole', t => {
  // DESIGN section 8: memory holds what is in flight and what waits for a retry, never the whole batch.
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 2}, {...RANGE, end: 80_000});
  batchOf(rig, id).noteRunMs(0.01);
  const fast = rig.node('fast');
  // All of it looks at each of 65,536 open workunits: once is enough.
  const check = rig.core.check.bind(rig.core);
  rig.core.check = () => undefined;
  for (
    let work = rig.pull(fast, 512), i = 0;
    work.length > 0 && i < 500;
    work = rig.pull(fast, 512), i++
  ) {
    const reports = [];
    for (let at = 0; at < work.length; at += 31)
      reports.push(rig.reportOf(fast, resultsOf(work.slice(at, at + 31))));
    rig.says(fast, ...reports);
  }
  rig.core.check = check;
  check();
  t.is(batchOf(rig, id).open.size, 65_536);
  const slow = rig.node('slow');
  rig.report(slow, rig.pull(slow, 16));
  t.true(batchOf(rig, id).counters.done > 0);
  t.true(rig.pull(fast, 16).length > 0, 'and it goes on when others have caught up');
});
