// The master dies after every turn and comes back from what is durable; nothing acknowledged is lost.

import test from 'ava';
import {Prng} from '../../src/base/prng.ts';
import {asBatchId, type BatchId} from '../../src/base/types.ts';
import {
  batchKey,
  decodeCredit,
  decodeJson,
  decodePage,
  decodeReportRow,
  encodeVote,
  PAGE_WORKUNITS,
  voteKey,
} from '../../src/core/tables.ts';
import {viewOneCapture} from '../../src/master/status.ts';
import {decodeResults} from '../../src/wire/codec.ts';
import type {OutputRef} from '../../src/wire/message.ts';
import {batchOf, creditOf, only, receiptsOf, resultsOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {APP, inline, type TestNode, type Work} from './test-node.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;

/** Decided indexes of a batch by its page rows, with the output each canonical result has. */
function decidedOf(rig: MasterRig): Map<number, string> {
  const decided = new Map<number, string>();
  for (const [key, row] of rig.scan('page'))
    for (const [offset, decision] of decodePage(row)) {
      const index = Number.parseInt(key.slice(8), 16) * PAGE_WORKUNITS + offset;
      if (decision.kind === 'failed') {
        decided.set(index, 'failed');
        continue;
      }
      const [report] = rig
        .scan('report')
        .filter(([no]) => Number.parseInt(no, 16) === decision.reportNo)
        .map(([, value]) => decodeReportRow(value));
      const item = report && decodeResults(report.body)?.[decision.item];
      if (item?.status !== 'done' || item.output.kind !== 'inline')
        throw new Error('no such output');
      decided.set(index, new TextDecoder().decode(item.output.bytes));
    }
  return decided;
}

/**
 * Every node tries until the batch is over. `after` runs after each turn; it answers whether it killed.
 * What was reported and not acknowledged is said again, as a spool would.
 */
function work(
  rig: MasterRig,
  nodes: readonly TestNode[],
  id: BatchId,
  after: (stage: number) => void,
): void {
  const spool = new Map<TestNode, ReturnType<MasterRig['reportOf']>[]>();
  for (let round = 0; round < 500 && batchOf(rig, id).running; round++)
    for (const node of nodes) {
      const reports = spool.get(node) ?? [];
      spool.set(node, reports);
      rig.join(node);
      after(0);
      rig.feed();
      rig.join(node);
      const leases = rig.pull(node, 3);
      after(1);
      rig.join(node);
      if (leases.length > 0) reports.push(rig.reportOf(node, resultsOf(leases)));
      for (const report of [...reports])
        if (receiptsOf(rig.says(node, report), node).length > 0)
          reports.splice(reports.indexOf(report), 1);
      after(2);
    }
}

for (const kind of ['range', 'lines'] as const)
  test(`${kind}: killed after every turn, a batch comes to its end, each workunit decided once`, t => {
    const rig = MasterRig.ready();
    const count = 70;
    const input =
      kind === 'range'
        ? rangeOf(count)
        : ({kind: 'lines', blobId: APP.appId, indexBlobId: APP.appId, count} as const);
    const id = rig.submit({}, input);
    const nodes = rig.nodes(3);
    const seen = new Map<number, string>();
    let epoch = 0;
    let turns = 0;
    work(rig, nodes, id, stage => {
      turns += 1;
      // Killed after each kind of turn; always between pull and report, nothing could ever come back.
      if (stage === 1 && turns % 2 === 0) return;
      rig.killAndRest();
      rig.feed();
      t.true(rig.core.context.epoch > epoch, 'the epoch grows');
      epoch = rig.core.context.epoch;
      const decided = decidedOf(rig);
      for (const [index, output] of seen) t.is(decided.get(index), output, 'a decision stays');
      for (const [index, output] of decided) seen.set(index, output);
      const row = decodeJson(rig.rows.get(`batch/${batchKey(id)}`) ?? new Uint8Array());
      t.like(row, {done: decided.size});
    });
    t.is(batchOf(rig, id).counters.state, 'done');
    t.is(seen.size, count);
    for (const [index, output] of seen) t.is(output, `out${index}`);
    const credit = nodes.reduce((sum, node) => sum + creditOf(rig, node).credit, 0);
    t.is(credit, 2 * count, 'two nodes agreed on each, and each was paid once');
    t.is(rig.scan('vote').length, 0);
  });

/** One life of a cluster by dice: pulls, reports, lost receipts, kills before and after a commit. */
class Storm {
  readonly rig = MasterRig.ready();
  readonly id = this.rig.submit({}, rangeOf(30));
  readonly #nodes = this.rig.nodes(4);
  readonly #spool = new Map<TestNode, ReturnType<MasterRig['reportOf']>[]>();
  readonly #prng: Prng;
  acknowledged = 0;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
    for (let step = 0; step < 3_000 && batchOf(this.rig, this.id).running; step++) this.#step();
  }

  #step(): void {
    const {rig} = this;
    rig.pass(this.#prng.below(200));
    const node = this.#prng.pick(this.#nodes);
    const reports = this.#spool.get(node) ?? [];
    this.#spool.set(node, reports);
    if (this.#prng.chance(0.1)) rig.kill();
    rig.join(node);
    if (this.#prng.chance(0.5)) {
      const leases = rig.pull(node, 2);
      const results = resultsOf(leases, ({index}) => this.#output(node, index));
      if (leases.length > 0) reports.push(rig.reportOf(node, results));
    } else this.#report(node, reports);
  }

  /** The first node is wrong now and then. */
  #output(node: TestNode, index: number): OutputRef {
    return inline(node === this.#nodes[0] && this.#prng.chance(0.3) ? 'wrong' : `out${index}`);
  }

  #report(node: TestNode, reports: ReturnType<MasterRig['reportOf']>[]): void {
    const {rig} = this;
    const [report] = reports;
    if (!report) return;
    if (this.#prng.chance(0.2)) {
      rig.pureTurn(rig.event(node, report)); // dies before this turn's commit: nothing left
      rig.kill();
      return;
    }
    if (receiptsOf(rig.says(node, report), node).length === 0) return;
    this.acknowledged += 1;
    if (this.#prng.chance(0.7)) reports.shift(); // else the receipt is lost
  }
}

test('kills anywhere, also in front of the commit, lose nothing that was acknowledged', t => {
  for (let seed = 1; seed <= 20; seed++) {
    const {rig, id, acknowledged} = new Storm(seed);
    const {done, results, disagreements} = batchOf(rig, id).counters;
    t.is(done, 30, `seed ${seed}`);
    t.true(acknowledged > 0);
    for (const [index, output] of decidedOf(rig)) t.is(output, `out${index}`, `seed ${seed}`);
    const credit = rig.scan('credit').reduce((sum, [, row]) => sum + decodeCredit(row).credit, 0);
    t.is(credit, results - disagreements, `seed ${seed}: as much as results that agreed`);
    t.true(credit >= 60, `seed ${seed}: a quorum of two for each`);
  }
});

test('a result whose lease the restarted master forgot is accepted by its proof', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(1));
  const a = rig.node('a');
  const leases = rig.pull(a);
  rig.kill();
  rig.join(a);
  // Nobody asked for it again yet: it must be open all the same.
  const effects = rig.report(a, leases);
  if (receiptsOf(effects, a).length === 0 || batchOf(rig, id).counters.done === 0) {
    rig.node('b');
    rig.pull(rig.node('c'));
    rig.report(a, leases);
  }
  t.is(batchOf(rig, id).counters.done, 1);
});

