import test from 'ava';
import fc from 'fast-check';
import {encodeMessage} from '../../src/wire/codec.ts';
import type {NodeLink} from '../../src/wire/session-node.ts';
import {bytes, MESSAGES} from './samples.ts';
import {kinds, PROBE, STRANGER_AT, World} from './session-world.ts';

const BITS = [1, 0x80];
const flipped = function* (frame: Uint8Array): Generator<Uint8Array> {
  for (let i = 0; i < frame.length; i++) {
    for (const bit of BITS) {
      const changed = frame.slice();
      changed[i] = (changed[i] ?? 0) ^ bit;
      yield changed;
    }
  }
};
const bytesOut = (world: World): number =>
  world.master.takeOutgoing().reduce((sum, it) => sum + it.datagram.length, 0);
const linked = (): {world: World; node: NodeLink} => {
  const world = new World();
  const node = world.enrolledNode();
  world.link(node);
  return {world, node};
};

test('an initiation with any byte changed is dropped, answered by nothing and costs no session', t => {
  const world = new World();
  const node = world.enrolledNode();
  node.tick(world.now);
  const [initiation] = node.takeOutgoing();
  if (initiation === undefined) return t.fail();
  const covered = initiation.datagram.length - 16; // mac2 binds nothing: see the cookies
  for (const changed of [...flipped(initiation.datagram)].slice(0, 2 * covered)) {
    const [outcome] = world.master.receive(changed, STRANGER_AT, world.now);
    t.is(outcome?.kind, 'drop');
    t.is(bytesOut(world), 0);
  }
  t.deepEqual(world.toMaster(initiation.datagram), [], 'the true one is still good');
});

test('a response with any byte changed is dropped, and the true one is still good', t => {
  const world = new World();
  const node = world.enrolledNode();
  node.tick(world.now);
  const [initiation] = node.takeOutgoing();
  if (initiation === undefined) return t.fail();
  world.toMaster(initiation.datagram);
  const [response] = world.master.takeOutgoing();
  if (response === undefined) return t.fail();
  for (const changed of flipped(response.datagram)) {
    const [outcome] = node.receive(changed, STRANGER_AT, world.now);
    t.is(outcome?.kind, 'drop');
  }
  t.is(node.state, 'handshaking');
  t.deepEqual(kinds(world.toNode(node, response.datagram)), ['linked']);
});

test('a data frame with any byte changed is dropped, and the true one is still good', t => {
  const {world, node} = linked();
  const up = world.sealed(node, world.masterPeer);
  for (const changed of flipped(up)) {
    t.is(world.master.receive(changed, STRANGER_AT, world.now)[0]?.kind, 'drop');
  }
  t.deepEqual(kinds(world.toMaster(up)), ['message']);
  const down = world.sealed(world.master, world.nodePeer);
  for (const changed of flipped(down)) {
    t.is(node.receive(changed, STRANGER_AT, world.now)[0]?.kind, 'drop');
  }
  t.deepEqual(kinds(world.toNode(node, down)), ['message']);
  t.true(world.talk(node));
});

test('a frame that is longer or shorter than it should be is dropped', t => {
  const {world, node} = linked();
  const frames = [...world.sent.map(it => it.datagram), world.sealed(node, world.masterPeer)];
  for (const frame of frames) {
    for (const other of [frame.slice(0, -1), Uint8Array.of(...frame, 0)]) {
      t.is(world.master.receive(other, STRANGER_AT, world.now)[0]?.kind, 'drop');
      t.is(node.receive(other, STRANGER_AT, world.now)[0]?.kind, 'drop');
    }
  }
  t.deepEqual(kinds(world.master.receive(new Uint8Array(0), STRANGER_AT, world.now)), ['tooSmall']);
  const large = world.sealed(node, world.masterPeer).slice();
  const larger = new Uint8Array(1_233);
  larger.set(large);
  t.deepEqual(kinds(world.master.receive(larger, STRANGER_AT, world.now)), ['tooLarge']);
});

test('to strangers the master never says more bytes than it heard', t => {
  const {world, node} = linked();
  const other = world.enrolledNode();
  other.tick(world.now);
  const good = [
    ...other.takeOutgoing().map(it => it.datagram),
    ...world.sent.map(it => it.datagram),
    world.sealed(node, world.masterPeer),
    world.master.beacon(),
  ];
  const discover = new Uint8Array(512);
  discover[0] = 5;
  good.push(discover);
  for (const frame of good) {
    for (const changed of [frame, frame, ...flipped(frame)]) {
      world.master.receive(changed, STRANGER_AT, world.now);
      t.true(bytesOut(world) <= changed.length);
    }
  }
  for (let type = 0; type < 256; type++) {
    for (let length = 1; length <= 1_472; length += 37) {
      const frame = new Uint8Array(length);
      frame[0] = type;
      world.master.receive(frame, STRANGER_AT, world.now);
      t.true(bytesOut(world) <= length);
    }
  }
});

