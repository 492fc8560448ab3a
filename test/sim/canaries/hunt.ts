// Hunts for one planted bug: seed after seed until one fails.
//   node --import=tsx test/sim/canaries/hunt.ts <bug> <first seed> <most seeds>
// prints a line of JSON: {name, seeds, invariant, story}; seeds 0 = not found. Every fourth seed runs with tight limits.

import {rmSync} from 'node:fs';
import type {runSeed as RunSeed} from '../../../src/sim/swarm.ts';
import {BUGS, type Change} from './bugs.ts';
import {bundleSimulator, changesOf} from './bundle.ts';
import {TIGHT} from './tight.ts';

export type Found = {
  readonly name: string;
  readonly seeds: number;
  readonly invariant: string;
  readonly story: string;
};

const TIGHT_EVERY = 4;

async function runnerOf(name: string, changes: readonly Change[]): Promise<typeof RunSeed> {
  const file = await bundleSimulator(name, changes);
  const {runSeed} = (await import(file)) as {readonly runSeed: typeof RunSeed};
  rmSync(file);
  return runSeed;
}

const [name = '', first = '1', most = '300'] = process.argv.slice(2);
const bug = BUGS.find(candidate => candidate.name === name);
if (!bug) throw new Error(`there is no planted bug ${name}`);
const planted = changesOf(bug);
const usual = {bad: await runnerOf(name, planted), sound: await runnerOf(`${name}-sound`, [])};
const tight = {
  bad: await runnerOf(`${name}-tight`, [...planted, ...TIGHT]),
  sound: await runnerOf(`${name}-sound-tight`, TIGHT),
};
let found: Found = {name, seeds: 0, invariant: '', story: ''};
for (let i = 0; i < Number(most); i++) {
  const seed = Number(first) + i;
  const {bad, sound} = seed % TIGHT_EVERY === 0 ? tight : usual;
  const {failure} = bad(seed);
  // A seed that also breaks a promise without the bug says nothing about the bug.
  if (!failure || sound(seed).failure) continue;
  found = {name, seeds: i + 1, invariant: failure.invariant, story: failure.story};
  break;
}
process.stdout.write(`${JSON.stringify(found)}\n`);
