// Input: a number, 1 to 1000000. Output: how many steps it takes to 1, and the highest number on the way.

import {fail, input, print} from './wasi';

export function _start(): void {
  const text = input().trimEnd();
  const start = U64.parseInt(text);
  if (start < 1 || start > 1000000 || start.toString() != text) fail('not a number, 1 to 1000000');
  let steps: u64 = 0;
  let highest = start;
  for (let n = start; n != 1; steps++) {
    n = n % 2 == 0 ? n / 2 : 3 * n + 1;
    if (n > highest) highest = n;
  }
  print(`{"start":${start},"steps":${steps},"highest":${highest}}\n`);
}
