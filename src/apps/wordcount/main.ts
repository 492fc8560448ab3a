// stdin = a text in UTF-8 → stdout one line for each different word, "word<TAB>count", sorted by the
// bytes of the word.
//
// A word is a longest run of ASCII letters, ASCII digits, apostrophes (U+0027, and U+2019, which counts
// as U+0027) and characters from U+00AA on that are no punctuation, space or symbol by the table below.
// Apostrophes at its ends do not belong to it. ASCII letters are made lower case, others are left as
// they are: no tables, the same answer everywhere. At most 64 bytes of a word count; the rest is cut at
// a character. Bytes that are no UTF-8 separate words.
//
// With the argument `reduce` stdin is such tables one after the other, and stdout the table of their sums.

import {argIs, fail, inputAt, inputLength, putNumber, readAll, write} from "../lib/wasi";

const WORD_BYTES_MAX: u32 = 64;
const OUTPUT_BYTES_MAX: u32 = 16 * 1024 * 1024;
const APOSTROPHE: u32 = 0x27;

// A word is stored as {next u32, hash u32, count u32, length u32, bytes …}.
const HEAD_BYTES: u32 = 16;
let wordCount: u32 = 0;
let outputBytes: u32 = 0;

let bucketCount: u32 = 16 * 1024;
let buckets: usize = 0;

const word: usize = memory.data(64);

/** Of the character that nextChar() read: its code point, 0xffffffff for a bad byte. */
let code: u32 = 0;

/** Reads the character at `at`; returns how many bytes it has. Strict: no overlong forms, no surrogates. */
function nextChar(at: usize, end: usize): u32 {
  const first = <u32>load<u8>(at);
  if (first < 0x80) {
    code = first;
    return 1;
  }
  const size: u32 = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  code = 0xffff_ffff;
  if (first < 0xc2 || first > 0xf4 || at + size > end) return 1;
  let value = first & (0xff >> (size + 1));
  for (let i: u32 = 1; i < size; i++) {
    const byte = <u32>load<u8>(at + i);
    if ((byte & 0xc0) != 0x80) return 1;
    value = (value << 6) | (byte & 0x3f);
  }
  const isLong = size == 2 || (size == 3 ? value >= 0x800 : value >= 0x10000);
  if (!isLong || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return 1;
  code = value;
  return size;
}

/** Characters above ASCII that end a word. */
function separates(c: u32): bool {
  if (c < 0xc0) return c != 0xaa && c != 0xb5 && c != 0xba;
  if (c == 0xd7 || c == 0xf7) return true;
  if (c < 0x2000) return c == 0x37e || c == 0x387 || c == 0x589 || c == 0x5be || c == 0x60c ||
    c == 0x61b || c == 0x61f || c == 0x6d4 || c == 0x964 || c == 0x965 || c == 0x1680;
  // General punctuation … supplemental punctuation: arrows, mathematics, boxes, dingbats.
  if (c < 0x2c00) return true;
  if (c >= 0x2e00 && c <= 0x2e7f) return true;
  if (c >= 0x3000 && c <= 0x3004) return true;
  if (c >= 0x3007 && c <= 0x3030) return c != 0x3007;
  if (c == 0x30fb) return true;
  // Compatibility forms, full-width punctuation, specials.
  if (c >= 0xfe10 && c <= 0xfe6f) return true;
  if (c >= 0xff00 && c <= 0xff0f) return true;
  if (c >= 0xff1a && c <= 0xff20) return true;
  if (c >= 0xff3b && c <= 0xff40) return true;
  if (c >= 0xff5b && c <= 0xff65) return true;
  if (c >= 0xffe0 && c <= 0xffff) return true;
  if (c >= 0xe000 && c <= 0xf8ff) return true;
  // Emoji and other pictures.
  return c >= 0x1f000 && c <= 0x1faff;
}

/** What the character adds to a word: itself or its ASCII lower case; 0 = it ends one. */
function letterOf(c: u32): u32 {
  if (c < 0x80) {
    if (c >= 0x61 && c <= 0x7a) return c;
    if (c >= 0x41 && c <= 0x5a) return c + 32;
    if ((c >= 0x30 && c <= 0x39) || c == APOSTROPHE) return c;
    return 0;
  }
  if (c == 0x2019) return APOSTROPHE;
  return c == 0xffff_ffff || separates(c) ? 0 : c;
}

function sameBytes(a: usize, b: usize, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) if (load<u8>(a + i) != load<u8>(b + i)) return false;
  return true;
}

// Every word in the order it was found; later sorted.
let order: usize = 0;
let orderRoom: u32 = 0;

function growBuckets(): void {
  bucketCount *= 4;
  buckets = heap.alloc(bucketCount * 4);
  memory.fill(buckets, 0, bucketCount * 4);
  for (let i: u32 = 0; i < wordCount; i++) {
    const entry: usize = load<u32>(order + i * 4);
    const bucket = buckets + (load<u32>(entry, 4) & (bucketCount - 1)) * 4;
    store<u32>(entry, load<u32>(bucket));
    store<u32>(bucket, <u32>entry);
  }
}

