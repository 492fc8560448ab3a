import test from 'ava';
import {HOUR_MS} from '../../src/base/units.ts';
import {decodeReportRow} from '../../src/core/tables.ts';
import {encodeResults} from '../../src/wire/codec.ts';
import type {ResultItem} from '../../src/wire/message.ts';
import {batchOf, creditOf, notesOf, only, receiptsOf, refOf, resultsOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {blobOf, crypto, inline, type TestNode, type Work} from './test-node.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;

/** A batch of one workunit for two nodes that both hold it. */
function pair(policy = {}): {
  rig: MasterRig;
  a: TestNode;
  b: TestNode;
  forA: Work[];
  forB: Work[];
  id: Work['batchId'];
} {
  const rig = MasterRig.ready();
  const id = rig.submit(policy, rangeOf(1));
  const a = rig.node('a');
  const b = rig.node('b');
  return {rig, a, b, id, forA: rig.pull(a), forB: rig.pull(b)};
}

const failed = (work: Work, status: 'timedOut' | 'trapped'): ResultItem => ({
  ...refOf(work),
  cpuMs: 3,
  status,
  reason: 'why',
});

test('two equal results of two nodes decide a workunit, pay both and end the batch', t => {
  const {rig, a, b, id, forA, forB} = pair();
  t.is(receiptsOf(rig.report(a, forA), a).length, 1);
  t.is(batchOf(rig, id).counters.done, 0);
  t.is(receiptsOf(rig.report(b, forB), b).length, 1);
  t.like(batchOf(rig, id).counters, {
    state: 'done',
    done: 1,
    failed: 0,
    results: 2,
    disagreements: 0,
  });
  for (const node of [a, b])
    t.deepEqual({...creditOf(rig, node)}, {validated: 1, disagreed: 0, errors: 0, credit: 1});
});

test('what is acknowledged is saved in the same turn', t => {
  const {rig, a, forA} = pair();
  const effects = rig.report(a, forA);
  const tables = only(effects, 'save').map(({op}) => op.table);
  t.true(tables.includes('vote'));
  t.true(tables.includes('report'));
  t.is(receiptsOf(effects, a).length, 1);
});

test('the receipt names the hash of the exact bytes that were signed', t => {
  const {rig, a, forA} = pair();
  const report = rig.reportOf(a, resultsOf(forA), 77);
  if (report.type !== 'report') return t.fail();
  const [receipt] = only(rig.says(a, report), 'receipt');
  t.like(receipt, {to: a.peer, nonce: 77});
  t.deepEqual(receipt?.bodyHash, crypto.sha256(report.body));
});

test('the signed report is stored as it came', t => {
  const {rig, a, forA} = pair();
  const report = rig.reportOf(a, resultsOf(forA));
  if (report.type !== 'report') return t.fail();
  rig.says(a, report);
  const [[, row]] = rig.scan('report') as [[string, Uint8Array]];
  t.deepEqual(decodeReportRow(row), {nodeId: a.id, signature: report.signature, body: report.body});
});

test('a duplicate report is acknowledged again and counted once', t => {
  const {rig, a, id, forA} = pair();
  const report = rig.reportOf(a, resultsOf(forA));
  t.is(receiptsOf(rig.says(a, report), a).length, 1);
  t.is(receiptsOf(rig.says(a, report), a).length, 1);
  t.is(receiptsOf(rig.says(a, report, report), a).length, 2);
  t.is(batchOf(rig, id).counters.results, 1);
  t.is(batchOf(rig, id).counters.done, 0);
  t.is(rig.scan('vote').length, 1);
  t.is(rig.scan('report').length, 1);
});

test('two results of one node never make a quorum', t => {
  const {rig, a, id, forA} = pair();
  rig.report(a, forA);
  const again = rig.reportOf(a, resultsOf(forA), 900);
  rig.says(a, again);
  const twice = rig.reportOf(a, [...resultsOf(forA), ...resultsOf(forA)], 901);
  rig.says(a, twice);
  t.is(batchOf(rig, id).counters.done, 0);
  t.is(batchOf(rig, id).open.get(0)?.votes.length, 1);
});

test('a late result is acknowledged and not counted', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 2, targetReplicas: 3}, rangeOf(2));
  const nodes = rig.nodes(3);
  const work = nodes.map(node => rig.pull(node));
  for (const i of [0, 1]) rig.report(nodes[i] as TestNode, (work[i] ?? []).slice(0, 1));
  t.is(batchOf(rig, id).counters.done, 1);
  const c = nodes[2] as TestNode;
  const effects = rig.report(c, (work[2] ?? []).slice(0, 1));
  t.is(receiptsOf(effects, c).length, 1);
  t.is(only(effects, 'save').length, 0);
  t.is(batchOf(rig, id).counters.results, 2);
  t.is(creditOf(rig, c).credit, 0);
});

