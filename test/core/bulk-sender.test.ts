// The two ends of a bulk transfer together: src/core/bulk-sender.ts and src/core/bulk-receiver.ts.

import test, {type ExecutionContext} from 'ava';
import type {Prng} from '../../src/base/prng.ts';
import {packDeficits} from '../../src/core/bulk-deficits.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {Room, type RoomOptions} from './bulk-room.ts';

const BLOCK = 64 * 16;

/** Everybody has the file, byte for byte, and wrote each block once. */
function checkWhole(t: ExecutionContext, room: Room, besides: readonly number[] = []): void {
  t.not(room.overAt, undefined, 'it ends');
  for (const [i, node] of room.nodes.entries()) {
    if (besides.includes(i)) continue;
    t.is(room.outcome(i), 'whole', `node ${i}`);
    t.is(Buffer.compare(node.file, room.file), 0, 'byte for byte');
    t.true([...node.writes.values()].every(times => times === 1));
  }
}

const lossy =
  (part: number) =>
  (_: number, __: number, dice: Prng): boolean =>
    dice.chance(part);

/** Datagrams beyond one for each symbol of the file, as a part of these. */
const overhead = (room: Room): number => room.datagrams / room.layout.sources - 1;

test('without a loss each symbol is sent once, and hardly anything else', t => {
  const room = new Room({nodes: 4, size: 100 * BLOCK}).run();
  checkWhole(t, room);
  t.true(overhead(room) < 0.002, `${overhead(room)}`);
});

/** The overhead of parity on demand that nobody can beat (blocks of 64), and what we may need beyond it. */
const IDEAL: readonly [nodes: number, loss: number, ideal: number][] = [
  [8, 0.01, 0.0303],
  [8, 0.05, 0.0978],
  [32, 0.01, 0.0431],
  [32, 0.05, 0.1223],
];

for (const [nodes, loss, ideal] of IDEAL)
  test(`${nodes} nodes that lose ${100 * loss} % cost what theory says, and little more`, t => {
    const room = new Room({nodes, size: (nodes > 8 ? 60 : 120) * BLOCK, loses: lossy(loss)}).run();
    checkWhole(t, room);
    t.true(overhead(room) < ideal * 1.25 + 0.02, `${overhead(room)} of ${ideal}`);
    const data = (room.overAt ?? 0) - (room.firstAt ?? 0);
    const floor = (room.layout.sources / 7_950) * 1_000;
    t.true(data < floor * (1 + overhead(room)) + 250, `${data} ms of ${floor}`);
  });

test('what nodes say may be lost, too', t => {
  const room = new Room({nodes: 6, size: 60 * BLOCK, loses: lossy(0.05), mutes: lossy(0.3)}).run();
  checkWhole(t, room);
});

test('a burst of losses that takes whole blocks is made good', t => {
  const room = new Room({
    nodes: 5,
    size: 100 * BLOCK,
    loses: (node, now) => node < 3 && now > 300 && now < 420,
  }).run();
  checkWhole(t, room);
});

test('a file of nothing, of one byte, of one block and of one more', t => {
  for (const size of [0, 1, BLOCK, BLOCK + 1]) checkWhole(t, new Room({nodes: 3, size}).run());
});

test('a list of hashes that takes several blocks comes first', t => {
  // 16-byte symbols, 2 a block: two hashes in each block of the list
  const room = new Room({nodes: 4, size: 3_000, symbolsPerBlock: 2, loses: lossy(0.1)}).run();
  t.true(room.layout.lists > 40);
  checkWhole(t, room);
});

test('who never says that it listens is left behind, and the others do not wait for it', t => {
  const startsAt = (node: number): number => (node === 2 ? Number.POSITIVE_INFINITY : 1);
  const room = new Room({nodes: 4, size: 50 * BLOCK, startsAt}).run();
  checkWhole(t, room, [2]);
  t.is(room.outcome(2), 'silent');
  t.true(room.lastWholeAt < 1_000);
});

