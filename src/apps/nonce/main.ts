// stdin "start end\n" (decimal, start ≤ n < end ≤ 2^32), args: the first 76 bytes of a block header as 152 hex
// digits, and how many zero bits its hash shall begin with (0 … 255) → stdout the smallest nonce of the range
// whose header has such a hash, and the hash as it is written, "nonce hash\n"; or nothing.
//
// The header is hashed twice with SHA-256, as Bitcoin's are: the nonce is its last four bytes, little-endian,
// and the hash is written from its last byte to its first. The first 64 bytes are the same for all nonces and
// are hashed once.

import {
  argLength, argNumber, argText, fail, putNumber, rangeEnd, rangeStart, readRange, write,
} from "../lib/wasi";
import {begin, compress} from "./sha256";

const LIMIT: u64 = 0x1_0000_0000;
const HEADER_BYTES: u32 = 76;

const header: usize = memory.data(80);
/** After the first 64 bytes of the header. */
const middle: usize = memory.data(32);
const state: usize = memory.data(32);
const block: usize = memory.data(64);
/** The second hash is of one block: 32 bytes and their padding. */
const last: usize = memory.data(64);
const out: usize = memory.data(128);

function digitOf(letter: u32): u32 {
  if (letter >= 48 && letter <= 57) return letter - 48;
  if (letter >= 97 && letter <= 102) return letter - 87;
  if (letter >= 65 && letter <= 70) return letter - 55;
  fail("the header is not 152 hex digits");
  return 0;
}

function readHeader(): void {
  if (argLength(1) != 2 * HEADER_BYTES) fail("the header is not 152 hex digits");
  const text = argText(1);
  for (let i: u32 = 0; i < HEADER_BYTES; i++) {
    const high = digitOf(load<u8>(text + 2 * i));
    store<u8>(header + i, <u8>((high << 4) | digitOf(load<u8>(text + 2 * i + 1))));
  }
}

function prepare(): void {
  for (let i: usize = 0; i < 64; i += 4) store<u32>(block + i, bswap<u32>(load<u32>(header + i)));
  begin(middle);
  compress(middle, block);
  memory.fill(block, 0, 64);
  for (let i: usize = 0; i < 12; i += 4) store<u32>(block + i, bswap<u32>(load<u32>(header + 64 + i)));
  store<u32>(block, 0x80000000, 16);
  store<u32>(block, 8 * 80, 60);
  memory.fill(last, 0, 64);
  store<u32>(last, 0x80000000, 32);
  store<u32>(last, 8 * 32, 60);
}

/** The hash of the header with this nonce, in `state`. */
function hash(nonce: u32): void {
  store<u32>(block, bswap<u32>(nonce), 12);
  memory.copy(last, middle, 32);
  compress(last, block);
  begin(state);
  compress(state, last);
}

/** Zero bits that the hash begins with, as it is written: its last byte first. */
function zeroBits(): u32 {
  let bits: u32 = 0;
  for (let i: i32 = 28; i >= 0; i -= 4) {
    const word = bswap<u32>(load<u32>(state + i));
    bits += clz<u32>(word);
    if (word != 0) return bits;
  }
  return bits;
}

function putHash(at: usize): void {
  for (let i: u32 = 0; i < 32; i++) {
    const from = 31 - i;
    const byte = (load<u32>(state + (from & ~3)) >>> (8 * (3 - (from & 3)))) & 0xff;
    for (let half: u32 = 0; half < 2; half++) {
      const digit = half == 0 ? byte >>> 4 : byte & 15;
      store<u8>(at + 2 * i + half, <u8>(digit < 10 ? 48 + digit : 87 + digit));
    }
  }
}

export function _start(): void {
  readRange();
  if (rangeEnd > LIMIT) fail("the range must end at 4294967296 or below");
  readHeader();
  const wanted = <u32>argNumber(2, 256);
  if (wanted > 255) fail("the second argument is how many zero bits are wanted, 0 to 255");
  prepare();
  for (let nonce = rangeStart; nonce < rangeEnd; nonce++) {
    hash(<u32>nonce);
    // Nearly all end here: the last word of the state is the first one as it is written.
    if (wanted >= 32 && load<u32>(state, 28) != 0) continue;
    if (zeroBits() < wanted) continue;
    const digits = putNumber(out, nonce);
    store<u8>(out + digits, 32);
    putHash(out + digits + 1);
    store<u8>(out + digits + 65, 10);
    return write(out, digits + 66);
  }
}
