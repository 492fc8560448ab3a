import test from 'ava';
import fc from 'fast-check';
import {Heap} from '../../src/base/heap.ts';

test('a heap gives the least first, and equal ones in the order they came', t => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), {maxLength: 200}), numbers => {
      const heap = new Heap<number>();
      for (const [i, at] of numbers.entries()) heap.push(at, i);
      t.is(heap.size, numbers.length);
      const expected = numbers
        .map((at, i) => [at, i])
        .sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0));
      for (const [at, i] of expected) {
        t.is(heap.peekAt(), at ?? -1);
        t.is(heap.peek() ?? -1, i ?? -1);
        t.is(heap.pop() ?? -1, i ?? -1);
      }
      t.is(heap.pop(), undefined);
      t.is(heap.peekAt(), Number.POSITIVE_INFINITY);
    }),
  );
  t.pass();
});

test('a heap stays right when pushes and pops are mixed', t => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(20)), {maxLength: 300}), steps => {
      const heap = new Heap<number>();
      const model: {at: number; order: number}[] = [];
      for (const [order, at] of steps.entries()) {
        if (at !== null) {
          heap.push(at, order);
          model.push({at, order});
          continue;
        }
        model.sort((a, b) => a.at - b.at || a.order - b.order);
        t.is(heap.pop(), model.shift()?.order);
      }
    }),
  );
  t.pass();
});