test('who comes under way gets all of it', t => {
  const startsAt = (node: number): number => (node === 1 ? 400 : 1);
  checkWhole(t, new Room({nodes: 4, size: 100 * BLOCK, startsAt}).run());
});

test('one that comes very late is left to fetch the rest, and delays nobody', t => {
  const startsAt = (node: number): number => (node === 1 ? 1_500 : 1);
  const room = new Room({nodes: 6, size: 250 * BLOCK, startsAt}).run();
  checkWhole(t, room, [1]);
  t.is(room.outcome(1), 'late');
  t.true(overhead(room) < 0.02);
});

test('many that come late have a pass of their own', t => {
  const startsAt = (node: number): number => (node > 3 ? 1_500 : 1);
  const room = new Room({nodes: 9, size: 250 * BLOCK, startsAt}).run();
  checkWhole(t, room);
  t.true(overhead(room) < 1);
});

test('a node that loses a fifth has its rest when the others are done, and costs them little', t => {
  const loses = (node: number, _: number, dice: Prng): boolean =>
    dice.chance(node === 3 ? 0.2 : 0.001);
  // What it lost is a fifth, and of what is sent again, too: a quarter; of more blocks than it has memory for, all.
  for (const [blocks, most] of [
    [160, 0.32],
    [300, 0.7],
  ] as const)
    checkPostponed(t, {nodes: 8, size: blocks * BLOCK, loses}, most);
});

function checkPostponed(t: ExecutionContext, options: RoomOptions, most: number): void {
  const healthy = new Room({...options, loses: lossy(0.001)}).run();
  const room = new Room(options).run();
  checkWhole(t, room);
  t.deepEqual(room.lossy, [3]);
  const others = [...room.wholeAt].filter(([node]) => node !== 3).map(([, at]) => at);
  const last = Math.max(...others);
  t.true(last < healthy.lastWholeAt * 1.1, `${last} of ${healthy.lastWholeAt}`);
  t.true((room.wholeAt.get(3) ?? 0) > last);
  t.true(overhead(room) < most, `${overhead(room)}`);
}

test('one that hears nothing of what it asks for is left behind for its losses', t => {
  let isBad = false;
  const loses = (node: number, _: number, dice: Prng): boolean =>
    node === 3 && dice.chance(isBad ? 1 : 0.2);
  const room = new Room({nodes: 8, size: 300 * BLOCK, loses});
  room.at(900, () => {
    isBad = true;
  });
  room.run();
  checkWhole(t, room, [3]);
  t.regex(room.outcome(3) ?? '', /lossy|silent/);
});

test('where all lose much nobody is left behind for it', t => {
  checkWhole(t, new Room({nodes: 5, size: 60 * BLOCK, loses: lossy(0.3)}).run());
});

test('a short partition is waited for, a long one is not', t => {
  const cut = (from: number, to: number): RoomOptions => {
    const isCut = (node: number, now: number): boolean => node === 0 && now > from && now < to;
    return {nodes: 4, size: 200 * BLOCK, loses: isCut, mutes: isCut};
  };
  checkWhole(t, new Room(cut(500, 700)).run());
  const late = new Room(cut(500, 1_300)).run();
  checkWhole(t, late, [0]);
  t.is(late.outcome(0), 'late');
  const gone = new Room(cut(500, 10_500)).run();
  checkWhole(t, gone, [0]);
  t.is(gone.outcome(0), 'silent');
  for (const room of [late, gone]) t.true(room.lastWholeAt < 5_000);
});

test('a slow disk slows the transfer down and loses nothing', t => {
  const writeMs = (node: number): number => (node === 1 ? 400 : 0.5);
  checkWhole(t, new Room({nodes: 3, size: 120 * BLOCK, writeMs}).run());
});

