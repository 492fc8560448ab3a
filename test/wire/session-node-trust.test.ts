// A node's end of a session while the keys of its cluster are replaced.

import test from 'ava';
import {equalBytes, toHex} from '../../src/base/bytes.ts';
import {asMonoMs, asPeerId, asWallMs} from '../../src/base/types.ts';
import type {KeyPair} from '../../src/wire/crypto.ts';
import type {Received} from '../../src/wire/link.ts';
import type {Message, TrustDocument} from '../../src/wire/message.ts';
import {MasterLink} from '../../src/wire/session-master.ts';
import type {NodeLink} from '../../src/wire/session-node.ts';
import {fingerprintOf, signTrust} from '../../src/wire/trust.ts';
import {bytes, MESSAGES} from './samples.ts';
import {kinds, MASTER_AT, STRANGER_AT, World} from './session-world.ts';

/** A master with other keys; the world's own goes on with the old ones, as a thief of them would. */
function masterWith(
  world: World,
  trust: Uint8Array,
  staticKey: KeyPair,
  rootSteps: readonly Uint8Array[] = [],
): MasterLink {
  return new MasterLink({
    crypto: world.crypto,
    staticKey,
    signedTrust: trust,
    rootSteps,
    port: 6_273,
    knows: peer => world.known.has(peer),
    pskOf: () => undefined,
  });
}

function rotated(world: World, version = 2): {key: KeyPair; trust: Uint8Array} {
  const key = world.crypto.x25519KeyPair();
  const document = {...world.document(version), masterStatic: key.publicKey};
  return {key, trust: signTrust(world.crypto, world.root.secretKey, document)};
}

const trustOf = (received: readonly Received[]) =>
  received.flatMap(one => (one.kind === 'trust' ? [one] : []));

const welcomeWith = (trust: Uint8Array): Message => {
  const welcome = MESSAGES['welcome'];
  if (welcome?.type !== 'welcome') throw new Error('no sample');
  return {...welcome, trust, wallMs: asWallMs(1)};
};

/** Sends a Welcome from the world's master and gives what the node made of it. */
function welcome(world: World, node: NodeLink, trust: Uint8Array): readonly Received[] {
  const peer = world.nodePeer;
  const sealed = world.master.seal(peer, welcomeWith(trust), world.now);
  if (sealed === undefined) throw new Error('there is no session');
  return world.toNode(node, sealed.datagram);
}

test('a newer trust document with other keys of the master ends the session with the old ones', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  const {key, trust} = rotated(world);
  const master = masterWith(world, trust, key);
  const [learnt] = trustOf(world.toNode(node, master.beacon()));
  t.true(learnt?.rekeyed);
  t.is(learnt?.version, 2);
  t.is(node.state, 'handshaking');
  // Whoever still has the old keys is heard no more.
  const old = world.master.seal(world.nodePeer, {type: 'timeProbe', nonce: 1}, world.now);
  if (old === undefined) return t.fail();
  t.deepEqual(kinds(world.toNode(node, old.datagram)), ['unknownSession']);
  // And the master with the new keys has a session.
  world.master = master;
  world.run(node, 5_000);
  t.is(node.peer(), asPeerId(toHex(key.publicKey)));
});

test('a beacon with the old keys moves no node that has seen the new ones', t => {
  const world = new World();
  const {trust} = rotated(world);
  const node = world.enrolledNode({trust});
  t.deepEqual(kinds(world.toNode(node, world.master.beacon(), STRANGER_AT)), ['badTrust']);
  t.deepEqual(node.trust(), trust);
  world.run(node, 30_000);
  t.is(node.peer(), undefined);
  t.false(kinds(world.atNode).includes('linked'));
});

test('a Welcome with an older trust document is refused, and answered by the newer one', t => {
  const world = new World();
  const node = world.enrolledNode({trust: world.signedTrust(3)});
  world.link(node);
  t.deepEqual(kinds(welcome(world, node, world.signedTrust(2))), ['badTrust']);
  t.deepEqual(node.trust(), world.signedTrust(3));
  const [answer] = node.takeOutgoing();
  if (answer === undefined) return t.fail();
  const [told] = world.toMaster(answer.datagram);
  if (told?.kind !== 'message' || told.message.type !== 'trustUpdate') return t.fail();
  t.deepEqual(told.message.trust, world.signedTrust(3));
});

test('a newer trust document in a Welcome comes before the Welcome, and keeps the session', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  t.deepEqual(kinds(welcome(world, node, world.signedTrust(2))), ['trust', 'message']);
  t.deepEqual(kinds(welcome(world, node, world.signedTrust(2))), ['message']);
  t.is(node.state, 'linked');
});

/** Three roots, each introduced by the one before. */
function dynasty(world: World) {
  const roots = [world.root, world.crypto.ed25519KeyPair(), world.crypto.ed25519KeyPair()];
  const key = world.crypto.x25519KeyPair();
  const of = (version: number, root: KeyPair): TrustDocument => ({
    ...world.document(version),
    rootKey: root.publicKey,
    masterStatic: key.publicKey,
  });
  const [first, second, third] = roots as [KeyPair, KeyPair, KeyPair];
  const steps = [
    signTrust(world.crypto, third.secretKey, of(5, third), second),
    signTrust(world.crypto, second.secretKey, of(3, second), first),
  ];
  const trust = signTrust(world.crypto, third.secretKey, of(6, third));
  return {key, steps, trust, last: fingerprintOf(world.crypto, third.publicKey)};
}

test('a node that slept through two new roots finds its way by Discover, one step at a time', t => {
  const world = new World();
  const {key, steps, trust, last} = dynasty(world);
  const node = world.enrolledNode();
  world.master = masterWith(world, trust, key, steps);
  world.run(node, 20_000);
  t.is(node.peer(), asPeerId(toHex(key.publicKey)));
  const learnt = trustOf(world.atNode);
  t.deepEqual(
    learnt.map(it => it.version),
    [3, 5, 6],
  );
  t.deepEqual(learnt.at(-1)?.rootFingerprint, last);
});

test('a token of an earlier root still leads to the root of today', t => {
  const world = new World();
  const {key, steps, trust} = dynasty(world);
  const node = world.newNode();
  world.known.add(world.nodePeer);
  world.master = masterWith(world, trust, key, steps);
  world.run(node, 20_000);
  t.is(node.peer(), asPeerId(toHex(key.publicKey)));
});

test('a node whose root nobody passed on stays with its root', t => {
  const world = new World();
  const {key, trust} = dynasty(world);
  const node = world.enrolledNode();
  world.master = masterWith(world, trust, key);
  world.run(node, 20_000);
  t.is(node.peer(), undefined);
  t.true(equalBytes(node.trust() ?? bytes(0), world.signedTrust()));
  t.true(kinds(world.atNode).includes('badTrust'));
});

test('no answer to a Discover is larger than it, whichever root it names', t => {
  const world = new World();
  const {key, steps, trust} = dynasty(world);
  const master = masterWith(world, trust, key, steps);
  for (const root of [world.fingerprint, bytes(16), bytes(16, 200)]) {
    const node = world.newNode({rootFingerprint: root});
    node.tick(world.now);
    for (const {datagram} of node.takeOutgoing()) {
      world.now = asMonoMs(world.now + 100);
      t.deepEqual(master.receive(datagram, MASTER_AT, world.now), []);
      const [answer] = master.takeOutgoing();
      t.true((answer?.datagram.length ?? 1_000) <= datagram.length);
    }
  }
});
