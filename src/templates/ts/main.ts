// Input: a number, 1 to 1000000. Output: how many steps it takes to 1, and the highest number on the way.

type Input = {text(): string; json(): unknown; bytes(): Uint8Array};

export function run(input: Input): object {
  const start = input.json();
  if (typeof start !== 'number' || !Number.isInteger(start) || start < 1 || start > 1_000_000)
    throw new Error('not a number, 1 to 1000000');
  let n = start;
  let steps = 0;
  let highest = start;
  while (n !== 1) {
    n = n % 2 === 0 ? n / 2 : 3 * n + 1;
    highest = Math.max(highest, n);
    steps += 1;
  }
  return {start, steps, highest};
}
