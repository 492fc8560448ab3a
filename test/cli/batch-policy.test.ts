// The policy of a copy: what it takes over, in the words in which it is asked for.

import test from 'ava';
import {policyIn, policyOfCopy} from '../../src/cli/batch-policy.ts';
import {Given} from '../../src/cli/command.ts';
import type {Policy} from '../../src/core/policy.ts';

const SOURCE: Policy = {
  minQuorum: 2,
  targetReplicas: 2,
  maxErrorReplicas: 3,
  maxTotalReplicas: 20,
  leaseSeconds: 300,
  priority: 0,
  timeLimitSeconds: 60,
  memoryLimitMib: 64,
  outputLimitBytes: 1_000,
};
const NUMERIC = {kind: 'numeric', format: 'f64', rtol: 1e-6, atol: 0} as const;
const CUSTOM = {kind: 'custom', app: 'letters', appId: 'ab'.repeat(32) as never} as const;

const given = (flags: Readonly<Record<string, string>>): Given =>
  new Given([], new Map(Object.entries(flags).map(([name, value]) => [name, [value]])));
const copyOf = (source: Policy, flags: Readonly<Record<string, string>> = {}) =>
  policyOfCopy(source, policyIn(given(flags)));

test('a copy compares as its source does, and the first result wins as there', t => {
  t.deepEqual(copyOf({...SOURCE, compare: NUMERIC, firstWins: true}), {
    ...SOURCE,
    compare: NUMERIC,
    firstWins: true,
  });
  t.deepEqual(copyOf(SOURCE), SOURCE);
});

test('which machines are held against each other is kept in a copy, until a flag changes it', t => {
  t.is(policyIn(given({homogeneous: 'arch'})).homogeneous, 'arch');
  t.is(copyOf({...SOURCE, homogeneous: 'engine'}).homogeneous, 'engine');
  t.is(copyOf({...SOURCE, homogeneous: 'engine'}, {homogeneous: 'off'}).homogeneous, 'off');
  t.throws(() => policyIn(given({homogeneous: 'cpu'})), {message: /homogeneous/});
});

test('a comparison app is asked for by its name', t => {
  const {compare} = copyOf({...SOURCE, compare: CUSTOM});
  t.deepEqual(compare, {kind: 'custom', app: 'letters'});
});

test('flags change how a copy compares, also back to bytes', t => {
  const source = {...SOURCE, compare: NUMERIC};
  t.deepEqual(copyOf(source, {compare: 'exact'}).compare, {kind: 'exact'});
  t.deepEqual(copyOf(source, {compare: 'numeric', rtol: '0.5'}).compare, {
    kind: 'numeric',
    rtol: 0.5,
  });
  t.deepEqual(copyOf(source, {quorum: '3'}), {...source, minQuorum: 3, targetReplicas: 3});
});
