import test from 'ava';
import fc from 'fast-check';
import {encodeMessage} from '../../src/wire/codec.ts';
import {
  ARGS_BYTES_MAX,
  ARGS_MAX,
  INLINE_INPUT_BYTES_MAX,
  LEASES_PER_ASSIGN_MAX,
  PLAINTEXT_BYTES_MAX,
} from '../../src/wire/limits.ts';
import type {Assign} from '../../src/wire/message.ts';
import {assignsOf, batchOf, only, renewalsOf, stateOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {APP, EXEC_APP, type TestNode} from './test-node.ts';

const RANGE = {kind: 'range', start: 0, end: 1_000, chunk: 1} as const;
const LINES = {kind: 'lines', blobId: APP.appId, indexBlobId: APP.appId, count: 1_000} as const;
const PARTS_MAX = 8;

test('a repeat of a pull gets the same leases, and nothing more is handed out', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, RANGE);
  const a = rig.node('a');
  const pull = rig.pullOf(a, 4);
  const first = assignsOf(rig.says(a, pull), a);
  const again = assignsOf(rig.says(a, pull), a);
  t.deepEqual(again, first);
  t.is(batchOf(rig, id).out, 4);
});

test('a pull of before, overtaken on its way, changes nothing of the answer to the last one', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, RANGE);
  const a = rig.node('a');
  const early = rig.pullOf(a, 1);
  const pull = rig.pullOf(a, 4);
  const first = assignsOf(rig.says(a, pull), a);
  t.deepEqual(assignsOf(rig.says(a, early), a), []);
  t.deepEqual(assignsOf(rig.says(a, pull), a), first);
  t.is(batchOf(rig, id).out, 4);
});

test('numbers of pulls go on from 0 after the last', t => {
  const rig = MasterRig.ready();
  rig.submit({}, RANGE);
  const a = rig.node('a');
  const last = {...rig.pullOf(a, 1), nonce: 2 ** 32 - 1} as ReturnType<typeof rig.pullOf>;
  const next = {...rig.pullOf(a, 1), nonce: 0} as typeof last;
  t.is(assignsOf(rig.says(a, last), a).length, 1);
  t.is(assignsOf(rig.says(a, next), a).length, 1);
  t.is(assignsOf(rig.says(a, last), a).length, 0);
});

test('the next pull gets other leases', t => {
  const rig = MasterRig.ready();
  rig.submit({}, RANGE);
  const a = rig.node('a');
  t.deepEqual(
    rig.pull(a, 2).map(({index}) => index),
    [0, 1],
  );
  t.deepEqual(
    rig.pull(a, 2).map(({index}) => index),
    [2, 3],
  );
});

test('a node that began anew is not given the leases of its earlier life', t => {
  const rig = MasterRig.ready();
  rig.submit({}, RANGE);
  const a = rig.node('a');
  const pull = rig.pullOf(a, 4);
  rig.says(a, pull);
  a.bootId = new Uint8Array(8);
  rig.join(a);
  rig.says(a, {...pull, wanted: 1} as typeof pull);
  t.is(stateOf(rig, a).out.size, 1);
});

test('no work: one empty answer', t => {
  const rig = MasterRig.ready();
  const a = rig.node('a');
  const assigns = assignsOf(rig.says(a, rig.pullOf(a)), a);
  t.is(assigns.length, 1);
  t.like(assigns[0], {batches: [], part: 0, parts: 1, closed: []});
});

test('paused: an empty answer that says so', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, RANGE);
  rig.core.context.state = {generation: 3, paused: true};
  const a = rig.node('a');
  const [assign] = assignsOf(rig.says(a, rig.pullOf(a)), a);
  t.deepEqual(assign?.batches, []);
  t.deepEqual(assign?.state, {generation: 3, paused: true});
  t.is(batchOf(rig, id).out, 0);
});

test('a pull that wants nothing is a heartbeat: an empty answer', t => {
  const rig = MasterRig.ready();
  rig.submit({}, RANGE);
  const a = rig.node('a');
  const assigns = assignsOf(rig.says(a, rig.pullOf(a, 0)), a);
  t.deepEqual(
    assigns.map(({batches}) => batches),
    [[]],
  );
});

test('a pull before Welcome is not answered', t => {
  const rig = MasterRig.ready();
  rig.submit({}, RANGE);
  const known = rig.node('a');
  rig.kill();
  t.deepEqual(rig.says(known, rig.pullOf(known)), []);
});

test('batches that ended are named to a node that still holds replicas of them', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, RANGE);
  const a = rig.node('a');
  const work = rig.pull(a);
  rig.ask({kind: 'cancelBatch', batchId: id});
  const [assign] = assignsOf(rig.says(a, rig.pullOf(a, 0, renewalsOf(work))), a);
  t.deepEqual(assign?.closed, [id]);
});

