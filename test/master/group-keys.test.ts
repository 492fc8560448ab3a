import test from 'ava';
import {HOUR_MS} from '../../src/base/units.ts';
import type {MasterEffect} from '../../src/core/core.ts';
import {only, sentTo} from './look.ts';
import {MasterRig} from './rig.ts';
import {TestNode} from './test-node.ts';

const keys = (rig: MasterRig) => rig.core.context.groupKeys;
const says = (rig: MasterRig, node: TestNode, groupKeyId: number): MasterEffect[] =>
  rig.says(node, {...rig.pullOf(node, 0), groupKeyId} as never);

/** Takes a node out, which changes the key for all others. */
function rotate(rig: MasterRig): MasterEffect[] {
  const {id: nodeId} = rig.node(`gone${rig.core.context.roster.size}`);
  return rig.turn({type: 'operator', requestId: 999, request: {kind: 'revokeNode', nodeId}});
}

test('a new key is random, of the next id, and pushed to every node that is up', t => {
  const rig = MasterRig.ready();
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  const before = keys(rig).newest;
  const effects = rotate(rig);
  const {newest, sending} = keys(rig);
  t.is(newest.id, (before.id + 1) & 0xff);
  t.notDeepEqual(newest.key, before.key);
  t.is(newest.key.length, 32);
  t.deepEqual(sending, before, 'until nodes have the new one');
  for (const node of [a, b])
    t.deepEqual(sentTo(effects, node, 'groupKey'), [
      {type: 'groupKey', groupKey: newest.key, groupKeyId: newest.id},
    ]);
});

test('a node is told the new key with every pull that does not name it, and then no more', t => {
  const rig = MasterRig.ready();
  const node = rig.node('a');
  const old = keys(rig).newest.id;
  rotate(rig);
  for (let i = 0; i < 3; i++) t.is(sentTo(says(rig, node, old), node, 'groupKey').length, 1);
  t.is(sentTo(says(rig, node, keys(rig).newest.id), node, 'groupKey').length, 0);
});

test('the master sends under the new key as soon as every node that is up has named it', t => {
  const rig = MasterRig.ready();
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  rotate(rig);
  const {id} = keys(rig).newest;
  says(rig, a, id);
  t.not(keys(rig).sending.id, id);
  says(rig, b, id);
  t.is(keys(rig).sending.id, id);
});

test('a node that stays behind holds the new key up for three heartbeats at most', t => {
  const rig = MasterRig.ready();
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  const old = keys(rig).newest.id;
  rotate(rig);
  const {id} = keys(rig).newest;
  says(rig, a, id);
  for (let ms = 0; ms < 3_000; ms += 500) {
    t.is(keys(rig).sending.id, old, `after ${ms} ms`);
    rig.pass(500);
    for (const node of [a, b]) says(rig, node, node === a ? id : old);
  }
  t.is(keys(rig).sending.id, id);
});

test('who has not named the new key is given it before each unicast copy of a command', t => {
  const rig = MasterRig.ready();
  const node = rig.node('a', {actions: ['camera']});
  rotate(rig);
  rig.capture();
  const words = rig.pass(2_000).flatMap(effect => {
    if (effect.type === 'repair') return ['copy'];
    return effect.type === 'send' && effect.message.type === 'groupKey' ? ['key'] : [];
  });
  t.true(words.length >= 4, words.join(' '));
  words.forEach((word, i) => {
    t.is(word, i % 2 === 0 ? 'key' : 'copy');
  });
  says(rig, node, keys(rig).newest.id);
  const after = rig.pass(2_000).filter(effect => effect.type === 'send');
  t.is(after.filter(({message}) => message.type === 'groupKey').length, 0);
});

test('two changes in a row leave nobody without the key that is sent under', t => {
  const rig = MasterRig.ready();
  rig.nodes(2);
  rotate(rig);
  const {newest: second} = keys(rig);
  rotate(rig);
  t.deepEqual(keys(rig).sending, second, 'the first one is two changes old: nodes may not take it');
});

test('the key changes every 24 hours from the first Welcome on', t => {
  const rig = MasterRig.ready();
  const node = rig.node('a');
  const {id} = keys(rig).newest;
  for (let hour = 0; hour < 24; hour++) {
    t.is(keys(rig).newest.id, id, `after ${hour} hours`);
    rig.mono += HOUR_MS;
    rig.turn();
    rig.join(node);
  }
  t.is(keys(rig).newest.id, (id + 1) & 0xff);
});

test('Welcome carries the newest key', t => {
  const rig = MasterRig.ready();
  rig.node('a');
  rotate(rig);
  const late = new TestNode('late');
  const [welcome] = sentTo(rig.join(late), late, 'welcome');
  t.deepEqual(welcome?.groupKey, keys(rig).newest.key);
  t.is(welcome?.groupKeyId, keys(rig).newest.id);
});

test('in a large cluster the new key goes with the pulls, not in one burst', t => {
  const rig = MasterRig.ready();
  const nodes = rig.nodes(300);
  const effects = rotate(rig);
  const pushed = only(effects, 'send').filter(({message}) => message.type === 'groupKey');
  t.is(pushed.length, 0);
  const [first] = nodes;
  if (first) t.is(sentTo(says(rig, first, 1), first, 'groupKey').length, 1);
});