test('a result of a workunit that is not in memory yet is kept for later, not refused', t => {
  const rig = MasterRig.ready();
  const input = {kind: 'lines', blobId: APP.appId, indexBlobId: APP.appId, count: 3} as const;
  const id = rig.submit({minQuorum: 1}, input);
  rig.feed();
  const a = rig.node('a');
  const leases = rig.pull(a);
  rig.kill();
  rig.join(a);
  const report = rig.reportOf(a, resultsOf(leases));
  t.deepEqual(receiptsOf(rig.says(a, report), a), []);
  rig.feed();
  t.is(receiptsOf(rig.says(a, report), a).length, 1);
  t.is(batchOf(rig, id).counters.done, 3);
});

test('a vote of an earlier life counts with one of this life', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, rangeOf(1));
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  const [forA, forB] = [rig.pull(a), rig.pull(b)];
  rig.report(a, forA);
  rig.kill();
  rig.join(a);
  rig.join(b);
  t.is(rig.pull(a).length, 0, 'who voted is not asked again');
  rig.report(b, forB);
  t.is(batchOf(rig, id).counters.state, 'done');
  t.is(creditOf(rig, a).credit, 1);
});

test('a node that voted in an earlier life does not make a quorum with itself', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, rangeOf(1));
  const a = rig.node('a');
  const leases = rig.pull(a);
  rig.report(a, leases);
  rig.kill();
  rig.join(a);
  rig.report(a, leases);
  rig.report(
    a,
    leases.map(work => ({...work, replicaNo: work.replicaNo})),
  );
  t.is(batchOf(rig, id).counters.done, 0);
});

test('a kill while the last allowed replica is out neither stops the restart nor fails the workunit', t => {
  const rig = MasterRig.ready();
  const policy = {minQuorum: 2, targetReplicas: 3, maxTotalReplicas: 3};
  const id = rig.submit(policy, rangeOf(1));
  const [a, b, c] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  const [forA, forB, forC] = [rig.pull(a), rig.pull(b), rig.pull(c)];
  rig.report(a, forA, () => inline('x'));
  rig.report(c, forC, () => inline('y'));
  t.is(batchOf(rig, id).open.size, 1);
  rig.kill();
  for (const node of [a, b, c]) rig.join(node);
  rig.report(b, forB, () => inline('x'));
  t.like(batchOf(rig, id).counters, {state: 'done', done: 1});
});

