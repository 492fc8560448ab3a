import test from 'ava';
import {freshBase, holdsForAll} from './seeds.ts';

test('promises hold for 100 seeds of this commit', t => holdsForAll(t, freshBase(), 100));