test('at most sixteen ended batches are named in one answer', t => {
  const rig = MasterRig.ready();
  const a = rig.node('a', {slots: 32});
  const ids = Array.from({length: 20}, () => rig.submit({}, {...RANGE, end: 1}));
  const work = rig.pull(a, 32);
  t.is(work.length, 20);
  for (const batchId of ids) rig.ask({kind: 'cancelBatch', batchId});
  const [assign] = assignsOf(rig.says(a, rig.pullOf(a, 0, renewalsOf(work))), a);
  t.is(assign?.closed.length, 16);
});

/** What the wire allows, for every part of an answer. */
function checkParts(t: import('ava').ExecutionContext, assigns: readonly Assign[]): void {
  for (const [no, assign] of assigns.entries()) {
    t.is(assign.part, no);
    t.is(assign.parts, assigns.length);
    t.true(
      assign.batches.reduce((sum, {leases}) => sum + leases.length, 0) <= LEASES_PER_ASSIGN_MAX,
    );
    const size = encodeMessage(assign).length;
    if (size > PLAINTEXT_BYTES_MAX) t.fail(`part ${no} takes ${size} bytes`);
  }
}

/** Makes the master know that the batch's workunits take no time, so that a pull is answered in full. */
function hurry(rig: MasterRig): void {
  for (const batch of rig.core.context.running) batch.noteRunMs(0.01);
}

function answer(rig: MasterRig, node: TestNode, wanted: number): Assign[] {
  return assignsOf(rig.says(node, rig.pullOf(node, wanted)), node);
}

test('parts fit the datagram for inline inputs of every size', t => {
  for (let size = 0; size <= INLINE_INPUT_BYTES_MAX; size += 1) {
    const rig = MasterRig.ready();
    rig.submit({}, LINES);
    rig.feed(() => ({kind: 'inline', bytes: new Uint8Array(size).fill(255)}));
    hurry(rig);
    const assigns = answer(rig, rig.node('a'), 512);
    t.true(assigns.length > 1 && assigns.length <= PARTS_MAX, `${assigns.length} of ${size}`);
    checkParts(t, assigns);
  }
});

test('parts fit the datagram for all sizes of arguments and inputs, with closed batches', t => {
  fc.assert(
    fc.property(
      fc.integer({min: 0, max: ARGS_BYTES_MAX}),
      fc.integer({min: 1, max: ARGS_MAX}),
      fc.integer({min: 0, max: INLINE_INPUT_BYTES_MAX}),
      (argBytes, argCount, inputBytes) => {
        const rig = MasterRig.ready();
        const a = rig.node('a', {slots: 32});
        const ended = Array.from({length: 16}, () => rig.submit({}, {...RANGE, end: 1}));
        const held = rig.pull(a, 32);
        for (const batchId of ended) rig.ask({kind: 'cancelBatch', batchId});
        const each = Math.floor(argBytes / argCount);
        const args = Array.from({length: argCount}, () => 'x'.repeat(each));
        rig.submit({}, LINES, {args});
        rig.feed(() => ({kind: 'inline', bytes: new Uint8Array(inputBytes)}));
        hurry(rig);
        const assigns = assignsOf(rig.says(a, rig.pullOf(a, 512, renewalsOf(held))), a);
        checkParts(t, assigns);
        t.is(assigns[0]?.closed.length, 16);
        t.true(assigns.length > 1 && assigns.length <= PARTS_MAX + 1);
      },
    ),
    {
      numRuns: 150,
      examples: [
        [ARGS_BYTES_MAX, ARGS_MAX, INLINE_INPUT_BYTES_MAX],
        [512, 1, 512],
      ],
    },
  );
});

test('one pull is answered by at most eight datagrams, however large the arguments are', t => {
  const rig = MasterRig.ready();
  rig.submit({}, LINES, {args: ['x'.repeat(ARGS_BYTES_MAX)]});
  rig.feed(() => ({kind: 'inline', bytes: new Uint8Array(150)}));
  hurry(rig);
  const assigns = answer(rig, rig.node('a'), 512);
  checkParts(t, assigns);
  t.true(assigns.length <= PARTS_MAX, `${assigns.length} parts`);
});

test('one pull is answered by at most eight datagrams, however many batches there are', t => {
  const rig = MasterRig.ready();
  for (let i = 0; i < 40; i++)
    rig.submit({}, {...RANGE, end: 1}, {args: ['x'.repeat(ARGS_BYTES_MAX)]});
  const assigns = answer(rig, rig.node('a', {slots: 64}), 64);
  checkParts(t, assigns);
  t.true(assigns.length <= PARTS_MAX, `${assigns.length} parts`);
});

test('what did not fit into one answer comes with the next', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, {...LINES, count: 60});
  rig.feed(() => ({kind: 'inline', bytes: new Uint8Array(500)}));
  hurry(rig);
  const a = rig.node('a');
  const seen = new Set<number>();
  for (let i = 0; i < 20; i++) for (const {index} of rig.pull(a, 512)) seen.add(index);
  t.is(seen.size, 60);
  t.is(batchOf(rig, id).out, 60);
});

