// Nobody gets more bytes back than it sent, whatever it sends, and a multicast that nobody signed makes no
// node speak. Each case is one question: what goes to its source, at once and for a minute after.

import test, {type ExecutionContext} from 'ava';
import {type Address, asAddress, asMonoMs} from '../../src/base/types.ts';
import {CommandReceiver} from '../../src/wire/command.ts';
import {COOKIES_ABOVE_PER_SECOND, DISCOVER_BYTES} from '../../src/wire/limits.ts';
import type {Link} from '../../src/wire/link.ts';
import {discoverFrame, macKeyOf} from '../../src/wire/session.ts';
import type {NodeLink} from '../../src/wire/session-node.ts';
import {bytes} from './samples.ts';
import {MASTER_AT, STRANGER_AT, World} from './session-world.ts';

/** The largest UDP payload on Ethernet. */
const SIZE_MAX = 1_472;
const TYPES = 9;

type Case = {readonly world: World; readonly node: NodeLink; readonly genuine: Uint8Array[]};

/** A linked node, and one of every frame that anybody could have recorded or made. */
function linked(): Case {
  const world = new World();
  const node = world.enrolledNode();
  const searching = world.newNode({token: world.token});
  world.exchange(searching);
  world.link(node);
  for (let i = 0; i <= COOKIES_ABOVE_PER_SECOND; i++)
    world.master.receive(withMac1(world, world.crypto.random(148)), STRANGER_AT, world.now);
  const cookie = world.master.takeOutgoing().at(-1)?.datagram ?? new Uint8Array(0);
  const genuine = [
    ...world.sent.map(it => it.datagram),
    world.sealed(node, world.masterPeer),
    world.sealed(world.master, world.nodePeer),
    world.master.beacon(),
    discoverFrame(DISCOVER_BYTES, undefined),
    cookie,
    withMac1(world, world.crypto.random(148)),
  ];
  return {world, node, genuine};
}

/** Anybody can make mac1 who has heard a beacon. */
function withMac1({crypto, masterKey}: World, frame: Uint8Array): Uint8Array {
  frame.set([1, 0, 0, 0]);
  const key = macKeyOf(crypto, masterKey.publicKey);
  frame.set(crypto.hmacSha256(key, frame.slice(0, 116)).subarray(0, 16), 116);
  return frame;
}

/** Every type in every size, as zeros, as dice and with a head that looks right. */
function* everySize({world, node}: Case): Generator<Uint8Array> {
  const data = world.sealed(node, world.masterPeer);
  for (let type = 0; type < TYPES; type++)
    for (let size = 1; size <= SIZE_MAX; size++) {
      const zeros = new Uint8Array(size);
      zeros[0] = type;
      yield zeros;
      const dice = world.crypto.random(size);
      dice[0] = type;
      yield dice;
      dice.set(data.subarray(1, Math.min(size, 16)), Math.min(size, 1));
      yield dice;
    }
}

/** Genuine frames, and each of them with a byte changed, cut, and grown. */
function* mutants({genuine}: Case): Generator<Uint8Array> {
  for (const frame of genuine) {
    yield frame;
    yield frame;
    yield Uint8Array.of(...frame, 0);
    for (let i = 0; i < frame.length; i++) {
      const changed = frame.slice();
      changed[i] = (changed[i] ?? 0) ^ (1 << (i & 7));
      yield changed;
      if (i > 0) yield frame.slice(0, i);
    }
  }
}

/** Asks and counts what goes back to the source; time goes on, so that budgets are full. */
function asksAll(
  t: ExecutionContext,
  {world}: Case,
  link: Link,
  frames: Iterable<Uint8Array>,
  stepMs: number,
): {asked: number; answered: number; bytesIn: number; bytesOut: number} {
  const sums = {asked: 0, answered: 0, bytesIn: 0, bytesOut: 0};
  for (const frame of frames) {
    world.now = asMonoMs(world.now + stepMs);
    link.receive(frame, STRANGER_AT, world.now);
    let out = 0;
    for (const {to, datagram} of link.takeOutgoing())
      if (to === STRANGER_AT) out += datagram.length;
    if (out > frame.length) t.fail(`${out} bytes for ${frame.length} of type ${frame[0]}`);
    sums.asked += 1;
    sums.bytesIn += frame.length;
    sums.bytesOut += out;
    if (out > 0) sums.answered += 1;
  }
  return sums;
}

