import test from 'ava';
import fc from 'fast-check';
import {asNodeId} from '../../src/base/types.ts';
import type {Policy} from '../../src/core/policy.ts';
import {decide, sameOutput, type Verdict, type Vote} from '../../src/master/validator.ts';
import type {FailReason} from '../../src/wire/message.ts';
import {blobOf, inline} from './test-node.ts';

const policyOf = (changes: Partial<Policy> = {}): Policy => ({
  minQuorum: 2,
  targetReplicas: changes.minQuorum ?? 2,
  maxErrorReplicas: 3,
  maxTotalReplicas: 8,
  leaseSeconds: 60,
  priority: 0,
  timeLimitSeconds: 60,
  memoryLimitMib: 64,
  outputLimitBytes: 1_024,
  ...changes,
});

const nodeOf = (no: number) => asNodeId(no.toString(16).padStart(32, '0'));

/** `a b a` → outputs, `!timedOut` → an error, one node each. */
const votesOf = (text: string): Vote[] =>
  text
    .split(' ')
    .filter(word => word !== '')
    .map((word, no) => {
      const head = {nodeId: nodeOf(no), replicaNo: no, reportNo: no + 1, item: 0, cpuMs: 1};
      return word.startsWith('!')
        ? {...head, status: word.slice(1) as FailReason, reason: 'why'}
        : {...head, status: 'done', output: inline(word)};
    });

const short = (verdict: Verdict): string => {
  if (verdict.kind === 'open') return `wants ${verdict.wanted}`;
  if (verdict.kind === 'failed') return `failed: ${verdict.reason}`;
  return `canonical from ${verdict.canonical.reportNo}, ${verdict.agreeing.length} agree, ${verdict.disagreeing.length} not`;
};

type Row = readonly [
  title: string,
  policy: Partial<Policy>,
  votes: string,
  out: number,
  issued: number,
  verdict: string,
];

const TABLE: readonly Row[] = [
  ['nothing yet: the target is wanted', {}, '', 0, 0, 'wants 2'],
  ['replicas that are out count', {}, '', 1, 1, 'wants 1'],
  ['all are out: wait', {}, '', 2, 2, 'wants 0'],
  ['one for quorum one', {minQuorum: 1}, 'a', 0, 1, 'canonical from 1, 1 agree, 0 not'],
  ['one of two: wait for the other', {}, 'a', 1, 2, 'wants 0'],
  ['one of two, the other is lost', {}, 'a', 0, 2, 'wants 1'],
  ['two equal', {}, 'a a', 0, 2, 'canonical from 1, 2 agree, 0 not'],
  ['two that differ want a third', {}, 'a b', 0, 2, 'wants 1'],
  ['two of three', {}, 'a b a', 0, 3, 'canonical from 1, 2 agree, 1 not'],
  [
    'the canonical one is the first of its group',
    {},
    'b a a',
    0,
    3,
    'canonical from 2, 2 agree, 1 not',
  ],
  ['three that all differ', {}, 'a b c', 0, 3, 'wants 1'],
  ['a tie of two and two wants one more', {}, 'a b a b', 0, 4, 'wants 1'],
  ['a quorum without a majority is not enough', {}, 'a b c a', 0, 4, 'wants 1'],
  ['a tie that is out already waits', {}, 'a b a b', 1, 5, 'wants 0'],
  ['a tie is broken', {}, 'a b a b b', 0, 5, 'canonical from 2, 3 agree, 2 not'],
  ['a later majority counts', {}, 'a b c a a', 0, 5, 'canonical from 1, 3 agree, 2 not'],
  ['quorum three of three', {minQuorum: 3}, 'a a a', 0, 3, 'canonical from 1, 3 agree, 0 not'],
  ['quorum three: two do not do', {minQuorum: 3}, 'a a', 0, 2, 'wants 1'],
  [
    'quorum three: three of four',
    {minQuorum: 3},
    'a a b a',
    0,
    4,
    'canonical from 1, 3 agree, 1 not',
  ],
  ['quorum three: two and two want one', {minQuorum: 3}, 'a b a b', 0, 4, 'wants 1'],
  ['a larger target is handed out at first', {targetReplicas: 4}, '', 0, 0, 'wants 4'],
  [
    'a quorum decides before the target',
    {targetReplicas: 4},
    'a a',
    2,
    4,
    'canonical from 1, 2 agree, 0 not',
  ],
  ['an error is replaced', {}, 'a !timedOut', 0, 2, 'wants 1'],
  [
    'errors at their limit',
    {},
    '!timedOut !runnerLost !outOfMemory',
    0,
    3,
    'failed: outOfMemory: why',
  ],
  ['errors below their limit', {}, '!timedOut !runnerLost', 0, 2, 'wants 2'],
  [
    'a quorum counts beside errors at their limit',
    {maxErrorReplicas: 1},
    '!timedOut a a',
    0,
    3,
    'canonical from 2, 2 agree, 0 not',
  ],
  ['two traps are the app itself', {}, '!trapped !trapped', 0, 2, 'failed: trapped: why'],
  ['one trap is an error', {}, '!trapped', 0, 1, 'wants 2'],
  ['a trap and a result: no verdict about the app', {}, '!trapped a', 0, 2, 'wants 1'],
  ['traps beside a result do not vote', {}, '!trapped !trapped a', 0, 3, 'wants 1'],
  ['one trap for quorum one', {minQuorum: 1}, '!trapped', 0, 1, 'failed: trapped: why'],
  ['other errors are no votes', {minQuorum: 1}, '!outputTooLarge', 0, 1, 'wants 1'],
  ['the last replica is out: wait for it', {maxTotalReplicas: 3}, 'a b', 1, 3, 'wants 0'],
  [
    'no replica is left',
    {maxTotalReplicas: 3},
    'a b c',
    0,
    3,
    'failed: no quorum after 3 replicas (maxTotalReplicas): no two of 3 results agree, the app may not agree with itself',
  ],
  [
    'wanted never exceeds what is left',
    {targetReplicas: 4, maxTotalReplicas: 5},
    'a !timedOut',
    0,
    4,
    'wants 1',
  ],
];

