import test from 'ava';
import {Prng} from '../../src/base/prng.ts';
import {asMonoMs, asNodeId, asWallMs} from '../../src/base/types.ts';
import type {MasterEffect} from '../../src/core/core.ts';
import {FIRST_STATE} from '../../src/core/operator-rows.ts';
import {decodeJson} from '../../src/core/tables.ts';
import {MasterContext} from '../../src/master/context.ts';
import {Roster} from '../../src/master/roster.ts';
import {checkTrustSeen, TrustWatch} from '../../src/master/trust-watch.ts';
import {signTrust} from '../../src/wire/trust.ts';
import {crypto} from './test-node.ts';

const root = crypto.ed25519KeyPair();
const clusterId = crypto.random(16);
const trustOf = (version: number, keys = root): Uint8Array =>
  signTrust(crypto, keys.secretKey, {
    rootKey: keys.publicKey,
    clusterId,
    version,
    commandKey: crypto.random(32),
    masterStatic: crypto.random(32),
    appKeys: [],
  });

function contextWith(signedTrust: Uint8Array): MasterContext {
  return new MasterContext({
    config: {
      clusterId,
      instanceId: crypto.random(8),
      leaseSecret: crypto.random(32),
      blobSecret: crypto.random(32),
      groupKey: crypto.random(32),
      groupKeyId: 1,
      blobPort: 1,
      signedTrust,
      version: '0',
    },
    crypto,
    prng: new Prng(1),
    roster: new Roster(),
    batches: new Map(),
    apps: new Map(),
    epoch: 1,
    recovered: {epoch: 0, journalNo: 0},
    state: FIRST_STATE,
    bootedAt: {mono: asMonoMs(0), wall: asWallMs(0)},
  });
}

const nodeId = asNodeId('00'.repeat(16));
// The watch reads nothing else of a node.
const NODE = {row: {nodeId}} as Parameters<TrustWatch['onUpdate']>[0];
const update = (trust: Uint8Array) => ({type: 'trustUpdate', trust}) as const;

const saved = (effects: readonly MasterEffect[]): unknown[] =>
  effects.flatMap(effect =>
    effect.type === 'save' && effect.op.type === 'put' && effect.op.key === 'trust'
      ? [decodeJson(effect.op.value)]
      : [],
  );
const alarms = (effects: readonly MasterEffect[]): number =>
  effects.filter(effect => effect.type === 'note' && effect.note.level === 'alarm').length;

test('the version of the trust document is saved once, and again when it has grown', t => {
  const first = contextWith(trustOf(3));
  t.truthy(new TrustWatch(first, 0));
  t.deepEqual(saved(first.takeEffects()), [{version: 3}]);
  const second = contextWith(trustOf(3));
  t.truthy(new TrustWatch(second, 3));
  t.deepEqual(saved(second.takeEffects()), []);
});

test('an older trust document than was seen is refused with the way out', t => {
  const {message} = t.throws(() => new TrustWatch(contextWith(trustOf(2)), 3), {
    code: 'VOLLEY_TRUST_OLD',
  });
  t.regex(message, /version 2, but version 3 .*--after 3/);
  t.notThrows(() => checkTrustSeen(3, {version: 3}));
});

test('a newer document that a node shows is remembered when our root signed it, once', t => {
  const ours = trustOf(2);
  const context = contextWith(ours);
  const watch = new TrustWatch(context, 2);
  context.takeEffects();
  for (const trust of [ours, trustOf(1), trustOf(9, crypto.ed25519KeyPair()), new Uint8Array(70)]) {
    watch.onUpdate(NODE, update(trust));
    t.deepEqual(context.takeEffects(), []);
  }
  const newer = trustOf(5);
  watch.onUpdate(NODE, update(newer));
  const effects = context.takeEffects();
  t.deepEqual(saved(effects), [{version: 5}]);
  t.is(alarms(effects), 1);
  watch.onUpdate(NODE, update(newer));
  t.deepEqual(context.takeEffects(), []);
});
