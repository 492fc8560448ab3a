import test from 'ava';
import {FairQueue} from '../../src/io/fair-queue.ts';

const all = (queue: FairQueue<string>): string[] => {
  const taken: string[] = [];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) taken.push(next);
  return taken;
};

test('what one wants goes in its own order', t => {
  const queue = new FairQueue<string>();
  for (const item of ['1', '2', '3']) queue.push('a', item);
  t.deepEqual(all(queue), ['1', '2', '3']);
  t.is(queue.shift(), undefined);
});

test('who had the least so far comes first', t => {
  const queue = new FairQueue<string>();
  queue.spent('greedy', 10_000);
  for (const item of ['g1', 'g2']) queue.push('greedy', item);
  queue.push('a', 'a1');
  queue.push('b', 'b1');
  queue.spent('a', 5);
  t.deepEqual(all(queue), ['b1', 'a1', 'g1', 'g2']);
});

test('a queue that is cleared is empty', t => {
  const queue = new FairQueue<string>();
  queue.push('a', '1');
  queue.clear();
  t.is(queue.shift(), undefined);
});
