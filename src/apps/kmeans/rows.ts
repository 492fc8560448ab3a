// Rows of numbers, as people have them in files and as the stages hand them on.
//
//   5.1,3.5,1.4,0.2          a point: numbers with , ; tab or space between them
//   [5.1, 3.5, 1.4, 0.2]     the same as NDJSON
//   point,5.1,3.5,1.4,0.2    a proposed first centroid
//   sum,2,50,250.3,…         of cluster 2: 50 points and their sum
//   inertia,78.85            sum of the squared distances to the nearest centroid
//   cluster,2,50,5.006,…     of cluster 2: 50 points, its centroid
//
// A first line that does not begin with a number is a header.

import {parseDecimal, parsedEnd} from "../lib/decimal";
import {failAtLine, lineAt, lineEnd, lineNumber} from "../lib/lines";
import {ascii, byte, decimal, whole} from "../lib/text";

export const DIMENSIONS_MAX: u32 = 64;
/** A cluster has two numbers before its coordinates. */
const FIELDS_MAX: u32 = 66;

/** The numbers of the row that was read. */
export const row: usize = memory.data(66 * 8);
export let fieldCount: u32 = 0;

function skipSpaces(at: usize): usize {
  while (at < lineEnd && (load<u8>(at) == 32 || load<u8>(at) == 9)) at++;
  return at;
}

/**
 * Reads the numbers from `at` to the end of the line: `most` of them, 0 = all. Whether there were any; a blank line
 * and a header have none. What is no number ends the app.
 */
export function readRow(at: usize, most: u32): bool {
  fieldCount = 0;
  at = skipSpaces(at);
  if (at == lineEnd) return false;
  const isList = load<u8>(at) == 0x5b;
  if (isList) at = skipSpaces(at + 1);
  for (;;) {
    const value = parseDecimal(at, lineEnd);
    if (value != value) {
      if (lineNumber == 1 && fieldCount == 0) return false;
      failAtLine("what is not a number stands at byte " + (at - lineAt + 1).toString());
    }
    if (fieldCount == FIELDS_MAX) failAtLine("more than " + DIMENSIONS_MAX.toString() + " numbers");
    // -0 is 0: it is the same point.
    store<f64>(row + fieldCount++ * 8, value + 0);
    if (fieldCount == most) return true;
    at = skipSpaces(parsedEnd);
    if (at == lineEnd || (isList && load<u8>(at) == 0x5d)) break;
    const mark = load<u8>(at);
    if (mark == 0x2c || mark == 0x3b) at = skipSpaces(at + 1);
    else if (at == parsedEnd) failAtLine("no , or ; behind the number at byte " + (at - lineAt).toString());
  }
  if (isList && (at == lineEnd || skipSpaces(at + 1) != lineEnd)) failAtLine("the list has no end, or more behind it");
  return true;
}

/** Whether the line is a row of this kind; its numbers are read then. */
export function isRowOf(kind: string): bool {
  const length = kind.length;
  if (lineEnd - lineAt <= <usize>length || load<u8>(lineAt + length) != 0x2c) return false;
  for (let i = 0; i < length; i++)
    if (load<u8>(lineAt + i) != <u8>kind.charCodeAt(i)) return false;
  if (!readRow(lineAt + length + 1, 0)) failAtLine("no numbers");
  return true;
}

/** Writes the coordinates at `at` as the end of a row. */
export function putCoordinates(at: usize, dimensions: u32): void {
  for (let i: u32 = 0; i < dimensions; i++) {
    byte(0x2c);
    decimal(load<f64>(at + i * 8));
  }
  byte(10);
}

/** Writes the beginning of a row of a cluster. */
export function putCluster(kind: string, cluster: u32, size: u64): void {
  ascii(kind);
  byte(0x2c);
  whole(cluster);
  byte(0x2c);
  whole(size);
}

export function putInertia(inertia: f64): void {
  ascii("inertia,");
  decimal(inertia);
  byte(10);
}
