import test from 'ava';
import fc from 'fast-check';
import {AssertionError} from '../../src/base/assert.ts';
import {asBatchId, asBlobId} from '../../src/base/types.ts';
import type {InputSource} from '../../src/core/input-source.ts';
import {countOf, Feeder, rangeInput, WINDOW_WORKUNITS} from '../../src/master/feeder.ts';
import {moveWorkunit, openWorkunit, type WorkunitState} from '../../src/master/workunit.ts';
import type {Input} from '../../src/wire/message.ts';

const ID = asBatchId(1);
const BLOB = asBlobId('b1'.repeat(32));
const range = (start: number, end: number, chunk: number) =>
  ({kind: 'range', start, end, chunk}) as const;
const lines = (count: number): InputSource => ({
  kind: 'lines',
  blobId: BLOB,
  indexBlobId: BLOB,
  count,
});
const EMPTY: Input = {kind: 'inline', bytes: new Uint8Array()};

const drain = (feeder: Feeder): number[] => {
  const indexes: number[] = [];
  for (;;) {
    const workunit = feeder.next();
    if (!workunit) return indexes;
    indexes.push(workunit.index);
  }
};

test('a range is cut into chunks, the last one may be short', t => {
  const source = range(10, 25, 6);
  t.is(countOf(source), 3);
  t.deepEqual(rangeInput(source, 0), {kind: 'range', start: 10, end: 16});
  t.deepEqual(rangeInput(source, 2), {kind: 'range', start: 22, end: 25});
});

test('the chunks of any range join without a gap', t => {
  fc.assert(
    fc.property(
      fc.nat(1e6),
      fc.integer({min: 1, max: 500}),
      fc.integer({min: 1, max: 60}),
      (start, length, chunk) => {
        const source = range(start, start + length, chunk);
        let at = start;
        for (let index = 0; index < countOf(source); index++) {
          const input = rangeInput(source, index);
          t.is(input.start, at);
          t.true(input.end > at);
          at = input.end;
        }
        t.is(at, start + length);
      },
    ),
  );
  t.pass();
});

test('a range gives each index once, in order', t => {
  const feeder = new Feeder(ID, range(0, 5, 1));
  t.is(feeder.remaining, 5);
  t.true(feeder.hasNext);
  t.deepEqual(drain(feeder), [0, 1, 2, 3, 4]);
  t.is(feeder.remaining, 0);
  t.false(feeder.hasNext);
  t.is(feeder.next(), undefined);
});

test('what a restart left behind comes first', t => {
  const feeder = new Feeder(ID, range(0, 10, 1), 8, [
    [1, 3],
    [5, 6],
  ]);
  t.is(feeder.remaining, 5);
  t.true(feeder.hasReopened);
  t.true(feeder.isPending(1));
  t.true(feeder.isPending(5));
  t.false(feeder.isPending(0));
  t.false(feeder.isPending(3));
  t.true(feeder.isPending(8));
  t.false(feeder.isPending(10));
  t.deepEqual(drain(feeder), [1, 2, 5, 8, 9]);
  t.false(feeder.isPending(1));
  t.false(feeder.isPending(9));
});

test('lines are never taken without their inputs', t => {
  const feeder = new Feeder(ID, lines(3));
  t.false(feeder.hasNext);
  t.is(feeder.next(), undefined);
  t.is(feeder.remaining, 3);
});

test('lines are read in windows, one at a time, when few are waiting', t => {
  const count = WINDOW_WORKUNITS + 10;
  const feeder = new Feeder(ID, lines(count));
  t.is(feeder.readAhead(WINDOW_WORKUNITS), undefined);
  const first = feeder.readAhead(0);
  t.deepEqual(first, {
    type: 'readInputs',
    batchId: ID,
    source: lines(count),
    from: 0,
    count: WINDOW_WORKUNITS,
  });
  t.is(feeder.readAhead(0), undefined, 'one is under way');
  t.is(feeder.remaining, count);
  t.true(feeder.isPending(0));
  t.true(feeder.isPending(WINDOW_WORKUNITS - 1));
  const got = feeder.inputsRead(0, Array<Input>(WINDOW_WORKUNITS).fill(EMPTY));
  t.is(got.length, WINDOW_WORKUNITS);
  t.false(feeder.isPending(0));
  t.is(feeder.remaining, 10);
  const second = feeder.readAhead(0);
  t.true(second?.type === 'readInputs' && second.from === WINDOW_WORKUNITS && second.count === 10);
  feeder.inputsRead(WINDOW_WORKUNITS, Array<Input>(10).fill(EMPTY));
  t.is(feeder.readAhead(0), undefined);
  t.is(feeder.remaining, 0);
});

test('reopened lines are read run by run, before the rest', t => {
  const feeder = new Feeder(ID, lines(10), 6, [[1, 3]]);
  const read = feeder.readAhead(0);
  t.true(read?.type === 'readInputs' && read.from === 1 && read.count === 2);
  t.true(feeder.isPending(2));
  t.deepEqual(
    feeder.inputsRead(1, [EMPTY, EMPTY]).map(({index}) => index),
    [1, 2],
  );
  const rest = feeder.readAhead(0);
  t.true(rest?.type === 'readInputs' && rest.from === 6 && rest.count === 4);
});

test('inputs that nobody asked for are a bug', t => {
  const feeder = new Feeder(ID, lines(3));
  t.throws(() => feeder.inputsRead(0, [EMPTY]), {instanceOf: AssertionError});
  feeder.readAhead(0);
  t.throws(() => feeder.inputsRead(0, [EMPTY]), {instanceOf: AssertionError});
});

const STATES: readonly WorkunitState[] = ['open', 'done', 'failed', 'cancelled'];

test('a workunit moves from open to each end, and from an end nowhere', t => {
  for (const from of STATES)
    for (const to of STATES) {
      const workunit = openWorkunit(ID, 3, EMPTY);
      workunit.state = from;
      if (from === 'open' && to !== 'open') {
        moveWorkunit(workunit, to);
        t.is(workunit.state, to);
      } else
        t.throws(() => moveWorkunit(workunit, to), {
          instanceOf: AssertionError,
          message: `workunit 1/3 cannot go from ${from} to ${to}`,
        });
    }
});

test('an index taken out of turn is given out once, and its neighbours still come', t => {
  const source = {kind: 'range', start: 0, end: 100, chunk: 10} as const;
  const feeder = new Feeder(asBatchId(1), source, 4, [[1, 3]]);
  t.is(feeder.take(7)?.index, 7); // above the cursor: 4 to 6 are left behind
  t.is(feeder.take(2)?.index, 2); // out of the middle of a run
  t.is(feeder.take(2), undefined);
  t.is(feeder.take(0), undefined); // decided before the restart
  const rest: (number | undefined)[] = [];
  while (feeder.hasNext) rest.push(feeder.next()?.index);
  t.deepEqual(
    [...rest].sort((a, b) => (a ?? 0) - (b ?? 0)),
    [1, 4, 5, 6, 8, 9],
  );
  t.is(feeder.remaining, 0);
});
