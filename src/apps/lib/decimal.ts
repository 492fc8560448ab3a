// Decimal text ⇄ f64, exact: a number is read as the nearest f64 (ties to even), and written with as few of 15, 16 or
// 17 digits as read back as the same bits. AssemblyScript's own parseFloat may be one bit off.
//
// Both are one division of whole numbers of any size, a digit at a time: W. D. Clinger, How to read floating point
// numbers accurately (1990), Algorithm M, and G. L. Steele, J. L. White, How to print floating-point numbers accurately
// (1990). Short numbers take Clinger's short way: up to 2^53, times or divided by a power of ten that is exact.

import {argLength, argText, fail} from "./wasi";

/** Significant digits that a number may have, so that room for it is bounded. */
const DIGITS_MAX: u32 = 64;

// ---- whole numbers: count of limbs u32, then limbs u32, the lowest first ------------------------

/** 2560 bits: above 10^394, the largest denominator, shifted by 1100. */
const LIMBS: u32 = 80;
const num: usize = memory.data(324);
const den: usize = memory.data(324);

function set(big: usize, value: u64): void {
  store<u32>(big, value == 0 ? 0 : value >> 32 == 0 ? 1 : 2);
  store<u64>(big + 4, value);
}

function multiply(big: usize, factor: u32, add: u32): void {
  const count = load<u32>(big);
  let carry = <u64>add;
  for (let i: u32 = 0; i < count; i++) {
    const at = big + 4 + i * 4;
    const product = <u64>load<u32>(at) * factor + carry;
    store<u32>(at, <u32>product);
    carry = product >> 32;
  }
  if (carry == 0) return;
  if (count == LIMBS) unreachable();
  store<u32>(big + 4 + count * 4, <u32>carry);
  store<u32>(big, count + 1);
}

function multiplyByTens(big: usize, tens: u32): void {
  for (; tens >= 9; tens -= 9) multiply(big, 1_000_000_000, 0);
  for (; tens > 0; tens--) multiply(big, 10, 0);
}

function bitsOf(big: usize): i32 {
  const count = load<u32>(big);
  return count == 0 ? 0 : <i32>(count * 32) - <i32>clz<u32>(load<u32>(big + count * 4));
}

function shiftLeft(big: usize, bits: u32): void {
  const count = load<u32>(big);
  const limbs = bits >> 5;
  const rest = bits & 31;
  if (count == 0 || bits == 0) return;
  if (count + limbs + 1 > LIMBS) unreachable();
  store<u32>(big + 4 + count * 4, 0);
  for (let i: i32 = count; i >= 0; i--) {
    const low: u64 = i == 0 ? 0 : <u64>load<u32>(big + i * 4);
    const pair = (<u64>load<u32>(big + 4 + i * 4) << 32) | low;
    store<u32>(big + 4 + (i + limbs) * 4, <u32>((pair << rest) >> 32));
  }
  memory.fill(big + 4, 0, limbs * 4);
  const top = count + limbs + 1;
  store<u32>(big, load<u32>(big + top * 4) == 0 ? top - 1 : top);
}

function compare(a: usize, b: usize): i32 {
  const count = load<u32>(a);
  if (count != load<u32>(b)) return count < load<u32>(b) ? -1 : 1;
  for (let i = count; i > 0; i--) {
    const x = load<u32>(a + i * 4);
    const y = load<u32>(b + i * 4);
    if (x != y) return x < y ? -1 : 1;
  }
  return 0;
}

/** a -= b, which is not above it. */
function subtract(a: usize, b: usize): void {
  let borrow: i64 = 0;
  let count = load<u32>(a);
  for (let i: u32 = 0; i < count; i++) {
    const taken: i64 = i < load<u32>(b) ? <i64>load<u32>(b + 4 + i * 4) : 0;
    const difference = <i64>load<u32>(a + 4 + i * 4) - taken + borrow;
    store<u32>(a + 4 + i * 4, <u32>difference);
    borrow = difference >> 32;
  }
  while (count > 0 && load<u32>(a + count * 4) == 0) count--;
  store<u32>(a, count);
}

/** Shifts num or den so that 1 ≤ num/den < 2; returns t with the true quotient = num/den · 2^t. */
function align(): i32 {
  let t = bitsOf(num) - bitsOf(den);
  if (t > 0) shiftLeft(den, t);
  else shiftLeft(num, -t);
  if (compare(num, den) >= 0) return t;
  shiftLeft(num, 1);
  return t - 1;
}

