import {setFlagsFromString} from 'node:v8';
import {runInNewContext} from 'node:vm';
import test from 'ava';
import {toHex} from '../../src/base/bytes.ts';
import {Prng} from '../../src/base/prng.ts';
import {type Address, asAddress, asMonoMs, asPeerId} from '../../src/base/types.ts';
import {
  COOKIE_LOAD_MS,
  COOKIES_ABOVE_PER_SECOND,
  HALF_SESSIONS_MAX,
  HANDSHAKES_AT_ONCE,
  INITIATION_BYTES,
  SESSION_DATAGRAMS_PER_SECOND,
  STRANGERS_BYTES_MAX,
} from '../../src/wire/limits.ts';
import {discoverFrame, macKeyOf} from '../../src/wire/session.ts';
import type {NodeLink} from '../../src/wire/session-node.ts';
import {type Arrival, Crowd} from './crowd.ts';
import {kinds, MASTER_AT, NODE_AT, STRANGER_AT, World} from './session-world.ts';

/** An initiation that anybody can make who has heard a beacon: mac1 is right, the rest is dice. */
function forgedInitiation({crypto, masterKey}: World): Uint8Array {
  const frame = crypto.random(INITIATION_BYTES);
  frame.set([1, 0, 0, 0]);
  const mac1 = crypto.hmacSha256(
    macKeyOf(crypto, masterKey.publicKey),
    frame.slice(0, INITIATION_BYTES - 32),
  );
  frame.set(mac1.subarray(0, 16), INITIATION_BYTES - 32);
  frame.fill(0, INITIATION_BYTES - 16);
  return frame;
}

/** More handshakes than the master takes without a question. */
function loadMaster(world: World): void {
  for (let i = 0; i <= COOKIES_ABOVE_PER_SECOND; i++)
    world.master.receive(forgedInitiation(world), STRANGER_AT, world.now);
  world.master.takeOutgoing();
}

