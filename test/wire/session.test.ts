import test from 'ava';
import {toHex} from '../../src/base/bytes.ts';
import {asAddress, asMonoMs, NEVER} from '../../src/base/types.ts';
import {REJECT_AFTER_MS, REKEY_AFTER_MS, RETRY_MS_MAX} from '../../src/wire/limits.ts';
import {bytes} from './samples.ts';
import {
  type Direction,
  kinds,
  MASTER_AT,
  NODE_AT,
  PROBE,
  STRANGER_AT,
  World,
} from './session-world.ts';

const frames = (world: World, direction: Direction, type: number) =>
  world.sent.filter(it => it.direction === direction && it.datagram[0] === type);

test('a node with a join token discovers the master, enrols and talks', t => {
  const world = new World();
  const node = world.newNode({token: world.token});
  t.is(node.state, 'discovering');
  world.exchange(node);
  t.is(node.state, 'linked');
  t.deepEqual(
    world.sent.map(it => [it.datagram[0], it.datagram.length <= 512]),
    [
      [5, true],
      [6, true],
      [1, true],
      [2, true],
    ],
  );
  t.is(world.sent[2]?.datagram.length, 148);
  t.is(world.sent[3]?.datagram.length, 92);
  t.true(world.talk(node));

  const [here] = world.atNode.filter(it => it.kind === 'linked');
  const [there, message] = world.atMaster;
  if (here?.kind !== 'linked' || there?.kind !== 'linked') return t.fail();
  t.deepEqual(here.handshakeHash, there.handshakeHash);
  t.is(here.handshakeHash.length, 32);
  t.is(there.tokenId, world.tokenId);
  t.is(here.tokenId, world.tokenId);
  t.is(there.peer, world.nodePeer);
  t.is(here.peer, world.masterPeer);
  t.is(there.from, NODE_AT);
  t.deepEqual(message, {kind: 'message', peer: world.nodePeer, message: PROBE});
  t.deepEqual(node.trust(), world.signedTrust());
  t.is(node.peer(), world.masterPeer);
});

test('an enrolled node with a stored trust document handshakes at once, by IK', t => {
  const world = new World();
  const node = world.enrolledNode();
  t.is(node.state, 'handshaking');
  world.exchange(node);
  t.deepEqual(
    world.sent.map(it => it.datagram[0]),
    [1, 2],
  );
  t.is(world.sent[0]?.datagram[1], 0);
  t.true(world.talk(node));
  t.deepEqual(kinds(world.atMaster), ['linked', 'message']);
});

test('a node that was enrolled uses IK from then on', t => {
  const world = new World();
  const node = world.newNode({token: world.token});
  world.link(node);
  node.enrolled();
  world.known.add(world.nodePeer);
  world.tokenIsLive = false;
  node.forget(world.masterPeer, world.now);
  world.run(node, 2_000);
  t.is(node.state, 'linked');
  t.is(frames(world, 'toMaster', 1).at(-1)?.datagram[1], 0);
  t.true(world.talk(node));
});

test('a node that nobody knows, and one with a dead token, hear nothing', t => {
  const world = new World();
  const unknown = world.newNode({trust: world.signedTrust()});
  world.exchange(unknown);
  world.tokenIsLive = false;
  const late = world.newNode({trust: world.signedTrust(), token: world.token});
  world.exchange(late);
  t.deepEqual(kinds(world.atMaster), ['unknownPeer', 'unknownPeer']);
  t.is(frames(world, 'toNode', 2).length, 0);
});

test('a token with the right number and a wrong secret makes no session', t => {
  const world = new World();
  const psk = bytes(32);
  const node = world.newNode({trust: world.signedTrust(), token: {id: world.tokenId, psk}});
  world.run(node, 3_000);
  t.is(node.state, 'handshaking');
  t.false(kinds(world.atMaster).includes('linked'));
  t.true(kinds(world.atNode).every(it => it === 'badHandshake'));
});

test('the master has no session to seal for before the first authentic data', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.exchange(node);
  t.is(world.master.seal(world.nodePeer, PROBE, world.now), undefined);
  t.is(world.master.linkedCount, 0);
  world.toMaster(world.sealed(node, world.masterPeer));
  t.truthy(world.master.seal(world.nodePeer, PROBE, world.now));
  t.is(world.master.linkedCount, 1);
});

test('lost handshakes are tried again with growing gaps until they succeed', t => {
  const world = new World();
  const node = world.enrolledNode();
  const times: number[] = [];
  world.run(node, 120_000, () => {
    times.push(world.now);
    return 0;
  });
  const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0));
  t.true(gaps.every(gap => gap <= RETRY_MS_MAX));
  t.true(times.length < 60, `${times.length} datagrams in two minutes`);
  t.is(node.state, 'handshaking');
  world.run(node, RETRY_MS_MAX + 1_000);
  t.is(node.state, 'linked');
  t.true(world.talk(node));
});

