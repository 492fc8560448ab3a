// k-means by Lloyd's algorithm, a round of map and reduce for each step (S. P. Lloyd, Least squares quantization in
// PCM, IEEE Trans. Inf. Theory 28, 1982; J. Dean, S. Ghemawat, MapReduce, OSDI 2004). Args: k, columns (0 = all of the
// first row; what is behind them in a line is not looked at).
//
// First round, shared input empty: each map proposes k of its points, the reduce takes k of these. Both begin with the
// first point and take the one that is farthest from those taken, again and again (T. F. Gonzalez, Clustering to
// minimize the maximum intercluster distance, Theor. Comput. Sci. 38, 1985; in two stages as G. Malkomes et al., NIPS
// 2015). Every later one, shared input the clusters so far: each map adds up its points by the nearest centroid, the
// reduce divides the sums by the counts. A cluster without points keeps its centroid. The operator may give the first
// clusters as shared input: k points, or the output of an earlier batch.
//
// Output of the reduce: k rows "cluster,index,size,centroid" and, but for the first round, "inertia,sum": sizes and
// inertia are those of the points with the centroids of the round before. When nothing changes any more they belong
// together. Numbers have all their digits. Distances and sums are made in the order of coordinates, lines and files,
// so that the bytes depend on how the points are cut into files, but not on the machine.

import {failAtLine, lineAt, nextLine, openLines} from "../lib/lines";
import {ascii, flush} from "../lib/text";
import {argIs, argNumber, fail, SHARED} from "../lib/wasi";
import {DIMENSIONS_MAX, fieldCount, isRowOf, putCluster, putCoordinates, putInertia, readRow, row} from "./rows";

const CLUSTERS_MAX: u64 = 1024;

let k: u32 = 0;
let columns: u32 = 0;
/** Numbers of a point; 0 = no row was read yet. */
let dimensions: u32 = 0;

// Of each cluster: where it is, what it adds up to.
let centroids: usize = 0;
let sums: usize = 0;
let sizes: usize = 0;
let inertia: f64 = 0;

// Points, one behind the other. They grow in place while nothing else is allocated.
let points: usize = 0;
let pointCount: u32 = 0;
let pointRoom: u32 = 0;

/** Ends the app when the row has not as many numbers as those before. */
function checkDimensions(count: u32): void {
  if (dimensions == 0) {
    if (count > DIMENSIONS_MAX) failAtLine("a point has at most " + DIMENSIONS_MAX.toString() + " numbers");
    dimensions = count;
  }
  if (count != dimensions)
    failAtLine(count.toString() + " numbers, where there were " + dimensions.toString() + " before");
}

/** Whether the line is a point; it is in `row` then. */
function isPoint(): bool {
  if (!readRow(lineAt, columns)) return false;
  if (columns != 0 && fieldCount != columns) failAtLine("fewer than " + columns.toString() + " numbers");
  checkDimensions(fieldCount);
  return true;
}

function keepPoint(at: usize): void {
  const bytes = dimensions * 8;
  if (pointCount == pointRoom) {
    pointRoom = max<u32>(1024, pointRoom * 2);
    points = points == 0 ? heap.alloc(pointRoom * bytes) : heap.realloc(points, pointRoom * bytes);
  }
  memory.copy(points + pointCount++ * bytes, at, bytes);
}

function distance(a: usize, b: usize): f64 {
  let sum: f64 = 0;
  for (let i: u32 = 0; i < dimensions; i++) {
    const difference = load<f64>(a + i * 8) - load<f64>(b + i * 8);
    sum += difference * difference;
  }
  return sum;
}

/** Puts the first of the points and those farthest from all before in front; returns how many differ, at most k. */
function pickFarthest(): u32 {
  const bytes = dimensions * 8;
  const gaps = heap.alloc(pointCount * 8);
  for (let i: u32 = 0; i < pointCount; i++) store<f64>(gaps + i * 8, Infinity);
  const picked = heap.alloc(k * bytes);
  let best: u32 = 0;
  for (let count: u32 = 0; count < k; count++) {
    if (pointCount == 0 || load<f64>(gaps + best * 8) == 0) {
      points = picked;
      return count;
    }
    memory.copy(picked + count * bytes, points + best * bytes, bytes);
    best = 0;
    for (let i: u32 = 0; i < pointCount; i++) {
      const gap = min<f64>(load<f64>(gaps + i * 8), distance(points + i * bytes, picked + count * bytes));
      store<f64>(gaps + i * 8, gap);
      if (gap > load<f64>(gaps + best * 8)) best = i;
    }
  }
  points = picked;
  return k;
}

