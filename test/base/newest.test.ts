import test from 'ava';
import {keepNewest} from '../../src/base/newest.ts';

test('the oldest entries go until no more than the most are left', t => {
  const names = new Set(['a', 'b', 'c', 'd']);
  const gone: string[] = [];
  keepNewest(names, 2, name => gone.push(name));
  t.deepEqual([...names], ['c', 'd']);
  t.deepEqual(gone, ['a', 'b']);
});

test('a table within its size keeps all', t => {
  const table = new Map([
    ['a', 1],
    ['b', 2],
  ]);
  keepNewest(table, 2, () => t.fail());
  t.is(table.size, 2);
});

test('what was put in anew is the newest', t => {
  const table = new Map([
    ['a', 1],
    ['b', 2],
  ]);
  table.delete('a');
  table.set('a', 3);
  keepNewest(table, 1);
  t.deepEqual([...table], [['a', 3]]);
});
