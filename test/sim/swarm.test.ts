import {readdirSync, readFileSync, rmSync} from 'node:fs';
import test from 'ava';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {completePlan, type StoredPlan} from '../../src/sim/plan.ts';
import type {runPlan as RunPlan, runSeed as RunSeed} from '../../src/sim/swarm.ts';
import {bundleSimulator} from './canaries/bundle.ts';
import {holdsFor} from './seeds.ts';

type Regression = {readonly was: string; readonly plan: StoredPlan};

const file = await bundleSimulator();
type Bundled = {readonly runPlan: typeof RunPlan; readonly runSeed: typeof RunSeed};
// Three times as fast as one that is transpiled file by file.
const {runPlan, runSeed} = (await import(file)) as Bundled;
rmSync(file);

/** A run is one long turn of the process: between two of them it tells how far it is. */
const breath = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

const FOLDER = new URL('regressions/', import.meta.url);

for (const name of readdirSync(FOLDER).sort()) {
  const text = readFileSync(new URL(name, FOLDER), 'utf8');
  const {was, plan} = JSON.parse(text) as Regression;
  test(`a run that once failed holds: ${name}: ${was}`, async t => {
    await breath();
    const outcome = runPlan(completePlan(plan));
    t.is(outcome.failure, undefined, `npm run sim -- --plan test/sim/regressions/${name}`);
  });
}

test('the same seed gives the same run, event for event', async t => {
  await breath();
  for (const seed of [3, 4, 11]) {
    const first = runSeed(seed);
    const second = runSeed(seed);
    t.is(first.digest, second.digest);
    t.is(first.events, second.events);
  }
});

test('another seed gives another run', async t => {
  await breath();
  t.not(runSeed(3).digest, runSeed(4).digest);
});

test('promises hold with real cryptography', async t => {
  await breath();
  for (const seed of [2, 5, 12]) holdsFor(t, seed, {}, {crypto: new NodeCrypto()}, runSeed);
  t.pass();
});