test('a report after its batch ended is acknowledged and changes nothing', t => {
  const {rig, a, id, forA} = pair();
  rig.ask({kind: 'cancelBatch', batchId: id});
  const before = JSON.stringify(batchOf(rig, id).toRow());
  t.is(receiptsOf(rig.report(a, forA), a).length, 1);
  t.is(JSON.stringify(batchOf(rig, id).toRow()), before);
});

test('a report of a batch that never was is acknowledged and changes nothing', t => {
  const {rig, a, forA} = pair();
  const alien = forA.map(work => ({...work, batchId: 99 as Work['batchId']}));
  t.is(receiptsOf(rig.report(a, alien), a).length, 1);
  t.is(rig.scan('report').length, 0);
});

test('a result with a wrong proof counts for nothing', t => {
  const {rig, a, id, forA} = pair();
  const wrong = forA.map(work => ({...work, proof: (work.proof ^ 1) >>> 0}));
  const effects = rig.report(a, wrong);
  t.true(notesOf(effects).includes('result without a lease'));
  t.is(batchOf(rig, id).counters.results, 0);
  t.is(rig.scan('vote').length, 0);
  rig.report(a, forA);
  t.is(batchOf(rig, id).counters.results, 1, 'the true one is still taken');
});

test('a node that was not leased a workunit cannot vote on it', t => {
  const {rig, id, forA} = pair();
  const c = rig.node('c');
  const effects = rig.report(c, forA);
  t.true(notesOf(effects).includes('result without a lease'));
  t.is(batchOf(rig, id).open.get(0)?.votes.length, 0);
});

test('a forged signature is refused: no vote, no receipt, nothing saved', t => {
  const {rig, a, b, id, forB} = pair();
  const stolen = rig.reportOf(a, resultsOf(forB));
  const effects = rig.says(b, stolen);
  t.deepEqual(receiptsOf(effects, b), []);
  t.is(only(effects, 'save').length, 0);
  t.true(notesOf(effects).includes('report refused'));
  t.is(batchOf(rig, id).counters.results, 0);
});

test('a signature over other bytes or for another purpose is refused', t => {
  const {rig, a, forA} = pair();
  const body = encodeResults(resultsOf(forA));
  const {secretKey} = a.identity;
  for (const signature of [
    crypto.sign(secretKey, 'results', rig.config.clusterId, body.slice(1)),
    crypto.sign(secretKey, 'results', body),
    crypto.sign(secretKey, 'shot', rig.config.clusterId, body),
    new Uint8Array(64),
  ])
    t.deepEqual(receiptsOf(rig.says(a, {type: 'report', nonce: 5, body, signature}), a), []);
});

test('a body that is no list of results is refused', t => {
  const {rig, a} = pair();
  const body = new Uint8Array([255, 255, 255]);
  const signature = crypto.sign(a.identity.secretKey, 'results', rig.config.clusterId, body);
  t.deepEqual(receiptsOf(rig.says(a, {type: 'report', nonce: 5, body, signature}), a), []);
});

test('a blob output is not acknowledged before it is uploaded', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(1));
  const a = rig.node('a');
  const blob = blobOf('picture');
  const report = rig.reportOf(
    a,
    resultsOf(rig.pull(a), () => ({kind: 'blob', ...blob})),
  );
  t.deepEqual(receiptsOf(rig.says(a, report), a), []);
  t.is(batchOf(rig, id).counters.results, 0);
  rig.turn({type: 'blobStored', ...blob});
  t.is(receiptsOf(rig.says(a, report), a).length, 1);
  t.is(batchOf(rig, id).counters.done, 1);
});

