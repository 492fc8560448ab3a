// The policy of a copy: what it takes over, in the words in which it is asked for.

import test from 'ava';
import {policyIn, policyOfCopy} from '../../src/cli/batch-policy.ts';
import {Given} from '../../src/cli/command.ts';
import {POLICY_RANGES, type Policy, type PolicyNumber, rangeFault} from '../../src/core/policy.ts';
import {BATCH_BODY} from '../../src/http/schemas.ts';

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

const FLAGS: Readonly<Record<PolicyNumber, string>> = {
  minQuorum: 'quorum',
  targetReplicas: 'target',
  maxErrorReplicas: 'max-errors',
  maxTotalReplicas: 'max-replicas',
  leaseSeconds: 'lease',
  priority: 'priority',
  timeLimitSeconds: 'time-limit',
  memoryLimitMib: 'memory-limit',
  outputLimitBytes: 'output-limit',
  trustAfter: 'trust-after',
  checkEvery: 'check-every',
};

/** As `GET /v1` shows them. */
const NUMBERS = BATCH_BODY['properties'] as {
  policy: {properties: Readonly<Record<string, unknown>>};
};

/** Of each number: the ends of its range, what is a step outside of them, and what is not whole. */
const numbersOf = (name: PolicyNumber): readonly (readonly [number, boolean])[] => {
  const {least, most, whole} = POLICY_RANGES[name];
  const step = whole ? 1 : 0.000_5;
  const inside = [least, most].map(value => [value, true] as const);
  const outside = [least - step, most + step].map(value => [value, false] as const);
  return [...inside, ...outside, [least + 0.5, !whole]];
};

for (const [name, flag] of Object.entries(FLAGS) as [PolicyNumber, string][])
  test(`flag, interface and master agree about which ${name} may be`, t => {
    const {least, most, whole} = POLICY_RANGES[name];
    const type = whole ? 'integer' : 'number';
    t.deepEqual(NUMBERS.policy.properties[name], {type, minimum: least, maximum: most});
    for (const [value, expected] of numbersOf(name)) {
      const told = `${name} ${value}`;
      t.is(rangeFault({[name]: value}) === undefined, expected, `${told}: the master`);
      const act = () => policyIn(given({[flag]: String(value)}));
      if (expected) t.is(act()[name], value, `${told}: the flag`);
      else t.throws(act, {code: 'VOLLEY_USAGE'}, `${told}: the flag`);
    }
  });

test('what is said of a number outside of its range is so', t => {
  t.is(
    rangeFault({timeLimitSeconds: 0}),
    'timeLimitSeconds must be a number from 0.001 to 604800, not 0',
  );
  t.is(
    rangeFault({maxErrorReplicas: 0.5}),
    'maxErrorReplicas must be a whole number from 1 to 100, not 0.5',
  );
});