/** The first `bits` bits of the aligned quotient; twice the rest stays in num. */
function divide(bits: i32): u64 {
  let quotient: u64 = 0;
  for (let i = 0; i < bits; i++) {
    quotient <<= 1;
    if (compare(num, den) >= 0) {
      subtract(num, den);
      quotient |= 1;
    }
    shiftLeft(num, 1);
  }
  return quotient;
}

// ---- reading ------------------------------------------------------------------------------------

/** Behind the number that parseDecimal() read. */
export let parsedEnd: usize = 0;

function isDigit(byte: u8): bool {
  return <u32>byte - 48 <= 9;
}

/** The powers of ten that are exact as f64: 10^0 … 10^22. */
function exactTens(tens: u32): f64 {
  let power: f64 = 1;
  for (; tens > 0; tens--) power *= 10;
  return power;
}

let digitCount: u32 = 0;
let tens: i32 = 0;
let short: u64 = 0;

/** Digits at `at`, those behind the point count down `tens`; into `short` up to 19 of them, into num all. */
function readDigits(at: usize, end: usize): usize {
  let isBehind = false;
  let seen = 0;
  let from = at;
  digitCount = 0;
  tens = 0;
  short = 0;
  set(num, 0);
  for (; at < end; at++) {
    const byte = load<u8>(at);
    if (byte == 46 && !isBehind) {
      isBehind = true;
      continue;
    }
    if (!isDigit(byte)) break;
    seen++;
    if (isBehind) tens--;
    if (digitCount == 0 && byte == 48) continue;
    digitCount++;
    if (digitCount > DIGITS_MAX) continue;
    if (digitCount <= 19) short = short * 10 + (byte - 48);
    else {
      if (digitCount == 20) set(num, short);
      multiply(num, 10, byte - 48);
    }
  }
  if (digitCount <= 19) set(num, short);
  return seen == 0 ? from : at;
}

/** "e-5" at `at`, added to `tens`; where there is none nothing happens. */
function readExponent(at: usize, end: usize): usize {
  if (at >= end || (load<u8>(at) | 32) != 101) return at;
  let digit = at + 1;
  const sign: u8 = digit < end ? load<u8>(digit) : 0;
  if (sign == 43 || sign == 45) digit++;
  const first = digit;
  let value = 0;
  for (; digit < end && isDigit(load<u8>(digit)); digit++)
    value = min<i32>(value * 10 + (load<u8>(digit) - 48), 100_000);
  if (digit == first) return at;
  tens += sign == 45 ? -value : value;
  return digit;
}

/** num · 10^tens as the nearest f64; Infinity above the largest. */
function nearest(): f64 {
  const size = tens + <i32>min<u32>(digitCount, DIGITS_MAX);
  if (load<u32>(num) == 0 || size < -330) return 0;
  if (size > 310) return Infinity;
  set(den, 1);
  if (tens > 0) multiplyByTens(num, tens);
  else multiplyByTens(den, -tens);
  const t = align();
  const quotient = divide(64);
  const isInexact = load<u32>(num) != 0;
  // Below 2^-1022 there are fewer bits.
  const drop = 11 + max<i32>(0, -1022 - t);
  if (drop > 64) return 0;
  let kept: u64 = drop == 64 ? 0 : quotient >> drop;
  const half = <u64>1 << (drop - 1);
  const rest = drop == 64 ? quotient : quotient & ((<u64>1 << drop) - 1);
  if (rest > half || (rest == half && (isInexact || (kept & 1) != 0))) kept++;
  const bits: u64 = t < -1022 ? kept : (<u64>(t + 1022) << 52) + kept;
  return t > 1023 || bits >= 0x7ff0_0000_0000_0000 ? Infinity : reinterpret<f64>(bits);
}

/**
 * The number that begins at `at`: sign, digits with or without a point, exponent. NaN = there is none, or it is no
 * finite f64, or it has more than 64 digits; parsedEnd is `at` then.
 */
export function parseDecimal(at: usize, end: usize): f64 {
  parsedEnd = at;
  const sign: u8 = at < end ? load<u8>(at) : 0;
  const first = sign == 43 || sign == 45 ? at + 1 : at;
  let last = readDigits(first, end);
  if (last == first || digitCount > DIGITS_MAX) return NaN;
  last = readExponent(last, end);
  const isShort = digitCount <= 19 && short <= (<u64>1 << 53) && tens >= -22 && tens <= 22;
  const size: f64 = !isShort ? nearest()
    : tens < 0 ? <f64>short / exactTens(-tens) : <f64>short * exactTens(tens);
  if (size == Infinity) return NaN;
  parsedEnd = last;
  return sign == 45 ? -size : size;
}

