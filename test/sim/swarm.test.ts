import {readdirSync, readFileSync} from 'node:fs';
import test from 'ava';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {completePlan, type StoredPlan} from '../../src/sim/plan.ts';
import {runPlan, runSeed} from '../../src/sim/swarm.ts';
import {holdsFor} from './seeds.ts';

type Regression = {readonly was: string; readonly plan: StoredPlan};

const FOLDER = new URL('regressions/', import.meta.url);

for (const name of readdirSync(FOLDER).sort()) {
  const text = readFileSync(new URL(name, FOLDER), 'utf8');
  const {was, plan} = JSON.parse(text) as Regression;
  test(`a run that once failed holds: ${name}: ${was}`, t => {
    const outcome = runPlan(completePlan(plan));
    t.is(outcome.failure, undefined, `npm run sim -- --plan test/sim/regressions/${name}`);
  });
}

test('the same seed gives the same run, event for event', t => {
  for (const seed of [3, 4, 11]) {
    const first = runSeed(seed);
    const second = runSeed(seed);
    t.is(first.digest, second.digest);
    t.is(first.events, second.events);
  }
});

test('another seed gives another run', t => {
  t.not(runSeed(3).digest, runSeed(4).digest);
});

test('promises hold with real cryptography', t => {
  for (const seed of [2, 5, 12]) holdsFor(t, seed, {}, {crypto: new NodeCrypto()});
  t.pass();
});

test('1,000 nodes decide 2,000 workunits', t => {
  const {world} = holdsFor(t, 1, {nodes: 1_000, workunits: 2_000, loss: 0.02});
  t.is(world.checkers.masterChecker.model.decisions.size, 2_000);
});
