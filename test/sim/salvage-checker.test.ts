// What a recovery loses is declared, by name or by number; what it keeps is what was there.

import test, {type ExecutionContext} from 'ava';
import {asBatchId, asNodeId} from '../../src/base/types.ts';
import {type BatchRow, NO_CREDIT} from '../../src/core/tables.ts';
import type {Loss} from '../../src/master/salvage.ts';
import {SimFailure} from '../../src/sim/fabric.ts';
import {type Decided, Model} from '../../src/sim/model.ts';
import {workunitKey} from '../../src/sim/model-names.ts';
import {type Acked, checkSalvage, type Salvaged} from '../../src/sim/salvage-checker.ts';

const NODE = asNodeId('ab'.repeat(16));
const KEY = workunitKey(1, 5);
const done = (reportNo: number): Decided => ({kind: 'done', reportNo, item: 0});

function modelWith(decisions: readonly (readonly [number, Decided])[]): Model {
  const model = new Model();
  for (const [key, decided] of decisions) model.decisions.set(key, decided);
  return model;
}

const lossOf = (reopened: readonly number[] | undefined): Loss => ({
  batches: [{batchId: asBatchId(1), name: 'x', reopened, decisionsLost: 0}],
  missingBatches: [],
  rows: [],
  doubtfulNodes: [],
  recounted: true,
  voidAfter: 0,
});
const NO_LOSS: Loss = {
  batches: [],
  missingBatches: [],
  rows: [],
  doubtfulNodes: [],
  recounted: false,
  voidAfter: 0,
};

const salvagedAs = (model: Model, loss: Loss, lastGood = 10): Salvaged => ({
  model,
  loss,
  lastGood,
  credit: 0,
  head: lastGood + 1,
});

function speaks(t: ExecutionContext, invariant: string, story: RegExp, act: () => void): void {
  const failure = t.throws(act, {instanceOf: SimFailure});
  t.is(failure?.invariant, invariant);
  t.regex(failure?.message ?? '', story);
}

test('S1: a decision that is gone is declared, by its workunit, its batch or its commit', t => {
  const before = modelWith([[KEY, done(3)]]);
  const check = (loss: Loss, decidedAt = 7): void =>
    checkSalvage(before, salvagedAs(new Model(), loss), new Map([[KEY, decidedAt]]), []);
  speaks(t, 'S1', /1\/5 was decided, is not, and nobody says so/, () => check(NO_LOSS));
  speaks(t, 'S1', /nobody says so/, () => check(lossOf([4, 6])));
  t.notThrows(() => check(lossOf([5])));
  t.notThrows(() => check(lossOf(undefined)), 'the whole batch');
  t.notThrows(() => check(NO_LOSS, 11), 'a commit behind what is good');
});

test('S1: an acknowledged vote that is gone is declared, or its receipt is behind what is good', t => {
  const check = (loss: Loss, journalNo: number): void => {
    const acked: Acked = {nodeId: NODE, key: KEY, journalNo};
    checkSalvage(new Model(), salvagedAs(new Model(), loss), new Map(), [acked]);
  };
  speaks(t, 'S1', /1\/5 .*receipt 9, is lost without a word; the journal is good to 10/, () =>
    check(NO_LOSS, 9),
  );
  t.notThrows(() => check(NO_LOSS, 11));
  t.notThrows(() => check(lossOf([5]), 9));
});

test('P4: a decision that was not there before is made up, and so is another one', t => {
  const after = salvagedAs(modelWith([[KEY, done(4)]]), NO_LOSS);
  for (const before of [new Model(), modelWith([[KEY, done(3)]])])
    speaks(t, 'P4', /1\/5: a decision is made up/, () =>
      checkSalvage(before, after, new Map(), []),
    );
  t.notThrows(() => checkSalvage(modelWith([[KEY, done(4)]]), after, new Map(), []));
});

test('P4: a result that was taken out may be back where that is lost, undone or told', t => {
  const after = modelWith([[KEY, done(4)]]);
  const check = (model: Model, at: number, former = done(4), loss = NO_LOSS): void => {
    const withdrawn = new Map([[KEY, [{nodeId: NODE, former, at}]]]);
    checkSalvage(new Model(), salvagedAs(model, loss), new Map(), [], withdrawn);
  };
  speaks(t, 'P4', /made up/, () => check(after, 10));
  speaks(t, 'P4', /made up/, () => check(after, 11, done(3)));
  t.notThrows(() => check(after, 11), 'the journal is good to 10');
  t.notThrows(() => check(after, 10, done(4), {...NO_LOSS, doubtfulNodes: [NODE]}));
  after.revoked.add(NODE);
  t.notThrows(() => check(after, 10), 'it will be listed again');
});

test('S8: whose result is canonical has credit for it', t => {
  const model = modelWith([[KEY, done(3)]]);
  model.reports.set(3, {nodeId: NODE, items: []});
  const check = (): void => checkSalvage(model, salvagedAs(model, NO_LOSS), new Map(), []);
  speaks(t, 'S8', /has credit for 0 results, 1 of it are canonical/, check);
  model.credits.set(NODE, {...NO_CREDIT, validated: 1, credit: 1});
  t.notThrows(check);
});

test('S13: batches that are gone, and how many decisions, are told as they are', t => {
  const batchesOf = (ids: readonly number[], from = new Model()): Model => {
    for (const id of ids) from.batches.set(id, {} as BatchRow);
    return from;
  };
  const check = (left: readonly number[], loss: Loss): void =>
    checkSalvage(batchesOf([1, 2, 3]), salvagedAs(batchesOf(left), loss), new Map(), []);
  speaks(t, 'S13', /batch 2 is gone, and nobody says so/, () => check([1, 3], NO_LOSS));
  t.notThrows(() => check([1, 3], {...NO_LOSS, missingBatches: [[2, 2]]}));
  t.notThrows(() => check([1, 2], NO_LOSS), 'of those above the highest nobody knows');
  speaks(t, 'S13', /batch 2 is there, and is called missing/, () =>
    check([1, 2, 3], {...NO_LOSS, missingBatches: [[2, 2]]}),
  );
  const lost = (decisionsLost: number): void => {
    const loss = {...lossOf([5]), batches: [{...lossOf([5]).batches[0], decisionsLost}]} as Loss;
    checkSalvage(modelWith([[KEY, done(3)]]), salvagedAs(new Model(), loss), new Map(), []);
  };
  t.notThrows(() => lost(1));
  speaks(t, 'S13', /2 decisions are called lost, 1 are gone/, () => lost(2));
});
