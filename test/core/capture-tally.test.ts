import test from 'ava';
import {asBlobId, type NodeId} from '../../src/base/types.ts';
import {
  isLate,
  isWhole,
  missingIn,
  quantile,
  spreadsOf,
  tallyOf,
  tooCloseIn,
} from '../../src/core/capture-tally.ts';
import type {ShotRow} from '../../src/core/views.ts';

const row = (name: string, changes: Partial<ShotRow> = {}): ShotRow => ({
  nodeId: name.padEnd(32, '0') as NodeId,
  name,
  label: '',
  shot: 1,
  heard: true,
  verdict: 'fired',
  reason: '',
  heardAt: 1,
  firedAt: 1_000,
  doneAt: 1_010,
  lateMs: 0.1,
  clockBoundMs: 0.2,
  files: [],
  statement: '',
  signature: '',
  ...changes,
});
const file = (collected: boolean) => ({
  ...{name: 'x.png', blobId: asBlobId('a'.repeat(64)), size: 5},
  collected,
});
const unfired = {firedAt: 0, doneAt: 0, lateMs: 0} as const;

test('nodes that did not fire are named with the reason and their shots', t => {
  const rows = [
    row('a'),
    row('b', {...unfired, verdict: 'waiting', heard: false}),
    row('b', {...unfired, verdict: 'waiting', heard: false, shot: 2}),
    row('c', {...unfired, verdict: 'waiting'}),
    row('d', {...unfired, verdict: 'silent', heard: false}),
    row('e', {...unfired, verdict: 'failed', reason: 'no lens'}),
    row('f', {...unfired, verdict: 'cancelled'}),
  ];
  t.deepEqual(
    missingIn(rows).map(({name, why, reason, shots}) => [name, why, reason, shots]),
    [
      ['b', 'silent', '', [1, 2]],
      ['c', 'unsaid', '', [1]],
      ['d', 'silent', '', [1]],
      ['e', 'failed', 'no lens', [1]],
    ],
  );
});

test('a capture is whole when all fired and every file is here', t => {
  t.true(isWhole({rows: [row('a', {files: [file(true)]})]}));
  t.false(isWhole({rows: [row('a', {files: [file(true), file(false)]})]}));
  t.false(isWhole({rows: [row('a'), row('b', {verdict: 'waiting'})]}));
});

test('everything is counted once', t => {
  const rows = [
    row('a', {files: [file(true), file(false)]}),
    row('a', {shot: 2, lateMs: 6}),
    row('b', {...unfired, verdict: 'missed'}),
    row('c', {...unfired, verdict: 'forbidden'}),
    row('d', {...unfired, verdict: 'silent'}),
    row('d', {...unfired, verdict: 'cancelled', shot: 2}),
  ];
  t.deepEqual(tallyOf({rows}), {
    ...{nodes: 4, asked: 6, fired: 2, late: 1, missed: 1, failed: 1, cancelled: 1, silent: 1},
    ...{files: 2, collected: 1, bytes: 10},
  });
  t.deepEqual(rows.map(isLate), [false, true, false, false, false, false]);
});

test('the spread of a shot has the bounds of its first and its last', t => {
  const rows = [
    row('a', {firedAt: 1_003, lateMs: 3, clockBoundMs: 0.5}),
    row('b', {firedAt: 1_000, lateMs: 0, clockBoundMs: 0.25}),
    // in a sweep its own instant was 500 ms after the others'
    row('c', {firedAt: 1_501, lateMs: 1, clockBoundMs: 9}),
    row('a', {shot: 2}),
  ];
  t.deepEqual(spreadsOf({rows, shots: 2}), [
    {shot: 1, fired: 3, spreadMs: 3, boundMs: 0.75},
    {shot: 2, fired: 1, spreadMs: -1, boundMs: 0},
  ]);
});

test('a quantile is a value of the list', t => {
  t.is(quantile([], 0.5), 0);
  t.deepEqual(
    [0, 0.5, 0.99, 1].map(part => quantile([1, 2, 3, 4], part)),
    [1, 2, 4, 4],
  );
});

test('shots that were closer together than a node could fire them are told with what it could keep', t => {
  const shots = (name: string, tookMs: readonly number[]): ShotRow[] =>
    tookMs.map((ms, k) => row(name, {shot: k + 1, firedAt: 1_000, doneAt: 1_000 + ms}));
  const of = (rows: readonly ShotRow[], atWallMs: readonly number[], steps = {}) =>
    tooCloseIn({action: 'camera', rows, atWallMs, ...steps});
  const at = [1_000, 1_020, 1_040];
  t.deepEqual(of([...shots('a', [81, 85, 900]), ...shots('b', [61, 62, 60])], at), {
    gapMs: 20,
    keepMs: 90,
  });
  t.is(of(shots('a', [20, 20, 90]), at), undefined, 'a hiccup');
  t.is(of(shots('a', [85, 85, 85]), [0, 0, 0]), undefined, 'on hearing');
  t.is(of(shots('a', [85]), [1_000]), undefined);
  const late = row('a', {...unfired, verdict: 'missed', shot: 3});
  t.is(of([...shots('a', [81, 85]), late], at)?.keepMs, 90);
  const steps = ['on', 'camera', 'off'].map(action => ({atMs: 0, action, args: []}));
  t.is(of(shots('a', [85, 85, 85]), at, {steps}), undefined, 'three actions');
});
