// The few WASI preview 1 calls that a built-in app needs: input on stdin, output on stdout, parameters
// as args. Memory comes from the bump allocator of AssemblyScript's stub runtime and is never given
// back: an instance lives for one workunit.

@external("wasi_snapshot_preview1", "fd_read")
declare function fd_read(fd: u32, iovecs: usize, iovecsLength: u32, count: usize): u32;
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: u32, iovecs: usize, iovecsLength: u32, count: usize): u32;
@external("wasi_snapshot_preview1", "fd_sync")
declare function fd_sync(fd: u32): u32;
@external("wasi_snapshot_preview1", "args_sizes_get")
declare function args_sizes_get(count: usize, size: usize): u32;
@external("wasi_snapshot_preview1", "args_get")
declare function args_get(pointers: usize, bytes: usize): u32;
@external("wasi_snapshot_preview1", "proc_exit")
declare function proc_exit(code: u32): void;

// One iovec {at u32, length u32} and the count that a call gives back.
const iovec: usize = memory.data(16);

/** Reads up to `length` bytes of stdin; 0 = it is at its end. */
export function read(at: usize, length: u32): u32 {
  store<u32>(iovec, <u32>at);
  store<u32>(iovec, length, 4);
  if (fd_read(0, iovec, 1, iovec + 8) != 0) fail("stdin cannot be read");
  return load<u32>(iovec, 8);
}

/** Descriptor of what all workunits of a round can read: the result of the round before. */
export const SHARED: u32 = 4;

/** Reads up to `length` bytes of stdin (0) or SHARED; 0 = it is at its end. A SHARED that is not there is empty. */
export function readFrom(fd: u32, at: usize, length: u32): u32 {
  store<u32>(iovec, <u32>at);
  store<u32>(iovec, length, 4);
  if (fd_read(fd, iovec, 1, iovec + 8) == 0) return load<u32>(iovec, 8);
  if (fd != SHARED) fail("stdin cannot be read");
  return 0;
}

/** Descriptor of what is saved of a workunit that is not done. */
const STATE: u32 = 3;

/** Reads `length` bytes of what an earlier run saved; false = there is nothing, or it is shorter. */
export function readState(at: usize, length: u32): bool {
  while (length > 0) {
    store<u32>(iovec, <u32>at);
    store<u32>(iovec, length, 4);
    if (fd_read(STATE, iovec, 1, iovec + 8) != 0) return false;
    const count = load<u32>(iovec, 8);
    if (count == 0) return false;
    at += count;
    length -= count;
  }
  return true;
}

/** Saves it as a whole in place of what was saved before; the first two bytes are the progress, 0 … 1000. */
export function saveState(at: usize, length: u32): void {
  if (writeTo(STATE, at, length)) fd_sync(STATE);
}

function writeTo(fd: u32, at: usize, length: u32): bool {
  while (length > 0) {
    store<u32>(iovec, <u32>at);
    store<u32>(iovec, length, 4);
    if (fd_write(fd, iovec, 1, iovec + 8) != 0) return false;
    const written = load<u32>(iovec, 8);
    at += written;
    length -= written;
  }
  return true;
}

/** Writes all of it to stdout. */
export function write(at: usize, length: u32): void {
  if (!writeTo(1, at, length)) fail("stdout cannot be written");
}

/** Where readAll() put the input, and its length in bytes. */
export let inputAt: usize = 0;
export let inputLength: u32 = 0;

/** Reads stdin to its end. Call it before other allocations: then the buffer grows in its place. */
export function readAll(): void {
  let room: u32 = 32 * 1024;
  inputAt = heap.alloc(room);
  for (;;) {
    const count = read(inputAt + inputLength, room - inputLength);
    if (count == 0) return;
    inputLength += count;
    if (inputLength == room) {
      room *= 2;
      inputAt = heap.realloc(inputAt, room);
    }
  }
}

let argCount: u32 = 0;
let argPointers: usize = 0;

