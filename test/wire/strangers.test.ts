import test from 'ava';
import {toHex} from '../../src/base/bytes.ts';
import {Prng} from '../../src/base/prng.ts';
import {addMono, asAddress, asPeerId} from '../../src/base/types.ts';
import {STRANGERS_MAX, STRANGERS_PER_HOST_MAX} from '../../src/wire/limits.ts';
import type {Received} from '../../src/wire/link.ts';
import type {MasterLink} from '../../src/wire/session-master.ts';
import {NodeLink} from '../../src/wire/session-node.ts';
import {bytes} from './samples.ts';
import {MASTER_AT, World} from './session-world.ts';

/** The first frame of a handshake without a token, of a peer that nobody knows. */
function initiationOf(world: World, staticKey = world.crypto.x25519KeyPair()) {
  const link = new NodeLink({
    crypto: world.crypto,
    prng: new Prng(1),
    staticKey,
    bootId: bytes(8),
    rootFingerprint: world.fingerprint,
    address: MASTER_AT,
    trust: world.signedTrust(),
  });
  link.tick(world.now);
  const frame = link.takeOutgoing().find(({datagram}) => datagram[0] === 1);
  if (!frame) throw new Error('no initiation');
  return {link, datagram: frame.datagram, peer: asPeerId(toHex(staticKey.publicKey))};
}

const reasonsOf = (received: readonly Received[]): string[] =>
  received.map(each => (each.kind === 'drop' ? each.reason : each.kind));

/** Bytes that the master answers this datagram with. */
function answered(master: MasterLink, datagram: Uint8Array, host: string, world: World) {
  const received = master.receive(datagram, asAddress(`${host}:4000`), world.now);
  const out = master.takeOutgoing();
  return {
    reasons: reasonsOf(received),
    bytes: out.reduce((sum, each) => sum + each.datagram.length, 0),
  };
}

const hostNo = (i: number): string => `10.7.${i >> 8}.${i & 255}`;

test('a stranger is not answered where strangers may not ask', t => {
  const world = new World();
  const {datagram} = initiationOf(world);
  t.deepEqual(answered(world.newMaster(), datagram, '10.7.0.1', world), {
    reasons: ['unknownPeer'],
    bytes: 0,
  });
});

test('a stranger that may ask gets a session, and no more bytes than it sent', t => {
  const world = new World();
  const master = world.newMaster({strangersMayAsk: true});
  const {datagram} = initiationOf(world);
  for (let i = 0; i < 20; i++) {
    const {bytes: out} = answered(master, datagram, '10.7.0.1', world);
    t.true(out > 0 && out <= datagram.length, `${out} of ${datagram.length}`);
  }
});

test('sessions of strangers are few for each host and few in all, and keep no member out', t => {
  const world = new World();
  const master = world.newMaster({strangersMayAsk: true});
  let open = 0;
  for (let i = 0; i < STRANGERS_PER_HOST_MAX + 3; i++)
    if (answered(master, initiationOf(world).datagram, '10.9.9.9', world).bytes > 0) open += 1;
  t.is(open, STRANGERS_PER_HOST_MAX);
  for (let i = 0; i < STRANGERS_MAX; i++) {
    const {bytes: out, reasons} = answered(master, initiationOf(world).datagram, hostNo(i), world);
    if (out > 0) open += 1;
    else t.deepEqual(reasons, ['tooManySessions']);
    world.now = addMono(world.now, 10);
  }
  t.is(open, STRANGERS_MAX);
  const member = initiationOf(world, world.nodeKey);
  world.known.add(member.peer);
  t.true(answered(master, member.datagram, '10.7.0.1', world).bytes > 0, 'a member gets in');
});

test('places of strangers that went away are free again', t => {
  const world = new World();
  const master = world.newMaster({strangersMayAsk: true});
  for (let i = 0; i < STRANGERS_PER_HOST_MAX; i++)
    answered(master, initiationOf(world).datagram, '10.9.9.9', world);
  t.is(answered(master, initiationOf(world).datagram, '10.9.9.9', world).bytes, 0);
  for (let i = 0; i < 5; i++) {
    world.now = addMono(world.now, 10_000);
    master.tick(world.now);
  }
  t.true(answered(master, initiationOf(world).datagram, '10.9.9.9', world).bytes > 0);
});
