import test from 'ava';
import fc from 'fast-check';
import {asBatchId, type ReplicaId} from '../../src/base/types.ts';
import {encodeMessage} from '../../src/wire/codec.ts';
import {
  INLINE_OUTPUT_BYTES_MAX,
  PLAINTEXT_BYTES_MAX,
  RESULTS_PER_REPORT_MAX,
} from '../../src/wire/limits.ts';
import type {OutputRef} from '../../src/wire/message.ts';
import {blobOf, crypto, itemsOf, NodeRig, notesOf, only, runs, savedKeys, sent} from './rig.ts';

const bytes = (length: number): OutputRef => ({
  kind: 'inline',
  bytes: new Uint8Array(length).fill(200),
});

test('slots never run more than they have while run times are not known', t => {
  const rig = NodeRig.working(6, {slots: 2});
  t.deepEqual(runs(rig.first), ['1/0/0', '1/1/0'] as ReplicaId[]);
  t.deepEqual(
    only(rig.first, 'run').map(({order}) => order.slot),
    [0, 1],
  );
  const next = rig.turn(rig.computed('1/0/0' as ReplicaId, bytes(1), 5_000));
  t.deepEqual(runs(next), ['1/2/0'] as ReplicaId[]);
  t.is(only(next, 'run')[0]?.order.slot, 0);
});

test('long workunits run one to a slot, all through', t => {
  const rig = NodeRig.working(8, {slots: 2});
  const inSlot = new Map<number, number>();
  const slotOf = new Map<ReplicaId, number>();
  const queue: ReplicaId[] = [];
  const note = (effects: ReturnType<NodeRig['turn']>): void => {
    for (const {order} of only(effects, 'run')) {
      queue.push(order.replicaId);
      slotOf.set(order.replicaId, order.slot);
      inSlot.set(order.slot, (inSlot.get(order.slot) ?? 0) + 1);
      t.true((inSlot.get(order.slot) ?? 0) <= 1);
    }
  };
  note(rig.first);
  for (let id = queue.shift(); id; id = queue.shift()) {
    const slot = slotOf.get(id) ?? -1;
    inSlot.set(slot, (inSlot.get(slot) ?? 0) - 1);
    rig.mono += 10;
    note(rig.turn(rig.computed(id, bytes(1), 5_000)));
  }
  t.is(slotOf.size, 8);
});

test('a run order holds the limits of the lease, and the same seed for each replica of a workunit', t => {
  const rig = NodeRig.working(2);
  const [a, b] = only(rig.first, 'run').map(({order}) => order);
  t.like(a, {timeLimitMs: 1_000, memoryLimitMib: 64, outputLimitBytes: 1_000_000});
  t.not(a?.seed, b?.seed);
  const other = NodeRig.working(1);
  t.is(only(other.first, 'run')[0]?.order.seed, a?.seed);
});

test('the last result leaves at once, spooled in the same turn', t => {
  const rig = NodeRig.working(1);
  const effects = rig.turn(rig.computed('1/0/0' as ReplicaId, bytes(3)));
  const [report] = sent(effects, 'report');
  t.truthy(report);
  t.true(savedKeys(effects).some(key => key.startsWith('put spool/')));
  t.deepEqual(report && itemsOf(report).map(({index, proof, status}) => ({index, proof, status})), [
    {index: 0, proof: 1_000, status: 'done'},
  ]);
});

test('results of one moment are gathered and signed once', t => {
  const rig = NodeRig.working(6, {slots: 6});
  const effects = [];
  for (let i = 0; i < 5; i++) {
    rig.mono += 1;
    effects.push(...rig.turn(rig.computed(`1/${i}/0` as ReplicaId, bytes(3), 800)));
  }
  t.is(sent(effects, 'report').length, 0);
  const reports = sent(rig.pass(50), 'report');
  t.is(reports.length, 1);
  t.deepEqual(reports[0] && itemsOf(reports[0]).map(({index}) => index), [0, 1, 2, 3, 4]);
});

test('a failure is reported with its reason', t => {
  const rig = NodeRig.working(1);
  const effects = rig.turn({
    type: 'failed',
    replicaId: '1/0/0' as ReplicaId,
    reason: 'timedOut',
    detail: 'after 1 s',
    cpuMs: 1_000,
  });
  const [report] = sent(effects, 'report');
  t.like(report && itemsOf(report)[0], {status: 'timedOut', reason: 'after 1 s'});
});

