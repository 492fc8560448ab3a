// The lines of a descriptor, one after the other. Line breaks are \n or \r\n; the last may be missing. A byte order
// mark at the beginning is not part of the first line. One descriptor is read to its end before another is opened.

import {fail, readFrom} from "./wasi";

const ROOM: u32 = 64 * 1024;
const buffer: usize = memory.data(64 * 1024);
let from: u32 = 0;
let until: u32 = 0;
let source: u32 = 0;
let isAtEnd = true;

/** The line: lineAt ≤ byte < lineEnd; the first has number 1. Good until the next one. */
export let lineAt: usize = 0;
export let lineEnd: usize = 0;
export let lineNumber: u32 = 0;

export function openLines(fd: u32): void {
  source = fd;
  from = until = lineNumber = 0;
  isAtEnd = false;
}

/** Whether there was a line more. */
export function nextLine(): bool {
  let look = from;
  for (;;) {
    while (look < until && load<u8>(buffer + look) != 10) look++;
    if (look < until) {
      take(look, look + 1);
      return true;
    }
    if (isAtEnd) break;
    look -= from;
    memory.copy(buffer, buffer + from, until - from);
    until -= from;
    from = 0;
    if (until == ROOM) failAtLine("longer than 65535 bytes", lineNumber + 1);
    const count = readFrom(source, buffer + until, ROOM - until);
    isAtEnd = count == 0;
    until += count;
  }
  if (from == until) return false;
  take(until, until);
  return true;
}

function take(end: u32, next: u32): void {
  lineAt = buffer + from;
  lineEnd = buffer + end;
  from = next;
  lineNumber++;
  if (lineEnd > lineAt && load<u8>(lineEnd - 1) == 13) lineEnd--;
  if (lineNumber != 1 || lineEnd - lineAt < 3) return;
  if (load<u16>(lineAt) == 0xbbef && load<u8>(lineAt, 2) == 0xbf) lineAt += 3;
}

/** Ends with "line 7: reason". */
export function failAtLine(reason: string, line: u32 = lineNumber): void {
  fail("line " + line.toString() + ": " + reason);
}
