// Text for stdout, gathered so that it is written in few calls.

import {putDecimal} from "./decimal";
import {putNumber, write} from "./wasi";

const ROOM: u32 = 16 * 1024;
const buffer: usize = memory.data(16 * 1024);
let length: u32 = 0;

/** Writes what was gathered. Call it at the end. */
export function flush(): void {
  write(buffer, length);
  length = 0;
}

function makeRoom(bytes: u32): usize {
  if (length + bytes > ROOM) flush();
  return buffer + length;
}

export function byte(value: u8): void {
  store<u8>(makeRoom(1), value);
  length++;
}

/** ASCII alone. */
export function ascii(text: string): void {
  for (let i = 0; i < text.length; i++) byte(<u8>text.charCodeAt(i));
}

export function whole(value: u64): void {
  const at = makeRoom(20);
  length += putNumber(at, value);
}

/** With as many digits as it takes to read back the same bits. */
export function decimal(value: f64): void {
  const at = makeRoom(32);
  length += putDecimal(at, value);
}