test('where nobody else could answer it fails only when no two of three agree, and nothing is out', t => {
  const verdictOf = (votes: string, out = 0, minQuorum = 2): string =>
    short(decide(policyOf({minQuorum}), votesOf(votes), out, 4, {isHopeless: true}));
  const reason =
    'failed: no other node could compute it: no two of 3 results agree, the app may not agree with itself';
  t.is(verdictOf('a b c'), reason);
  t.is(verdictOf('a b c', 1), 'wants 0');
  t.is(verdictOf('a b'), 'wants 1');
  t.is(verdictOf('a a b b'), 'wants 1');
  t.is(verdictOf('a a b', 0, 3), 'wants 1');
  t.is(verdictOf('a a b'), 'canonical from 1, 2 agree, 1 not');
});

for (const [title, policy, votes, out, issued, verdict] of TABLE)
  test(`decide: ${title} (${votes === '' ? 'none' : votes})`, t => {
    t.is(short(decide(policyOf(policy), votesOf(votes), out, issued)), verdict);
  });

const votesArbitrary = fc
  .array(fc.constantFrom('a', 'b', 'c', '!trapped', '!timedOut', '!refused'), {maxLength: 12})
  .map(words => votesOf(words.join(' ')));
const policyArbitrary = fc
  .record({
    minQuorum: fc.integer({min: 1, max: 4}),
    more: fc.nat(3),
    maxErrorReplicas: fc.integer({min: 1, max: 5}),
    rest: fc.nat(8),
  })
  .map(({minQuorum, more, maxErrorReplicas, rest}) =>
    policyOf({
      minQuorum,
      targetReplicas: minQuorum + more,
      maxErrorReplicas,
      maxTotalReplicas: minQuorum + more + rest,
    }),
  );

test('never canonical with fewer than minQuorum distinct nodes, or without a majority', t => {
  fc.assert(
    fc.property(policyArbitrary, votesArbitrary, fc.nat(3), (policy, votes, out) => {
      const verdict = decide(policy, votes, out, votes.length + out);
      if (verdict.kind !== 'canonical') return;
      const {canonical, agreeing, disagreeing} = verdict;
      const valid = votes.filter(vote => vote.status === 'done').length;
      t.true(new Set(agreeing.map(vote => vote.nodeId)).size >= policy.minQuorum);
      t.true(agreeing.length * 2 > valid);
      t.is(agreeing.length + disagreeing.length, valid);
      t.true(agreeing.includes(canonical));
      for (const vote of agreeing)
        t.true(
          vote.status === 'done' &&
            canonical.status === 'done' &&
            sameOutput(vote.output, canonical.output),
        );
    }),
  );
  t.pass();
});

test('an open workunit wants no more than is left, and never waits for nobody', t => {
  fc.assert(
    fc.property(policyArbitrary, votesArbitrary, fc.nat(3), (policy, votes, out) => {
      const issued = votes.length + out;
      const verdict = decide(policy, votes, out, issued);
      if (verdict.kind !== 'open') return;
      t.true(verdict.wanted >= 0);
      t.true(verdict.wanted <= Math.max(0, policy.maxTotalReplicas - issued));
      t.true(verdict.wanted > 0 || out > 0);
    }),
  );
  t.pass();
});

test('the order of votes changes nothing but which of equal ones is canonical', t => {
  fc.assert(
    fc.property(policyArbitrary, votesArbitrary, (policy, votes) => {
      const there = decide(policy, votes, 0, votes.length);
      const back = decide(policy, [...votes].reverse(), 0, votes.length);
      t.is(there.kind, back.kind);
    }),
  );
  t.pass();
});

test('outputs are equal by their bytes, or by hash and size, and never across kinds', t => {
  const {blobId, size} = blobOf('x');
  t.true(sameOutput(inline('x'), inline('x')));
  t.false(sameOutput(inline('x'), inline('y')));
  t.false(sameOutput(inline('x'), {kind: 'blob', blobId, size}));
  t.false(sameOutput({kind: 'blob', blobId, size}, inline('x')));
  t.true(sameOutput({kind: 'blob', blobId, size}, {kind: 'blob', blobId, size}));
  t.false(sameOutput({kind: 'blob', blobId, size}, {kind: 'blob', blobId, size: size + 1}));
});
