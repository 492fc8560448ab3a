// A checker that never speaks proves nothing: each of these worlds breaks one promise on purpose.

import test, {type ExecutionContext} from 'ava';
import {asBatchId, asWallMs} from '../../src/base/types.ts';
import type {NodeEvent} from '../../src/core/core.ts';
import type {PolicyRequest} from '../../src/core/policy.ts';
import {
  decodeCredit,
  decodePage,
  del,
  encodeCredit,
  encodePage,
  type Op,
} from '../../src/core/tables.ts';
import {CALM_HOST, SimFailure} from '../../src/sim/fabric.ts';
import {NO_DISASTERS, type Plan} from '../../src/sim/plan.ts';
import {CALM} from '../../src/sim/sim-network.ts';
import type {SimNode} from '../../src/sim/sim-node.ts';
import type {Profile} from '../../src/sim/sim-runner.ts';
import {APP} from '../../src/sim/sim-vault.ts';
import type {WatchedStore} from '../../src/sim/watched-store.ts';
import {World} from '../../src/sim/world.ts';
import {INBOX_EVENTS_MAX} from '../../src/wire/limits.ts';

const WORKUNITS = 20;

type Wishes = {
  readonly profiles?: readonly Profile[];
  readonly policy?: PolicyRequest;
  readonly fires?: boolean;
  /** Mean time of a run. */
  readonly meanMs?: number;
};

function planOf({profiles, policy, fires, meanMs}: Wishes): Plan {
  const source = {kind: 'range', start: 0, end: WORKUNITS, chunk: 1} as const;
  const request = {
    name: 'plan-0',
    app: APP,
    args: [String(meanMs ?? 20)],
    input: source,
    policy: {minQuorum: 2, leaseSeconds: 5, ...policy},
  };
  const capture = {
    action: 'camera',
    args: [],
    target: {labels: [], nodes: []},
    leadMs: 200,
    shots: 1,
    intervalMs: 100,
  };
  return {
    seed: 7,
    nodes: (profiles ?? ['honest', 'honest', 'honest']).map(profile => ({
      profile,
      slots: 2,
      labels: [],
      actions: ['camera'],
      drift: 0,
      wallOffsetMs: 0,
    })),
    network: {...CALM},
    host: CALM_HOST,
    disasters: NO_DISASTERS,
    batches: [{at: 0, request, cancelAt: undefined}],
    captures: fires ? [{at: 3_000, request: capture}] : [],
    reflashAt: [],
    secondMasterAt: 0,
    deadAfterHeal: 0,
    beaconMs: 1_000,
    startMs: 100,
    safetyMs: 5_000,
    livenessMs: 60_000,
    turnsPerCheck: 1,
  };
}

/** The world must stop over this promise, and say what happened. */
function breaks(t: ExecutionContext, invariant: string, story: RegExp, act: () => void): void {
  const failure = t.throws(act, {instanceOf: SimFailure});
  t.is(failure?.invariant, invariant);
  t.regex(failure?.message ?? '', story);
}

/** Changes what a disk is given to commit. */
function tamper(store: WatchedStore, change: (ops: readonly Op[]) => readonly Op[]): void {
  const commit = store.commit.bind(store);
  store.commit = (ops, done) => commit(change(ops), done);
}

function fireEvent(world: World, issuedMsAgo: number): Extract<NodeEvent, {type: 'command'}> {
  const {master, timeline} = world;
  const issuedWallMs = asWallMs(master.wallAtZero(1) + timeline.now - issuedMsAgo);
  return {
    type: 'command',
    epoch: 1,
    seq: 99,
    heardAt: 0 as never,
    command: {
      clusterId: master.clusterId,
      instanceId: new Uint8Array(8),
      issuedWallMs,
      ttlMs: 1_000,
      ackWindowMs: 0,
      target: {labels: [], nodes: []},
      state: {generation: 0, paused: false},
      what: {kind: 'state'},
    },
  };
}

const fireEffect = {
  type: 'fire',
  captureId: 1 as never,
  shot: 1,
  action: 'camera',
  args: [],
  fireAt: 0 as never,
  fireAtWall: 0 as never,
} as const;

const took = (world: World, node: SimNode, issuedMsAgo: number): void => {
  const now = node.clock?.now();
  if (now) world.checkers.nodeTook(node, fireEvent(world, issuedMsAgo), [fireEffect], now);
};

test('a world that breaks nothing ends well', t => {
  const world = new World(planOf({fires: true}));
  t.notThrows(() => world.run());
  t.is(world.checkers.masterChecker.model.decisions.size, WORKUNITS);
  t.is(world.checkers.nodeChecker.firedCount, 6, 'the capture of the plan and the roll call');
});

test('S6: a command that says another instant than it was issued at', t => {
  const world = new World(planOf({fires: true}));
  world.start();
  const {core} = world.master;
  if (!core) return t.fail('no master');
  world.runUntil(2_990);
  const {issued} = world.checkers.commandChecker;
  const instant = core.context.instant.bind(core.context);
  core.context.instant = mono => asWallMs(instant(mono) + 5_000);
  breaks(t, 'S6', /says an instant 5000 ms from now/, () => world.runUntil(10_000));
  t.is(world.checkers.commandChecker.issued, issued);
});

