import test from 'ava';
import {freshBase, holdsForAll} from './seeds.ts';

test('promises hold for 100 seeds of this commit where every table is small', t =>
  holdsForAll(t, freshBase() + 400, 100, 'tight'));
