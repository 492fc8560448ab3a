import test from 'ava';
import {freshBase, holdsForAll} from './seeds.ts';

test('promises hold where every second packet is lost', t =>
  holdsForAll(t, freshBase() + 600, 40, 'usual', {loss: 0.5}));