/** Arg `index` as a number; `missing` when there is none. */
export function argDecimal(index: u32, missing: f64): f64 {
  const at = argText(index);
  if (at == 0) return missing;
  const end = at + argLength(index);
  const value = parseDecimal(at, end);
  if (value != value || parsedEnd != end) fail("an argument is not a number");
  return value;
}

// ---- writing ------------------------------------------------------------------------------------

let mantissa: u64 = 0;
let power: i32 = 0;
/** Decimal exponent of the first digit. */
let first10: i32 = 0;

/** `count` digits of mantissa · 2^power, rounded to nearest; first10 = where the first of them stands. */
function digitsOf(count: i32): u64 {
  const limit = <u64>exactTens(count);
  const bits = power + 63 - <i32>clz<u64>(mantissa);
  // 78913 / 2^18 = log10(2): the exponent, or one less.
  first10 = (bits * 78_913) >> 18;
  for (;;) {
    const scale = first10 - count + 1;
    set(num, mantissa);
    set(den, 1);
    if (power > 0) shiftLeft(num, power);
    else shiftLeft(den, -power);
    if (scale > 0) multiplyByTens(den, scale);
    else multiplyByTens(num, -scale);
    let digits = divide(align() + 1);
    const order = compare(num, den);
    if (order > 0 || (order == 0 && (digits & 1) != 0)) digits++;
    if (digits < limit) return digits;
    first10++;
  }
  return 0;
}

const digitText: usize = memory.data(24);

/** As JavaScript does it: 0.000001 and 1e-7, 100000000000000000000 and 1e+21. `count` digits are in digitText. */
function layOut(at: usize, count: i32): u32 {
  const from = at;
  const whole = first10 + 1;
  const isPlain = whole > -6 && whole <= 21;
  if (isPlain && whole <= 0) {
    store<u8>(at++, 48);
    store<u8>(at++, 46);
    for (let i = whole; i < 0; i++) store<u8>(at++, 48);
  }
  const point = isPlain ? whole : 1;
  for (let i = 0; i < count; i++) {
    if (i == point && i > 0) store<u8>(at++, 46);
    store<u8>(at++, load<u8>(digitText + i));
  }
  if (isPlain) for (let i = count; i < whole; i++) store<u8>(at++, 48);
  else {
    store<u8>(at++, 101);
    store<u8>(at++, first10 < 0 ? 45 : 43);
    const size = <u32>abs<i32>(first10);
    if (size >= 100) store<u8>(at++, <u8>(48 + size / 100));
    if (size >= 10) store<u8>(at++, <u8>(48 + (size / 10) % 10));
    store<u8>(at++, <u8>(48 + size % 10));
  }
  return <u32>(at - from);
}

/** Writes `value` at `at`, so that it reads back as the same bits; returns how many bytes: 32 at most. */
export function putDecimal(at: usize, value: f64): u32 {
  const bits = reinterpret<u64>(value);
  const exponent = <i32>(bits >> 52) & 0x7ff;
  if (exponent == 0x7ff) fail("a result is not finite");
  const from = at;
  if (bits >> 63 != 0) store<u8>(at++, 45);
  if (bits << 1 == 0) {
    store<u8>(at++, 48);
    return <u32>(at - from);
  }
  const fraction = bits & 0x000f_ffff_ffff_ffff;
  const size = reinterpret<f64>(bits & 0x7fff_ffff_ffff_ffff);
  for (let count = 15; count <= 17; count++) {
    mantissa = exponent == 0 ? fraction : fraction | 0x0010_0000_0000_0000;
    power = max<i32>(exponent, 1) - 1075;
    let digits = digitsOf(count);
    for (let i = count - 1; i >= 0; i--) {
      store<u8>(digitText + i, <u8>(48 + digits % 10));
      digits /= 10;
    }
    let shown = count;
    while (shown > 1 && load<u8>(digitText + shown - 1) == 48) shown--;
    const length = layOut(at, shown);
    if (count == 17 || parseDecimal(at, at + length) == size) return <u32>(at - from) + length;
  }
  return 0;
}