/** How many args there are; args 1 … argsLength()-1 are the batch's own, 0 is the name of the app. */
export function argsLength(): u32 {
  if (argPointers == 0) {
    args_sizes_get(iovec, iovec + 4);
    argCount = load<u32>(iovec);
    argPointers = heap.alloc(argCount * 4 + load<u32>(iovec, 4) + 4);
    args_get(argPointers, argPointers + argCount * 4);
  }
  return argCount;
}

/** Arg `index` as a decimal number; `missing` when there is none. */
export function argNumber(index: u32, missing: u64): u64 {
  if (index >= argsLength()) return missing;
  parseAt = load<u32>(argPointers + index * 4);
  const value = parseNumber();
  if (load<u8>(parseAt) != 0) fail("an argument is not a decimal number");
  return value;
}

/** Where arg `index` stands, with a zero behind it; 0 when there is none. */
export function argText(index: u32): usize {
  return index < argsLength() ? load<u32>(argPointers + index * 4) : 0;
}

/** Its length in bytes. */
export function argLength(index: u32): u32 {
  const text = argText(index);
  let length: u32 = 0;
  if (text != 0) while (load<u8>(text + length) != 0) length++;
  return length;
}

/** Whether arg `index` is this ASCII text. */
export function argIs(index: u32, text: string): bool {
  if (argLength(index) != text.length) return false;
  const at = argText(index);
  for (let i = 0; i < text.length; i++)
    if (load<u8>(at + i) != <u8>text.charCodeAt(i)) return false;
  return true;
}

let parseAt: usize = 0;

/** A decimal number at parseAt, which moves behind it. At most 15 digits: exact as a float, too. */
function parseNumber(): u64 {
  let value: u64 = 0;
  let digits = 0;
  for (;;) {
    const digit = <u32>load<u8>(parseAt) - 48;
    if (digit > 9) break;
    value = value * 10 + digit;
    digits++;
    parseAt++;
  }
  if (digits == 0 || digits > 15) fail("not a decimal number of 1 to 15 digits");
  return value;
}

/** The range that readRange() read: start ≤ n < end. */
export let rangeStart: u64 = 0;
export let rangeEnd: u64 = 0;

/** Reads "start end\n" from stdin; the last line break may be missing. */
export function readRange(): void {
  const text = memory.data(64);
  let length: u32 = 0;
  for (;;) {
    const count = read(text + length, 63 - length);
    if (count == 0) break;
    length += count;
    if (length >= 63) fail("the input is longer than a range");
  }
  store<u8>(text + length, 0);
  parseAt = text;
  rangeStart = parseNumber();
  if (load<u8>(parseAt++) != 32) fail("the input is not \"start end\"");
  rangeEnd = parseNumber();
  if (load<u8>(parseAt) == 10) parseAt++;
  if (parseAt != text + length) fail("the input is not \"start end\"");
  if (rangeEnd < rangeStart) fail("the range ends before it starts");
}

/** Writes `value` as decimal digits at `at`; returns how many. Room for 20 is needed. */
export function putNumber(at: usize, value: u64): u32 {
  let digits: u32 = 1;
  for (let rest = value; rest >= 10; rest /= 10) digits++;
  for (let i = digits; i > 0; i--) {
    store<u8>(at + i - 1, <u8>(48 + (value % 10)));
    value /= 10;
  }
  return digits;
}

/** Says why on stderr and ends with exit code 2: the input is not what the app takes. */
export function fail(reason: string): void {
  const length = String.UTF8.byteLength(reason);
  const at = heap.alloc(length + 1);
  String.UTF8.encodeUnsafe(changetype<usize>(reason), reason.length, at);
  store<u8>(at + length, 10);
  writeTo(2, at, length + 1);
  proc_exit(2);
  unreachable();
}

/** Takes the place of AssemblyScript's own abort, which would be an import from outside WASI. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  unreachable();
}
