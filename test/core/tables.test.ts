import test from 'ava';
import fc from 'fast-check';
import {asBatchId, asBlobId, asNodeId} from '../../src/base/types.ts';
import {
  batchKey,
  type CreditRow,
  captureKey,
  type Decision,
  decodeCredit,
  decodeJson,
  decodePage,
  decodePageKey,
  decodeReportRow,
  decodeVote,
  decodeVoteKey,
  encodeCredit,
  encodeJson,
  encodePage,
  encodeReportRow,
  encodeVote,
  journalKey,
  PAGE_WORKUNITS,
  pageKey,
  pageNoOf,
  reportKey,
  TABLES,
  type VoteRow,
  voteKey,
} from '../../src/core/tables.ts';
import {decodeTries, encodeTries} from '../../src/core/tries.ts';
import type {FailReason, OutputRef} from '../../src/wire/message.ts';

const uint32 = fc.nat(2 ** 32 - 1);
const uint53 = fc.maxSafeNat();
const nodeId = fc
  .uint8Array({minLength: 16, maxLength: 16})
  .map(bytes => asNodeId(Buffer.from(bytes).toString('hex')));
const blobId = fc
  .uint8Array({minLength: 32, maxLength: 32})
  .map(bytes => asBlobId(Buffer.from(bytes).toString('hex')));
const text = fc.string({unit: 'grapheme', maxLength: 60});
const batchId = fc.integer({min: 1, max: 2 ** 32 - 1}).map(asBatchId);

const decision: fc.Arbitrary<Decision> = fc.oneof(
  fc.record({kind: fc.constant('done' as const), reportNo: uint53, item: fc.nat(63)}),
  fc.record({kind: fc.constant('failed' as const), reason: text}),
);
const output: fc.Arbitrary<OutputRef> = fc.oneof(
  fc.record({kind: fc.constant('inline' as const), bytes: fc.uint8Array({maxLength: 768})}),
  fc.record({kind: fc.constant('blob' as const), blobId, size: uint53}),
);
const head = {replicaNo: uint32, reportNo: uint53, item: fc.nat(63), cpuMs: uint32};
const FAILS: readonly FailReason[] = [
  'trapped',
  'timedOut',
  'outOfMemory',
  'outputTooLarge',
  'refused',
  'inputMissing',
  'runnerLost',
];
const vote: fc.Arbitrary<VoteRow> = fc.oneof(
  fc.record({...head, status: fc.constant('done' as const), output}),
  fc.record({...head, status: fc.constantFrom(...FAILS), reason: text}),
);
const credit: fc.Arbitrary<CreditRow> = fc.record({
  validated: uint53,
  disagreed: uint53,
  errors: uint53,
  credit: uint53,
});
const report = fc.record({
  nodeId,
  signature: fc.uint8Array({minLength: 64, maxLength: 64}),
  body: fc.uint8Array({maxLength: 1_200}),
});

/** Cut anywhere, a row gives RangeError or another row, never another exception. */
function cut(
  t: import('ava').ExecutionContext,
  bytes: Uint8Array,
  decode: (row: Uint8Array) => unknown,
): void {
  for (let length = 0; length < bytes.length; length++)
    try {
      decode(bytes.slice(0, length));
    } catch (error) {
      if (!(error instanceof RangeError)) t.fail(`cut at ${length}: ${String(error)}`);
    }
}

function flipped(
  t: import('ava').ExecutionContext,
  bytes: Uint8Array,
  decode: (row: Uint8Array) => unknown,
): void {
  for (let at = 0; at < Math.min(bytes.length, 40); at++) {
    const bad = bytes.slice();
    bad[at] = (bad[at] ?? 0) ^ 0xff;
    try {
      decode(bad);
    } catch (error) {
      if (!(error instanceof RangeError)) t.fail(`flipped at ${at}: ${String(error)}`);
    }
  }
}

test('pages come back as they went', t => {
  const page = fc.dictionary(fc.nat(PAGE_WORKUNITS - 1).map(String), decision);
  fc.assert(
    fc.property(page, entries => {
      const decisions = new Map(Object.entries(entries).map(([at, each]) => [Number(at), each]));
      const bytes = encodePage(decisions);
      t.deepEqual(decodePage(bytes), decisions);
      cut(t, bytes, decodePage);
      flipped(t, bytes, decodePage);
    }),
    {numRuns: 60},
  );
  t.pass();
});

