import test from 'ava';
import {asAddress} from '../../src/base/types.ts';
import {viewNode} from '../../src/master/roster.ts';
import {only, sentTo, stateOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {crypto, TestNode} from './test-node.ts';

/** Another machine with the same keys. */
function cloneOf(node: TestNode): TestNode {
  const clone = new TestNode(node.name);
  Object.assign(clone, {identity: node.identity, staticKey: node.staticKey});
  return clone;
}

function hello(rig: MasterRig, node: TestNode, host: string) {
  node.handshakeHash = crypto.random(32);
  const {peer, handshakeHash} = node;
  const from = asAddress(`${host}:4000`);
  rig.turn({type: 'linked', peer, handshakeHash, tokenId: 0, from});
  const effects = rig.says(node, node.hello());
  return {
    isWelcomed: sentTo(effects, node, 'welcome').length === 1,
    reason: sentTo(effects, node, 'refusal')[0]?.reason,
    alarms: only(effects, 'note').filter(({note}) => note.level === 'alarm'),
  };
}

test('a node that restarts, moves and links again is no clone', t => {
  const rig = MasterRig.ready();
  const node = rig.node('a');
  for (let i = 0; i < 20; i++) {
    if (i % 2 === 0) node.bootId = crypto.random(8);
    t.like(hello(rig, node, `10.0.0.${i}`), {isWelcomed: true, alarms: []});
  }
  t.is(viewNode(stateOf(rig, node)).clone, undefined);
});

test('two machines with one key are an alarm that names both addresses', t => {
  const rig = MasterRig.ready();
  const node = rig.node('a');
  hello(rig, node, '10.0.0.1');
  const clone = cloneOf(node);
  t.like(hello(rig, clone, '10.0.0.2'), {isWelcomed: true, alarms: []}, 'it may be a restart');
  const back = hello(rig, node, '10.0.0.1');
  t.is(back.reason, 'clone');
  t.is(back.alarms.length, 1);
  t.is(back.alarms[0]?.note.fields['addresses'], '10.0.0.1:4000 and 10.0.0.2:4000');
  const {clone: seen} = viewNode(stateOf(rig, node));
  t.deepEqual(seen?.addresses, ['10.0.0.1:4000', '10.0.0.2:4000']);
});

test('of two machines with one key one works at a time, and they change places twice a minute at most', t => {
  const rig = MasterRig.ready();
  const node = rig.node('a');
  const clone = cloneOf(node);
  let changes = 0;
  let alarms = 0;
  let last = '';
  for (let second = 0; second < 300; second += 3) {
    for (const [machine, host] of [
      [node, '10.0.0.1'],
      [clone, '10.0.0.2'],
    ] as const) {
      const said = hello(rig, machine, host);
      alarms += said.alarms.length;
      if (!said.isWelcomed || host === last) continue;
      changes += 1;
      last = host;
    }
    rig.mono += 3_000;
  }
  t.true(changes >= 2 && changes <= 12, `${changes} changes in 5 minutes`);
  t.is(alarms, 1);
});

test('a clone that is refused does not take the leases of the one that works', t => {
  const rig = MasterRig.ready();
  rig.submit();
  const node = rig.node('a');
  const clone = cloneOf(node);
  hello(rig, node, '10.0.0.1');
  hello(rig, clone, '10.0.0.2');
  rig.pull(clone, 4);
  t.is(hello(rig, node, '10.0.0.1').reason, 'clone');
  t.is(stateOf(rig, node).out.size, 4);
});
