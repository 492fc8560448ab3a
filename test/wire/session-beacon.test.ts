import test from 'ava';
import {concat} from '../../src/base/bytes.ts';
import {asAddress, asMonoMs} from '../../src/base/types.ts';
import {encodeBeacon} from '../../src/wire/codec.ts';
import {signTrust} from '../../src/wire/trust.ts';
import {bytes} from './samples.ts';
import {kinds, MASTER_AT, PROBE, STRANGER_AT, World} from './session-world.ts';

const NEW_HOME = asAddress('10.0.0.77:5000');

const beaconOf = (trust: Uint8Array, port = 6_273): Uint8Array =>
  concat(Uint8Array.of(6, 0, 0, 0), encodeBeacon({trust, port}));

test('a beacon that is only heard, and never asked for, starts a handshake at its port', t => {
  const world = new World();
  const node = world.newNode({token: world.token});
  t.deepEqual(kinds(world.toNode(node, world.master.beacon(), NEW_HOME)), ['trust']);
  const [initiation] = node.takeOutgoing();
  t.is(initiation?.to, asAddress('10.0.0.77:6273'));
  t.is(initiation?.datagram[0], 1);
});

test('a node asks at its address and in the group', t => {
  const world = new World();
  const group = asAddress('239.86.79.76:6272');
  const node = world.newNode({group});
  node.tick(world.now);
  t.deepEqual(
    node.takeOutgoing().map(it => [it.to, it.datagram.length]),
    [
      [MASTER_AT, 512],
      [group, 512],
    ],
  );
});

test('a trust document of another root, a changed one and an older one are refused', t => {
  const world = new World();
  const other = new World();
  const node = world.newNode({token: world.token});
  t.deepEqual(kinds(world.toNode(node, beaconOf(other.signedTrust()))), ['badTrust']);
  // Signed by a key that is not the one it names.
  const stolen = signTrust(world.crypto, other.root.secretKey, world.document());
  t.deepEqual(kinds(world.toNode(node, beaconOf(stolen))), ['badTrust']);
  const newer = world.enrolledNode({trust: world.signedTrust(5)});
  t.deepEqual(kinds(world.toNode(newer, beaconOf(world.signedTrust(4)), NEW_HOME)), ['badTrust']);
  t.deepEqual(newer.trust(), world.signedTrust(5));
  t.is(node.state, 'discovering');
  t.is(node.takeOutgoing().length, 0);
});

test('a newer trust document replaces the one we hold', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.toNode(node, beaconOf(world.signedTrust(2)), NEW_HOME);
  t.deepEqual(node.trust(), world.signedTrust(2));
});

test('each changed byte of a beacon is refused or starts nothing but a handshake', t => {
  const world = new World();
  const beacon = world.master.beacon();
  for (let i = 0; i < beacon.length; i++) {
    const changed = beacon.slice();
    changed[i] = (changed[i] ?? 0) ^ 1;
    const node = world.newNode({token: world.token});
    world.toNode(node, changed);
    // Only the port is not signed: it is where to knock, and who answers there must prove who he is.
    if (node.trust() !== undefined) t.deepEqual(node.trust(), world.signedTrust());
    t.not(node.state, 'linked');
  }
});

test('forged beacons cost a few verifications a second at most', t => {
  const world = new World();
  const node = world.newNode({token: world.token});
  const forged = beaconOf(new World().signedTrust());
  const outcomes = Array.from({length: 50}, () => kinds(world.toNode(node, forged))[0]);
  t.is(outcomes.filter(it => it === 'badTrust').length, 10);
  t.is(outcomes.filter(it => it === 'rateLimited').length, 40);
});

test('a beacon from elsewhere changes nothing while there is a session', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  t.deepEqual(world.toNode(node, world.master.beacon(), STRANGER_AT), []);
  t.is(node.takeOutgoing().length, 0);
  t.is(node.seal(world.masterPeer, PROBE, world.now)?.to, MASTER_AT);
});

test('a beacon moves a handshake to where the master is now', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.run(node, 5_000, () => 0);
  world.toNode(node, world.master.beacon(), NEW_HOME);
  world.now = asMonoMs(world.now + 300);
  world.toNode(node, world.master.beacon(), NEW_HOME);
  world.now = asMonoMs(world.now + 600); // after some tries it waits a moment, as the whole room does
  node.tick(world.now);
  const last = node.takeOutgoing().at(-1);
  t.is(last?.to, asAddress('10.0.0.77:6273'));
  world.masterAt = asAddress('10.0.0.77:6273');
  world.run(node, 12_000);
  t.true(world.talk(node));
  t.is(node.seal(world.masterPeer, PROBE, world.now)?.to, world.masterAt);
});