test('a result of a replica that was stopped is dropped', t => {
  const rig = NodeRig.working(1);
  t.is(sent(rig.turn(rig.computed('9/9/9' as ReplicaId, bytes(1))), 'report').length, 0);
});

test('a report never exceeds a datagram, for outputs and reasons of all sizes', t => {
  const size = fc.oneof(
    fc.integer({min: 0, max: INLINE_OUTPUT_BYTES_MAX}),
    fc.integer({min: 0, max: 40}),
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(size, fc.boolean()), {minLength: 1, maxLength: 150}),
      outcomes => {
        const rig = NodeRig.working(outcomes.length, {slots: 200});
        const events = outcomes.map(([length, good], i) => {
          const replicaId = `1/${i}/0` as ReplicaId;
          return good
            ? rig.computed(replicaId, bytes(length), 2 ** 32 - 1)
            : ({
                type: 'failed',
                replicaId,
                reason: 'refused',
                detail: 'ü'.repeat(length),
                cpuMs: 1,
              } as const);
        });
        const effects = [...rig.turn(...events), ...rig.pass(100)];
        const indexes = new Set<number>();
        for (const report of sent(effects, 'report')) {
          const length = encodeMessage(report).length;
          if (length > PLAINTEXT_BYTES_MAX) t.fail(`a report of ${length} bytes`);
          const items = itemsOf(report);
          t.true(items.length > 0 && items.length <= RESULTS_PER_REPORT_MAX);
          for (const {index} of items) indexes.add(index);
        }
        // 64 reports leave in one turn at most; the rest follows.
        t.is(indexes.size, outcomes.length);
      },
    ),
    {numRuns: 60},
  );
  t.pass();
});

test('a pull never exceeds a datagram, however much is held', t => {
  const rig = NodeRig.working(0, {slots: 4});
  const answered = new Set<number>();
  for (let ms = 0; ms < 20_000; ms += 10)
    for (const pull of sent(rig.pass(10), 'pull')) {
      t.true(encodeMessage(pull).length <= PLAINTEXT_BYTES_MAX);
      if (answered.has(pull.nonce)) continue;
      answered.add(pull.nonce);
      const batch = rig.batchOf(2 ** 31 + answered.size * 64, 60, undefined, asBatchId(2 ** 31));
      rig.hears(rig.assignOf(pull, 0, {batches: [batch]}));
    }
  t.true(rig.core.slots.size > 60);
});

test('what is held is renewed by heartbeats, the longest unnamed first', t => {
  const rig = NodeRig.working(60);
  const named = new Set<number>();
  const answered = new Set<number>();
  for (let ms = 0; ms < 3_500; ms += 10)
    for (const pull of sent(rig.pass(10), 'pull')) {
      for (const {index} of pull.running) named.add(index);
      if (!answered.has(pull.nonce)) rig.hears(rig.assignOf(pull, 0));
      answered.add(pull.nonce);
    }
  t.is(named.size, 60);
});

test('a spooled report is repeated with back-off until its receipt', t => {
  const rig = NodeRig.working(1);
  const [report] = sent(rig.turn(rig.computed('1/0/0' as ReplicaId, bytes(3))), 'report');
  if (!report) return t.fail();
  let said = 0;
  const answered = new Set<number>();
  for (let ms = 0; ms < 60_000; ms += 10) {
    const effects = rig.pass(10);
    said += sent(effects, 'report').length;
    for (const pull of sent(effects, 'pull')) {
      if (!answered.has(pull.nonce)) rig.hears(rig.assignOf(pull, 0));
      answered.add(pull.nonce);
    }
  }
  t.true(said >= 15 && said <= 30, `${said} times a minute`);
  rig.hears(rig.receiptOf(report));
  t.is(sent(rig.pass(1_000), 'report').length, 0);
  rig.join();
  rig.pass(10_000);
  t.is(rig.spooled(), 0);
});

test('only the receipt of this master for these bytes empties the spool', t => {
  const rig = NodeRig.working(1);
  const [report] = sent(rig.turn(rig.computed('1/0/0' as ReplicaId, bytes(3))), 'report');
  if (!report) return t.fail();
  const good = rig.receiptOf(report);
  const bad = [
    rig.receiptOf(report, {}, crypto.ed25519KeyPair()),
    {...good, signature: new Uint8Array(64)},
    {...good, journalNo: good.journalNo + 1},
    {...good, nonce: good.nonce + 1},
    rig.receiptOf({...report, body: report.body.slice(1)}),
  ];
  for (const receipt of bad) rig.hears(receipt);
  t.is(rig.core.spool.size, 1);
  t.true(notesOf(rig.hears(bad[0] ?? good)).includes('receipt refused'));
  rig.hears(good);
  t.is(rig.core.spool.size, 0);
  t.deepEqual(notesOf(rig.hears(good)), [], 'a repeat is nothing new');
});

