// Frames that carry right macs, so that their sender knows the master's public key, and are wrong inside.

import test from 'ava';
import {concat} from '../../src/base/bytes.ts';
import {asMonoMs, asPeerId} from '../../src/base/types.ts';
import type {Crypto} from '../../src/wire/crypto.ts';
import {NoiseInitiator, NoiseResponder} from '../../src/wire/noise.ts';
import {
  initiationHeader,
  macKeyOf,
  prologueOf,
  readInitiation,
  sealInitiation,
  sealResponse,
} from '../../src/wire/session.ts';
import {signTrust} from '../../src/wire/trust.ts';
import {bytes, MESSAGES} from './samples.ts';
import {kinds, PROBE, World} from './session-world.ts';

const EMPTY = new Uint8Array();
/** A point of low order: with it any two keys agree on nothing. */
const LOW_ORDER = new Uint8Array(32);
const FIRST_BYTES = 108;
const RESPONSE_BYTES = 92;

const masterMac = (world: World) => macKeyOf(world.crypto, world.masterKey.publicKey);

test('an initiation with a right mac and a wrong head is malformed', t => {
  const world = new World();
  for (const [at, byte] of [
    [1, 2],
    [2, 1],
    [3, 1],
  ] as const) {
    const header = initiationHeader('IK', 7);
    header[at] = byte;
    const frame = sealInitiation(world.crypto, masterMac(world), header, bytes(FIRST_BYTES));
    t.deepEqual(kinds(world.toMaster(frame)), ['malformed'], `byte ${at}`);
  }
  t.is(world.master.takeOutgoing().length, 0);
});

test('an initiation with a right mac and noise inside is a bad handshake', t => {
  const world = new World();
  const header = initiationHeader('IK', 7);
  for (const noise of [bytes(FIRST_BYTES), new Uint8Array(FIRST_BYTES)]) {
    const frame = sealInitiation(world.crypto, masterMac(world), header, noise);
    t.deepEqual(kinds(world.toMaster(frame)), ['badHandshake']);
  }
  t.is(world.master.takeOutgoing().length, 0);
});

test('who says that its own key is one of low order gets no session', t => {
  const world = new World();
  const {crypto} = world;
  const header = initiationHeader('IK', 7);
  const noise = new NoiseInitiator(crypto, {
    pattern: 'IK',
    prologue: prologueOf(header),
    staticKey: {...world.nodeKey, publicKey: LOW_ORDER},
    remoteStatic: world.masterKey.publicKey,
  });
  const first = noise.writeFirst(bytes(12)) ?? EMPTY;
  t.is(first.length, FIRST_BYTES);
  const frame = sealInitiation(crypto, masterMac(world), header, first);
  t.deepEqual(kinds(world.toMaster(frame)), ['badHandshake']);
});

test('a response with a right mac is malformed by its head, and bad by a key of low order', t => {
  const world = new World();
  const {crypto} = world;
  const node = world.enrolledNode();
  node.tick(world.now);
  const [sent] = node.takeOutgoing();
  const senderIndex = readInitiation(sent?.datagram ?? EMPTY)?.senderIndex ?? 0;
  const macKey = macKeyOf(crypto, world.nodeKey.publicKey);
  const answer = (noise: Uint8Array) =>
    sealResponse(crypto, macKey, {senderIndex: 1, receiverIndex: senderIndex, noise});
  t.is(answer(bytes(48)).length, RESPONSE_BYTES);
  t.deepEqual(kinds(world.toNode(node, answer(new Uint8Array(48)))), ['badHandshake']);
  t.deepEqual(kinds(world.toNode(node, answer(bytes(48)))), ['badHandshake']);
  for (const at of [1, 2, 3]) {
    const macs = sealHead(crypto, macKey, answer(bytes(48)).slice(0, RESPONSE_BYTES - 32), at);
    t.deepEqual(kinds(world.toNode(node, macs)), ['malformed'], `byte ${at}`);
  }
  t.is(node.state, 'handshaking');
});

/** The frame with one byte of its head changed and macs that fit. */
function sealHead(crypto: Crypto, macKey: Uint8Array, frame: Uint8Array, at: number): Uint8Array {
  const changed = frame.slice();
  changed[at] = 1;
  return sealInitiation(crypto, macKey, changed, EMPTY);
}