test('tries come back as they went', t => {
  const row = fc.uniqueArray(fc.tuple(fc.nat(PAGE_WORKUNITS - 1), fc.nat(1_000)), {
    selector: ([offset]) => offset,
  });
  fc.assert(
    fc.property(row, entries => {
      const bytes = encodeTries(new Map(entries));
      t.deepEqual(decodeTries(bytes), new Map(entries));
      cut(t, bytes, decodeTries);
      flipped(t, bytes, decodeTries);
    }),
  );
  t.pass();
});

test('votes come back as they went', t => {
  fc.assert(
    fc.property(vote, row => {
      const bytes = encodeVote(row);
      t.deepEqual(decodeVote(bytes), row);
      cut(t, bytes, decodeVote);
      flipped(t, bytes, decodeVote);
    }),
  );
  t.pass();
});

test('reports and credit come back as they went', t => {
  fc.assert(
    fc.property(report, credit, (row, earned) => {
      const bytes = encodeReportRow(row);
      t.deepEqual(decodeReportRow(bytes), row);
      t.deepEqual(decodeCredit(encodeCredit(earned)), earned);
      cut(t, encodeCredit(earned), decodeCredit);
      flipped(t, bytes, decodeReportRow);
    }),
  );
  t.pass();
});

test('rows that are cut short throw RangeError', t => {
  t.throws(() => decodePage(new Uint8Array([0, 5])), {instanceOf: RangeError});
  t.throws(() => decodePage(new Uint8Array([1, 200, 1])), {instanceOf: RangeError});
  t.throws(() => decodeVote(new Uint8Array()), {instanceOf: RangeError});
  t.throws(() => decodeCredit(new Uint8Array([1, 2, 3])), {instanceOf: RangeError});
  t.throws(() => decodeReportRow(new Uint8Array([3, 1, 1])), {instanceOf: RangeError});
});

test('a vote with a status that nobody knows throws RangeError', t => {
  t.throws(() => decodeVote(new Uint8Array([1, 1, 1, 1, 99, 0])), {
    instanceOf: RangeError,
    message: /status/,
  });
});

test('a time in fractions is stored in whole milliseconds', t => {
  const row = {
    replicaNo: 0,
    reportNo: 1,
    item: 0,
    cpuMs: 1.6,
    status: 'trapped' as const,
    reason: '',
  };
  t.is(decodeVote(encodeVote(row)).cpuMs, 2);
});

test('keys of pages and votes come back as they went', t => {
  fc.assert(
    fc.property(batchId, uint32, nodeId, uint32, (batch, index, node, replicaNo) => {
      t.deepEqual(decodePageKey(pageKey(batch, index)), {batchId: batch, pageNo: index});
      t.deepEqual(decodeVoteKey(voteKey(batch, index, node, replicaNo)), {
        batchId: batch,
        index,
        nodeId: node,
      });
    }),
  );
  t.pass();
});

test('keys sort as their numbers do', t => {
  const small: [string, (n: number) => string][] = [
    ['batch', n => batchKey(asBatchId(n))],
    ['capture', n => captureKey(n as never)],
    ['page', n => pageKey(asBatchId(1), n)],
  ];
  fc.assert(
    fc.property(uint32, uint32, uint53, uint53, (a, b, c, d) => {
      for (const [name, key] of small) t.is(key(a) < key(b), a < b, name);
      for (const key of [reportKey, journalKey]) t.is(key(c) < key(d), c < d);
    }),
  );
  t.pass();
});

test('64 neighbours share a page', t => {
  t.deepEqual([0, 63, 64, 127, 2 ** 32 - 1].map(pageNoOf), [0, 0, 1, 1, 2 ** 26 - 1]);
});

test('JSON rows come back, and what is none is undefined', t => {
  const row = {a: 1, b: ['x', {c: null}], d: 'ü'};
  t.deepEqual(decodeJson(encodeJson(row)), row);
  for (const bytes of [new Uint8Array(), new Uint8Array([123]), new Uint8Array([255, 254])])
    t.is(decodeJson(bytes), undefined);
});

test('tables and their row versions are for ever', t => {
  t.deepEqual(
    {...TABLES},
    {
      meta: 1,
      journal: 2,
      batch: 1,
      page: 1,
      vote: 1,
      report: 1,
      node: 1,
      credit: 1,
      token: 1,
      tries: 1,
      app: 1,
      release: 1,
      capture: 1,
      shot: 1,
      transfer: 1,
      delivery: 1,
      spool: 1,
      doubt: 1,
      check: 1,
      history: 1,
      control: 1,
      kept: 1,
    },
  );
});