function addWord(hash: u32, length: u32, times: u32): void {
  outputBytes += length + 12;
  if (outputBytes > OUTPUT_BYTES_MAX) fail("too many different words");
  if (wordCount == orderRoom) {
    orderRoom = max<u32>(16 * 1024, orderRoom * 2);
    const grown = heap.alloc(orderRoom * 4);
    memory.copy(grown, order, wordCount * 4);
    order = grown;
  }
  const entry = heap.alloc(HEAD_BYTES + length);
  const bucket = buckets + (hash & (bucketCount - 1)) * 4;
  store<u32>(entry, load<u32>(bucket));
  store<u32>(entry, hash, 4);
  store<u32>(entry, times, 8);
  store<u32>(entry, length, 12);
  memory.copy(entry + HEAD_BYTES, word, length);
  store<u32>(bucket, <u32>entry);
  store<u32>(order + wordCount * 4, <u32>entry);
  wordCount++;
  if (wordCount > bucketCount) growBuckets();
}

/** Counts the word in `word` once. */
function count(length: u32): void {
  while (length > 0 && load<u8>(word + length - 1) == APOSTROPHE) length--;
  if (length > 0) add(length, 1);
}

/** Counts the word in `word` so many times more. */
function add(length: u32, times: u32): void {
  let hash: u32 = 0x811c9dc5;
  for (let i: u32 = 0; i < length; i++) hash = (hash ^ load<u8>(word + i)) * 0x01000193;
  hash ^= hash >> 15;
  let entry: usize = load<u32>(buckets + (hash & (bucketCount - 1)) * 4);
  while (entry != 0) {
    const isSame = load<u32>(entry, 4) == hash && load<u32>(entry, 12) == length;
    if (isSame && sameBytes(entry + HEAD_BYTES, word, length)) {
      const sum = <u64>load<u32>(entry, 8) + times;
      if (sum > u32.MAX_VALUE) fail("a word comes more than 4,294,967,295 times");
      store<u32>(entry, <u32>sum, 8);
      return;
    }
    entry = load<u32>(entry);
  }
  addWord(hash, length, times);
}

/** Reads lines as writeWords() writes them. */
function addTables(): void {
  const end = inputAt + inputLength;
  let at = inputAt;
  while (at < end) {
    let length: u32 = 0;
    while (at < end && load<u8>(at) != 9 && load<u8>(at) != 10 && length < WORD_BYTES_MAX)
      store<u8>(word + length++, load<u8>(at++));
    let times: u64 = 0;
    let digits: u32 = 0;
    if (at < end && load<u8>(at) == 9)
      for (at++; at < end && load<u8>(at) >= 0x30 && load<u8>(at) <= 0x39 && digits < 10; digits++)
        times = times * 10 + (load<u8>(at++) - 0x30);
    const isLine = length > 0 && digits > 0 && at < end && load<u8>(at) == 10;
    if (!isLine || times > u32.MAX_VALUE) fail("reduce wants lines of a word, a tab and a count");
    at++;
    add(length, <u32>times);
  }
}

function countAll(): void {
  const end = inputAt + inputLength;
  let length: u32 = 0;
  let isCut = false;
  let at = inputAt;
  while (at < end) {
    const size = nextChar(at, end);
    const letter = letterOf(code);
    if (letter == 0) {
      count(length);
      length = 0;
      isCut = false;
    } else if (letter != APOSTROPHE || length > 0) {
      const bytes: u32 = letter < 0x80 ? 1 : size;
      isCut = isCut || length + bytes > WORD_BYTES_MAX;
      if (!isCut) {
        if (bytes == 1) store<u8>(word + length, <u8>letter);
        else memory.copy(word + length, at, size);
        length += bytes;
      }
    }
    at += size;
  }
  count(length);
}

/** Whether word `a` comes before word `b` or is it. */
function isOrdered(a: usize, b: usize): bool {
  const lengthA = load<u32>(a, 12);
  const lengthB = load<u32>(b, 12);
  const length = min<u32>(lengthA, lengthB);
  for (let i: u32 = 0; i < length; i++) {
    const difference = <i32>load<u8>(a + HEAD_BYTES + i) - <i32>load<u8>(b + HEAD_BYTES + i);
    if (difference != 0) return difference < 0;
  }
  return lengthA <= lengthB;
}

function merge(from: usize, to: usize, start: u32, middle: u32, end: u32): void {
  let a = start;
  let b = middle;
  for (let i = start; i < end; i++) {
    const isA = b >= end || (a < middle && isOrdered(load<u32>(from + a * 4), load<u32>(from + b * 4)));
    store<u32>(to + i * 4, load<u32>(from + (isA ? a++ : b++) * 4));
  }
}

function sortWords(): void {
  let from = order;
  let to = heap.alloc(wordCount * 4 + 4);
  for (let width: u32 = 1; width < wordCount; width *= 2) {
    for (let start: u32 = 0; start < wordCount; start += 2 * width) {
      const middle = min<u32>(start + width, wordCount);
      merge(from, to, start, middle, min<u32>(start + 2 * width, wordCount));
    }
    const swap = from;
    from = to;
    to = swap;
  }
  order = from;
}

function writeWords(): void {
  const text = heap.alloc(outputBytes + wordCount * 8 + 32);
  let at = text;
  for (let i: u32 = 0; i < wordCount; i++) {
    const entry: usize = load<u32>(order + i * 4);
    const length = load<u32>(entry, 12);
    memory.copy(at, entry + HEAD_BYTES, length);
    at += length;
    store<u8>(at++, 9);
    at += putNumber(at, load<u32>(entry, 8));
    store<u8>(at++, 10);
  }
  write(text, <u32>(at - text));
}

export function _start(): void {
  readAll();
  buckets = heap.alloc(bucketCount * 4);
  memory.fill(buckets, 0, bucketCount * 4);
  if (argIs(1, "reduce")) addTables();
  else countAll();
  sortWords();
  writeWords();
}
