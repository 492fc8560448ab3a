// A node that makes another session because it has a token now, or has none any more.

import test from 'ava';
import {pskOf} from '../../src/wire/token.ts';
import {World} from './session-world.ts';

test('one that was linked without a token makes a session with one, and one without again', t => {
  const world = new World();
  world.saysHello = true;
  const node = world.enrolledNode();
  world.exchange(node);
  const tokens = () => world.atMaster.flatMap(it => (it.kind === 'linked' ? [it.tokenId] : []));
  t.deepEqual(tokens(), [0]);
  node.joinBy({id: world.tokenId, psk: pskOf(world.crypto, world.secret)}, world.now);
  world.run(node, 1_000);
  t.is(node.state, 'linked');
  t.deepEqual(tokens(), [0, world.tokenId]);
  world.tokenIsLive = false;
  node.joinBy({id: world.tokenId, psk: pskOf(world.crypto, world.secret)}, world.now);
  world.run(node, 5_000);
  t.is(node.state, 'handshaking', 'a token that nobody knows is not answered');
  node.joinBy(undefined, world.now);
  world.run(node, 5_000);
  t.is(node.state, 'linked');
  t.is(tokens().at(-1), 0);
  t.true(world.talk(node));
});
