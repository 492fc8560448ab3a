import test from 'ava';
import type {BatchId} from '../../src/base/types.ts';
import {decodeDoubt, decodeDoubtKey} from '../../src/core/checks.ts';
import type {MasterEffect} from '../../src/core/core.ts';
import type {SinglesPage} from '../../src/core/lookups.ts';
import {viewNode} from '../../src/master/roster.ts';
import {batchOf, creditOf, notesOf, only, receiptsOf, sentTo, stateOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {crypto, inline, TestNode} from './test-node.ts';

const revoke = (rig: MasterRig, node: TestNode, requestId = 900): MasterEffect[] =>
  rig.turn({
    type: 'operator',
    requestId,
    request: {kind: 'revokeNode', nodeId: node.id},
  });

const refusal = (rig: MasterRig, node: TestNode, tokenId?: number) =>
  sentTo(rig.join(node, {}, tokenId), node, 'refusal')[0]?.reason;

test('a revoked node is durably so, its session dies, and the others get a new key', t => {
  const rig = MasterRig.ready();
  const [bad, good] = rig.nodes(2) as [TestNode, TestNode];
  const before = rig.core.context.groupKeys.newest.id;
  const effects = revoke(rig, bad);
  const saved = only(effects, 'save').map(({op}) => `${op.table}/${op.key}`);
  t.true(saved.includes(`node/${bad.id}`));
  t.deepEqual(only(effects, 'forget'), [{type: 'forget', peer: bad.peer}]);
  t.not(rig.core.context.groupKeys.newest.id, before);
  t.is(sentTo(effects, good, 'groupKey').length, 1);
  t.is(sentTo(effects, bad, 'groupKey').length, 0);
  t.is(viewNode(stateOf(rig, bad)).state, 'revoked');
});

test('a revoked node gets a Refusal and nothing else, with a new token and after a restart too', t => {
  const rig = MasterRig.ready();
  const bad = rig.node('bad');
  revoke(rig, bad);
  rig.addToken(8, 5);
  for (let life = 0; life < 2; life++) {
    t.is(refusal(rig, bad, 0), 'revoked');
    t.is(refusal(rig, bad, 8), 'revoked');
    for (const word of [rig.pullOf(bad), rig.reportOf(bad, [])])
      t.deepEqual(rig.says(bad, word), []);
    rig.kill();
  }
  bad.staticKey = crypto.x25519KeyPair();
  t.is(refusal(rig, bad, 8), 'revoked', 'the identity is revoked, whatever its session key');
  const view = rig.core.context.roster.tokens.view(rig.now.wall);
  t.is(view.find(({tokenId}) => tokenId === 8)?.usesLeft, 5, 'no use is spent');
});

test('a new identity with the session key of a revoked node is refused', t => {
  const rig = MasterRig.ready();
  const bad = rig.node('bad');
  revoke(rig, bad);
  const other = new TestNode('other');
  other.staticKey = bad.staticKey;
  t.is(refusal(rig, other), 'revoked');
});

test('nobody revokes another node by saying Hello in its name', t => {
  const rig = MasterRig.ready();
  const bad = rig.node('bad');
  revoke(rig, bad);
  const thief = new TestNode('thief');
  rig.link(thief);
  const hello = thief.hello({identityKey: bad.identity.publicKey});
  t.is(sentTo(rig.says(thief, hello), thief, 'refusal')[0]?.reason, 'binding');
});

test('an unknown node cannot be revoked', t => {
  const rig = MasterRig.ready();
  const {id: nodeId} = new TestNode('nobody');
  t.like(rig.ask({kind: 'revokeNode', nodeId}), {ok: false, code: 'VOLLEY_UNKNOWN_NODE'});
});

test('its leases go to others at once', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, {kind: 'range', start: 0, end: 4, chunk: 1});
  const [bad, good] = rig.nodes(2) as [TestNode, TestNode];
  t.is(rig.pull(bad, 4).length, 4);
  t.is(rig.pull(good, 4).length, 0);
  revoke(rig, bad);
  t.is(batchOf(rig, id).out, 0);
  t.is(rig.pull(good, 4).length, 4);
});

