import test from 'ava';
import {nearest} from '../../src/base/nearest.ts';

const COMMANDS = ['batch submit', 'batch ls', 'capture', 'nodes', 'nodes token'];

test('a typo means the word that is fewest changes away', t => {
  t.is(nearest('capure', COMMANDS), 'capture');
  t.is(nearest('batch submitt', COMMANDS), 'batch submit');
  t.is(nearest('NODES', COMMANDS), 'nodes');
  t.is(nearest('node', COMMANDS), 'nodes', 'the nearer one, not one that merely begins so');
});

test('a word like none of them means nothing', t => {
  t.is(nearest('frobnicate', COMMANDS), undefined);
  t.is(nearest('', COMMANDS), undefined);
  t.is(nearest('capture', []), undefined);
});

test('short words may differ in two letters, long ones in a third', t => {
  t.is(nearest('ab', ['abcd']), 'abcd');
  t.is(nearest('a', ['abcd']), undefined);
  t.is(nearest('abcdefghi', ['abcdefxyz']), 'abcdefxyz');
  t.is(nearest('abcdefghi', ['abcdewxyz']), undefined);
});

test('of two words that are as near the first one is meant', t => {
  t.is(nearest('cat', ['bat', 'hat']), 'bat');
});
