import test from 'ava';
import {asWallMs} from '../../src/base/types.ts';
import {DAY_MS} from '../../src/base/units.ts';
import type {TokenRow} from '../../src/core/operator-rows.ts';

import {Tokens} from '../../src/master/tokens.ts';
import {TOKENS_MAX} from '../../src/wire/limits.ts';
import {sentTo} from './look.ts';
import {MasterRig} from './rig.ts';
import {TestNode} from './test-node.ts';

const NOW = asWallMs(1_000_000);
const row = (tokenId: number, changes: Partial<TokenRow> = {}): TokenRow => ({
  tokenId,
  psk: 'ab'.repeat(32),
  uses: 2,
  usesLeft: 2,
  createdAt: NOW,
  expiresAt: NOW + 1_000,
  revokedAt: 0,
  ...changes,
});

test('a revoked token lets nobody in, also after a restart', t => {
  const rig = MasterRig.ready();
  rig.addToken(8, 5);
  const [a, b] = [new TestNode('a'), new TestNode('b')];
  t.is(sentTo(rig.join(a, {}, 8), a, 'welcome').length, 1);
  t.true(rig.ask({kind: 'revokeToken', tokenId: 8}).ok);
  rig.kill();
  const refused = sentTo(rig.join(b, {}, 8), b, 'refusal');
  t.deepEqual(refused, [{type: 'refusal', reason: 'token-revoked'}]);
  t.is(sentTo(rig.join(a, {}, 8), a, 'welcome').length, 1, 'who is in stays in');
});

test('revoking an unknown token is an error, revoking one twice is not', t => {
  const rig = MasterRig.ready();
  rig.addToken(8, 1);
  t.like(rig.ask({kind: 'revokeToken', tokenId: 9}), {ok: false, code: 'VOLLEY_UNKNOWN_TOKEN'});
  t.true(rig.ask({kind: 'revokeToken', tokenId: 8}).ok);
  t.true(rig.ask({kind: 'revokeToken', tokenId: 8}).ok);
});

test('tokens are listed with what is left of them, and without what they are made of', t => {
  const tokens = new Tokens();
  tokens.add(row(1), NOW);
  tokens.add(row(2, {createdAt: NOW + 1}), NOW);
  tokens.spend(2);
  tokens.spend(2);
  tokens.add(row(3, {expiresAt: NOW + 10}), NOW);
  tokens.revoke(1, NOW);
  const seen = tokens.view(asWallMs(NOW + 10));
  t.deepEqual(
    seen.map(({tokenId, state, usesLeft}) => [tokenId, state, usesLeft]),
    [
      [2, 'used', 0],
      [1, 'revoked', 2],
      [3, 'expired', 2],
    ],
  );
  t.false(JSON.stringify(seen).includes('abab'));
});

test('a dead token is known for a week, for who comes too late, and then gone from the disk', t => {
  const tokens = new Tokens();
  tokens.add(row(1), NOW);
  const late = asWallMs(NOW + 1_000 + 7 * DAY_MS);
  t.is(tokens.faultOf(1, late), 'token-expired');
  t.is(tokens.pskOf(1), 'ab'.repeat(32));
  const ops = tokens.add(row(2), asWallMs(late + 1));
  t.like(ops?.[0], {type: 'del', table: 'token', key: '1'});
  t.is(tokens.pskOf(1), undefined);
});

test('there are so many tokens at most, and dead ones make room', t => {
  const tokens = new Tokens();
  for (let i = 1; i <= TOKENS_MAX; i++) t.truthy(tokens.add(row(i, {expiresAt: NOW + i}), NOW));
  t.is(tokens.add(row(5_000), NOW), undefined);
  t.is(tokens.view(NOW).length, TOKENS_MAX);
  const ops = tokens.add(row(5_000), asWallMs(NOW + 2));
  t.like(ops?.[0], {type: 'del', table: 'token', key: '1'});
  t.is(tokens.view(NOW).length, TOKENS_MAX);
});

test('a row of a version that knew less is taken as it is', t => {
  const tokens = new Tokens();
  tokens.restore({tokenId: 1, psk: 'ab', usesLeft: 3, expiresAt: NOW + 5});
  t.is(tokens.faultOf(1, NOW), undefined);
  t.like(tokens.view(NOW)[0], {state: 'live', uses: 3, usesLeft: 3});
});
