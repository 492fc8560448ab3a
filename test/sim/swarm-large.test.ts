import {rmSync} from 'node:fs';
import test from 'ava';
import type {runSeed as RunSeed} from '../../src/sim/swarm.ts';
import {bundleSimulator} from './canaries/bundle.ts';
import {holdsFor} from './seeds.ts';

test('1,000 nodes decide 2,000 workunits', async t => {
  const file = await bundleSimulator('large');
  const {runSeed} = (await import(file)) as {readonly runSeed: typeof RunSeed};
  rmSync(file);
  const {world} = holdsFor(t, 1, {nodes: 1_000, workunits: 2_000, loss: 0.02}, {}, runSeed);
  t.is(world.checkers.masterChecker.model.decisions.size, 2_000);
});
