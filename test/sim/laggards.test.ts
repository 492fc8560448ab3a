// Nodes that first hear a command when its time to live is over do nothing of it; one that did would be found.

import {rmSync} from 'node:fs';
import test, {type ExecutionContext} from 'ava';
import {CALM_HOST} from '../../src/sim/fabric.ts';
import type {LagPlan} from '../../src/sim/lag-plan.ts';
import {NO_DISASTERS, type Plan} from '../../src/sim/plan.ts';
import {CALM} from '../../src/sim/sim-network.ts';
import type {runPlan} from '../../src/sim/swarm.ts';
import {World} from '../../src/sim/world.ts';
import {BUGS} from './canaries/bugs.ts';
import {bundleSimulator, changesOf} from './canaries/bundle.ts';

const NODES = 3;
// Not `queue`: where nothing is answered a session is mostly over before a command is too old.
const LATE = [
  ['process', 'fire'],
  ['process', 'setAction'],
  ['replay', 'fire'],
  ['replay', 'setAction'],
] as const;

/** All fire on hearing, or are set, at 5 s; the first node hears of that too late. */
function planOf(how: LagPlan['how'], what: 'fire' | 'setAction'): Plan {
  const request = {action: 'camera', args: [], leadMs: 0, shots: 1, intervalMs: 100};
  return {
    seed: 7,
    nodes: Array.from({length: NODES}, () => ({
      profile: 'honest',
      slots: 1,
      labels: [],
      actions: ['camera'],
      drift: 0,
      wallOffsetMs: 0,
    })),
    network: {...CALM},
    host: CALM_HOST,
    disasters: NO_DISASTERS,
    batches: [],
    captures:
      what === 'fire' ? [{at: 5_000, request: {...request, target: {labels: [], nodes: []}}}] : [],
    orders: what === 'setAction' ? [{at: 5_000, kind: 'setAction', value: 1}] : [],
    lags: [{at: 4_950, nodeNo: 1, forMs: what === 'fire' ? 5_400 : 11_000, how}],
    reflashAt: [],
    secondMasterAt: 0,
    deadAfterHeal: 0,
    beaconMs: 1_000,
    startMs: 100,
    safetyMs: 20_000,
    livenessMs: 60_000,
    turnsPerCheck: 1,
  };
}

for (const [how, what] of LATE)
  test(`a node that hears late does nothing of it: ${how}, ${what}`, t => {
    const world = new World(planOf(how, what));
    const {checkers, master} = world;
    const lateMs: number[][] = world.nodes.map(() => []);
    const took = checkers.nodeTook.bind(checkers);
    checkers.nodeTook = (node, event, ...more) => {
      if (event.type === 'command' && event.command.what.kind === what) {
        const {issuedWallMs, ttlMs} = event.command;
        lateMs[node.no - 1]?.push(master.clusterAtZero + world.timeline.now - issuedWallMs - ttlMs);
      }
      took(node, event, ...more);
    };
    world.run();
    const {nodeChecker} = checkers;
    // In the end one more shot is for all: src/sim/roll-call.ts.
    const done = what === 'fire' ? nodeChecker.firedCount - NODES : nodeChecker.setCount;
    t.is(done, NODES - 1);
    const [first, ...others] = lateMs;
    t.true((first?.[0] ?? 0) > 0, `late by ${first?.[0]} ms`);
    for (const [ms = 0] of others) t.true(ms < -4_000, `late by ${ms} ms`);
  });

async function planted(name: string): Promise<typeof runPlan> {
  const bug = BUGS.find(candidate => candidate.name === name);
  const file = await bundleSimulator(`late-${name}`, bug ? changesOf(bug) : []);
  const bundled = (await import(file)) as {readonly runPlan: typeof runPlan};
  rmSync(file);
  return bundled.runPlan;
}

function isFound(t: ExecutionContext, run: typeof runPlan, plan: Plan, story: RegExp): void {
  const {failure} = run(plan);
  t.is(failure?.invariant, 'P5');
  t.regex(failure?.story ?? '', story);
}

test('P5: one that ignores times to live is found, where it stood still and where it is told again', async t => {
  const run = await planted('ttl-ignored');
  for (const how of ['process', 'replay'] as const) {
    isFound(t, run, planOf(how, 'fire'), /node 1 fires .* after the time to live/);
    isFound(t, run, planOf(how, 'setAction'), /node 1 sets an action .* after the time to live/);
  }
});