test('lines: a kill while the last allowed replica is out does not fail the workunit', t => {
  const rig = MasterRig.ready();
  const policy = {minQuorum: 2, targetReplicas: 3, maxTotalReplicas: 3};
  const input = {kind: 'lines', blobId: APP.appId, indexBlobId: APP.appId, count: 1} as const;
  const id = rig.submit(policy, input);
  rig.feed();
  const [a, b, c] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  const [forA, forB, forC] = [rig.pull(a), rig.pull(b), rig.pull(c)];
  rig.report(a, forA, () => inline('x'));
  rig.report(c, forC, () => inline('y'));
  rig.kill();
  rig.feed();
  for (const node of [a, b, c]) rig.join(node);
  rig.report(b, forB, () => inline('x'));
  t.like(batchOf(rig, id).counters, {state: 'done', done: 1});
});

test('a restart with very many open votes succeeds', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, rangeOf(200_000));
  const a = rig.node('a');
  for (let index = 0; index < 150_000; index++) {
    const vote = {
      replicaNo: 0,
      reportNo: 1,
      item: 0,
      cpuMs: 1,
      status: 'done' as const,
      output: inline('x'),
    };
    rig.rows.set(`vote/${voteKey(id, index, a.id, 0)}`, encodeVote(vote));
  }
  rig.kill();
  t.is(batchOf(rig, id).open.size, 150_000);
});

test('the epoch grows by each start, also when nothing was said', t => {
  const rig = new MasterRig();
  rig.turn();
  t.is(rig.core.context.epoch, 1);
  rig.kill();
  rig.kill();
  t.is(rig.core.context.epoch, 3);
});

test('the epoch is durable with the first turn', t => {
  const rig = new MasterRig();
  const saves = only(rig.turn(), 'save').map(({op}) => op.key);
  t.true(saves.includes('epoch'));
});

test('batch, report and capture numbers go on above those of earlier lives', t => {
  const rig = MasterRig.ready();
  const first = rig.submit({minQuorum: 1}, rangeOf(5));
  const a = rig.node('a', {actions: ['camera']});
  rig.report(a, rig.pull(a, 1));
  const capture = rig.capture().id;
  const reports = rig.scan('report').map(([key]) => key);
  rig.killAndRest();
  rig.join(a, {actions: ['camera']});
  rig.report(a, rig.pull(a, 1));
  t.is(rig.submit(), (first + 1) as BatchId);
  t.true(rig.capture().id > capture);
  const after = rig.scan('report').map(([key]) => key);
  t.is(after.length, 2);
  t.deepEqual(after.slice(0, 1), reports);
});

test('ended batches, apps, nodes and credit are known after a restart', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(1));
  const a = rig.node('a', {labels: ['ring1']});
  rig.report(a, rig.pull(a));
  const before = batchOf(rig, id).toRow();
  rig.kill();
  t.deepEqual(batchOf(rig, id).toRow(), before);
  t.false(rig.core.context.running.has(batchOf(rig, id)));
  t.is(rig.core.context.apps.size, 2);
  t.deepEqual(rig.core.context.roster.node(a.id)?.row.labels, ['ring1']);
  t.is(creditOf(rig, a).credit, 1);
  t.false(rig.core.context.roster.node(a.id)?.up ?? true, 'up only once it is heard');
});

test('a capture of an earlier life is shown with its statements and comes to its end', t => {
  const rig = MasterRig.ready();
  const [a, b] = rig.nodes(2, {actions: ['camera']}) as [TestNode, TestNode];
  const {id} = rig.capture();
  rig.says(a, rig.shotOf(a, {captureId: id}));
  rig.kill();
  const view = viewOneCapture(rig.core, id);
  t.is(view?.rows.find(({nodeId}) => nodeId === a.id)?.verdict, 'fired');
  t.is(view?.rows.find(({nodeId}) => nodeId === b.id)?.verdict, 'waiting');
  rig.pass(61_000);
  t.is(viewOneCapture(rig.core, id)?.rows.find(({nodeId}) => nodeId === b.id)?.verdict, 'silent');
});

test('batches without rows in other tables restore', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, rangeOf(5));
  rig.kill();
  t.is(batchOf(rig, id).feeder.remaining, 5);
  t.is(asBatchId(1), id);
  const a = rig.node('a');
  t.deepEqual(
    rig.pull(a).map((each: Work) => each.index),
    [0, 1, 2, 3],
  );
});
