// Everything that was said in one run, said again: into the same run, and into the next lives of master and
// nodes. A replayed datagram may be answered where the protocol says so (an initiation, a discover) and may do
// nothing else: no event reaches a core, no row changes, nothing fires. (A command that a node was not there to
// hear is late, not replayed: it would reach the core, which refuses it after its time to live. So here all
// nodes are in before the first command.)

import {createHash} from 'node:crypto';
import test, {type ExecutionContext} from 'ava';
import {Prng} from '../../src/base/prng.ts';
import {TABLES, type TableName} from '../../src/core/tables.ts';
import {viewBatches, viewCaptures, viewNodes} from '../../src/master/status.ts';
import {Driver} from '../../src/runtime/driver.ts';
import {CALM_HOST, MASTER_ADDRESS} from '../../src/sim/fabric.ts';
import {NO_DISASTERS, type Plan} from '../../src/sim/plan.ts';
import {CALM} from '../../src/sim/sim-network.ts';
import {APP} from '../../src/sim/sim-vault.ts';
import type {World} from '../../src/sim/world.ts';
import {FRAME} from '../../src/wire/session.ts';
import {type Heard, type Recorded, recordedWorld} from './traffic.ts';

const NODES = 12;
const REPLAYS_OF_A_STAGE = 25_000;
/** The cluster lives on for a moment after so many. */
const ROUND = 1_000;

const PLAN: Plan = {
  seed: 21,
  nodes: Array.from({length: NODES}, () => ({
    profile: 'honest',
    slots: 2,
    labels: [],
    actions: ['camera'],
    drift: 1e-5,
    wallOffsetMs: 1_000,
  })),
  network: {...CALM},
  host: CALM_HOST,
  disasters: NO_DISASTERS,
  secondMasterAt: 0,
  batches: [2_000, 4_000, 6_000].map((at, i) => ({
    at,
    request: {
      name: `plan-${i}`,
      app: APP,
      args: ['20'],
      input: {kind: 'range', start: 0, end: 800, chunk: 1},
      policy: {minQuorum: 2, leaseSeconds: 5},
    },
    cancelAt: undefined,
  })),
  captures: [3_000, 4_000, 5_000, 7_000].map(at => ({
    at,
    request: {
      action: 'camera',
      args: [],
      target: {labels: [], nodes: []},
      leadMs: 200,
      shots: 2,
      intervalMs: 100,
    },
  })),
  reflashAt: [1e9], // never; the join token gets a use for it
  deadAfterHeal: 0,
  beaconMs: 1_000,
  startMs: 500,
  safetyMs: 10_000,
  livenessMs: 120_000,
  turnsPerCheck: 16,
};

/** Hash of every row of every disk. */
function rowsOf({master, nodes}: World): string {
  const hash = createHash('sha256');
  for (const {store} of [master, ...nodes])
    for (const table of Object.keys(TABLES) as TableName[])
      for (const [key, value] of store.disk.rows(table)) hash.update(key).update(value);
  return hash.digest('hex');
}

/** What the master would tell an operator at this instant. */
function viewsOf({master, timeline}: World): string {
  const {core} = master;
  if (!core) return 'down';
  const now = {mono: timeline.now, wall: timeline.now} as never;
  return JSON.stringify([viewNodes(core), viewBatches(core, now), viewCaptures(core)]);
}

/** Events that datagrams put into an inbox while `watched` runs. */
function eventsDuring(watched: () => void): string[] {
  const events: string[] = [];
  const {post} = Driver.prototype;
  Driver.prototype.post = function (event, peer) {
    events.push(event.type);
    return post.call(this, event as never, peer);
  };
  try {
    watched();
  } finally {
    Driver.prototype.post = post;
  }
  return events;
}

class Replayer {
  readonly #recorded: Recorded;
  /** All that was said until now, in every life. */
  readonly #script: Heard[] = [];
  readonly #prng = new Prng(99);
  replays = 0;
  readonly events: string[] = [];
  /** Replays that made somebody send something, by type of frame. */
  readonly answered = new Map<number, number>();

  constructor(recorded: Recorded) {
    this.#recorded = recorded;
  }

  /** So many of the record in no order: most to who heard it, some to another, some from another. */
  say(t: ExecutionContext, count: number): void {
    const {world, heard} = this.#recorded;
    for (let said = 0; said < count; said += ROUND) {
      this.#script.push(...heard.splice(0));
      world.runUntil(world.timeline.now + 20);
      const before = [viewsOf(world), rowsOf(world)];
      this.events.push(...eventsDuring(() => this.#round()));
      t.deepEqual([viewsOf(world), rowsOf(world)], before, 'nothing has changed');
    }
  }

  #round(): void {
    for (let i = 0; i < ROUND; i++) this.#one();
  }

  #one(): void {
    const {world, deliver} = this.#recorded;
    const {bytes, to, from} = this.#prng.pick(this.#script);
    const others = [MASTER_ADDRESS, ...world.nodes.map(node => node.address)];
    const receiver = this.#prng.chance(0.2) ? this.#prng.pick(others) : to;
    const sender = this.#prng.chance(0.2) ? this.#prng.pick(others) : from;
    const {sent} = world.network;
    deliver(receiver, bytes, sender);
    this.replays += 1;
    const type = bytes[0] ?? 0;
    if (world.network.sent > sent) this.answered.set(type, (this.answered.get(type) ?? 0) + 1);
  }
}

