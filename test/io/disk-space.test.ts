import {tmpdir} from 'node:os';
import test from 'ava';
import type {SpaceSeen} from '../../src/core/free-space.ts';
import {DiskWatch, roomAt} from '../../src/io/disk-space.ts';

/** What each of so many looks tells. */
async function told(floorOf: () => number, looks: number): Promise<number[]> {
  const seen: SpaceSeen[] = [];
  const watch = new DiskWatch(tmpdir(), floorOf, each => seen.push(each));
  const counts: number[] = [];
  for (let look = 0; look < looks; look++) {
    await watch.look();
    counts.push(seen.length);
  }
  watch.close();
  return counts;
}

test('far from the floor little is told, and yet again and again: a write may have found no room', async t => {
  const counts = await told(() => 1, 21);
  t.is(counts[0], 1);
  t.is(counts[8], 1);
  t.is(counts[10], 2);
  t.is(counts[20], 3);
});

test('near the floor every look is told', async t => {
  t.deepEqual(await told(() => Number.MAX_SAFE_INTEGER, 3), [1, 2, 3]);
});

test('room ends at the floor; where nobody can say there is room', async t => {
  const [all, above] = [await roomAt(tmpdir(), 0), await roomAt(tmpdir(), 2 ** 50)];
  t.true(all > 0 && above < 0 && all - above > 2 ** 49);
  t.is(await roomAt('/nowhere/at/all', 1), Number.POSITIVE_INFINITY);
});

test('a folder that is gone is not told', async t => {
  const seen: SpaceSeen[] = [];
  const watch = new DiskWatch(
    '/nonexistent/volley',
    () => 1,
    each => seen.push(each),
  );
  await watch.look();
  watch.close();
  t.deepEqual(seen, []);
});
