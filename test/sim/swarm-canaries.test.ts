import {readFileSync, rmSync} from 'node:fs';
import test from 'ava';
import type {runSeed as RunSeed} from '../../src/sim/swarm.ts';
import {BUGS} from './canaries/bugs.ts';
import {bundleSimulator, changed, changesOf} from './canaries/bundle.ts';
import {TIGHT} from './canaries/tight.ts';

test('every planted bug finds its place in the source, once', t => {
  t.true(BUGS.length >= 24);
  t.is(new Set(BUGS.map(({name}) => name)).size, BUGS.length);
  for (const bug of BUGS)
    for (const change of changesOf(bug)) {
      const source = readFileSync(new URL(`../../src/${change.file}`, import.meta.url), 'utf8');
      t.not(changed(source, change), source, bug.name);
    }
});

test('every tight limit finds its place in the source, once', t => {
  for (const change of TIGHT) {
    const source = readFileSync(new URL(`../../src/${change.file}`, import.meta.url), 'utf8');
    t.not(changed(source, change), source, change.find);
  }
});

test('a text that is not there is an error, and so is one that is there twice', t => {
  const change = {file: 'x.ts', find: 'a', put: 'b'};
  t.throws(() => changed('c', change), {message: /x\.ts has 0 places/});
  t.throws(() => changed('a a', change), {message: /x\.ts has 2 places/});
  t.is(changed('cat', change), 'cbt');
});

const QUICK = [
  'ack-before-commit',
  'vote-not-saved',
  'spool-dropped-early',
  'nonce-again',
  'dropped-key-trusted',
  'older-trust-believed',
];
const SEEDS = 20;

for (const name of QUICK)
  test(`the simulator finds ${name}`, async t => {
    const bug = BUGS.find(candidate => candidate.name === name);
    if (!bug) return t.fail('not on the list');
    const file = await bundleSimulator(name, changesOf(bug));
    const {runSeed} = (await import(file)) as {readonly runSeed: typeof RunSeed};
    rmSync(file);
    for (let seed = 1; seed <= SEEDS; seed++) {
      const {failure} = runSeed(seed);
      if (failure) return t.pass(`${failure.invariant} after ${seed} seeds`);
    }
    t.fail(`not found in ${SEEDS} seeds`);
  });