test('strangers and replays change nothing', t => {
  const room = new Room({
    nodes: 3,
    size: 30 * BLOCK,
    crypto: new NodeCrypto(),
    // Half of what comes is somebody else's: a bit is not as the master sent it.
    loses: lossy(0.01),
    spoils: (_, datagram, dice) => {
      if (!dice.chance(0.3)) return datagram;
      const forged = datagram.slice();
      const at = dice.below(forged.length);
      forged[at] = (forged[at] ?? 0) ^ (1 << dice.below(8));
      return forged;
    },
  }).run();
  checkWhole(t, room);
  t.true(room.nodes.every(({drops}) => drops > 100));
});

test('a member that forges symbols spoils blocks, not files', t => {
  // With the tag of the transfer, as anybody in the group can make it.
  let forged = 0;
  const room: Room = new Room({
    nodes: 3,
    size: 30 * BLOCK,
    spoils: (node, datagram): Uint8Array => {
      if (node !== 0 || datagram.length < 40 || forged >= 1) return datagram;
      if (datagram[11] !== 9 || datagram[13] !== 3) return datagram;
      forged += 1;
      const false_ = datagram.slice();
      false_[24] = (false_[24] ?? 0) ^ 1;
      return room.retag(false_);
    },
  });
  room.run();
  t.is(forged, 1);
  checkWhole(t, room);
});

test('one whose blocks are spoiled again and again fetches them by itself', t => {
  const room: Room = new Room({
    nodes: 3,
    size: 30 * BLOCK,
    spoils: (node, datagram): Uint8Array => {
      if (node !== 0 || datagram.length < 40 || datagram[11] !== 9) return datagram;
      const false_ = datagram.slice();
      false_[24] = (false_[24] ?? 0) ^ 1;
      return room.retag(false_);
    },
  });
  room.run();
  checkWhole(t, room, [0]);
  t.is(room.outcome(0), 'aside');
});

test('a node that starts anew goes on with the blocks that its disk has', t => {
  const room = new Room({nodes: 4, size: 200 * BLOCK});
  room.at(900, () => {
    const before = room.nodes[1] as (typeof room.nodes)[0];
    const {lists} = room.layout;
    const blocks = [...before.writes.keys()].map(block => block - lists);
    const lacking = new Set(before.receiver.lacking());
    const kept = blocks.filter(block => !lacking.has(block));
    t.true(kept.length > 50);
    const node = room.newNode({list: room.list, blocks: kept});
    node.file.set(before.file);
    room.nodes[1] = node;
    room.offer(1);
  });
  checkWhole(t, room.run());
});

test('one that asks for ever is left behind when nobody else lacks anything', t => {
  const room = new Room({nodes: 3, size: 40 * BLOCK, writeMs: node => (node === 0 ? 1e9 : 0.5)});
  room.sender.join('ff'.repeat(16) as never, room.mono);
  const liar = 'ff'.repeat(16) as never;
  const deficits = packDeficits([{deficit: 3, length: 1}]);
  const lie = (at: number): void =>
    room.at(at, () => {
      const heard = room.datagrams;
      const report = {
        type: 'transferReport',
        transferId: 5,
        salt: 7,
        state: 'listening',
        poll: 1,
      } as const;
      const counts = {sequence: heard, heard, blocks: 7, room: 9, from: 20, deficits, reason: ''};
      room.perform(room.sender.report(liar, {...report, ...counts}, room.mono));
      if (room.overAt === undefined) lie(room.now + 100);
    });
  lie(1);
  checkWhole(t, room.run(60_000), [0]);
  t.is(room.outcomes.get(liar), 'slow');
  t.is(room.outcome(0), 'slow');
});

test('a revoked node is waited for no more', t => {
  const startsAt = (node: number): number => (node === 0 ? Number.POSITIVE_INFINITY : 1);
  const room = new Room({nodes: 2, size: 20 * BLOCK, startsAt});
  room.at(50, () => room.perform(room.sender.leave(room.ids[0] as never)));
  checkWhole(t, room.run(), [0]);
  t.is(room.outcome(0), undefined);
});