test('an upload of long before its report is asked for again: nothing may need it any more', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(1));
  const blob = blobOf('picture');
  rig.turn({type: 'blobStored', ...blob});
  rig.pass(2 * HOUR_MS);
  const a = rig.node('a');
  const report = rig.reportOf(
    a,
    resultsOf(rig.pull(a), () => ({kind: 'blob', ...blob})),
  );
  t.deepEqual(receiptsOf(rig.says(a, report), a), []);
  rig.turn({type: 'blobStored', ...blob});
  t.is(receiptsOf(rig.says(a, report), a).length, 1);
  t.is(batchOf(rig, id).counters.done, 1);
});

test('an upload of another size is not the blob', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 1}, rangeOf(1));
  const a = rig.node('a');
  const blob = blobOf('picture');
  const report = rig.reportOf(
    a,
    resultsOf(rig.pull(a), () => ({kind: 'blob', ...blob})),
  );
  rig.turn({type: 'blobStored', blobId: blob.blobId, size: blob.size + 1});
  t.deepEqual(receiptsOf(rig.says(a, report), a), []);
});

test('a report is acknowledged whole: one output that is missing holds the receipt back', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(2));
  const a = rig.node('a');
  const blob = blobOf('picture');
  const work = rig.pull(a);
  const report = rig.reportOf(
    a,
    resultsOf(work, ({index}) => (index === 0 ? inline('x') : {kind: 'blob', ...blob})),
  );
  t.deepEqual(receiptsOf(rig.says(a, report), a), []);
  t.is(batchOf(rig, id).counters.done, 1, 'what can be used is used');
  rig.turn({type: 'blobStored', ...blob});
  t.is(receiptsOf(rig.says(a, report), a).length, 1);
  t.is(batchOf(rig, id).counters.done, 2);
  t.is(creditOf(rig, a).credit, 2);
});

test('workunits with the same blob for their output are all taken after one upload', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(3));
  const a = rig.node('a');
  const blob = blobOf('an empty tile');
  rig.turn({type: 'blobStored', ...blob});
  const report = rig.reportOf(
    a,
    resultsOf(rig.pull(a), () => ({kind: 'blob', ...blob})),
  );
  t.is(receiptsOf(rig.says(a, report), a).length, 1);
  t.is(batchOf(rig, id).counters.done, 3);
});

test('one of two equal blobs decides, and its hash is the output', t => {
  const {rig, a, b, id, forA, forB} = pair();
  const blob = blobOf('picture');
  rig.turn({type: 'blobStored', ...blob});
  rig.report(a, forA, () => ({kind: 'blob', ...blob}));
  rig.report(b, forB, () => ({kind: 'blob', ...blob}));
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('disagreements are counted once, for the nodes that made them', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, rangeOf(1));
  const [a, b, c] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  const forA = rig.pull(a);
  const forB = rig.pull(b);
  rig.report(a, forA, () => inline('wrong'));
  rig.report(b, forB);
  t.is(batchOf(rig, id).counters.done, 0);
  rig.report(c, rig.pull(c));
  t.like(batchOf(rig, id).counters, {state: 'done', done: 1, results: 3, disagreements: 1});
  t.deepEqual({...creditOf(rig, a)}, {validated: 0, disagreed: 1, errors: 0, credit: 0});
  t.deepEqual({...creditOf(rig, b)}, {validated: 1, disagreed: 0, errors: 0, credit: 1});
  t.deepEqual({...creditOf(rig, c)}, {validated: 1, disagreed: 0, errors: 0, credit: 1});
});

test('an error is counted, earns nothing, and the workunit is handed out again', t => {
  const {rig, a, b, id, forA, forB} = pair();
  rig.says(
    a,
    rig.reportOf(
      a,
      forA.map(work => failed(work, 'timedOut')),
    ),
  );
  t.like(batchOf(rig, id).counters, {errors: 1, results: 0, failed: 0});
  t.is(creditOf(rig, a).errors, 1);
  rig.report(b, forB);
  const c = rig.node('c');
  rig.report(c, rig.pull(c));
  t.is(batchOf(rig, id).counters.state, 'done');
  t.is(rig.scan('vote').length, 0);
});
