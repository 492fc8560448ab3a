// Broadcasts: one workunit for each node, all with the same input.

import test from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import {asBlobId, type BatchId} from '../../src/base/types.ts';
import type {InputSource} from '../../src/core/input-source.ts';
import type {PolicyRequest} from '../../src/core/policy.ts';
import {decodePage} from '../../src/core/tables.ts';
import {viewBatch} from '../../src/master/status.ts';
import {keyOf, mend} from './damage.ts';
import {Desk} from './desk.ts';
import {batchOf, notesOf, receiptsOf, refOf, resultsOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {shelve} from './shelving.ts';
import {APP, inline, type TestNode, type Work} from './test-node.ts';

const ONE = {kind: 'range', start: 5, end: 9, chunk: 100} as const;
const BLOB = asBlobId('cd'.repeat(32));
const LINE = {kind: 'lines', blobId: BLOB, indexBlobId: BLOB, count: 1} as const;

const submit = (rig: MasterRig, policy: PolicyRequest = {}, input: InputSource = ONE): BatchId =>
  rig.submit({broadcast: true, ...policy}, input);

function room(count: number, policy: PolicyRequest = {}) {
  const rig = MasterRig.ready();
  const nodes = rig.nodes(count);
  return {rig, nodes, id: submit(rig, policy)};
}

const waitingOf = (rig: MasterRig, id: BatchId): string | undefined =>
  viewBatch(rig.core, id, rig.now)?.waiting;

const listsOf = (rig: MasterRig) => rig.scan('meta', 'broadcast-', 'broadcast-~');

const failed = (work: readonly Work[]) =>
  work.map(each => ({...refOf(each), cpuMs: 1, status: 'timedOut', reason: ''}) as const);

/** A heartbeat of these; all others become silent. */
function only(rig: MasterRig, ...nodes: TestNode[]): void {
  for (let i = 0; i < 5; i++) {
    rig.pass(1_000);
    for (const node of nodes) rig.pull(node, 0);
  }
}

test('each node is given its own workunit, in whatever order they ask, and all the same input', t => {
  const {rig, nodes, id} = room(5);
  t.is(batchOf(rig, id).row.count, 5);
  for (const no of [3, 0, 4, 1, 2]) {
    const node = nodes[no] as TestNode;
    const work = rig.pull(node, 64);
    t.deepEqual(
      work.map(({index}) => index),
      [no],
    );
    t.deepEqual(work[0]?.input, {kind: 'range', start: 5, end: 9});
    t.deepEqual(rig.pull(node, 64), [], 'one, and no second one');
    rig.report(node, work, () => inline(`of ${no}`));
  }
  t.like(batchOf(rig, id).counters, {state: 'done', done: 5, replicas: 5, disagreements: 0});
  t.is(batchOf(rig, id).row.policy.minQuorum, 1);
});

test('a line that has to be read is the input of all', t => {
  const rig = MasterRig.ready();
  const nodes = rig.nodes(3);
  const id = submit(rig, {}, LINE);
  t.deepEqual(rig.pull(nodes[0] as TestNode), [], 'it is not here yet');
  t.like(rig.reads[0], {from: 0, count: 1});
  rig.feed(() => ({kind: 'inline', bytes: toUtf8('x')}));
  for (const node of nodes) {
    const work = rig.pull(node);
    t.deepEqual(work[0]?.input, {kind: 'inline', bytes: toUtf8('x')});
    rig.report(node, work);
  }
  t.is(batchOf(rig, id).counters.state, 'done');
  t.deepEqual(rig.reads, [], 'it is read once');
});

test('only members that the target selects and that can run it are asked', t => {
  const rig = MasterRig.ready();
  const [a] = rig.nodes(1, {labels: ['ring1']}) as [TestNode];
  rig.node('other');
  const gone = rig.node('gone', {labels: ['ring1']});
  rig.ask({kind: 'revokeNode', nodeId: gone.id});
  const bad = rig.node('bad', {labels: ['ring1']});
  rig.ask({kind: 'holdNode', nodeId: bad.id, hold: 'quarantined', reason: ''});
  const answer = rig.ask({
    kind: 'submitBatch',
    batch: {
      name: 'b',
      app: APP.name,
      args: [],
      input: ONE,
      policy: {broadcast: true},
      target: {labels: ['ring1']},
    },
  });
  t.true(answer.ok);
  t.is(batchOf(rig, answer.ok ? (answer.batchId as BatchId) : (0 as BatchId)).row.count, 1);
  t.is(rig.pull(a).length, 1);
  const late = rig.node('late', {labels: ['ring1']});
  t.deepEqual(rig.pull(late), [], 'it joined later');
});

test('without a node, with many inputs, and with a policy of several results it is refused', t => {
  const rig = MasterRig.ready();
  const ask = (policy: PolicyRequest, input: InputSource = ONE) =>
    rig.ask({
      kind: 'submitBatch',
      batch: {name: 'b', app: APP.name, args: [], input, policy: {broadcast: true, ...policy}},
    });
  t.like(ask({}), {
    ok: false,
    code: 'VOLLEY_USAGE',
    fields: {reason: 'a broadcast needs a node (minQuorum), and 0 have joined'},
  });
  rig.nodes(3);
  t.like(ask({}, {...ONE, chunk: 1}), {ok: false, code: 'VOLLEY_BAD_INPUT'});
  t.like(ask({}, {...LINE, count: 2}), {ok: false, code: 'VOLLEY_BAD_INPUT'});
  const several: readonly (readonly [PolicyRequest, string])[] = [
    [{minQuorum: 2}, 'minQuorum'],
    [{targetReplicas: 2}, 'targetReplicas'],
    [{redundancy: 'adaptive'}, 'redundancy'],
    [{homogeneous: 'arch'}, 'homogeneous'],
    [{compare: {kind: 'numeric'}}, 'compare'],
    [{firstWins: true}, 'firstWins'],
    [{minQuorum: 3, firstWins: true}, 'minQuorum and firstWins'],
    [
      {minQuorum: 3, targetReplicas: 3, homogeneous: 'engine'},
      'minQuorum and targetReplicas and homogeneous',
    ],
  ];
  for (const [policy, names] of several) {
    const reason = `a broadcast has one result of each node: leave ${names} out`;
    t.like(ask(policy), {ok: false, code: 'VOLLEY_BAD_POLICY', fields: {reason}});
  }
  t.is(rig.core.context.batches.size, 0);
  t.deepEqual(rig.scan('batch'), []);
  t.true(ask({redundancy: 'none', homogeneous: 'off'}).ok);
});

test('it waits for nodes that are not there, and says for whom', t => {
  const rig = MasterRig.ready();
  const [a, b, c] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  rig.ask({kind: 'holdNode', nodeId: c.id, hold: 'draining', reason: ''});
  only(rig, a, c);
  const {answer} = rig.asked({
    kind: 'submitBatch',
    batch: {name: 'b', app: APP.name, args: [], input: ONE, policy: {broadcast: true}},
  });
  t.like(answer, {ok: true});
  const text = 'needs each of its 3 nodes, and 2 cannot begin now: n1 is silent, n2 is draining';
  t.is(answer.ok ? answer.warning : '', text);
  const id = (answer.ok ? answer.batchId : 0) as BatchId;
  t.is(waitingOf(rig, id), text);
  rig.report(a, rig.pull(a));
  t.like(batchOf(rig, id).counters, {state: 'running', done: 1});
  t.deepEqual(rig.pull(a), [], 'it does nothing for the others');
  rig.join(b);
  rig.ask({kind: 'resumeNode', nodeId: c.id});
  t.is(waitingOf(rig, id), undefined);
  for (const node of [b, c]) rig.report(node, rig.pull(node));
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('where all have to be there at once it is refused', t => {
  const rig = MasterRig.ready();
  const [a] = rig.nodes(2) as [TestNode];
  only(rig, a);
  const batch = {name: 'b', app: APP.name, args: [], input: ONE, policy: {broadcast: true}};
  const answer = rig.ask({kind: 'submitBatch', batch: {...batch, strict: true}});
  t.like(answer, {ok: false, code: 'VOLLEY_TOO_FEW_NODES'});
  t.deepEqual(listsOf(rig), []);
});

test('a node that was lost with it is given it again, and nobody else', t => {
  const {rig, nodes, id} = room(3);
  const [a, b, c] = nodes as [TestNode, TestNode, TestNode];
  rig.pull(a);
  for (const node of [b, c]) rig.report(node, rig.pull(node));
  only(rig, b, c);
  t.deepEqual([...rig.pull(b), ...rig.pull(c)], []);
  t.is(batchOf(rig, id).out, 0);
  rig.join(a);
  rig.report(a, rig.pull(a));
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('what is late at its node is not given to an idle one', t => {
  const {rig, nodes, id} = room(2, {leaseSeconds: 600});
  const [a, b] = nodes as [TestNode, TestNode];
  rig.report(b, rig.pull(b));
  const [held] = rig.pull(a);
  rig.pull(b);
  for (let i = 0; i < 30; i++) {
    rig.pass(1_000);
    rig.pull(a, 0, held ? [{...refOf(held), permille: 0}] : []);
    t.deepEqual(rig.pull(b), []);
  }
  t.is(batchOf(rig, id).counters.hedges, undefined);
});

test('a node fails alone: the others go on, and a retry asks it again', t => {
  const {rig, nodes, id} = room(12, {maxErrorReplicas: 2});
  const good = nodes.at(-1) as TestNode;
  for (const node of nodes.slice(0, -1))
    for (let i = 0; i < 2; i++) rig.says(node, rig.reportOf(node, failed(rig.pull(node))));
  t.like(batchOf(rig, id).counters, {state: 'running', failed: 11});
  rig.report(good, rig.pull(good));
  t.like(batchOf(rig, id).counters, {state: 'failed', done: 1, failed: 11});
  shelve(rig, rig.asked({kind: 'retryBatch', batchId: id}).effects);
  t.deepEqual(rig.pull(good), []);
  for (const node of nodes.slice(0, -1)) rig.report(node, rig.pull(node));
  t.like(batchOf(rig, id).counters, {state: 'done', done: 12, failed: 0});
});

test('a node on the bench for the app is asked too: it speaks for itself alone', t => {
  const rig = MasterRig.ready();
  const [a] = rig.nodes(1) as [TestNode];
  const state = rig.core.context.roster.node(a.id);
  state?.standing.set(APP.appId, 'benched');
  submit(rig);
  t.is(rig.pull(a).length, 1);
});

test('the workunit of a node that is revoked or forgotten has failed, whether it ran or not', t => {
  const {rig, nodes, id} = room(4);
  const [a, b, c, d] = nodes as [TestNode, TestNode, TestNode, TestNode];
  rig.report(d, rig.pull(d));
  const late = rig.pull(a);
  rig.ask({kind: 'revokeNode', nodeId: a.id});
  rig.ask({kind: 'revokeNode', nodeId: b.id});
  only(rig, d);
  rig.ask({kind: 'forgetNode', nodeId: c.id});
  t.like(batchOf(rig, id).counters, {state: 'failed', done: 1, failed: 3});
  const page = decodePage(rig.scan('page')[0]?.[1] ?? new Uint8Array());
  const reasonOf = (index: number): string => {
    const decision = page.get(index);
    return decision?.kind === 'failed' ? decision.reason : '';
  };
  t.is(reasonOf(0), 'its node n0 was revoked');
  t.is(reasonOf(2), `its node ${c.id.slice(0, 8)} was forgotten`);
  t.deepEqual(receiptsOf(rig.says(a, rig.reportOf(a, resultsOf(late))), a), []);
  shelve(rig, rig.asked({kind: 'retryBatch', batchId: id}).effects);
  t.like(batchOf(rig, id).counters, {state: 'failed', done: 1, failed: 3});
});

test('a result of a node that is revoked later stays, and is named as doubtful', t => {
  const desk = new Desk();
  const {rig} = desk;
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  const id = submit(rig);
  for (const node of [a, b]) rig.report(node, rig.pull(node));
  desk.revoke(a);
  desk.answerAll();
  t.like(batchOf(rig, id).counters, {state: 'done', done: 2, rechecking: 0});
  t.is(rig.core.context.roster.node(a.id)?.row.doubts, 1);
  t.deepEqual(rig.pull(b), []);
});

for (const input of [ONE, LINE])
  test(`a restart knows whose each workunit of a ${input.kind} is`, t => {
    const rig = MasterRig.ready();
    const nodes = rig.nodes(4);
    const [a, b, c, d] = nodes as [TestNode, TestNode, TestNode, TestNode];
    const id = submit(rig, {}, input);
    rig.feed();
    rig.report(c, rig.pull(c));
    const held = rig.pull(d);
    const wrong = rig.pull(a);
    rig.says(a, rig.reportOf(a, failed(wrong)));
    rig.kill();
    for (const node of nodes) rig.join(node);
    rig.feed();
    rig.report(d, held);
    rig.rest();
    for (const node of nodes) rig.join(node);
    t.deepEqual([...rig.pull(c), ...rig.pull(d)], []);
    for (const node of [b, a]) {
      const work = rig.pull(node);
      t.deepEqual(
        work.map(({index}) => index),
        [nodes.indexOf(node)],
      );
      rig.report(node, work);
    }
    t.like(batchOf(rig, id).counters, {state: 'done', done: 4, errors: 1});
    rig.kill();
    t.like(batchOf(rig, id).counters, {state: 'done', done: 4});
  });

test('a running broadcast whose list of nodes is gone stops the start; a recovery ends it', t => {
  const {rig, nodes, id} = room(3);
  const [a] = nodes as [TestNode];
  rig.report(a, rig.pull(a));
  const key = `meta/${listsOf(rig)[0]?.[0]}`;
  const list = rig.rows.get(key);
  rig.rows.delete(key);
  t.throws(() => rig.kill(), {code: 'VOLLEY_STORE_DAMAGED', message: /batch 1 is a broadcast/});
  if (list) rig.rows.set(key, list);
  for (const damage of [[key], []] as const) {
    const {loss, next} = mend(rig, damage, damage.length === 0 ? [key] : []);
    t.is(
      loss.rows.some(({rowKey}) => rowKey === key),
      damage.length > 0,
    );
    t.like(batchOf(next, id).counters, {
      state: 'cancelled',
      reason: 'the list of its nodes is lost',
      done: 1,
    });
    const answer = next.ask({kind: 'retryBatch', batchId: id});
    t.like(answer, {
      ok: false,
      fields: {reason: 'the list of nodes of batch 1 is lost: clone it'},
    });
    t.deepEqual(listsOf(next), []);
  }
});

test('a recovery that opens a workunit of a revoked node again lets it fail', t => {
  const {rig, nodes, id} = room(3);
  const [a, b, c] = nodes as [TestNode, TestNode, TestNode];
  rig.report(a, rig.pull(a));
  rig.ask({kind: 'revokeNode', nodeId: b.id});
  t.like(batchOf(rig, id).counters, {state: 'running', done: 1, failed: 1});
  const {next} = mend(rig, [keyOf(rig, 'page')]);
  t.like(batchOf(next, id).counters, {state: 'running', done: 0, failed: 0});
  next.turn();
  for (const node of [a, c]) next.join(node);
  next.rest();
  for (const node of [a, c]) {
    next.join(node);
    next.report(node, next.pull(node));
  }
  t.like(batchOf(next, id).counters, {state: 'failed', done: 2, failed: 1});
});

test('its list goes with it', t => {
  const {rig, id} = room(2);
  t.is(listsOf(rig).length, 1);
  const {effects} = rig.asked({kind: 'deleteBatch', batchId: id, force: true});
  effects.push(...rig.pass(1_000));
  for (const effect of effects)
    if (effect.type === 'listReports')
      rig.turn({type: 'reportsListed', batchId: id, reports: [], next: undefined});
  t.deepEqual(rig.scan('batch'), []);
  t.deepEqual(listsOf(rig), []);
});

test('an app that was never tried is not tried by it', t => {
  const rig = MasterRig.ready();
  const a = rig.node('a', {arch: 'arm64'});
  const b = rig.node('b', {arch: 'x64'});
  const id = submit(rig);
  const notes = [a, b].flatMap(node =>
    notesOf(rig.report(node, rig.pull(node), () => inline(node.name))),
  );
  t.like(batchOf(rig, id).counters, {state: 'done', done: 2, disagreements: 0});
  t.false(notes.some(note => note.includes('app')));
});