test('a response that comes before anything was asked belongs to no session', t => {
  const world = new World();
  const node = world.newNode({token: world.token});
  const frame = concat(Uint8Array.of(2), new Uint8Array(RESPONSE_BYTES - 1));
  t.deepEqual(kinds(world.toNode(node, frame)), ['unknownSession']);
  t.is(node.state, 'discovering');
});

test('a beacon is at most as long as what asks for it', t => {
  const world = new World();
  const node = world.newNode({token: world.token});
  t.deepEqual(kinds(world.toNode(node, concat(Uint8Array.of(6), new Uint8Array(512)))), [
    'tooLarge',
  ]);
  t.deepEqual(kinds(world.toNode(node, Uint8Array.of(6, 0, 1, 0))), ['malformed']);
});

test("a trust document whose master's key is of low order starts no handshake", t => {
  const world = new World();
  const document = {...world.document(2), masterStatic: LOW_ORDER};
  const trust = signTrust(world.crypto, world.root.secretKey, document);
  const node = world.newNode({trust});
  node.tick(world.now);
  const frames = node.takeOutgoing().map(({datagram}) => datagram[0]);
  t.false(frames.includes(1), 'no initiation');
  t.true(node.wakeAt() > world.now, 'it tries again later');
});

test('authentic nonsense of the master is dropped and the session goes on', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  const collect = MESSAGES['collect'];
  if (collect?.type !== 'collect') return t.fail();
  const blobIds = Array.from({length: 17}, () => collect.blobIds[0] ?? ('' as never));
  const nonsense = world.sealed(world.master, world.nodePeer, {...collect, blobIds});
  t.deepEqual(kinds(world.toNode(node, nonsense)), ['limits']);
  t.true(world.talk(node));
});

test('a welcome of the session before is not for the one after it', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  const welcome = MESSAGES['welcome'];
  if (welcome === undefined) return t.fail();
  const old = world.sealed(world.master, world.nodePeer, welcome);
  world.now = asMonoMs(world.now + 3_600_000);
  world.exchange(node);
  t.deepEqual(kinds(world.toNode(node, old)), ['unknownSession']);
  t.true(world.talk(node));
});

test('a node that heard as much as a session may carry asks for new keys', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  const {seal: trueSeal} = world.crypto;
  world.crypto.seal = () => new Uint8Array(16);
  for (let i = 0; i < 2 ** 20; i++) world.master.seal(world.nodePeer, PROBE, world.now);
  world.crypto.seal = trueSeal;
  t.true(node.wakeAt() > world.now + 1_000);
  t.deepEqual(kinds(world.toNode(node, world.sealed(world.master, world.nodePeer))), ['message']);
  t.is(node.wakeAt(), world.now);
  world.exchange(node);
  t.true(world.talk(node));
});

test('a tick before its time does nothing, and forgetting a stranger neither', t => {
  const world = new World();
  const waiting = world.enrolledNode();
  waiting.tick(world.now);
  t.is(waiting.takeOutgoing().length, 1);
  waiting.tick(asMonoMs(waiting.wakeAt() - 1));
  t.is(waiting.takeOutgoing().length, 0);
  const node = world.enrolledNode();
  world.link(node);
  const stranger = asPeerId('00'.repeat(32));
  node.forget(stranger, world.now);
  world.master.forget(stranger, world.now);
  t.true(world.talk(node));
  t.is(world.master.linkedCount, 1);
});

test('an ephemeral key of low order opens nothing at either end', t => {
  const {crypto, masterKey, nodeKey} = new World();
  const prologue = bytes(16);
  const responder = new NoiseResponder(crypto, {pattern: 'IK', prologue, staticKey: masterKey});
  t.is(responder.readFirst(concat(LOW_ORDER, bytes(76))), undefined);
  const remoteStatic = masterKey.publicKey;
  const options = {pattern: 'IK', prologue, staticKey: nodeKey, remoteStatic} as const;
  const initiator = new NoiseInitiator(crypto, options);
  initiator.writeFirst(EMPTY);
  t.is(initiator.readSecond(concat(LOW_ORDER, bytes(16))), undefined);
});