/** What this node has to say now, to the master and back. */
function knock(world: World, node: NodeLink, from: Address): string[] {
  const heard = node.takeOutgoing().flatMap(({datagram}) => {
    const received = world.master.receive(datagram, from, world.now);
    return received.length === 0 ? ['answered'] : kinds(received);
  });
  for (const it of world.master.takeOutgoing()) node.receive(it.datagram, MASTER_AT, world.now);
  return heard;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function bytesInUse(): number {
  collectGarbage();
  collectGarbage();
  const {heapUsed, external} = process.memoryUsage();
  return heapUsed + external;
}

test('under load a node gets a cookie, shows it at once and is let in', t => {
  const world = new World();
  const node = world.enrolledNode();
  loadMaster(world);
  world.exchange(node);
  const types = world.sent.map(it => [it.datagram[0], it.datagram.length]);
  t.deepEqual(types, [
    [1, 148],
    [3, 64],
    [1, 148],
    [2, 92],
  ]);
  t.true(world.talk(node));
  t.deepEqual(kinds(world.atMaster).slice(0, 2), ['cookieWanted', 'linked']);
});

test('while its cookie is fresh a node shows it in every handshake, also when the load is over', t => {
  const world = new World();
  const node = world.enrolledNode();
  loadMaster(world);
  world.link(node);
  world.now = asMonoMs(world.now + 5 * COOKIE_LOAD_MS);
  node.forget(world.masterPeer, world.now);
  world.run(node, 1_000);
  const [again] = world.sent.slice(4);
  t.false(again?.datagram.slice(-16).every(byte => byte === 0));
  t.true(world.talk(node));
  node.forget(world.masterPeer, world.now);
  loadMaster(world);
  const before = world.sent.length;
  world.run(node, 600);
  t.deepEqual(
    world.sent.slice(before).map(it => it.datagram[0]),
    [1, 2],
    'no second question',
  );
});

test('a node whose cookie is of another address gets the right one', t => {
  const world = new World();
  const node = world.enrolledNode();
  loadMaster(world);
  world.link(node);
  world.nodeAt = asAddress('10.0.0.9:40009');
  node.forget(world.masterPeer, world.now);
  loadMaster(world);
  world.run(node, 1_000);
  t.is(node.state, 'linked');
  t.true(world.talk(node));
});

test('a replayed cookie is no answer to a new handshake', t => {
  const world = new World();
  const node = world.enrolledNode();
  loadMaster(world);
  world.exchange(node);
  const cookie = world.sent.find(it => it.datagram[0] === 3);
  if (cookie === undefined) return t.fail();
  t.deepEqual(kinds(world.toNode(node, cookie.datagram)), ['unknownSession']);
  node.forget(world.masterPeer, world.now);
  world.now = asMonoMs(world.now + 1_000);
  node.tick(world.now);
  node.takeOutgoing();
  t.deepEqual(kinds(world.toNode(node, cookie.datagram)), ['unknownSession']);
  t.is(node.takeOutgoing().length, 0);
});

test('one try shows one cookie, however often it is told', t => {
  const world = new World();
  const node = world.enrolledNode();
  loadMaster(world);
  node.tick(world.now);
  const [initiation] = node.takeOutgoing();
  if (initiation === undefined) return t.fail();
  const replies = Array.from({length: 3}, () => {
    world.master.receive(initiation.datagram, NODE_AT, world.now);
    return world.master.takeOutgoing()[0]?.datagram ?? new Uint8Array(0);
  });
  t.deepEqual(
    replies.flatMap(reply => [...kinds(world.toNode(node, reply)), node.takeOutgoing().length]),
    [1, 'replayed', 0, 'replayed', 0],
  );
});

test('an initiation heard on the way and sent from elsewhere gets a cookie of no use, under load', t => {
  const world = new World();
  const node = world.enrolledNode();
  loadMaster(world);
  node.tick(world.now);
  const [initiation] = node.takeOutgoing();
  if (initiation === undefined) return t.fail();
  const [outcome] = world.master.receive(initiation.datagram, STRANGER_AT, world.now);
  t.deepEqual(outcome, {kind: 'drop', reason: 'cookieWanted'});
  const [reply] = world.master.takeOutgoing();
  t.deepEqual(kinds(world.toNode(node, reply?.datagram ?? new Uint8Array(0))), []);
  const [shown] = node.takeOutgoing();
  world.master.receive(shown?.datagram ?? new Uint8Array(0), NODE_AT, world.now);
  t.is(world.master.takeOutgoing()[0]?.datagram[0], 3, 'the cookie was of the address of another');
});

test('a master that starts anew knows none of the cookies of its former life', t => {
  const world = new World();
  const node = world.enrolledNode();
  loadMaster(world);
  world.link(node);
  world.master = world.newMaster();
  loadMaster(world);
  node.forget(world.masterPeer, world.now);
  world.run(node, 1_000);
  t.is(node.state, 'linked');
  t.true(world.talk(node));
});

test('1,000 nodes are back within 10 s of a restart', t => {
  const crowd = new Crowd(1_000, 20_000);
  const ms = crowd.run(10_000);
  t.log(`${crowd.linked} nodes after ${ms} ms: ${JSON.stringify([...crowd.outcomes])}`);
  t.is(crowd.linked, 1_000);
});

test('1,000 nodes get through while junk of 65,536 sources fills the socket', t => {
  // A small board: its socket takes 4,000 datagrams a second, and 5,000 of junk come.
  const crowd = new Crowd(1_000, 4_000);
  const prng = new Prng(5);
  const {world} = crowd;
  const forged = Array.from({length: 500}, (_, i) =>
    i % 3 === 0 ? world.crypto.random(INITIATION_BYTES) : forgedInitiation(world),
  );
  const junk = (stepMs: number): Arrival[] =>
    Array.from({length: 5 * stepMs}, () => {
      const no = prng.below(65_536);
      return {
        datagram: prng.pick(forged),
        from: asAddress(`10.3.${no >> 8}.${no & 255}:666`),
      };
    });
  const ms = crowd.run(180_000, junk);
  t.log(`${crowd.linked} nodes after ${ms} ms: ${JSON.stringify([...crowd.outcomes])}`);
  t.is(crowd.linked, 1_000);
  t.true((crowd.outcomes.get('cookieWanted') ?? 0) > 1_000);
});

test('no more handshakes are worked out at once than the limit says, cookie or not', t => {
  const world = new World();
  const pair = world.crypto.x25519KeyPair();
  world.crypto.x25519KeyPair = () => pair; // made cheaply: every frame is an initiation of its own
  world.known.add(asPeerId(toHex(pair.publicKey)));
  loadMaster(world);
  const outcomes: string[] = [];
  for (let i = 0; i < HANDSHAKES_AT_ONCE; i++) {
    const node: NodeLink = world.newNode({trust: world.signedTrust(), staticKey: pair});
    const from = asAddress(`10.4.${i >> 8}.${i & 255}:1`);
    node.tick(world.now);
    knock(world, node, from);
    outcomes.push(...knock(world, node, from));
  }
  // The forged ones that loaded the master were worked out too.
  const taken = outcomes.filter(it => it === 'answered').length;
  t.is(taken, HANDSHAKES_AT_ONCE - COOKIES_ABOVE_PER_SECOND);
  t.is(outcomes.filter(it => it === 'tooManyHandshakes').length, COOKIES_ABOVE_PER_SECOND);
});

test('half-sessions are bounded: one more ends the oldest, and the newest gets through', t => {
  const world = new World();
  const nodes: {node: NodeLink; from: Address}[] = [];
  for (let i = 0; i < HALF_SESSIONS_MAX + 20; i++) {
    world.now = asMonoMs(world.now + 12);
    const staticKey = world.crypto.x25519KeyPair();
    world.known.add(asPeerId(toHex(staticKey.publicKey)));
    const node = world.newNode({trust: world.signedTrust(), staticKey});
    const from = asAddress(`10.4.${i >> 8}.${i & 255}:1`);
    node.tick(world.now);
    knock(world, node, from);
    nodes.push({node, from});
  }
  const heard = nodes.map(({node, from}) =>
    kinds(world.master.receive(world.sealed(node, world.masterPeer), from, world.now)),
  );
  t.deepEqual(heard[0], ['unknownSession']);
  t.is(heard.filter(it => it[0] === 'linked').length, HALF_SESSIONS_MAX);
  t.deepEqual(heard.at(-1), ['linked', 'message']);
});

test('what strangers can make the master keep is less than its limit', t => {
  const world = new World();
  // The worst: somebody with a join token makes keys without end, and 65,536 sources ask for beacons.
  const initiations = Array.from({length: 2 * HALF_SESSIONS_MAX}, () => {
    const staticKey = world.crypto.x25519KeyPair();
    const node = world.newNode({trust: world.signedTrust(), staticKey, token: world.token});
    node.tick(world.now);
    return node.takeOutgoing()[0]?.datagram ?? new Uint8Array(0);
  });
  const discover = discoverFrame(512, undefined);
  const before = bytesInUse();
  for (const initiation of initiations) {
    world.now = asMonoMs(world.now + 12);
    t.deepEqual(world.master.receive(initiation, STRANGER_AT, world.now), []);
    world.master.takeOutgoing();
  }
  for (let no = 0; no < 65_536; no++) {
    world.master.receive(discover, asAddress(`10.5.${no >> 8}.${no & 255}:1`), world.now);
    world.master.takeOutgoing();
  }
  const kept = bytesInUse() - before;
  t.log(`${Math.round(kept / 1_024)} KiB are kept`);
  t.true(kept <= STRANGERS_BYTES_MAX);
});

test('a node that speaks too much is cut at its budget, and others are not', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  const burst = 2 * SESSION_DATAGRAMS_PER_SECOND;
  const outcomes = Array.from({length: burst + 100}, () =>
    kinds(world.toMaster(world.sealed(node, world.masterPeer))),
  ).flat();
  t.is(outcomes.filter(it => it === 'rateLimited').length, 101);
  const other = world.crypto.x25519KeyPair();
  world.known.add(asPeerId(toHex(other.publicKey)));
  const calm = world.newNode({trust: world.signedTrust(), staticKey: other});
  world.exchange(calm);
  t.deepEqual(kinds(world.toMaster(world.sealed(calm, world.masterPeer))), ['linked', 'message']);
  world.now = asMonoMs(world.now + 1_000);
  t.deepEqual(kinds(world.toMaster(world.sealed(node, world.masterPeer))), ['message']);
});
