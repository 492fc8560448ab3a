// stdout = stdin.

import {read, write} from "../lib/wasi";

const BUFFER_BYTES: u32 = 16 * 1024;
const buffer: usize = memory.data(16 * 1024);

export function _start(): void {
  for (;;) {
    const count = read(buffer, BUFFER_BYTES);
    if (count == 0) return;
    write(buffer, count);
  }
}