test('a report after the revocation is not accepted and not acknowledged', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 1});
  const bad = rig.node('bad');
  const work = rig.pull(bad, 2);
  const event = rig.event(bad, rig.reportOf(bad, []));
  t.is(work.length, 2);
  revoke(rig, bad);
  const effects = rig.report(bad, work);
  t.deepEqual(effects, []);
  t.deepEqual(rig.turn(event), []);
  t.is(rig.scan('report').length, 0);
});

test('in one turn a report before the revocation counts no vote, one after it does nothing', t => {
  const rig = MasterRig.ready();
  const id = rig.submit();
  const bad = rig.node('bad');
  const work = rig.pull(bad, 1);
  const [item] = work;
  if (!item) return t.fail('no work');
  const {batchId, index, replicaNo, proof} = item;
  const result = {batchId, index, replicaNo, proof, cpuMs: 1, status: 'done', output: inline('x')};
  const report = rig.event(bad, rig.reportOf(bad, [result as never]));
  const request = {kind: 'revokeNode', nodeId: bad.id} as const;
  const effects = rig.turn(report, {type: 'operator', requestId: 1, request}, report);
  t.is(receiptsOf(effects, bad).length, 1);
  t.is(rig.scan('vote').length, 0);
  t.is(batchOf(rig, id).open.get(index)?.votes.length, 0);
  return undefined;
});

/** All of a batch of `count` workunits with quorum 2 voted on by `node`, with its own answers. */
function votedOn(rig: MasterRig, node: TestNode, answer: string): void {
  rig.report(node, rig.pull(node, 64), ({index}) => inline(`${answer}${index}`));
}

test('its votes on open workunits are taken out and others compute them', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, {kind: 'range', start: 0, end: 3, chunk: 1});
  const [bad, a, b] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  votedOn(rig, bad, 'lie');
  t.is(rig.scan('vote').length, 3);
  revoke(rig, bad);
  t.is(rig.scan('vote').length, 0);
  votedOn(rig, a, 'true');
  votedOn(rig, b, 'true');
  t.like(batchOf(rig, id).counters, {state: 'done', done: 3, disagreements: 0});
  t.is(creditOf(rig, bad).credit, 0);
  t.is(creditOf(rig, a).credit, 3);
});

test('also those that wait on the disk for their workunit to be read again', t => {
  const rig = MasterRig.ready();
  const blobId = 'ab'.repeat(32) as never;
  const id = rig.submit({}, {kind: 'lines', blobId, indexBlobId: blobId, count: 3});
  rig.feed();
  const [bad, a, b] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  votedOn(rig, bad, 'lie');
  rig.killAndRest();
  t.is(rig.scan('vote').length, 3);
  revoke(rig, bad);
  t.is(rig.scan('vote').length, 0);
  rig.feed();
  for (const node of [a, b]) {
    rig.join(node);
    votedOn(rig, node, 'true');
  }
  t.like(batchOf(rig, id).counters, {state: 'done', disagreements: 0});
});

test('where its vote was what kept the others from a majority, they decide now', t => {
  const rig = MasterRig.ready();
  const one = {kind: 'range', start: 0, end: 1, chunk: 1} as const;
  const id = rig.submit({minQuorum: 2, targetReplicas: 4}, one);
  const [bad, liar, a, b] = rig.nodes(4) as [TestNode, TestNode, TestNode, TestNode];
  const work = [bad, liar, a, b].map(node => [node, rig.pull(node, 1)] as const);
  const answers = ['other', 'lie', 'true', 'true'];
  work.forEach(([node, leased], i) => {
    rig.report(node, leased, () => inline(answers[i] ?? ''));
  });
  t.is(batchOf(rig, id).counters.done, 0, 'two of four are no majority');
  revoke(rig, bad);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 1, disagreements: 1});
  t.is(creditOf(rig, a).credit, 1);
  rig.kill();
});

test('replicas of a revoked node do not use up those that a workunit may have', t => {
  const rig = MasterRig.ready();
  const one = {kind: 'range', start: 0, end: 2, chunk: 1} as const;
  const id = rig.submit({minQuorum: 2, maxTotalReplicas: 2}, one);
  const [bad, a, b] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  const [first] = rig.pull(bad, 2);
  if (first) rig.report(bad, [first]);
  revoke(rig, bad);
  for (const node of [a, b]) votedOn(rig, node, 'true');
  t.like(batchOf(rig, id).counters, {state: 'done', done: 2});
});