test('a node answers strangers with nothing', t => {
  const {world, node} = linked();
  const before = node.wakeAt();
  for (const {datagram} of world.sent) {
    for (const changed of flipped(datagram)) node.receive(changed, STRANGER_AT, world.now);
  }
  t.is(node.takeOutgoing().length, 0);
  t.is(node.wakeAt(), before);
  t.true(world.talk(node));
});

test('commands and frames of the other direction are not for a link', t => {
  const {world, node} = linked();
  const frame = (type: number) => Uint8Array.of(type, 0, 0, 0, ...new Uint8Array(200));
  for (const type of [1, 5, 7]) t.deepEqual(kinds(world.toNode(node, frame(type))), ['notForUs']);
  for (const type of [2, 6, 7]) t.deepEqual(kinds(world.toMaster(frame(type))), ['notForUs']);
  t.deepEqual(kinds(world.toMaster(frame(3))), ['notForUs']);
  for (const type of [0, 8, 255]) {
    t.deepEqual(kinds(world.toNode(node, frame(type))), ['unknownType']);
    t.deepEqual(kinds(world.toMaster(frame(type))), ['unknownType']);
  }
});

test('only one half-session is kept for a static key', t => {
  const world = new World();
  world.known.add(world.nodePeer);
  for (let i = 0; i < 20; i++) {
    const node = world.enrolledNode();
    node.tick(world.now);
    for (const {datagram} of node.takeOutgoing()) world.toMaster(datagram);
  }
  const responses = world.master.takeOutgoing();
  t.is(responses.length, 20);
  const last = world.enrolledNode();
  world.link(last);
  t.true(world.talk(last));
  t.is(world.master.linkedCount, 1);
});

test('authentic nonsense is counted, confirms the session and does no more', t => {
  const world = new World();
  const node = world.enrolledNode();
  world.exchange(node);
  const long = {type: 'refusal', reason: 'x'} as const;
  // A message that our own encoder would clip: the limits are the receiver's to hold.
  const big = encodeMessage({...long, reason: 'x'.repeat(256)});
  t.true(big.length > 256);
  const collect = MESSAGES['collect'];
  if (collect?.type !== 'collect') return t.fail();
  const blobIds = Array.from({length: 17}, () => collect.blobIds[0] ?? ('' as never));
  const received = world.toMaster(world.sealed(node, world.masterPeer, {...collect, blobIds}));
  t.deepEqual(kinds(received), ['linked', 'limits']);
  t.true(world.talk(node));
});

test('a message that does not fit into a datagram is a bug and not a packet', t => {
  const {world, node} = linked();
  const datagram = bytes(1_200);
  t.throws(() => node.seal(world.masterPeer, {type: 'commandCopy', datagram}, world.now), {
    name: 'AssertionError',
  });
  const fits = {type: 'commandCopy', datagram: bytes(1_194)} as const;
  t.is(node.seal(world.masterPeer, fits, world.now)?.datagram.length, 1_232);
});

test('random bytes are never an exception and never a message', t => {
  const {world, node} = linked();
  const fresh = new World();
  const searching = fresh.newNode({token: fresh.token});
  const frame = fc.tuple(fc.integer({min: 0, max: 8}), fc.uint8Array({maxLength: 1_300}));
  fc.assert(
    fc.property(frame, ([type, rest]) => {
      const datagram = Uint8Array.of(type, ...rest);
      const all = [
        ...world.master.receive(datagram, STRANGER_AT, world.now),
        ...node.receive(datagram, STRANGER_AT, world.now),
        ...searching.receive(datagram, STRANGER_AT, world.now),
      ];
      return all.every(it => it.kind === 'drop');
    }),
    {numRuns: 3_000},
  );
  t.true(world.talk(node));
});

test('changed frames of a running session are never an exception and never a message', t => {
  const {world, node} = linked();
  const frames = [
    ...world.sent.map(it => it.datagram),
    world.sealed(node, world.masterPeer),
    world.sealed(world.master, world.nodePeer),
    world.master.beacon(),
  ];
  const edits = fc.array(fc.record({at: fc.nat(), by: fc.integer({min: 1, max: 255})}), {
    minLength: 1,
    maxLength: 3,
  });
  fc.assert(
    fc.property(fc.constantFrom(...frames), edits, fc.nat({max: 40}), (frame, changes, cut) => {
      const changed = frame.slice(0, Math.max(1, frame.length - Math.max(0, cut - 35)));
      for (const {at, by} of changes) {
        const index = at % changed.length;
        changed[index] = (changed[index] ?? 0) ^ by;
      }
      const isSame = changed.length === frame.length && changed.every((it, i) => it === frame[i]);
      const all = [
        ...world.master.receive(changed, STRANGER_AT, world.now),
        ...node.receive(changed, STRANGER_AT, world.now),
      ];
      return isSame || all.every(it => it.kind === 'drop');
    }),
    {numRuns: 2_000},
  );
  t.true(world.talk(node));
  t.deepEqual(world.master.seal(world.nodePeer, PROBE, world.now)?.to, world.nodeAt);
});
