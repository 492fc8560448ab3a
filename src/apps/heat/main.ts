// The heat equation du/dt = a (d²u/dx² + d²u/dy²) on a plate of width × height points with cold borders (u = 0), by
// explicit finite differences (forward in time, centred in space): each step
//
//   u'[y][x] = u + r · ((u[y][x-1] + u[y][x+1]) + (u[y-1][x] + u[y+1][x]) - 4u),   r = a Δt/Δx² = 1/8,
//
// which is stable up to r = 1/4 (R. J. LeVeque, Finite Difference Methods for Ordinary and Partial Differential
// Equations, SIAM 2007, chapter 9). A mode sin(px) sin(qy) that fits the plate loses the factor
// 1 - 4r (sin²(p/2) + sin²(q/2)) in each step, p = π m/(width-1), q = π n/(height-1): exactly, not nearly.
//
// The plate is cut into strips of rows; strip i begins at row i·height/strips. A round makes `steps` steps. For these
// a strip needs as many rows of its neighbours as there are steps, and computes what it needs of them once more; every
// point is computed by the same operations in the same order, whoever does it, so that the result has the bits of a
// run in one piece.
//
// Args: width, height, strips, steps of a round (≤ rows of the lowest strip), start. Input of the first round: "i i+1".
// Of each later one: the outputs of the strips i-1, i and i+1 (those that there are) of the round before. Two strips
// would get the same input, so there are one, or three and more.
//
// start: `square` (default) = 100 degrees in the middle half of width and height; `sine` = 100 sin(px) sin(qy), m=n=1.
//
// Output, little endian: "heat", index, strips, width, height, first row, rows, nothing as u32, steps so far as u64;
// then rows × width values as f64, row by row.

import {argIs, argNumber, argText, fail, inputAt, inputLength, readAll, write} from "../lib/wasi";

const R: f64 = 0.125;
const HOT: f64 = 100;
const SIDE_MAX: u64 = 16_384;
const HEAD_BYTES: u32 = 40;
const MAGIC: u32 = 0x74616568;
const OUTPUT_BYTES_MAX: u64 = 4 * 1024 * 1024;

let width: u32 = 0;
let height: u32 = 0;
let strips: u32 = 0;
let steps: u32 = 0;
let isSine = false;

/** Of this strip: its index and the steps that are done. */
let index: u32 = 0;
let done: u64 = 0;

// The strip with what is needed of its neighbours: rows top ≤ y < bottom of the plate.
let top: u32 = 0;
let bottom: u32 = 0;
let now: usize = 0;
let then: usize = 0;

const head: usize = memory.data(40);

function firstRow(strip: u32): u32 {
  return <u32>(<u64>strip * height / strips);
}

function makeRoom(): void {
  top = <u32>max<i32>(0, <i32>firstRow(index) - <i32>steps);
  bottom = min<u32>(height, firstRow(index + 1) + steps);
  const bytes = (bottom - top) * width * 8;
  now = heap.alloc(bytes);
  then = heap.alloc(bytes);
}

// ---- where it begins ----------------------------------------------------------------------------

function startValue(x: u32, y: u32): f64 {
  if (x == 0 || y == 0 || x == width - 1 || y == height - 1) return 0;
  if (isSine)
    return HOT * Math.sin(Math.PI * <f64>x / <f64>(width - 1)) * Math.sin(Math.PI * <f64>y / <f64>(height - 1));
  const isInside = x >= width / 4 && x < width - width / 4 && y >= height / 4 && y < height - height / 4;
  return isInside ? HOT : 0;
}

function begin(): void {
  makeRoom();
  let at = now;
  for (let y = top; y < bottom; y++)
    for (let x: u32 = 0; x < width; x++) {
      store<f64>(at, startValue(x, y));
      at += 8;
    }
}

/** Whether the input is the "i i+1" of the first round. */
function isBeginning(): bool {
  let value: u64 = 0;
  let at = inputAt;
  const end = inputAt + inputLength;
  while (at < end && <u32>load<u8>(at) - 48 <= 9 && value < strips) value = value * 10 + (load<u8>(at++) - 48);
  if (at == inputAt || at == end || load<u8>(at) != 32) return false;
  if (value >= strips) fail("there are not so many strips");
  let next: u64 = 0;
  for (at++; at < end && <u32>load<u8>(at) - 48 <= 9 && next <= strips; at++) next = next * 10 + (load<u8>(at) - 48);
  if (next != value + 1) fail("a workunit is one strip: submit the range with --chunk 1");
  index = <u32>value;
  return true;
}

// ---- where the round before ended ---------------------------------------------------------------