test('the row of the spool goes only after the receipt, and a kill in between loses nothing', t => {
  const rig = NodeRig.working(1);
  const [report] = sent(rig.turn(rig.computed('1/0/0' as ReplicaId, bytes(3))), 'report');
  if (!report) return t.fail();
  t.is(rig.spooled(), 1);
  rig.kill();
  t.is(rig.core.spool.size, 1);
  const again = sent([...rig.join(), ...rig.pass(400)], 'report')[0];
  t.deepEqual(again?.body, report.body);
  t.deepEqual(again?.signature, report.signature);
  rig.hears(rig.receiptOf(report));
  rig.pass(10_000);
  t.is(rig.spooled(), 0);
});

test('a nonce of the spool is not used again while its row is there', t => {
  const rig = NodeRig.working(1);
  const [report] = sent(rig.turn(rig.computed('1/0/0' as ReplicaId, bytes(3))), 'report');
  rig.kill();
  const [pull] = sent(rig.join(), 'pull');
  if (!pull) return t.fail();
  rig.hears(rig.assignOf(pull, 0, {batches: [rig.batchOf(5, 1)]}));
  rig.turn(rig.computed('1/5/0' as ReplicaId, bytes(3)));
  t.is(rig.core.spool.size, 2);
  t.is(rig.spooled(), 2);
  t.truthy(report);
});

test('the highest receipt is told in the Hello of the next session', t => {
  const rig = NodeRig.working(1);
  const [report] = sent(rig.turn(rig.computed('1/0/0' as ReplicaId, bytes(3))), 'report');
  if (!report) return t.fail();
  rig.hears(rig.receiptOf(report, {journalNo: 4_321}));
  t.is(sent(rig.link(), 'hello')[0]?.receiptHead, 4_321);
});

test('a blob output is uploaded before its report is said', t => {
  const rig = NodeRig.working(1);
  const blob = blobOf('picture');
  const first = rig.turn(rig.computed('1/0/0' as ReplicaId, {kind: 'blob', ...blob}));
  t.is(sent(first, 'report').length, 0);
  t.is(rig.spooled(), 1);
  t.deepEqual(
    only(first, 'upload').map(({blobId, size}) => ({blobId, size})),
    [blob],
  );
  const then = rig.turn({type: 'uploaded', blobId: blob.blobId});
  const [report] = sent(then, 'report');
  if (!report) return t.fail();
  const effects = [...rig.hears(rig.receiptOf(report)), ...rig.pass(10_000)];
  t.deepEqual(
    only(effects, 'dropBlob').map(({blobId}) => blobId),
    [blob.blobId],
  );
});

test('an upload that does not end is asked for again', t => {
  const rig = NodeRig.working(1);
  const blob = blobOf('picture');
  rig.turn(rig.computed('1/0/0' as ReplicaId, {kind: 'blob', ...blob}));
  let uploads = 0;
  const answered = new Set<number>();
  for (let ms = 0; ms < 10_000; ms += 10) {
    const effects = rig.pass(10);
    uploads += only(effects, 'upload').length;
    for (const pull of sent(effects, 'pull')) {
      if (!answered.has(pull.nonce)) rig.hears(rig.assignOf(pull, 0));
      answered.add(pull.nonce);
    }
  }
  t.true(uploads >= 3 && uploads < 20, `${uploads} uploads`);
});

test('blobs of a restored spool are uploaded again before it is said', t => {
  const rig = NodeRig.working(1);
  const blob = blobOf('picture');
  rig.turn(rig.computed('1/0/0' as ReplicaId, {kind: 'blob', ...blob}));
  rig.kill();
  const effects = [...rig.join(), ...rig.pass(300)];
  t.true(only(effects, 'upload').length > 0);
  t.is(sent(effects, 'report').length, 0);
  t.is(sent(rig.turn({type: 'uploaded', blobId: blob.blobId}), 'report').length, 1);
});

