// The calls of WASI that an app needs: input on stdin, output on stdout, and a way to say that the input is no good.

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_read")
declare function fd_read(fd: u32, iovecs: usize, iovecsLength: u32, count: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: u32, iovecs: usize, iovecsLength: u32, count: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "proc_exit")
declare function proc_exit(code: u32): void;

// One iovec {at u32, length u32}, and the count that a call gives back.
const iovec: usize = memory.data(16);

/** All of stdin. */
export function input(): string {
  let room = 4096;
  let length = 0;
  let at = heap.alloc(room);
  let count: u32 = 1;
  while (count > 0) {
    if (length == room) at = heap.realloc(at, (room *= 2));
    store<u32>(iovec, <u32>(at + length));
    store<u32>(iovec, room - length, 4);
    if (fd_read(0, iovec, 1, iovec + 8) != 0) fail('stdin cannot be read');
    count = load<u32>(iovec, 8);
    length += count;
  }
  return String.UTF8.decodeUnsafe(at, length);
}

/** To stdout: the output of the workunit. */
export function print(text: string): void {
  write(1, text);
}

/** Ends the run: it has failed, and the reason is shown. */
export function fail(reason: string): void {
  write(2, reason + '\n');
  proc_exit(1);
}

function write(fd: u32, text: string): void {
  const bytes = String.UTF8.encode(text);
  let at = changetype<usize>(bytes);
  let length = <u32>bytes.byteLength;
  while (length > 0) {
    store<u32>(iovec, <u32>at);
    store<u32>(iovec, length, 4);
    if (fd_write(fd, iovec, 1, iovec + 8) != 0) unreachable();
    at += load<u32>(iovec, 8);
    length -= load<u32>(iovec, 8);
  }
}

/** In place of AssemblyScript's own, which nodes do not have. */
export function abort(message: string | null, _file: string | null, _line: u32, _column: u32): void {
  fail(message === null ? 'aborted' : message);
}
