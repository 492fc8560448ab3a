// Hunts for one planted bug: seed after seed until one fails.
//   node --import=tsx test/sim/canaries/hunt.ts <bug> <first seed> <most seeds>
// prints a line of JSON: {name, seeds, invariant, story}; seeds 0 = not found.

import {rmSync} from 'node:fs';
import {type runSeed as RunSeed, runSeed as runSound} from '../../../src/sim/swarm.ts';
import {BUGS} from './bugs.ts';
import {bundleSimulator} from './bundle.ts';

export type Found = {
  readonly name: string;
  readonly seeds: number;
  readonly invariant: string;
  readonly story: string;
};

const [name = '', first = '1', most = '300'] = process.argv.slice(2);
const bug = BUGS.find(candidate => candidate.name === name);
if (!bug) throw new Error(`there is no planted bug ${name}`);
const file = await bundleSimulator(bug);
const {runSeed} = (await import(file)) as {readonly runSeed: typeof RunSeed};
rmSync(file);
let found: Found = {name, seeds: 0, invariant: '', story: ''};
for (let i = 0; i < Number(most); i++) {
  const seed = Number(first) + i;
  const {failure} = runSeed(seed);
  // A seed that also breaks a promise without the bug says nothing about the bug.
  if (!failure || runSound(seed).failure) continue;
  found = {name, seeds: i + 1, invariant: failure.invariant, story: failure.story};
  break;
}
process.stdout.write(`${JSON.stringify(found)}\n`);