test('a decided workunit stays as it is, and its agreeing nodes keep their credit', t => {
  const rig = MasterRig.ready();
  const one = {kind: 'range', start: 0, end: 2, chunk: 1} as const;
  rig.submit({minQuorum: 2}, one);
  const [bad, a] = rig.nodes(2) as [TestNode, TestNode];
  const first = rig.pull(bad, 1);
  rig.report(bad, first);
  rig.report(a, rig.pull(a, 1));
  const pages = rig.scan('page');
  t.is(pages.length, 1);
  revoke(rig, bad);
  t.deepEqual(rig.scan('page'), pages);
  t.is(creditOf(rig, a).credit, 1);
});

// ---- the list of results that rest on it alone ------------------------------------------------

const doubtsOf = (effects: readonly MasterEffect[]) =>
  only(effects, 'answer').map(({answer}) => answer.ok && answer.doubts);

const page = (batchId: BatchId, ...offsets: number[]): SinglesPage => ({
  batchId,
  pageNo: 0,
  singles: new Map(
    offsets.map(offset => [offset, {state: 'open', reportNo: 1, item: 0, hash: crypto.random(32)}]),
  ),
});

test('the batches with a quorum of 1 are searched, ended ones too, and what is found is kept', t => {
  const rig = MasterRig.ready();
  const single = rig.submit({minQuorum: 1});
  rig.submit({minQuorum: 2});
  const ended = rig.submit({minQuorum: 1});
  rig.ask({kind: 'cancelBatch', batchId: ended});
  const bad = rig.node('bad');
  const effects = revoke(rig, bad);
  t.deepEqual(only(effects, 'listSingles'), [
    {
      type: 'listSingles',
      nodeId: bad.id,
      batches: [single, ended].map(batchId => ({batchId, onlySingle: false})),
    },
  ]);
  t.deepEqual(doubtsOf(effects), [-1]);
  t.is(viewNode(stateOf(rig, bad)).doubts, -1);
  const {id: nodeId} = bad;
  rig.turn({type: 'singlesListed', nodeId, pages: [page(single, 0, 3)]});
  t.deepEqual(doubtsOf(revoke(rig, bad)), [-1], 'one part of it');
  const last = {type: 'singlesListed', nodeId, pages: [page(ended, 63)], total: 3} as const;
  t.true(notesOf(rig.turn(last)).includes('results rest on a revoked node alone'));
  t.deepEqual(
    rig.scan('doubt', nodeId).map(([key, row]) => [decodeDoubtKey(key), decodeDoubt(row)]),
    [
      [{batchId: single, pageNo: 0}, [0, 3]],
      [{batchId: ended, pageNo: 0}, [63]],
    ],
  );
  t.deepEqual(doubtsOf(revoke(rig, bad)), [3]);
});

test('a master that dies while it makes the list begins it anew', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1});
  const bad = rig.node('bad');
  revoke(rig, bad);
  rig.turn({type: 'singlesListed', nodeId: bad.id, pages: [page(id, 1)]});
  const asked: MasterEffect[] = [];
  const turn = rig.turn.bind(rig);
  rig.turn = (...events) => {
    const effects = turn(...events);
    asked.push(...effects);
    return effects;
  };
  rig.kill();
  t.deepEqual(only(asked, 'listSingles'), [
    {type: 'listSingles', nodeId: bad.id, batches: [{batchId: id, onlySingle: false}]},
  ]);
  rig.turn({type: 'singlesListed', nodeId: bad.id, pages: [page(id, 1)], total: 1});
  t.deepEqual(doubtsOf(revoke(rig, bad)), [1]);
  asked.length = 0;
  rig.kill();
  t.deepEqual(only(asked, 'listSingles'), [], 'once it is complete, no more');
});

test('a capture aimed at all does not wait for a revoked node', t => {
  const rig = MasterRig.ready();
  const [bad] = rig.nodes(2, {actions: ['camera']}) as [TestNode, TestNode];
  revoke(rig, bad);
  const {id} = rig.capture();
  t.is(rig.core.capture(id)?.row.nodes.length, 1);
});
