// Iris: R. A. Fisher, The use of multiple measurements in taxonomic problems, Annals of Eugenics 7 (1936), table I,
// with the values of R's `iris`; test/data/iris.csv.

import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {Prng} from '../../src/base/prng.ts';
import {ROOT} from '../io/runner-rig.ts';
import {openHere, type RunHere} from './app-rig.ts';
import {untilStable} from './rounds.ts';

let run: RunHere;
test.before(async () => {
  run = await openHere('kmeans');
});

const IRIS = readFileSync(join(ROOT, 'test/data/iris.csv'), 'utf8').trimEnd().split('\n');
const POINTS = IRIS.slice(1).map(line => line.split(',').slice(0, 4).map(Number));

/** The lines cut into so many files, each with the header. */
function cut(lines: readonly string[], files: number): string[] {
  const [header = '', ...rest] = lines;
  const size = Math.ceil(rest.length / files);
  return Array.from({length: files}, (_, i) =>
    [header, ...rest.slice(i * size, (i + 1) * size), ''].join('\n'),
  );
}

type Clusters = {
  readonly sizes: number[];
  readonly centroids: number[][];
  readonly inertia: number | undefined;
};

function clustersOf(text: string): Clusters {
  const rows = text.trimEnd().split('\n');
  const clusters = rows
    .filter(row => row.startsWith('cluster,'))
    .map(row => row.split(',').slice(1).map(Number));
  const inertia = rows.find(row => row.startsWith('inertia,'))?.split(',')[1];
  return {
    sizes: clusters.map(([, size = 0]) => size),
    centroids: clusters.map(([, , ...at]) => at),
    inertia: inertia === undefined ? undefined : Number(inertia),
  };
}

// ---- plain Lloyd, with sums in the same order --------------------------------------------------

const squared = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, i) => sum + (x - (b[i] ?? 0)) * (x - (b[i] ?? 0)), 0);

function farthest(points: readonly number[][], k: number): number[][] {
  const picked = points.slice(0, 1);
  while (picked.length < k) {
    const gaps = points.map(point => Math.min(...picked.map(one => squared(point, one))));
    const gap = Math.max(...gaps);
    if (gap === 0) break;
    picked.push(points[gaps.indexOf(gap)] as number[]);
  }
  return picked;
}

function sumsOf(points: readonly number[][], centroids: readonly number[][]) {
  const sums = centroids.map(at => at.map(() => 0));
  const sizes = centroids.map(() => 0);
  let inertia = 0;
  for (const point of points) {
    const gaps = centroids.map(at => squared(point, at));
    const nearest = gaps.indexOf(Math.min(...gaps));
    sizes[nearest] = (sizes[nearest] ?? 0) + 1;
    inertia += gaps[nearest] ?? 0;
    sums[nearest] = (sums[nearest] ?? []).map((sum, i) => sum + (point[i] ?? 0));
  }
  return {sums, sizes, inertia};
}

function lloyd(files: readonly number[][][], first: readonly number[][]): Clusters {
  let clusters: Clusters = {sizes: [], centroids: first.map(at => [...at]), inertia: undefined};
  for (;;) {
    const maps = files.map(points => sumsOf(points, clusters.centroids));
    const sizes = first.map((_, c) => maps.reduce((sum, map) => sum + (map.sizes[c] ?? 0), 0));
    const centroids = clusters.centroids.map((old, c) =>
      sizes[c] === 0
        ? old
        : old.map(
            (_, i) => maps.reduce((sum, map) => sum + (map.sums[c]?.[i] ?? 0), 0) / (sizes[c] ?? 1),
          ),
    );
    const next = {sizes, centroids, inertia: maps.reduce((sum, map) => sum + map.inertia, 0)};
    if (JSON.stringify(next) === JSON.stringify(clusters)) return next;
    clusters = next;
  }
}

// ---- known answers -------------------------------------------------------------------------------

test('the data are those that were published', t => {
  // R: colMeans(iris[1:4]); Fisher, table II: the means of the species.
  const mean = (points: readonly number[][]): string[] =>
    [0, 1, 2, 3].map(i =>
      (points.reduce((sum, p) => sum + (p[i] ?? 0), 0) / points.length).toFixed(3),
    );
  t.is(POINTS.length, 150);
  t.deepEqual(mean(POINTS), ['5.843', '3.057', '3.758', '1.199']);
  t.deepEqual(mean(POINTS.slice(0, 50)), ['5.006', '3.428', '1.462', '0.246']);
  t.deepEqual(mean(POINTS.slice(50, 100)), ['5.936', '2.770', '4.260', '1.326']);
  t.deepEqual(mean(POINTS.slice(100)), ['6.588', '2.974', '5.552', '2.026']);
});