test('a blob that another report still names is not dropped with the first receipt', t => {
  const rig = NodeRig.working(2);
  const blob = blobOf('an empty tile');
  const said = [];
  for (const id of ['1/0/0', '1/1/0']) {
    rig.mono += 100;
    const effects = [
      ...rig.turn(rig.computed(id as ReplicaId, {kind: 'blob', ...blob}, 900)),
      ...rig.pass(20),
      ...rig.turn({type: 'uploaded', blobId: blob.blobId}),
    ];
    said.push(...sent(effects, 'report'));
  }
  const reports = [...new Map(said.map(report => [report.nonce, report])).values()];
  t.is(reports.length, 2);
  const [first, second] = reports;
  if (!first || !second) return t.fail();
  t.is(only([...rig.hears(rig.receiptOf(first)), ...rig.pass(9_000)], 'dropBlob').length, 0);
  rig.join();
  const effects = [...rig.hears(rig.receiptOf(second)), ...rig.pass(300)];
  t.is(only([...effects, ...rig.pass(10_000)], 'dropBlob').length, 1);
});

test('paused: nothing more is asked for, what runs goes on', t => {
  const rig = new NodeRig();
  const [pull] = sent(rig.join(), 'pull');
  if (!pull) return t.fail();
  rig.hears(rig.assignOf(pull, 3, {state: {generation: 1, paused: true}}));
  const effects = [];
  const answered = new Set<number>();
  for (let ms = 0; ms < 5_000; ms += 10) {
    const more = rig.pass(10);
    effects.push(...more);
    for (const each of sent(more, 'pull')) {
      t.is(each.wanted, 0);
      if (!answered.has(each.nonce))
        rig.hears(rig.assignOf(each, 0, {state: {generation: 1, paused: true}}));
      answered.add(each.nonce);
    }
  }
  t.is(only(effects, 'stop').length, 0);
  t.true(answered.size > 2, 'heartbeats go on');
  rig.turn(rig.command({kind: 'state'}, {state: {generation: 2, paused: false}}));
  rig.turn(
    rig.computed('1/0/0' as ReplicaId, bytes(1)),
    rig.computed('1/1/0' as ReplicaId, bytes(1)),
  );
  rig.turn(rig.computed('1/2/0' as ReplicaId, bytes(1)));
  t.true(sent(rig.pass(1_500), 'pull').some(({wanted}) => wanted > 0));
});

test('a late packet cannot undo a newer state', t => {
  const rig = new NodeRig();
  const [pull] = sent(rig.join({state: {generation: 5, paused: true}}), 'pull');
  if (!pull) return t.fail();
  t.is(pull.wanted, 0);
  rig.hears(rig.assignOf(pull, 0, {state: {generation: 4, paused: false}}));
  t.true(sent(rig.pass(1_500), 'pull').every(({wanted}) => wanted === 0));
});

test('closed batches of an answer are stopped', t => {
  const rig = NodeRig.working(3);
  const [pull] = sent(rig.pass(1_100), 'pull');
  if (!pull) return t.fail();
  t.is(pull.running.length, 3);
  const effects = rig.hears(rig.assignOf(pull, 0, {closed: [asBatchId(1)]}));
  t.is(only(effects, 'stop').length, 3);
  t.is(rig.core.slots.size, 0);
});

test('results go on gathering in the spool while the master is away', t => {
  const rig = NodeRig.working(2, {slots: 2});
  rig.pass(10_000);
  t.false(rig.core.welcomed);
  const effects = [
    ...rig.turn(rig.computed('1/0/0' as ReplicaId, bytes(3))),
    ...rig.turn(rig.computed('1/1/0' as ReplicaId, bytes(3))),
    ...rig.pass(100),
  ];
  t.is(only(effects, 'send').length, 0);
  t.true(rig.core.spool.size > 0);
  const said = sent([...rig.join(), ...rig.pass(400)], 'report').flatMap(report => itemsOf(report));
  t.deepEqual(new Set(said.map(({index}) => index)), new Set([0, 1]));
});

test('many spooled reports come back a part at a time', t => {
  const rig = NodeRig.working(200, {slots: 200});
  for (let i = 0; i < 200; i++) {
    rig.mono += 20;
    rig.turn(rig.computed(`1/${i}/0` as ReplicaId, bytes(700), 900));
  }
  t.true(rig.core.spool.size >= 100);
  rig.kill();
  rig.link();
  const first = sent(rig.hears(rig.welcome()), 'report').length;
  t.true(first <= 64);
  t.true(sent(rig.pass(2), 'report').length <= 64);
});
