import test from 'ava';
import {holdsForAll} from './seeds.ts';

test('promises hold for 100 seeds that are always the same', t => holdsForAll(t, 1, 100));
