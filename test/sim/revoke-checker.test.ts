import test from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import {asBatchId, asNodeId, type NodeId} from '../../src/base/types.ts';
import {type CheckState, checkKey, encodeChecks} from '../../src/core/checks.ts';
import {
  type BatchRow,
  batchKey,
  encodeCredit,
  encodeJson,
  encodePage,
  encodeReportRow,
  type Op,
  pageKey,
  put,
  reportKey,
} from '../../src/core/tables.ts';
import {DecisionChecker} from '../../src/sim/decision-checker.ts';
import {planOf} from '../../src/sim/draw.ts';
import {Model} from '../../src/sim/model.ts';
import {RevokeChecker} from '../../src/sim/revoke-checker.ts';
import {runSeed} from '../../src/sim/swarm.ts';
import {encodeResults} from '../../src/wire/codec.ts';

const NODE = asNodeId('ab'.repeat(16));
const node = (revokedAt: number): Op =>
  put('node', NODE, encodeJson({nodeId: NODE, revokedAt, doubts: 0}));
const report = put(
  'report',
  '1',
  encodeReportRow({nodeId: NODE, signature: new Uint8Array(64), body: new Uint8Array(1)}),
);
const credit = (sum: number): Op =>
  put('credit', NODE, encodeCredit({validated: sum, disagreed: 0, errors: 0, credit: sum}));

test('a report, a vote or credit of a node after its revocation is durable is found', t => {
  const vote = put('vote', `0000000100000000${NODE}00000000`, new Uint8Array(1));
  for (const op of [report, vote, credit(2)]) {
    const checker = new RevokeChecker();
    checker.masterDurable([node(0)]);
    checker.masterDurable([credit(1), op, node(5)]);
    t.is(checker.revokedCount, 1);
    t.throws(() => checker.masterDurable([op.table === 'credit' ? credit(3) : op]), {
      name: 'SimFailure',
    });
  }
});

test('what a node says before its revocation is durable is no fault', t => {
  const checker = new RevokeChecker();
  checker.masterDurable([report, credit(1)]);
  checker.masterDurable([report, node(5)]);
  t.notThrows(() => checker.masterDurable([credit(1)]));
});

test('seeds with revocations hold every promise', t => {
  t.timeout(120_000);
  let revoked = 0;
  for (let seed = 1; revoked < 5; seed++) {
    if ((planOf(seed).revokes ?? []).length === 0) continue;
    const {failure, world} = runSeed(seed);
    t.is(failure, undefined, `npm run sim -- --seed ${seed}`);
    revoked += world.checkers.revokeChecker.revokedCount;
  }
  t.true(revoked >= 5);
});

// ---- S17: what rests on a revoked node alone is computed again -----------------------------------

const BATCH = asBatchId(1);
const OTHER = asNodeId('cd'.repeat(16));
const batchRow = (more: Partial<BatchRow> = {}): Op => {
  const row = {id: BATCH, count: 2, state: 'running', done: 1, failed: 0, rechecking: 0, ...more};
  return put('batch', batchKey(BATCH), encodeJson({policy: {minQuorum: 1}, ...row}));
};
const reportOf = (no: number, nodeId: NodeId, text: string): Op => {
  const output = {kind: 'inline', bytes: toUtf8(text)} as const;
  const item = {
    batchId: BATCH,
    index: 0,
    replicaNo: 0,
    proof: 1,
    cpuMs: 1,
    status: 'done',
  } as const;
  const body = encodeResults([{...item, output}]);
  return put(
    'report',
    reportKey(no),
    encodeReportRow({nodeId, signature: new Uint8Array(64), body}),
  );
};
const pageOf = (reportNo?: number, more: {readonly single?: true} = {}): Op => {
  const decision = {kind: 'done', reportNo: reportNo ?? 0, item: 0, ...more} as const;
  const page = new Map(reportNo === undefined ? [] : [[0, decision]]);
  return put('page', pageKey(BATCH, 0), encodePage(page));
};
const checkOf = (state: CheckState, reportNo = 1, nodeId = NODE): Op => {
  const check = {state, reportNo, item: 0, hash: new Uint8Array(32)};
  return put('check', checkKey(BATCH, 0, nodeId), encodeChecks(new Map([[0, check]])));
};

/** One result of NODE, which is revoked. */
function doubtful(...ops: readonly Op[]): Model {
  const model = new Model();
  model.apply([batchRow(), reportOf(1, NODE, 'x'), pageOf(1), node(5), ...ops]);
  return model;
}