/** Checks the head at `at` and returns the bytes of this strip. */
function stripBytes(at: usize, left: u32): u32 {
  if (left < HEAD_BYTES || load<u32>(at) != MAGIC) fail("the input is neither \"i i+1\" nor strips");
  const strip = load<u32>(at, 4);
  if (load<u32>(at, 8) != strips || load<u32>(at, 12) != width || load<u32>(at, 16) != height || strip >= strips)
    fail("a strip of another plate");
  const rows = firstRow(strip + 1) - firstRow(strip);
  if (load<u32>(at, 20) != firstRow(strip) || load<u32>(at, 24) != rows) fail("a strip with other rows");
  const bytes = HEAD_BYTES + rows * width * 8;
  if (left < bytes) fail("a strip is cut short");
  return bytes;
}

/** Copies the rows of a strip that are needed here. */
function takeRows(at: usize): void {
  const strip = load<u32>(at, 4);
  const from = max<u32>(top, firstRow(strip));
  const to = min<u32>(bottom, firstRow(strip + 1));
  const source = at + HEAD_BYTES + (from - firstRow(strip)) * width * 8;
  memory.copy(now + (from - top) * width * 8, source, (to - from) * width * 8);
}

/** Reads the strips; the one in the middle is ours, at an edge of the plate the outer one. */
function goOn(): void {
  let count: u32 = 0;
  let at = inputAt;
  const end = inputAt + inputLength;
  const first = load<u32>(inputAt, 4);
  for (; at < end; count++) {
    const bytes = stripBytes(at, <u32>(end - at));
    if (load<u32>(at, 4) != first + count) fail("strips that are not neighbours");
    if (count == 0) done = load<u64>(at, 32);
    if (load<u64>(at, 32) != done) fail("strips of different rounds");
    at += bytes;
  }
  index = count == 3 || (count == 2 && first > 0) ? first + 1 : first;
  const expected: u32 = 1 + <u32>(index > 0) + <u32>(index + 1 < strips);
  if (count != expected) fail("the neighbours are missing: submit with --halo 1");
  makeRoom();
  for (at = inputAt; at < end; at += stripBytes(at, <u32>(end - at))) takeRows(at);
}

// ---- the steps ----------------------------------------------------------------------------------

function computeRow(y: u32): void {
  const bytes = width * 8;
  const from = (y - top) * bytes;
  const row = now + from;
  const out = then + from;
  store<f64>(out, 0);
  store<f64>(out + bytes - 8, 0);
  for (let x: u32 = 8; x < bytes - 8; x += 8) {
    const u = load<f64>(row + x);
    const beside = load<f64>(row + x - 8) + load<f64>(row + x + 8);
    const across = load<f64>(row + x - bytes) + load<f64>(row + x + bytes);
    store<f64>(out + x, u + R * (beside + across - 4 * u));
  }
}

/** With each step to go fewer of the neighbours' rows are needed. */
function step(togo: u32): void {
  const from = max<i32>(1, <i32>firstRow(index) - <i32>togo);
  const to = min<i32>(height - 1, firstRow(index + 1) + togo);
  for (let y = from; y < to; y++) computeRow(y);
  if (top == 0) memory.fill(then, 0, width * 8);
  if (bottom == height) memory.fill(then + (height - 1 - top) * width * 8, 0, width * 8);
  const swap = now;
  now = then;
  then = swap;
}

function writeStrip(): void {
  const rows = firstRow(index + 1) - firstRow(index);
  store<u32>(head, MAGIC);
  store<u32>(head, index, 4);
  store<u32>(head, strips, 8);
  store<u32>(head, width, 12);
  store<u32>(head, height, 16);
  store<u32>(head, firstRow(index), 20);
  store<u32>(head, rows, 24);
  store<u64>(head, done + steps, 32);
  write(head, HEAD_BYTES);
  write(now + (firstRow(index) - top) * width * 8, rows * width * 8);
}

function sizeOf(arg: u32, least: u64, most: u64, reason: string): u32 {
  const value = argNumber(arg, 0);
  if (value < least || value > most) fail(reason);
  return <u32>value;
}

export function _start(): void {
  readAll();
  width = sizeOf(1, 3, SIDE_MAX, "the first arg is the width, 3 to 16384 points");
  height = sizeOf(2, 3, SIDE_MAX, "the second arg is the height, 3 to 16384 points");
  strips = sizeOf(3, 1, height, "the third arg is how many strips there are, at most one for each row");
  if (strips == 2) fail("two strips cannot be told apart: take one, or three and more");
  steps = sizeOf(4, 1, height / strips, "the fourth arg is the steps of a round: at least 1, at most the rows of a strip");
  isSine = argIs(5, "sine");
  if (argText(5) != 0 && !isSine && !argIs(5, "square")) fail("the fifth arg is square or sine");
  const bytes = <u64>width * (height / strips + 1) * 8 + HEAD_BYTES;
  if (bytes > OUTPUT_BYTES_MAX) fail("a strip is above 4 MiB: take more strips");
  if (isBeginning()) begin();
  else goOn();
  for (let togo: i32 = steps - 1; togo >= 0; togo--) step(togo);
  writeStrip();
}