/** Until all nodes are welcome again and nothing waits; nothing is replayed meanwhile. */
function rest(world: World): void {
  world.heal();
  world.liveness();
  world.runUntil(world.timeline.now + 3_000);
}

test('100,000 replayed datagrams have no effect, in the same run and in the next', t => {
  const recorded = recordedWorld(PLAN);
  const {world} = recorded;
  world.start();
  world.runUntil(PLAN.safetyMs);
  rest(world);
  const replayer = new Replayer(recorded);
  const decided = world.checkers.masterChecker.model.decisions.size;
  const fired = world.checkers.nodeChecker.firedCount;
  t.is(decided, 2_400);
  t.is(fired, 8 * NODES);
  const [first, second] = world.nodes;
  if (!first || !second) return t.fail();

  const stages: readonly (readonly [string, () => void])[] = [
    ['the same run', () => undefined],
    ['the master killed and started', () => restart(world.master, () => world.master.crash(0))],
    ['a node killed and started', () => restart(first, () => first.crash())],
    ['a node whose disk was wiped', () => restart(first, () => [first.crash(), first.wipe()])],
    ['a node with a new card', () => restart(second, () => [second.crash(), second.reflash()])],
  ];
  for (const [stage, act] of stages) {
    const before = new Map(world.fabric.counters);
    act();
    rest(world);
    replayer.say(t, REPLAYS_OF_A_STAGE);
    t.log(`${stage}: ${told(before, world.fabric.counters)}`);
    t.deepEqual(replayer.events, [], stage);
  }
  t.log(`${replayer.replays} replays, answered by type: ${JSON.stringify([...replayer.answered])}`);
  t.true(replayer.replays >= 100_000);
  for (const type of replayer.answered.keys())
    t.true(type === FRAME.initiation || type === FRAME.discover);
  rest(world);
  t.is(world.checkers.masterChecker.model.decisions.size, decided);
  t.is(world.checkers.nodeChecker.firedCount, fired);
  t.notThrows(() => world.audit());
});

function restart(machine: {boot(): void}, stop: () => unknown): void {
  stop();
  machine.boot();
}

/** Drops since then, by reason. */
function told(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): string {
  const parts: string[] = [];
  for (const [name, count] of after) {
    const more = count - (before.get(name) ?? 0);
    if (name.startsWith('drop.') && more > 0) parts.push(`${name.slice(5)} ${more}`);
  }
  return parts.join(', ');
}

test('machines that are coming up take nothing of a former life for news', t => {
  const recorded = recordedWorld(PLAN);
  const {world} = recorded;
  world.start();
  world.runUntil(PLAN.safetyMs);
  rest(world);
  const script = recorded.heard.slice();
  const {firedCount} = world.checkers.nodeChecker;
  const decided = world.checkers.masterChecker.model.decisions.size;
  const prng = new Prng(7);
  world.master.crash(0);
  for (const node of world.nodes) node.crash();
  world.master.boot();
  for (const node of world.nodes) node.boot();
  // From the first moment on, while they look for each other, and in the way of it.
  const events: string[] = [];
  for (let round = 0; round < 100; round++) {
    recorded.heard.length = 0;
    const said = eventsDuring(() => {
      for (let i = 0; i < 100; i++) {
        const {to, bytes, from} = prng.pick(script);
        recorded.deliver(to, bytes, from);
      }
    });
    events.push(...said);
    world.runUntil(world.timeline.now + 10);
  }
  t.deepEqual(events, []);
  rest(world);
  t.is(world.checkers.nodeChecker.firedCount, firedCount);
  t.is(world.checkers.masterChecker.model.decisions.size, decided);
  t.notThrows(() => world.audit());
});

test('a multicast of a stranger makes no node of 64 say anything', t => {
  const nodes = Array.from({length: 64}, () => PLAN.nodes[0] as Plan['nodes'][number]);
  const recorded = recordedWorld({...PLAN, nodes, batches: PLAN.batches.slice(0, 1)});
  const {world} = recorded;
  world.start();
  world.runUntil(PLAN.safetyMs);
  rest(world);
  const prng = new Prng(3);
  const script = recorded.heard.filter(
    ({bytes}) => bytes[0] === FRAME.command || bytes[0] === FRAME.beacon,
  );
  t.true(script.length > 64);
  const {sent} = world.network;
  for (let i = 0; i < 300; i++) {
    const {bytes} = prng.pick(script);
    const unsigned = bytes.slice();
    const at = prng.below(bytes.length - 24) + 24;
    unsigned[at] = (unsigned[at] ?? 0) ^ 1;
    for (const {address} of world.nodes) {
      recorded.deliver(address, bytes, '10.66.6.6:666' as never);
      recorded.deliver(address, unsigned, MASTER_ADDRESS);
    }
  }
  t.is(world.network.sent, sent);
});
