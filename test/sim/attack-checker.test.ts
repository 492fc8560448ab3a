// A checker that never speaks proves nothing: in each of these worlds an attacker gets what he must not get.

import test, {type ExecutionContext} from 'ava';
import {toHex} from '../../src/base/bytes.ts';
import {asAddress, asMonoMs, asPeerId, asWallMs} from '../../src/base/types.ts';
import type {NodeEvent} from '../../src/core/core.ts';
import {AttackChecker} from '../../src/sim/attack-checker.ts';
import {planOf} from '../../src/sim/draw.ts';
import {CALM_HOST, MASTER_ADDRESS, SimFailure} from '../../src/sim/fabric.ts';
import type {Misdeed} from '../../src/sim/misdeeds.ts';
import {NO_DISASTERS, type Plan} from '../../src/sim/plan.ts';
import {CALM} from '../../src/sim/sim-network.ts';
import type {SimNode} from '../../src/sim/sim-node.ts';
import {World} from '../../src/sim/world.ts';
import type {Link} from '../../src/wire/link.ts';

const STRANGER = asAddress('10.66.0.1:4444');

/** Six nodes, no faults; the first ones do wrong. */
function planWith(misdeeds: readonly Misdeed[], outsiders = 0, middle?: number): Plan {
  const plan = planOf(1, {nodes: 6, workunits: 40, quorum: 2});
  const nodes = plan.nodes.map(({misdeed: _, ...node}, i) => {
    const misdeed = misdeeds[i];
    return {...node, profile: 'honest' as const, actions: ['camera'], ...(misdeed && {misdeed})};
  });
  return {
    ...plan,
    nodes,
    network: {...CALM},
    host: CALM_HOST,
    disasters: NO_DISASTERS,
    captures: [],
    reflashAt: [],
    deadAfterHeal: 0,
    safetyMs: 10_000,
    attack: {outsiders, deedMs: 20, middle},
  };
}

function breaks(t: ExecutionContext, invariant: string, story: RegExp, act: () => void): void {
  const failure = t.throws(act, {instanceOf: SimFailure});
  t.is(failure?.invariant, invariant);
  t.regex(failure?.message ?? '', story);
}

function startedWorld(plan = planWith([])): World {
  const world = new World(plan);
  world.start();
  world.runUntil(4_000);
  return world;
}

const peerOf = ({keys}: SimNode) => asPeerId(toHex(keys.staticKey.publicKey));

const forgery = (world: World): NodeEvent => ({
  type: 'command',
  epoch: 1,
  seq: 1_000,
  heardAt: asMonoMs(0),
  command: {
    clusterId: world.master.clusterId,
    instanceId: new Uint8Array(8),
    issuedWallMs: asWallMs(1),
    ttlMs: 1_000,
    ackWindowMs: 0,
    target: {labels: [], nodes: []},
    state: {generation: 0, paused: false},
    what: {kind: 'state'},
  },
});

test('S6: a node that obeys what the master never issued', t => {
  const world = startedWorld();
  const [node] = world.nodes;
  const now = node?.clock?.now();
  if (!node?.core || !now) return t.fail();
  breaks(t, 'S6', /node 1 obeys 1\/1000 \(state\), a forgery/, () =>
    node.core?.handle(forgery(world), now),
  );
});

test('S11: a datagram that is taken twice, or that nobody sealed', t => {
  const world = new World(planWith([]));
  const [node] = world.nodes;
  if (!node) return t.fail();
  const received = [{kind: 'message', peer: peerOf(node), message: {type: 'timeProbe', nonce: 1}}];
  const open = {receive: () => received, seal: () => undefined, takeOutgoing: () => []} as never;
  const checker = new AttackChecker(() => false);
  const {keys, address, no} = node;
  const handle = () => [];
  checker.watchNode({link: open, core: {handle}, keys, address, no} as never);
  breaks(t, 'S11', /that nobody sealed, or took it twice/, () =>
    (open as Link).receive(new Uint8Array(40), address, asMonoMs(0)),
  );
});

test('S11: a stranger who is told more than he said', t => {
  const world = startedWorld();
  const {checker} = world.attack ?? {};
  checker?.heard(MASTER_ADDRESS, STRANGER, 100);
  t.notThrows(() => checker?.said(MASTER_ADDRESS, STRANGER, 100));
  breaks(t, 'S11', /sent 101 bytes to 10\.66\.0\.1:4444, which sent 100/, () =>
    checker?.said(MASTER_ADDRESS, STRANGER, 1),
  );
});

test('L2: a command that does not reach somebody after the attack', t => {
  const world = startedWorld();
  const [node] = world.nodes;
  world.heal();
  if (node) world.network.set(node.address, {cut: true});
  breaks(t, 'L2', /does not reach node 1 \(silent\)/, () => world.rollCall());
});

const KINDS: readonly (readonly Misdeed[])[] = [
  ['equivocating', 'hugeOutput'],
  ['greedy', 'badSigner'],
  ['clonedKey', 'quiet'],
  ['lateComer', 'insider'],
  ['replaying', 'liar'],
  ['plotter', 'sleeper'],
];
for (const misdeeds of KINDS)
  test(`every promise holds among strangers with nodes that are ${misdeeds.join(' and ')}`, t => {
    const world = new World(planWith(misdeeds, 2, 5));
    t.notThrows(() => world.run());
    t.true((world.attack?.checker.obeyed ?? 0) > 0);
    t.is(world.checkers.masterChecker.wrongCanonical, 0);
  });
