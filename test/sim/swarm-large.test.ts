import {rmSync} from 'node:fs';
import test from 'ava';
import type {runSeed as RunSeed} from '../../src/sim/swarm.ts';
import {bundleSimulator} from './canaries/bundle.ts';
import {holdsFor} from './seeds.ts';

async function bundled(): Promise<typeof RunSeed> {
  const file = await bundleSimulator('large');
  const {runSeed} = (await import(file)) as {readonly runSeed: typeof RunSeed};
  rmSync(file);
  return runSeed;
}

test.serial('1,000 nodes decide 2,000 workunits', async t => {
  const runSeed = await bundled();
  const {world} = holdsFor(t, 1, {nodes: 1_000, workunits: 2_000, loss: 0.02}, {}, runSeed);
  t.is(world.checkers.masterChecker.model.decisions.size, 2_000);
});

test.serial('1,000 nodes fire, are told apart, and are cancelled', async t => {
  const runSeed = await bundled();
  const {world} = holdsFor(t, 30, {nodes: 1_000, workunits: 100, loss: 0.03}, {}, runSeed);
  const {nodeChecker, captureChecker} = world.checkers;
  t.true(nodeChecker.firedCount > 1_000, `${nodeChecker.firedCount} shots`);
  t.true((captureChecker?.judged ?? 0) > 1_000, `${captureChecker?.judged} statements`);
  t.true((captureChecker?.cancels ?? 0) > 100, `${captureChecker?.cancels} cancelled in hand`);
});