test("a decision goes only when it is listed as a revoked node's", t => {
  t.throws(() => doubtful().apply([pageOf()]), {name: 'SimFailure'});
  const change = doubtful(checkOf('open')).apply([pageOf()]);
  const former = {kind: 'done', reportNo: 1, item: 0};
  t.deepEqual([...change.withdrawn.values()], [{nodeId: NODE, former}]);
  const other = doubtful(checkOf('open'), reportOf(2, OTHER, 'x'));
  other.apply([pageOf()]);
  other.apply([checkOf('confirmed'), pageOf(2)]);
  t.throws(() => other.apply([pageOf()]), {name: 'SimFailure'}, 'that of another node stays');
});

test('a single result is taken out as it stood: a damaged disk may bring that back, and nothing else', t => {
  const model = new Model();
  const adaptive = {policy: {minQuorum: 2, redundancy: 'adaptive'}} as unknown as Partial<BatchRow>;
  const single = pageOf(1, {single: true});
  model.apply([batchRow(adaptive), reportOf(1, NODE, 'x'), single, node(5), checkOf('open')]);
  const change = model.apply([pageOf()]);
  const former = {kind: 'done', reportNo: 1, item: 0, single: true};
  t.deepEqual([...change.withdrawn.values()], [{nodeId: NODE, former}]);
});

test('checks of a member, of a report of another, or of a larger quorum are found', t => {
  t.notThrows(() => doubtful().apply([checkOf('open')]));
  t.throws(() => doubtful().apply([checkOf('open', 1, OTHER)]), {name: 'SimFailure'});
  t.throws(() => doubtful(reportOf(2, OTHER, 'x')).apply([checkOf('open', 2)]), {
    name: 'SimFailure',
  });
  const two = {policy: {minQuorum: 2}} as unknown as Partial<BatchRow>;
  t.throws(() => doubtful(batchRow(two)).apply([checkOf('open')]), {name: 'SimFailure'});
});

test('an outcome that is not what the reports show is found', t => {
  for (const [text, said, isTrue] of [
    ['x', 'confirmed', true],
    ['x', 'replaced', false],
    ['y', 'replaced', true],
    ['y', 'confirmed', false],
    ['y', 'failed', false],
  ] as const) {
    const model = doubtful(checkOf('open'), reportOf(2, OTHER, text));
    model.apply([pageOf()]);
    const change = model.apply([checkOf(said), pageOf(2)]);
    const checker = new DecisionChecker(undefined as never, undefined as never, () => undefined);
    const check = (): void => checker.checked(model, change);
    if (isTrue) t.notThrows(check);
    else t.throws(check, {name: 'SimFailure'});
  }
});

test('what still rests on a revoked node in the end is found, but for batches that were given up', t => {
  const whole = {count: 1, state: 'done'} as const;
  t.is([...doubtful(batchRow(whole)).restingOnRevoked()].length, 1);
  t.is([...doubtful(batchRow({...whole, state: 'cancelled'})).restingOnRevoked()].length, 0);
  t.is([...doubtful(batchRow({count: 2, state: 'failed'})).restingOnRevoked()].length, 0);
  t.is([...doubtful(checkOf('open'), pageOf()).restingOnRevoked()].length, 0);
});

test('an ended batch goes on only to be checked, a cancelled one never', t => {
  const ended = (state: 'done' | 'cancelled') => doubtful(batchRow({state}));
  t.throws(() => ended('done').apply([batchRow()]), {name: 'SimFailure'});
  t.notThrows(() => ended('done').apply([batchRow({rechecking: 1})]));
  t.throws(() => ended('cancelled').apply([batchRow({rechecking: 1})]), {name: 'SimFailure'});
});

test('seeds with a quorum of 1 check again what revoked nodes alone stood for', t => {
  t.timeout(120_000);
  let checked = 0;
  for (let seed = 1; checked < 50; seed++) {
    const overrides = {quorum: 1};
    if ((planOf(seed, overrides).revokes ?? []).length === 0) continue;
    const {failure, world} = runSeed(seed, overrides);
    t.is(failure, undefined, `npm run sim -- --seed ${seed} --quorum 1`);
    checked += world.checkers.masterChecker.decisions.checkedCount;
  }
  t.true(checked >= 50);
});
