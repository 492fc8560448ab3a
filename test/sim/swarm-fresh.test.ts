import test from 'ava';
import {freshBase, holdsForAll} from './seeds.ts';

// Two files, so that two cores run them.
test('promises hold for 250 seeds of this commit', t => holdsForAll(t, freshBase(), 250));
