import test from 'ava';
import {type AppRig, openApp} from './app-rig.ts';

let app: AppRig;
test.before(async () => {
  app = await openApp('primes');
});
test.after.always(() => app.close());

const count = async (start: number, end: number): Promise<string> =>
  String(await app.run(`${start} ${end}\n`));

// Values of the prime counting function: https://oeis.org/A006880
const PI: readonly [number, number][] = [
  [10, 4],
  [100, 25],
  [1e3, 168],
  [1e4, 1_229],
  [1e5, 9_592],
  [1e6, 78_498],
  [1e7, 664_579],
  [1e8, 5_761_455],
];
for (const [limit, expected] of PI) {
  test.serial(`there are ${expected} primes below ${limit}`, async t => {
    t.is(await count(0, limit), `${expected}\n`);
  });
}

test.serial('chunks add up to the whole', async t => {
  let total = 0;
  for (let start = 0; start < 1e6; start += 100_000)
    total += Number(await count(start, start + 100_000));
  t.is(total, 78_498);
});

function isPrime(n: number): boolean {
  if (n < 2 || (n > 2 && n % 2 === 0)) return false;
  for (let p = 3; p * p <= n; p += 2) if (n % p === 0) return false;
  return true;
}
function naive(start: number, end: number): number {
  let found = 0;
  for (let n = start; n < end; n++) if (isPrime(n)) found += 1;
  return found;
}

test.serial('all small ranges agree with trial division', async t => {
  for (let start = 0; start < 30; start++)
    for (let end = start; end < 32; end++)
      t.is(await count(start, end), `${naive(start, end)}\n`, `${start} … ${end}`);
});

test.serial('ranges near a million millions agree with trial division', async t => {
  for (const start of [1e12 - 200, 999_999_000_000, 997_002_999 * 1_000, 1e12 - 1])
    t.is(
      await count(start, Math.min(start + 200, 1e12)),
      `${naive(start, Math.min(start + 200, 1e12))}\n`,
    );
});

test.serial('a square of a large prime is no prime', async t => {
  const square = 999_983 ** 2;
  t.is(await count(square, square + 1), '0\n');
});

test.serial('what is no range below the limit is refused with a reason', async t => {
  for (const [input, reason] of [
    ['', /decimal number/],
    ['1\n', /start end/],
    ['1 2 3\n', /start end/],
    ['-1 5\n', /decimal number/],
    ['5 1\n', /ends before/],
    ['0 1000000000001\n', /1000000000000/],
    ['0 99999999999999999999\n', /15 digits/],
    [`0 ${' '.repeat(99)}5\n`, /longer than a range/],
  ] as const)
    t.regex(String(await t.throwsAsync(app.run(input))), reason, input);
});