test('a lost response is answered by the same response, at no second handshake', t => {
  const world = new World();
  const node = world.enrolledNode();
  let responses = 0;
  world.run(node, 2_000, (datagram, direction) =>
    direction === 'toNode' && datagram[0] === 2 && responses++ < 2 ? 0 : 1,
  );
  const sent = frames(world, 'toNode', 2).map(it => toHex(it.datagram));
  t.is(sent.length, 3);
  t.is(new Set(sent).size, 1);
  t.true(world.talk(node));
});

test('doubled handshakes make one session', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.exchange(node, () => 2);
  t.is(kinds(world.atNode).filter(it => it === 'linked').length, 1);
  t.true(world.talk(node));
  t.is(kinds(world.atMaster).filter(it => it === 'linked').length, 1);
});

test('an older initiation that arrives late replaces a half-session only, and the node recovers', t => {
  const world = new World();
  const node = world.enrolledNode();
  // The first initiation stays on the way, and the node makes a new one when it is too old.
  world.run(node, 15_000, () => 0);
  const old = frames(world, 'toMaster', 1)[0]?.datagram;
  if (old === undefined) return t.fail();
  world.run(node, 12_000);
  t.is(node.state, 'linked');
  world.toMaster(old);
  world.master.takeOutgoing();
  // The node's session was a half-session at the master: its data finds nothing now.
  t.deepEqual(kinds(world.toMaster(world.sealed(node, world.masterPeer))), ['unknownSession']);
  // Nobody answers, so the node makes another by itself.
  world.run(node, 6_000);
  t.true(world.talk(node));
});

test('a replayed initiation leaves the confirmed session as it is', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  const first = frames(world, 'toMaster', 1)[0]?.datagram;
  if (first === undefined) return t.fail();
  t.deepEqual(kinds(world.toMaster(first, STRANGER_AT)), ['replayed']);
  t.is(world.master.takeOutgoing().length, 0);
  // Later the node has made a new session: the old initiation is not known any more.
  world.saysHello = true;
  world.run(node, REKEY_AFTER_MS);
  t.true(world.talk(node));
  world.toMaster(first, STRANGER_AT);
  t.true(world.talk(node));
  t.is(world.master.seal(world.nodePeer, PROBE, world.now)?.to, NODE_AT);
});

test('a replayed response changes nothing', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  const response = frames(world, 'toNode', 2)[0]?.datagram;
  if (response === undefined) return t.fail();
  t.deepEqual(kinds(world.toNode(node, response, STRANGER_AT)), ['unknownSession']);
  t.true(world.talk(node));
});

test('data that comes twice is taken once', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  const up = world.sealed(node, world.masterPeer);
  t.deepEqual(kinds(world.toMaster(up)), ['message']);
  t.deepEqual(kinds(world.toMaster(up)), ['replayed']);
  const down = world.sealed(world.master, world.nodePeer);
  t.deepEqual(kinds(world.toNode(node, down)), ['message']);
  t.deepEqual(kinds(world.toNode(node, down)), ['replayed']);
});

test('data in any order is taken, within the window', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  const sealed = Array.from({length: 1_100}, () => world.sealed(node, world.masterPeer));
  const outcomes = sealed.reverse().map(datagram => kinds(world.toMaster(datagram))[0]);
  t.is(outcomes.filter(it => it === 'message').length, 1_024);
  t.is(outcomes.filter(it => it === 'replayed').length, 76);
});

test('the address of a session follows authentic packets only', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  const addressAtMaster = () => world.master.seal(world.nodePeer, PROBE, world.now)?.to;
  const addressAtNode = () => node.seal(world.masterPeer, PROBE, world.now)?.to;
  const moved = asAddress('10.0.0.9:1');
  const old = world.sealed(node, world.masterPeer);
  const forged = world.sealed(node, world.masterPeer);
  forged[20] = (forged[20] ?? 0) ^ 1;
  world.toMaster(old);
  t.deepEqual(kinds(world.toMaster(forged, STRANGER_AT)), ['badSeal']);
  t.deepEqual(kinds(world.toMaster(old, STRANGER_AT)), ['replayed']);
  t.is(addressAtMaster(), NODE_AT);
  world.toMaster(world.sealed(node, world.masterPeer), moved);
  t.is(addressAtMaster(), moved);
  world.toNode(node, world.sealed(world.master, world.nodePeer), moved);
  t.is(addressAtNode(), moved);
});

test('an authentic packet that is dropped for its rate moves no session', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  const take = () => kinds(world.toMaster(world.sealed(node, world.masterPeer)))[0];
  for (let i = 0; take() !== 'rateLimited'; i++) if (i > 100_000) return t.fail('no limit');
  const over = world.sealed(node, world.masterPeer);
  t.deepEqual(kinds(world.toMaster(over, STRANGER_AT)), ['rateLimited']);
  t.is(world.master.seal(world.nodePeer, PROBE, world.now)?.to, NODE_AT);
});

