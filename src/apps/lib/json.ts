// A flat JSON object (RFC 8259) with numbers: {"span": 12.5, "alpha": -1e-1}. Names have no escapes; texts, lists and
// objects in it are refused.

import {parseDecimal, parsedEnd} from "./decimal";
import {failAtLine} from "./lines";

let at: usize = 0;
let end: usize = 0;
let isFirst = true;

/** The member that nextMember() read: nameAt ≤ byte < nameEnd, and its number. */
export let nameAt: usize = 0;
export let nameEnd: usize = 0;
export let memberValue: f64 = 0;

function peek(): u8 {
  while (at < end) {
    const byte = load<u8>(at);
    if (byte != 32 && byte != 9 && byte != 10 && byte != 13) return byte;
    at++;
  }
  return 0;
}

function take(byte: u8, reason: string): void {
  if (peek() != byte) failAtLine(reason);
  at++;
}

/** Begins with the object between these bytes, which has nothing but space around it. */
export function openObject(from: usize, to: usize): void {
  at = from;
  end = to;
  isFirst = true;
  take(0x7b, "no JSON object");
}

/** A number as JSON has it: no + before it, no needless 0, digits on both sides of a point. */
function readNumber(): f64 {
  peek();
  const value = parseDecimal(at, end);
  let digit = at;
  if (digit < end && load<u8>(digit) == 0x2d) digit++;
  const isZero = digit + 1 < end && load<u8>(digit) == 0x30 && <u32>load<u8>(digit + 1) - 48 <= 9;
  let isGood = value == value && !isZero && <u32>load<u8>(digit) - 48 <= 9;
  for (let i = digit; i < parsedEnd; i++)
    if (load<u8>(i) == 0x2e && (i + 1 == end || <u32>load<u8>(i + 1) - 48 > 9)) isGood = false;
  if (!isGood) failAtLine("not a number as JSON has it");
  at = parsedEnd;
  return value;
}

/** Whether there was a member more; after the last one the object has been closed. */
export function nextMember(): bool {
  if (peek() == 0x7d) {
    at++;
    if (peek() != 0 || at != end) failAtLine("more than one JSON object");
    return false;
  }
  if (!isFirst) take(0x2c, "no , between two members");
  isFirst = false;
  take(0x22, "no name in quotes");
  nameAt = at;
  while (at < end && load<u8>(at) != 0x22 && load<u8>(at) != 0x5c) at++;
  nameEnd = at;
  take(0x22, "no name in quotes");
  take(0x3a, "no : behind a name");
  memberValue = readNumber();
  return true;
}