test('the answer to a Discover counts also when it comes right behind an initiation', t => {
  const world = new World();
  world.saysHello = true;
  const node = world.enrolledNode({address: STRANGER_AT}); // where the master was once
  const places: string[] = [];
  for (let tries = 0; tries < 12 && node.state !== 'linked'; tries++) {
    world.now = asMonoMs(Math.max(world.now, node.wakeAt()));
    node.tick(world.now);
    for (const {to, datagram} of node.takeOutgoing()) {
      places.push(to);
      if (datagram[0] === 5) world.toNode(node, world.master.beacon(), MASTER_AT);
      else if (to === MASTER_AT) {
        world.toMaster(datagram);
        for (const answer of world.master.takeOutgoing()) world.toNode(node, answer.datagram);
      }
    }
  }
  t.is(node.state, 'linked');
  t.true(places.includes(STRANGER_AT));
});

test('a place that only a beacon names gets one initiation for each beacon', t => {
  const world = new World();
  const node = world.newNode({token: world.token});
  const beacon = world.master.beacon();
  t.true(beacon.length >= 148);
  world.toNode(node, beacon, STRANGER_AT);
  for (let tries = 0; tries < 8; tries++) {
    world.now = asMonoMs(Math.max(world.now, node.wakeAt()));
    node.tick(world.now);
  }
  const said = node.takeOutgoing().filter(({to}) => to.startsWith('10.0.0.66:'));
  t.deepEqual(
    said.map(({datagram}) => datagram.length),
    [148],
  );
});

test('a stranger who repeats beacons from his own address can not keep a node from its master', t => {
  const world = new World();
  const node = world.enrolledNode();
  node.tick(world.now);
  const [first] = node.takeOutgoing();
  for (let i = 0; i < 100; i++) world.toNode(node, world.master.beacon(), STRANGER_AT);
  t.is(node.takeOutgoing().length, 0);
  if (first === undefined) return t.fail();
  world.toMaster(first.datagram);
  const [response] = world.master.takeOutgoing();
  if (response === undefined) return t.fail();
  t.deepEqual(kinds(world.toNode(node, response.datagram)), ['linked']);
});

test('a beacon of a master that does not answer makes new keys beside the session', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  world.master = world.newMaster(); // it has started anew and knows no session
  t.truthy(node.seal(world.masterPeer, PROBE, world.now));
  world.now = asMonoMs(world.now + 400);
  world.toNode(node, world.master.beacon());
  t.true(node.wakeAt() > world.now + 1_000, 'the answer may still be under way');
  world.now = asMonoMs(world.now + 200);
  world.toNode(node, world.master.beacon());
  t.is(node.peer(), world.masterPeer, 'the old session serves until the new one is there');
  world.run(node, 700);
  t.deepEqual(kinds(world.atNode).filter(kind => kind === 'linked').length, 2);
});

test('beacons mean nothing to a node that nobody owes an answer', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  const ack = {type: 'commandAck', body: bytes(40), signature: bytes(64)} as const;
  t.truthy(node.seal(world.masterPeer, ack, world.now), 'acknowledgements are not answered');
  const before = world.sent.length;
  for (let s = 0; s < 60; s++) {
    world.now = asMonoMs(world.now + 1_000);
    world.toNode(node, world.master.beacon());
  }
  world.run(node, 10_000);
  t.is(world.sent.length, before);
});

test('a beacon hastens a handshake that had grown rare', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.run(node, 120_000, () => 0); // an outage
  world.now = asMonoMs(world.now + 1_100);
  if (node.wakeAt() < world.now + 1_500) world.now = node.wakeAt();
  node.tick(world.now);
  node.takeOutgoing();
  t.true(node.wakeAt() > world.now + 4_000, 'the next try is far');
  world.now = asMonoMs(world.now + 1_100);
  world.toNode(node, world.master.beacon());
  t.true(node.wakeAt() <= world.now + 500);
  t.is(node.takeOutgoing().length, 0, 'a room that hears it does not answer in one instant');
});

test('after forget the node looks for the master again, and follows a beacon', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  node.forget(world.masterPeer, world.now);
  t.is(node.peer(), undefined);
  t.is(node.state, 'handshaking');
  t.true(node.wakeAt() > world.now);
  world.toNode(node, world.master.beacon(), NEW_HOME);
  t.is(node.takeOutgoing().at(-1)?.to, asAddress('10.0.0.77:6273'));
});

test('a master that is silent for long is asked for by Discover, and by its old address', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.run(node, 60_000, () => 0);
  const types = world.sent.map(it => it.datagram[0]);
  t.true(types.includes(5));
  t.true(types.includes(1));
});

test('with --tofu the first root is believed, and no other after it', t => {
  const world = new World();
  const node = world.newTofuNode();
  world.toNode(node, world.master.beacon());
  t.deepEqual(node.trust(), world.signedTrust());
  t.deepEqual(kinds(world.toNode(node, beaconOf(new World().signedTrust()))), ['badTrust']);
});