/** Reads the clusters so far; false = there are none. */
function readCentroids(): bool {
  let count: u32 = 0;
  openLines(SHARED);
  while (nextLine()) {
    if (isRowOf("inertia")) continue;
    const isCluster = isRowOf("cluster");
    if (isCluster) {
      if (fieldCount < 3 || load<f64>(row) != <f64>count) failAtLine("not the next cluster");
      checkDimensions(fieldCount - 2);
    } else if (!isPoint()) continue;
    if (count == k) failAtLine("more than k clusters in the shared input");
    if (count == 0) centroids = heap.alloc(k * dimensions * 8);
    memory.copy(centroids + count * dimensions * 8, row + (isCluster ? 16 : 0), dimensions * 8);
    count++;
  }
  if (count > 0 && count < k) fail("fewer than k clusters in the shared input");
  return count > 0;
}

function clearSums(): void {
  sums = heap.alloc(k * dimensions * 8);
  sizes = heap.alloc(k * 8);
  memory.fill(sums, 0, k * dimensions * 8);
  memory.fill(sizes, 0, k * 8);
}

/** Adds `size` points that add up to what stands at `at`. */
function addTo(cluster: u32, size: u64, at: usize): void {
  const sum = sums + cluster * dimensions * 8;
  for (let i: u32 = 0; i < dimensions; i++) store<f64>(sum + i * 8, load<f64>(sum + i * 8) + load<f64>(at + i * 8));
  store<u64>(sizes + cluster * 8, load<u64>(sizes + cluster * 8) + size);
}

function addNearest(): void {
  let nearest: u32 = 0;
  let least: f64 = Infinity;
  for (let i: u32 = 0; i < k; i++) {
    const squared = distance(row, centroids + i * dimensions * 8);
    if (squared >= least) continue;
    least = squared;
    nearest = i;
  }
  inertia += least;
  addTo(nearest, 1, row);
}

// ---- the stages ---------------------------------------------------------------------------------

function propose(): void {
  openLines(0);
  while (nextLine()) if (isPoint()) keepPoint(row);
  const count = pickFarthest();
  for (let i: u32 = 0; i < count; i++) {
    ascii("point");
    putCoordinates(points + i * dimensions * 8, dimensions);
  }
}

function addUp(): void {
  clearSums();
  openLines(0);
  while (nextLine()) if (isPoint()) addNearest();
  for (let i: u32 = 0; i < k; i++) {
    const size = load<u64>(sizes + i * 8);
    if (size == 0) continue;
    putCluster("sum", i, size);
    putCoordinates(sums + i * dimensions * 8, dimensions);
  }
  putInertia(inertia);
}

function pickFirst(): void {
  openLines(0);
  while (nextLine()) {
    if (!isRowOf("point")) failAtLine("not a proposed point");
    checkDimensions(fieldCount);
    keepPoint(row);
  }
  const count = pickFarthest();
  if (count < k) fail("fewer than k different points");
  for (let i: u32 = 0; i < k; i++) {
    putCluster("cluster", i, 0);
    putCoordinates(points + i * dimensions * 8, dimensions);
  }
}

function divideSums(): void {
  clearSums();
  openLines(0);
  while (nextLine()) {
    if (isRowOf("inertia")) inertia += load<f64>(row);
    else {
      if (!isRowOf("sum") || fieldCount < 3 || load<f64>(row) >= <f64>k) failAtLine("not a sum of a cluster");
      checkDimensions(fieldCount - 2);
      addTo(<u32>load<f64>(row), <u64>load<f64>(row, 8), row + 16);
    }
  }
  for (let i: u32 = 0; i < k; i++) {
    const size = load<u64>(sizes + i * 8);
    const centroid = (size == 0 ? centroids : sums) + i * dimensions * 8;
    if (size > 0)
      for (let j: u32 = 0; j < dimensions; j++) store<f64>(centroid + j * 8, load<f64>(centroid + j * 8) / <f64>size);
    putCluster("cluster", i, size);
    putCoordinates(centroid, dimensions);
  }
  putInertia(inertia);
}

export function _start(): void {
  const isReduce = argIs(1, "reduce");
  const first: u32 = isReduce ? 2 : 1;
  const clusters = argNumber(first, 0);
  const shown = argNumber(first + 1, 0);
  if (clusters < 1 || clusters > CLUSTERS_MAX) fail("the first arg is k, 1 to 1024");
  if (shown > DIMENSIONS_MAX) fail("the second arg is the number of columns, 0 to 64");
  k = <u32>clusters;
  columns = <u32>shown;
  const isFirst = !readCentroids();
  if (isReduce) {
    if (isFirst) pickFirst();
    else divideSums();
  } else if (isFirst) propose();
  else addUp();
  flush();
}