const wakes = (effects: readonly Parameters<typeof only>[0][number][]) =>
  only(effects, 'multicast').filter(({command}) => command.what.kind === 'workAvailable');

test('idle nodes are woken by one multicast, and not again without new work', t => {
  const rig = MasterRig.ready();
  const [a, b] = rig.nodes(2);
  if (!a || !b) return t.fail();
  rig.pull(a);
  rig.pull(b);
  const {effects} = rig.asked({
    kind: 'submitBatch',
    batch: {name: 'b', app: APP.name, args: [], input: RANGE, policy: {}},
  });
  const [first, ...more] = wakes(effects);
  t.truthy(first);
  t.is(more.length, 0);
  const repeats = wakes(rig.pass(2_000));
  t.deepEqual(new Set(repeats.map(({seq}) => seq)), new Set([first?.seq]));
});

test('a busy node is not woken', t => {
  const rig = MasterRig.ready();
  rig.submit({}, RANGE);
  const a = rig.node('a');
  rig.pull(a, 2);
  const {effects} = rig.asked({
    kind: 'submitBatch',
    batch: {name: 'b', app: APP.name, args: [], input: RANGE, policy: {}},
  });
  t.is(wakes(effects).length, 0);
});

test('a node that can run none of it is not called for it', t => {
  const rig = MasterRig.ready();
  const [a, b] = [rig.node('a'), rig.node('b', {runtimes: ['exec'], actions: [EXEC_APP.action]})];
  for (const node of [a, b]) rig.pull(node);
  const batch = {name: 'b', app: APP.name, args: [], input: RANGE, policy: {}};
  t.is(wakes(rig.asked({kind: 'submitBatch', batch}).effects).length, 1);
  rig.pull(a, 1);
  rig.pass(100);
  t.is(rig.pull(b).length, 0);
  const more = wakes(rig.asked({kind: 'submitBatch', batch}).effects);
  t.is(more.length, 0, 'only b is idle, and it has no use for it');
  const exec = {...batch, app: EXEC_APP.name};
  t.is(wakes(rig.asked({kind: 'submitBatch', batch: exec}).effects).length, 1);
});

test('work that comes in quick succession does not wake a room over and over, and is not forgotten', t => {
  const rig = MasterRig.ready();
  for (const node of rig.nodes(100)) rig.pull(node);
  const batch = {name: 'b', app: APP.name, args: [], input: RANGE, policy: {}};
  const first = wakes(rig.asked({kind: 'submitBatch', batch}).effects);
  rig.mono += 1;
  const second = wakes(rig.asked({kind: 'submitBatch', batch}).effects);
  t.is(first.length, 1);
  t.is(second.length, 0);
  const later = wakes(rig.pass(15)).filter(({seq}) => seq !== first[0]?.seq);
  t.is(later.length, 1);
});

test('lines wake nodes when their inputs are there', t => {
  const rig = MasterRig.ready();
  const a = rig.node('a');
  rig.pull(a);
  const {effects} = rig.asked({
    kind: 'submitBatch',
    batch: {name: 'b', app: APP.name, args: [], input: LINES, policy: {}},
  });
  t.is(wakes(effects).length, 0);
  t.is(only(effects, 'readInputs').length, 1);
  const {batchId, from, count} = rig.reads[0] ?? {};
  if (batchId === undefined || from === undefined || count === undefined) return t.fail();
  const inputs = Array.from({length: count}, () => ({
    kind: 'inline' as const,
    bytes: new Uint8Array(),
  }));
  t.is(wakes(rig.turn({type: 'inputsRead', batchId, from, inputs})).length, 1);
});

test('inputs that cannot be read end the batch with the reason', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, LINES);
  rig.turn({type: 'inputsFailed', batchId: id, reason: 'line 7 is too long'});
  t.like(batchOf(rig, id).counters, {state: 'failed', reason: 'inputs: line 7 is too long'});
});

test('inputs that come after their batch ended are dropped', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, LINES);
  rig.ask({kind: 'cancelBatch', batchId: id});
  rig.feed();
  t.is(batchOf(rig, id).open.size, 0);
});

test('a little work calls a few nodes, and all of them when those do not come', t => {
  const rig = MasterRig.ready();
  for (const node of rig.nodes(4)) rig.pull(node);
  const {effects} = rig.asked({
    kind: 'submitBatch',
    batch: {
      name: 'one',
      app: APP.name,
      args: [],
      input: {kind: 'range', start: 0, end: 1, chunk: 1},
      policy: {minQuorum: 1},
    },
  });
  const [first, ...more] = wakes(effects);
  t.is(first?.command.target.nodes.length, 1);
  t.is(more.length, 0);
  const later = wakes(rig.pass(2_000)).filter(({seq}) => seq !== first?.seq);
  t.deepEqual(new Set(later.map(({seq}) => seq)), new Set([(first?.seq ?? 0) + 1]));
  t.is(later[0]?.command.target.nodes.length, 0);
});