test('S23: a master whose clock is not the one that it says', t => {
  const world = new World(planOf({}));
  world.start();
  const {core} = world.master;
  if (!core) return t.fail('no master');
  const instant = core.context.instant.bind(core.context);
  core.context.instant = mono => asWallMs(instant(mono) + 5_000);
  breaks(t, 'S23', /takes the master's clock for 5000.* ms ahead, ± 0/, () =>
    world.runUntil(10_000),
  );
});

test('P1: a result that is acknowledged and not stored', t => {
  // its receipt is out before the vote that decides is there, whose commit would lack it too
  const world = new World(planOf({policy: {minQuorum: 3}}));
  tamper(world.master.store, ops => ops.filter(op => op.table !== 'vote'));
  breaks(t, 'P1', /acknowledged and is not in the store/, () => world.run());
});

test('P1: a shot that is acknowledged and not stored', t => {
  const world = new World(planOf({fires: true}));
  tamper(world.master.store, ops => ops.filter(op => op.table !== 'shot'));
  breaks(t, 'P1', /shot .* was acknowledged/, () => world.run());
});

test('P1: votes that go without a decision', t => {
  const world = new World(planOf({profiles: ['honest', 'slow', 'slow'], meanMs: 300}));
  tamper(world.master.store, ops =>
    ops.flatMap(op =>
      op.table === 'vote' && op.type === 'put' ? [op, del('vote', op.key)] : [op],
    ),
  );
  breaks(t, 'P1', /are gone, and no decision/, () => world.run());
});

test('P1: a batch that was answered and is gone', t => {
  const world = new World(planOf({meanMs: 2_000}));
  world.start();
  world.runUntil(3_000);
  const {core} = world.master;
  core?.context.batches.delete(asBatchId(1));
  const check = (deleted: number[]) => core && world.operator.checkPromised(core, new Set(deleted));
  breaks(t, 'P1', /was answered and is gone/, () => check([]));
  t.notThrows(() => check([1]), 'it was deleted');
});

test('S13: a row that the disk lost is found at the next start', t => {
  const world = new World(planOf({profiles: ['honest', 'slow', 'slow'], meanMs: 300}));
  world.start();
  const {disk} = world.master.store;
  t.true(world.runUntil(60_000, () => disk.rows('vote').length > 0));
  disk.lose('vote', disk.rows('vote')[0]?.[0] ?? '');
  world.master.crash(0);
  breaks(t, 'S13', /row vote\/\w+ is missing/, () => world.master.boot());
});

test('S13: a journal with a gap is found at the next start', t => {
  const world = new World(planOf({}));
  world.start();
  world.runUntil(3_000);
  const {disk} = world.master.store;
  disk.lose('journal', disk.rows('journal')[3]?.[0] ?? '');
  world.master.crash(0);
  breaks(t, 'S13', /journal row 4: the next row is 5/, () => world.master.boot());
});

test('P2: a node that forgets a result without a receipt', t => {
  const world = new World(planOf({}));
  for (const {store} of world.nodes)
    tamper(store, ops => [
      ...ops,
      ...ops.flatMap(op => (op.table === 'spool' && op.type === 'put' ? del('spool', op.key) : [])),
    ]);
  breaks(t, 'P2', /without a receipt/, () => world.run());
});

test('P3: a wrong result that honest nodes are said to agree on', t => {
  const world = new World(planOf({profiles: ['colluding', 'colluding', 'colluding']}));
  world.start();
  world.runUntil(150);
  for (const node of world.nodes) Object.assign(node.plan, {profile: 'honest'});
  breaks(t, 'P3', /wrong, and honest node/, () => world.runUntil(60_000));
});

test('P3: fewer than a quorum of nodes', t => {
  const world = new World(planOf({}));
  tamper(world.master.store, ops => {
    const batch = world.master.core?.context.batches.values().next().value;
    if (batch) Object.assign(batch.row.policy, {minQuorum: 1});
    return ops;
  });
  breaks(t, 'P3', /1 nodes agree, the quorum is 2/, () => world.run());
});

test('P3: as many liars as the quorum may win, and are counted', t => {
  const world = new World(planOf({profiles: ['colluding', 'colluding', 'honest']}));
  t.notThrows(() => world.run());
  t.true(world.checkers.masterChecker.wrongCanonical > 0);
});

test('P4: more credit than was earned', t => {
  const world = new World(planOf({}));
  tamper(world.master.store, ops =>
    ops.map(op => {
      if (op.table !== 'credit' || op.type === 'del') return op;
      const row = decodeCredit(op.value);
      return {...op, value: encodeCredit({...row, credit: row.credit + 1})};
    }),
  );
  breaks(t, 'P4', /credit is \d+, earned were \d+/, () => world.run());
});

