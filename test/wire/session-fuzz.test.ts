// The whole way of a datagram, from the socket's callback to the core, against changed bytes of real traffic:
// a simulated cluster works while it is fuzzed, and must end as well as one that is left alone. Replay a
// failure with VOLLEY_FUZZ_SEED=<seed> npx ava test/wire/session-fuzz.test.ts

import {setFlagsFromString} from 'node:v8';
import {runInNewContext} from 'node:vm';
import test from 'ava';
import {asPeerId, type PeerId} from '../../src/base/types.ts';
import {peaceful} from '../../src/sim/attack-plan.ts';
import {planOf} from '../../src/sim/draw.ts';
import {MASTER_ADDRESS, nodeAddress, SimFailure} from '../../src/sim/fabric.ts';
import {NO_DISASTERS, type Plan} from '../../src/sim/plan.ts';
import {CALM} from '../../src/sim/sim-network.ts';
import {decodeMessage} from '../../src/wire/codec.ts';
import {FRAME} from '../../src/wire/session.ts';
import {MasterLink} from '../../src/wire/session-master.ts';
import {NodeLink} from '../../src/wire/session-node.ts';
import {type Heard, recordedWorld} from '../sim/traffic.ts';
import {fuzzSeed, Mutator} from './mutator.ts';

const DATAGRAMS = 500_000;
const MESSAGES = 100_000;
/** The cluster lives on for a moment after so many. */
const ROUND = 500;
const SEED = fuzzSeed();

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const planFor = (seed: number): Plan => ({
  ...peaceful(planOf(seed, {nodes: 6})),
  network: {...CALM},
  disasters: NO_DISASTERS,
});

/** Drops that were counted, and datagrams that were sent. */
function tally({fabric, network}: ReturnType<typeof recordedWorld>['world']) {
  let drops = 0;
  for (const [name, count] of fabric.counters) if (name.startsWith('drop.')) drops += count;
  return {drops, sent: network.sent};
}

test('500,000 changed datagrams are each counted or answered, and harm nothing', t => {
  const {world, heard, deliver} = recordedWorld(planFor(5));
  world.start();
  world.runUntil(8_000);
  const recorded: Heard[] = heard.filter(({bytes}) => bytes.length > 0).slice(0, 4_000);
  const mutator = new Mutator(
    SEED,
    recorded.map(({bytes}) => bytes),
  );
  const addresses = [MASTER_ADDRESS, ...world.nodes.map(({no}) => nodeAddress(no))];
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const since = process.cpuUsage();
  const genuine = new Set(recorded.map(({bytes}) => Buffer.from(bytes).toString('latin1')));
  const kinds = {drops: 0, answered: 0, idleBeacons: 0, genuine: 0};
  for (let i = 0; i < DATAGRAMS; i++) {
    heard.length = 0;
    if (i % ROUND === 0) world.runUntil(world.timeline.now + 20);
    const bytes = mutator.next();
    const to = mutator.prng.pick(addresses);
    const was = tally(world);
    deliver(to, bytes, mutator.prng.pick(recorded).from);
    const is = tally(world);
    const isIdleBeacon = bytes[0] === FRAME.beacon && bytes.length <= 512 && to !== MASTER_ADDRESS;
    if (is.drops === was.drops + 1) kinds.drops += 1;
    else if (is.sent > was.sent) kinds.answered += 1;
    else if (isIdleBeacon) kinds.idleBeacons += 1;
    // Changed back into what it was: the repeat of a command, which is delivered as such.
    else if (genuine.has(Buffer.from(bytes).toString('latin1'))) kinds.genuine += 1;
    else
      t.fail(`swallowed at ${to}: ${Buffer.from(bytes).toString('hex')}, VOLLEY_FUZZ_SEED=${SEED}`);
  }
  const {user} = process.cpuUsage(since);
  collectGarbage();
  const grown = (process.memoryUsage().heapUsed - before) / 2 ** 20;
  t.log(
    `seed ${SEED}: ${JSON.stringify(kinds)}, ${Math.round((DATAGRAMS * 1e6) / user)} inputs/s of cpu, ` +
      `heap ${grown.toFixed(1)} MiB`,
  );
  t.is(kinds.drops + kinds.answered + kinds.idleBeacons + kinds.genuine, DATAGRAMS);
  t.true(grown < 32);
  world.heal();
  t.notThrows(() => world.liveness());
  t.notThrows(() => world.audit());
});

/** First byte of what stands for an authentic message of an enrolled node, or of the master. */
const AUTHENTIC = 0xee;

/** Links that take the rest of such a datagram for the plaintext of a session with this peer. */
function trusting(peerOf: (link: MasterLink | NodeLink) => PeerId | undefined): () => void {
  const undo = [MasterLink.prototype, NodeLink.prototype].map(prototype => {
    const {receive} = prototype;
    prototype.receive = function (this: MasterLink & NodeLink, datagram, from, now) {
      if (datagram[0] !== AUTHENTIC) return receive.call(this, datagram, from, now);
      const message = decodeMessage(datagram.subarray(1));
      const peer = peerOf(this);
      if (typeof message === 'string') return [{kind: 'drop', reason: message}];
      return peer === undefined ? [] : [{kind: 'message', peer, message}];
    };
    return () => {
      prototype.receive = receive;
    };
  });
  return () => undo.map(restore => restore());
}

/** Messages as the node and as the master say them, each as plaintext. */
function bothWays(heard: readonly Heard[]): {up: Mutator; down: Mutator} {
  const said = heard.filter(({bytes}) => bytes[0] === FRAME.data).slice(0, 4_000);
  const texts = (isUp: boolean): Uint8Array[] =>
    said.filter(it => (it.to === MASTER_ADDRESS) === isUp).map(({bytes}) => bytes.slice(16, -16));
  return {up: new Mutator(SEED, texts(true)), down: new Mutator(SEED, texts(false))};
}

test('100,000 changed messages inside a session break no core', t => {
  const {world, heard, deliver} = recordedWorld(planFor(6));
  let hostile: PeerId | undefined;
  t.teardown(trusting(link => (link instanceof NodeLink ? link.peer() : hostile)));
  world.start();
  world.runUntil(8_000);
  const [first] = world.nodes;
  if (first === undefined) return t.fail();
  hostile = asPeerId(world.master.core?.context.roster.node(first.nodeId)?.row.peer ?? '');
  t.is(hostile.length, 64);
  const {up, down} = bothWays(heard);
  // What a liar says may be noted as an alarm; what must not be is an exception.
  const failures: unknown[] = [];
  world.fabric.fail = error => {
    if (!(error instanceof SimFailure && error.invariant === 'alarm')) failures.push(error);
  };
  let good = 0;
  for (let i = 0; i < MESSAGES && failures.length === 0; i += 2) {
    heard.length = 0;
    if (i % 50 === 0) world.runUntil(world.timeline.now + 2);
    const [said, answered] = [up.next(), down.next()];
    for (const text of [said, answered]) if (typeof decodeMessage(text) === 'object') good += 1;
    deliver(MASTER_ADDRESS, Uint8Array.of(AUTHENTIC, ...said), first.address);
    deliver(first.address, Uint8Array.of(AUTHENTIC, ...answered), MASTER_ADDRESS);
  }
  world.runUntil(world.timeline.now + 1_000);
  t.log(`seed ${SEED}: ${good} of ${MESSAGES} decoded and came to a core`);
  t.deepEqual(failures.map(String), []);
  t.true(good > MESSAGES / 100);
  world.master.core?.check();
  for (const node of world.nodes) node.core?.check();
});
