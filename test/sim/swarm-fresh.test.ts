import test from 'ava';
import {freshBase, holdsForAll} from './seeds.ts';

// With swarm-fresher and swarm-tight 500 seeds. Files of their own, so that two cores run them.
test('promises hold for 200 seeds of this commit', t => holdsForAll(t, freshBase(), 200));