test('new keys come after an hour, and no message is lost on the way', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  world.now = asMonoMs(world.now + REKEY_AFTER_MS);
  node.tick(world.now);
  const [initiation] = node.takeOutgoing();
  if (initiation === undefined) return t.fail();
  t.true(world.talk(node), 'the old session serves while the handshake runs');
  world.toMaster(initiation.datagram);
  t.true(world.talk(node), 'and while the master has a half-session');
  const stillOld = world.sealed(world.master, world.nodePeer);
  const [response] = world.master.takeOutgoing();
  if (response === undefined) return t.fail();
  t.deepEqual(kinds(world.toNode(node, response.datagram)), ['linked']);
  t.deepEqual(kinds(world.toNode(node, stillOld)), ['message'], 'the node still opens the old one');
  const up = world.toMaster(world.sealed(node, world.masterPeer));
  t.deepEqual(kinds(up), ['linked', 'message']);
  t.true(world.talk(node));
});

test('a session that nobody renews is dead after three hours at both ends', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  const up = world.sealed(node, world.masterPeer);
  const down = world.sealed(world.master, world.nodePeer);
  world.now = asMonoMs(world.now + REJECT_AFTER_MS);
  t.deepEqual(kinds(world.toMaster(up)), ['expiredSession']);
  t.deepEqual(kinds(world.toNode(node, down)), ['expiredSession']);
  t.is(world.master.seal(world.nodePeer, PROBE, world.now), undefined);
  t.is(node.seal(world.masterPeer, PROBE, world.now), undefined);
  world.master.tick(world.now);
  t.is(world.master.linkedCount, 0);
  t.is(world.master.wakeAt(), NEVER);
  node.tick(world.now);
  t.is(node.state, 'handshaking');
});

test('a half-session that is never confirmed is forgotten', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.exchange(node);
  const up = world.sealed(node, world.masterPeer);
  t.not(world.master.wakeAt(), NEVER);
  world.now = asMonoMs(world.now + 30_000);
  t.deepEqual(kinds(world.toMaster(up)), ['expiredSession']);
  world.master.tick(world.now);
  t.is(world.master.wakeAt(), NEVER);
});

test('a master that restarted is noticed by its silence', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  world.master = world.newMaster();
  t.deepEqual(kinds(world.toMaster(world.sealed(node, world.masterPeer))), ['unknownSession']);
  world.run(node, 16_000);
  t.true(world.talk(node));
});

test('a master that is silent because nothing was asked is left alone', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  const before = world.sent.length;
  world.run(node, 600_000);
  t.is(world.sent.length, before);
});

test('forget at the master ends the session, and the node comes again', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  world.master.forget(world.nodePeer, world.now);
  t.deepEqual(kinds(world.toMaster(world.sealed(node, world.masterPeer))), ['unknownSession']);
  t.is(world.master.linkedCount, 0);
  world.run(node, 16_000);
  t.true(world.talk(node));
});

test('a revoked node is not let in again', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  world.known.delete(world.nodePeer);
  world.master.forget(world.nodePeer, world.now);
  world.sealed(node, world.masterPeer);
  world.run(node, 60_000);
  t.not(node.state, 'linked');
});

test('the reboot of a node replaces its session with its first data, not before', t => {
  const world = new World();
  const before = world.enrolledNode();
  world.link(before);
  const after = world.enrolledNode();
  world.exchange(after);
  t.true(world.talk(before), 'the session of before the reboot is not touched yet');
  t.true(world.talk(after));
  t.deepEqual(kinds(world.toMaster(world.sealed(before, world.masterPeer))), ['unknownSession']);
  t.is(world.master.linkedCount, 1);
});

test('a worn session asks for new keys', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  const {seal: trueSeal} = world.crypto;
  world.crypto.seal = () => new Uint8Array(16);
  const seal = () => node.seal(world.masterPeer, PROBE, world.now);
  for (let i = 0; i < 2 ** 20 - 2; i++) seal();
  t.true(node.wakeAt() > world.now + 1_000);
  seal();
  world.crypto.seal = trueSeal;
  t.is(node.wakeAt(), world.now);
  world.exchange(node);
  t.true(world.talk(node));
  t.true(node.wakeAt() > world.now + 1_000);
});

test('trust, peer and address stay what they were through all of it', t => {
  const world = new World();
  const node = world.enrolledNode();
  t.is(node.peer(), undefined);
  world.link(node);
  t.is(node.peer(), world.masterPeer);
  t.is(node.seal(world.masterPeer, PROBE, world.now)?.to, MASTER_AT);
  t.is(node.seal(world.nodePeer, PROBE, world.now), undefined);
});

test('what is for one session is not sealed in the one that has replaced it', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.exchange(node);
  const peer = node.peer();
  const hashes = () => world.atNode.flatMap(it => (it.kind === 'linked' ? [it.handshakeHash] : []));
  const [first] = hashes();
  if (peer === undefined || first === undefined) return t.fail('no session');
  t.truthy(node.seal(peer, PROBE, world.now, first));
  world.now = asMonoMs(world.now + REKEY_AFTER_MS + 1_000);
  world.exchange(node);
  const second = hashes().at(-1);
  t.notDeepEqual(second, first);
  t.is(node.seal(peer, PROBE, world.now, first), undefined);
  t.truthy(node.seal(peer, PROBE, world.now, second));
  t.truthy(node.seal(peer, PROBE, world.now));
});