test('P4: a decision that changes', t => {
  const world = new World(planOf({}));
  let pages = 0;
  tamper(world.master.store, ops =>
    ops.map(op => {
      if (op.table !== 'page' || op.type === 'del' || ++pages === 1) return op;
      const [[offset] = [0]] = decodePage(op.value);
      const changed = decodePage(op.value).set(offset, {kind: 'failed', reason: 'no'});
      return {...op, value: encodePage(changed)};
    }),
  );
  breaks(t, 'P4', /the decision on .* changed/, () => world.run());
});

test('P4: a page that is not written', t => {
  const world = new World(planOf({}));
  tamper(world.master.store, ops => ops.filter(op => op.table !== 'page'));
  const failure = t.throws(() => world.run(), {instanceOf: SimFailure});
  t.true(['P1', 'P4'].includes(failure?.invariant ?? ''));
});

test('P5: a node that takes a command twice', t => {
  const world = new World(planOf({fires: true}));
  world.start();
  world.runUntil(1_000);
  // A core that fires what it holds already: the real one does not, so the checker hears of it twice.
  for (const node of world.nodes) {
    const {core} = node;
    const handle = core?.handle.bind(core);
    if (core && handle)
      core.handle = (event, now) => {
        const effects = handle(event, now);
        if (event.type === 'command') world.checkers.nodeTook(node, event, effects, now);
        return effects;
      };
  }
  breaks(t, 'P5', /takes command .* twice/, () => world.runUntil(10_000));
});

test('P5: a node that fires before its floor is durable', t => {
  const world = new World(planOf({fires: true}));
  for (const {store} of world.nodes)
    tamper(store, ops => ops.filter(op => op.table !== 'meta' || op.key !== 'floor'));
  breaks(t, 'P5', /before its floor is durable/, () => world.run());
});

test('P5: a node that fires cold', t => {
  const world = new World(planOf({}));
  const [node] = world.nodes;
  node?.boot();
  if (node) breaks(t, 'P5', /fires cold/, () => took(world, node, 0));
});

test('P5: a node that fires after the time to live', t => {
  const world = new World(planOf({}));
  world.start();
  world.runUntil(3_000);
  const [node] = world.nodes;
  if (node) breaks(t, 'P5', /after the time to live/, () => took(world, node, 2_000));
});

test('P5: a shot that is fired twice', t => {
  const world = new World(planOf({}));
  const [node] = world.nodes;
  if (!node) return;
  world.checkers.fired(node, fireEffect);
  breaks(t, 'P5', /fires shot .* twice/, () => world.checkers.fired(node, fireEffect));
});

test('P5: one number for two commands', t => {
  const world = new World(planOf({}));
  world.start();
  world.runUntil(3_000);
  const [node] = world.nodes;
  const now = node?.clock?.now();
  if (!node || !now) return;
  world.checkers.nodeTook(node, fireEvent(world, 0), [], now);
  breaks(t, 'P5', /, then /, () => world.checkers.nodeTook(node, fireEvent(world, 5), [], now));
});

test('P10: work that never ends is named', t => {
  const world = new World(planOf({meanMs: 500}));
  world.start();
  world.runUntil(2_000);
  world.heal();
  for (const node of world.nodes) world.network.set(node.address, {cut: true});
  breaks(t, 'P10', /batch 1 .*open/, () => world.liveness());
});

test('P10: a spool that never empties is named', t => {
  const world = new World(planOf({meanMs: 1}));
  world.start();
  const [node] = world.nodes;
  t.true(world.runUntil(60_000, () => node?.core?.spool.size !== 0));
  if (node) world.network.set(node.address, {cut: true});
  breaks(t, 'P10', /does not come to rest: node 1/, () => world.liveness());
});

test('a broken invariant of a core stops the run', t => {
  const world = new World(planOf({meanMs: 500}));
  world.start();
  world.runUntil(2_000);
  const batch = world.master.core?.context.batches.values().next().value;
  if (batch) batch.counters.done += 1_000;
  t.throws(() => world.runUntil(60_000), {name: 'AssertionError', message: /decided more/});
});

test('an alarm that nobody has a reason for stops the run', t => {
  const world = new World(planOf({}));
  world.start();
  world.fabric.journalOf('node 1').note({level: 'alarm', what: 'receipt refused', fields: {}});
  breaks(t, 'alarm', /receipt refused/, () => world.runUntil(1_000));
});

test('nodes whose links a full inbox lost are welcomed all the same', t => {
  const world = new World({...planOf({}), host: {...CALM_HOST, turnMsMean: 5}});
  world.start();
  world.runUntil(2_000);
  for (const node of world.nodes) node.crash();
  for (const node of world.nodes) node.boot();
  for (let ms = 2_001; ms < 5_000; ms += 10) {
    world.runUntil(ms);
    for (let i = 0; i < INBOX_EVENTS_MAX / 4; i++)
      world.master.operator({kind: 'cancelBatch', batchId: asBatchId(99)}, () => {});
  }
  t.true((world.fabric.counters.get('drop.inboxFull') ?? 0) > 0);
  t.notThrows(() => world.run());
  t.is(world.checkers.masterChecker.model.decisions.size, WORKUNITS);
});
