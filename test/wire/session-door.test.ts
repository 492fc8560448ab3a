import test from 'ava';
import {type Address, asAddress, asMonoMs} from '../../src/base/types.ts';
import {MASTER_AT, PROBE, World} from './session-world.ts';

test('a node answers where the master speaks from, and asks for new keys at the door', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  const members = asAddress('10.0.0.1:40000');
  world.toNode(node, world.sealed(world.master, world.nodePeer), members);
  t.is(node.seal(world.masterPeer, PROBE, world.now)?.to, members);
  node.forget(world.masterPeer, world.now);
  world.now = asMonoMs(world.now + 1_000);
  node.tick(world.now);
  t.deepEqual(
    node.takeOutgoing().map(({to}) => to),
    [MASTER_AT],
  );
});

test('where nothing comes back from, nothing is said for a minute', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  const members = asAddress('10.0.0.1:40000');
  const toldFrom = (from: Address) => {
    world.toNode(node, world.sealed(world.master, world.nodePeer), from);
    return node.seal(world.masterPeer, PROBE, world.now)?.to;
  };
  t.is(toldFrom(members), members);
  world.now = asMonoMs(world.now + 5_000);
  node.tick(world.now);
  t.deepEqual(
    node.takeOutgoing().map(({to}) => to),
    [MASTER_AT],
    'new keys, at the door',
  );
  t.is(node.seal(world.masterPeer, PROBE, world.now)?.to, MASTER_AT);
  t.is(toldFrom(members), MASTER_AT);
  world.now = asMonoMs(world.now + 60_000);
  t.is(toldFrom(members), members);
});
