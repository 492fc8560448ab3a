import test from 'ava';
import {freshBase, holdsForAll} from './seeds.ts';

test('promises hold for 200 more seeds of this commit', t =>
  holdsForAll(t, freshBase() + 200, 200));
