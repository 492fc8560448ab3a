// What operators ordered, as the rows say: what is not ordered is told.

import test, {type ExecutionContext} from 'ava';
import {asBatchId, asNodeId} from '../../src/base/types.ts';
import {historyKey} from '../../src/core/operator-rows.ts';
import {
  batchKey,
  type Decision,
  del,
  encodeJson,
  encodePage,
  encodeReportRow,
  encodeVote,
  type Op,
  pageKey,
  put,
  reportKey,
  voteKey,
} from '../../src/core/tables.ts';
import {SimFailure} from '../../src/sim/fabric.ts';
import {Model} from '../../src/sim/model.ts';
import {workunitKey} from '../../src/sim/model-names.ts';
import {encodeResults} from '../../src/wire/codec.ts';

const ID = asBatchId(1);
const NODE = asNodeId('ab'.repeat(16));
const KEY = workunitKey(1, 5);
const FAILED: Decision = {kind: 'failed', reason: 'x'};

const batch = (more: object = {}): Op =>
  put(
    'batch',
    batchKey(ID),
    encodeJson({id: ID, state: 'running', policy: {}, count: 64, done: 0, failed: 0, ...more}),
  );
const page = (...decided: [number, Decision][]): Op =>
  put('page', pageKey(ID, 0), encodePage(new Map(decided)));
const deleted = put('history', historyKey(ID, 0), encodeJson({action: 'deleted'}));
const report = put(
  'report',
  reportKey(1),
  encodeReportRow({
    nodeId: NODE,
    signature: new Uint8Array(64),
    body: encodeResults([
      {batchId: ID, index: 5, replicaNo: 0, proof: 1, cpuMs: 1, status: 'timedOut', reason: ''},
    ]),
  }),
);
const vote = put(
  'vote',
  voteKey(ID, 6, NODE, 0),
  encodeVote({replicaNo: 0, reportNo: 1, item: 0, cpuMs: 1, status: 'timedOut', reason: ''}),
);
const hold = (kind: string): Op => put('control', NODE, encodeJson({hold: {kind}}));

/** A model of these commits, one after the other. */
function after(...commits: readonly (readonly Op[])[]): Model {
  const model = new Model();
  for (const ops of commits) {
    model.apply(ops);
    model.checkCounters(ops);
  }
  return model;
}

function speaks(t: ExecutionContext, invariant: string, story: RegExp, act: () => void): void {
  const failure = t.throws(act, {instanceOf: SimFailure});
  t.is(failure?.invariant, invariant);
  t.regex(failure?.message ?? '', story);
}

const FAILED_ONCE = [batch({failed: 1}), page([5, FAILED])];

test('P4: what failed may go from its page while its batch is retried, and not before', t => {
  const empty = [page()];
  speaks(t, 'P4', /page 1\/0 forgot 1 decisions/, () => after(FAILED_ONCE, empty));
  const retried = after(FAILED_ONCE, [batch({failed: 1, retrying: true, retries: 1})]);
  const {undone} = retried.apply(empty);
  t.deepEqual([...undone], [[KEY, FAILED]]);
  t.false(retried.decisions.has(KEY));
});

test('P4: a batch goes on after its end by a retry alone', t => {
  const ended = [batch({state: 'failed', retries: 1})];
  speaks(t, 'P4', /went on after its end/, () => after(ended, [batch({retries: 1})]));
  t.true(
    after(ended)
      .apply([batch({retries: 2})])
      .anew.has(ID),
  );
});

test('P1: a page, a report and a batch go when somebody deleted the batch, and not before', t => {
  const first = [...FAILED_ONCE, report];
  const gone = [
    del('page', pageKey(ID, 0)),
    del('report', reportKey(1)),
    del('batch', batchKey(ID)),
  ];
  for (const op of gone) speaks(t, 'P1', /is deleted/, () => after(first, [op]));
  const going = [deleted, batch({state: 'failed', deleting: true})];
  const model = after(first, going, gone);
  t.is(model.batches.size + model.reports.size + model.decisions.size, 0);
  t.true(model.hasEnded(ID));
});

test('P1: a report that another batch needs stays', t => {
  const other = put(
    'batch',
    batchKey(asBatchId(2)),
    encodeJson({id: 2, state: 'running', done: 0, failed: 0}),
  );
  const both = put(
    'report',
    reportKey(1),
    encodeReportRow({
      nodeId: NODE,
      signature: new Uint8Array(64),
      body: encodeResults(
        [1, 2].map(id => ({
          batchId: asBatchId(id),
          index: 5,
          replicaNo: 0,
          proof: 1,
          cpuMs: 1,
          status: 'timedOut',
          reason: '',
        })),
      ),
    }),
  );
  speaks(t, 'P1', /report 1 is deleted and needed/, () =>
    after(
      [batch(), other, both],
      [deleted, batch({deleting: true})],
      [del('report', reportKey(1))],
    ),
  );
});

test('S18: nothing of a deleted batch comes back, and no decision stays behind it', t => {
  const going = [deleted, batch({state: 'failed', deleting: true})];
  speaks(t, 'S18', /a vote of the deleted batch 1/, () => after([batch()], going, [vote]));
  speaks(t, 'S18', /a page of the deleted batch 1/, () => after([batch()], going, [page()]));
  speaks(t, 'S18', /was deleted and is there again/, () => after([batch()], going, [batch()]));
  speaks(t, 'S18', /1 of its decisions are not/, () =>
    after(FAILED_ONCE, going, [del('batch', batchKey(ID))]),
  );
});

test('S18: a vote of a quarantined node is told, and those that it had are barred', t => {
  speaks(t, 'S18', /is quarantined and votes/, () => after([batch(), hold('quarantined')], [vote]));
  t.notThrows(() => after([batch(), hold('draining')], [vote]));
  t.notThrows(() => after([batch(), hold('quarantined')], [del('control', NODE)], [vote]));
  const model = after([batch()], [vote]);
  const {removed, aside} = model.apply([hold('quarantined'), del('vote', vote.key)]);
  t.true(aside.has(NODE));
  t.true([...removed.values()][0]?.[0]?.barred);
  t.is(model.votesAside(workunitKey(1, 6), []), 1);
  t.true(model.hasBarred);
});