for (const files of [1, 3, 5])
  test(`iris in ${files} files falls into its three known clusters`, t => {
    const {shared, rounds} = untilStable(run, cut(IRIS, files), ['3', '4']);
    const found = clustersOf(shared);
    // R: kmeans(iris[1:4], 3, nstart = 20)$tot.withinss is 78.85144, sizes 50, 62, 38; scikit-learn: 78.85144142614601.
    t.true(Math.abs((found.inertia ?? 0) - 78.85144142614601) < 1e-12, shared);
    t.deepEqual(
      found.sizes.toSorted((a, b) => a - b),
      [38, 50, 62],
    );
    t.true(rounds < 15, `${rounds} rounds`);
    // The same bits as a plain program.
    const parts = cut(IRIS, files).map(text =>
      text
        .trimEnd()
        .split('\n')
        .slice(1)
        .map(line => line.split(',').slice(0, 4).map(Number)),
    );
    t.deepEqual(
      found,
      lloyd(
        parts,
        farthest(
          parts.flatMap(points => farthest(points, 3)),
          3,
        ),
      ),
    );
  });

test('clusters that are given go on, and come to what a plain program says', t => {
  const first = POINTS.slice(0, 3);
  const given = first.map(point => `${point.join(';')}\n`).join('');
  const {shared} = untilStable(run, cut(IRIS, 2), ['3', '4'], given);
  const halves = [POINTS.slice(0, 75), POINTS.slice(75)];
  t.deepEqual(clustersOf(shared), lloyd(halves, first));
  // The end of one batch as the beginning of another: nothing is left to do.
  t.is(untilStable(run, cut(IRIS, 2), ['3', '4'], shared).rounds, 1);
});

test('many points with many numbers come to the bits of a plain program', t => {
  const dice = new Prng(5);
  const points = Array.from({length: 400}, (_, i) =>
    Array.from({length: 20}, () => dice.fraction() - 0.5 + (i % 7) * 0.3),
  );
  const files = [points.slice(0, 150), points.slice(150, 151), points.slice(151)];
  const inputs = files.map(part => part.map(point => `${JSON.stringify(point)}\r\n`).join(''));
  const {shared} = untilStable(run, inputs, ['7']);
  const first = farthest(
    files.flatMap(part => farthest(part, 7)),
    7,
  );
  t.deepEqual(clustersOf(shared), lloyd(files, first));
});

test('a cluster that loses its points keeps its centroid', t => {
  const shared = 'cluster,0,0,0\ncluster,1,0,100\n';
  const map = run('1\n2\n3\n', ['2'], shared);
  t.is(String(map), 'sum,0,3,6\ninertia,14\n');
  t.is(String(run(map, ['reduce', '2'], shared)), 'cluster,0,3,2\ncluster,1,0,100\ninertia,14\n');
});

test('headers, blank lines, lists and other separators are understood', t => {
  const texts = [
    'x,y\n1,2\n\n3,4\n',
    '\ufeff1;2\r\n3; 4',
    '[1, 2]\n [3,4] \n',
    '"x"\t"y"\n1\t2\n3 4\n',
  ];
  for (const text of texts) t.is(String(run(text, ['2'])), 'point,1,2\npoint,3,4\n', text);
  t.is(String(run('1,2,a\n1,2,b\n', ['2', '2'])), 'point,1,2\n', 'equal points are one');
  t.is(String(run('', ['2'])), '');
});

test('what makes no sense is refused with a reason', t => {
  for (const [input, args, shared, reason] of [
    ['1\n', [], '', /first arg is k/],
    ['1\n', ['0'], '', /first arg is k/],
    ['1\n', ['2', '65'], '', /columns/],
    ['1,2\n3,x\n', ['2'], '', /line 2: what is not a number stands at byte 3/],
    ['1,2\n3,NaN\n', ['2'], '', /line 2: what is not a number/],
    ['1,2\n3,\n', ['2'], '', /line 2: what is not a number/],
    ['1,2\n3,4x\n', ['2'], '', /line 2: no , or ;/],
    ['1,2\n3\n', ['2'], '', /line 2: 1 numbers, where there were 2/],
    ['1,2\n3\n', ['2', '2'], '', /line 2: fewer than 2/],
    ['[1,2]\n[1,2\n', ['2'], '', /line 2: the list has no end/],
    [`${'1,'.repeat(64)}1\n`, ['2'], '', /line 1: a point has at most 64/],
    [`${' '.repeat(70_000)}1\n`, ['2'], '', /line 1: longer/],
    ['1,2\n', ['2'], '1,2\n', /fewer than k clusters/],
    ['1,2\n', ['1'], '1,2\n3,4\n', /more than k clusters/],
    ['1,2\n', ['1'], '1\n', /2 numbers, where there were 1/],
    ['point,1,2\npoint,1,2\n', ['reduce', '2'], '', /fewer than k different points/],
    ['1,2\n', ['reduce', '1'], '', /not a proposed point/],
    ['sum,1,2,3\n', ['reduce', '1'], '1\n', /not a sum of a cluster/],
  ] as const)
    t.throws(() => run(input, args, shared), {message: reason}, `${input.slice(0, 50)} ${args}`);
});