test('the master: every type in every size gets back at most what was sent', t => {
  const one = linked();
  const sums = asksAll(t, one, one.world.master, everySize(one), 0.5);
  t.log(JSON.stringify(sums));
  t.is(sums.asked, TYPES * SIZE_MAX * 3);
  t.is(sums.answered, 2, 'a discover of the right size and head, whatever its padding');
});

test('the master: genuine, replayed and changed frames get back at most what was sent', t => {
  // Calm, and so fast that it asks for cookies.
  for (const stepMs of [20, 0.01]) {
    const one = linked();
    const sums = asksAll(t, one, one.world.master, mutants(one), stepMs);
    t.log(JSON.stringify(sums));
    t.true(sums.answered > 0);
    t.true(sums.bytesOut <= sums.bytesIn);
  }
});

test('a node with a session answers strangers with nothing, whatever they send', t => {
  const one = linked();
  const sums = asksAll(t, one, one.node, [...everySize(one), ...mutants(one)], 0.01);
  t.is(sums.answered, 0);
});

/** All that goes to an address for a minute. */
function bytesTo(world: World, node: NodeLink, to: Address): number {
  const until = world.now + 60_000;
  let sum = 0;
  while (world.now < until) {
    if (node.wakeAt() <= world.now) node.tick(world.now);
    for (const it of node.takeOutgoing()) if (it.to === to) sum += it.datagram.length;
    world.now = asMonoMs(Math.max(world.now + 1, Math.min(node.wakeAt(), until)));
  }
  return sum;
}

test('a beacon in the name of another sends one initiation there, and nothing for a minute after', t => {
  const world = new World();
  const victim = asAddress('10.0.0.99:6273');
  const beacon = world.master.beacon();
  const nodes = [
    world.newNode({token: world.token}),
    world.newNode({token: world.token, group: asAddress('239.86.79.76:6273')}),
    world.enrolledNode({address: MASTER_AT}),
  ];
  for (const node of nodes) {
    node.tick(world.now);
    node.takeOutgoing();
    world.now = asMonoMs(world.now + 1_000);
    node.receive(beacon, asAddress('10.0.0.99:1'), world.now);
    const sent = bytesTo(world, node, victim);
    t.is(sent, 148);
    t.true(sent <= beacon.length);
  }
});

test('a node that looks for its master tries at most once for each beacon, and finds it', t => {
  const world = new World();
  const group = asAddress('239.86.79.76:6273');
  const node = world.newNode({token: world.token, address: undefined, group});
  node.tick(world.now);
  const knocks: number[] = [];
  for (let second = 0; second < 5; second++) {
    world.now = asMonoMs(world.now + 1_000);
    node.tick(world.now);
    node.takeOutgoing();
    node.receive(world.master.beacon(), MASTER_AT, world.now);
    world.now = asMonoMs(world.now + 600); // after some tries it waits a moment, as the whole room does
    node.tick(world.now);
    knocks.push(node.takeOutgoing().filter(it => it.datagram[0] === 1).length);
  }
  t.true(knocks.every(it => it <= 1));
  t.true(knocks.filter(it => it === 1).length >= 3);
  world.run(node, 20_000);
  t.is(node.state, 'linked', 'when the master answers again');
});

test('a searching node sends no source more than it got from it', t => {
  const one = linked();
  const {world} = one;
  const states = [
    world.newNode({token: world.token}),
    world.newTofuNode(),
    world.enrolledNode({address: MASTER_AT}),
  ];
  for (const node of states) {
    const sums = asksAll(t, one, node, mutants(one), 1);
    t.true(sums.bytesOut <= sums.bytesIn);
  }
});

test('a multicast that the master did not sign is no command, and gets no acknowledgement', t => {
  const one = linked();
  const {world} = one;
  const receiver = new CommandReceiver(world.crypto);
  receiver.join(
    {
      clusterId: bytes(16),
      commandKey: world.command.publicKey,
      groupKey: bytes(32),
      groupKeyId: 1,
      epoch: 1,
      seqFloor: 0,
    },
    world.now,
  );
  const kinds = new Set<string>();
  for (const frame of [...everySize(one), ...mutants(one)]) {
    const command = frame.slice();
    command.set([7, 1, 0, 1].slice(0, command.length));
    kinds.add(receiver.open(command, world.now).kind);
  }
  t.deepEqual([...kinds], ['drop']);
});
