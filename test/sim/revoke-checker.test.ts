import test from 'ava';
import {asNodeId} from '../../src/base/types.ts';
import {encodeCredit, encodeJson, encodeReportRow, type Op, put} from '../../src/core/tables.ts';
import {planOf} from '../../src/sim/draw.ts';
import {RevokeChecker} from '../../src/sim/revoke-checker.ts';
import {runSeed} from '../../src/sim/swarm.ts';

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
