// Requests that make no sense get a reason that says what is wrong, and change nothing.

import test from 'ava';
import {asWallMs} from '../../src/base/types.ts';
import type {InputSource} from '../../src/core/input-source.ts';
import type {PolicyRequest} from '../../src/core/policy.ts';
import {batchOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {APP, crypto, EPOCH_WALL} from './test-node.ts';

const RANGE = {kind: 'range', start: 0, end: 10, chunk: 1} as const;

function reasonOf(rig: MasterRig, policy: PolicyRequest, input: InputSource = RANGE): unknown {
  const batch = {name: '', app: APP.name, args: [], input, policy};
  const answer = rig.ask({kind: 'submitBatch', batch});
  return answer.ok ? undefined : answer.fields['reason'];
}

test('a range that is no range is refused by what is wrong with it', t => {
  const rig = MasterRig.ready();
  for (const [source, wrong] of [
    [{start: 0.5}, /whole numbers below 2\^53/],
    [{end: 2 ** 53}, /whole numbers below 2\^53/],
    [{start: -1}, /at least 0/],
    [{chunk: 0}, /chunk at least 1/],
    [{start: 10}, /range is empty/],
  ] as const)
    t.regex(String(reasonOf(rig, {}, {...RANGE, ...source})), wrong);
  t.is(rig.core.context.batches.size, 0);
  t.is(rig.scan('batch').length, 0);
});

test('a policy that contradicts itself is refused', t => {
  const rig = MasterRig.ready();
  const quorum = {minQuorum: 3, targetReplicas: 2};
  t.is(reasonOf(rig, quorum), 'targetReplicas is below minQuorum');
  const total = {targetReplicas: 5, maxTotalReplicas: 4};
  t.is(reasonOf(rig, total), 'maxTotalReplicas is below targetReplicas');
  t.is(rig.core.context.batches.size, 0);
});

test('a number of a policy outside of its range is refused by its name', t => {
  const rig = MasterRig.ready();
  for (const [policy, wanted] of [
    [{maxErrorReplicas: 0}, 'a whole number from 1 to 100, not 0'],
    [{leaseSeconds: 0.5}, 'a whole number from 1 to 2592000, not 0.5'],
    [{timeLimitSeconds: 0}, 'a number from 0.001 to 604800, not 0'],
    [{redundancy: 'adaptive', trustAfter: 1}, 'a whole number from 2 to 1000, not 1'],
    [{redundancy: 'adaptive', checkEvery: 101}, 'a whole number from 2 to 100, not 101'],
  ] as const)
    t.is(reasonOf(rig, policy), `${Object.keys(policy).at(-1)} must be ${wanted}`);
  t.is(reasonOf(rig, {timeLimitSeconds: 0.5}), undefined, 'as an app may say');
  t.is(rig.core.context.batches.size, 1);
});

test('a batch without a name is called by its app', t => {
  const rig = MasterRig.ready();
  t.is(reasonOf(rig, {}), undefined);
  const [id] = rig.core.context.batches.keys();
  t.is(id && batchOf(rig, id).row.name, APP.name);
});

test('more join tokens than are kept are refused, until one of them is ended', t => {
  const rig = MasterRig.ready();
  const add = (tokenId: number) =>
    rig.ask({
      kind: 'addToken',
      tokenId,
      psk: crypto.random(32),
      uses: 1,
      expiresAt: asWallMs(EPOCH_WALL + 1e9),
    });
  let tokenId = 100;
  while (add(tokenId).ok) tokenId += 1;
  const refused = add(tokenId);
  t.regex(refused.ok ? '' : String(refused.fields['reason']), /nodes token revoke/);
  t.true(rig.ask({kind: 'revokeToken', tokenId: 100}).ok);
  t.true(add(tokenId).ok);
});
