// Discrete Fourier transform of 2^n complex numbers: X[k] = Σ x[t] e^(-2πi kt/N). Radix 2, in place, the factors from a
// table (J. W. Cooley, J. W. Tukey, An algorithm for the machine calculation of complex Fourier series, Math. Comput.
// 19, 1965). Math.sin and Math.cos are compiled into the app: the same bits everywhere.

/** cos, sin of 2πk/N for k < N/2, as pairs of f64. */
let factors: usize = 0;
let size: u32 = 0;

/** Prepares for transforms of `count` numbers, a power of two. */
export function prepareFft(count: u32): void {
  size = count;
  factors = heap.alloc(max<u32>(1, count / 2) * 16);
  for (let k: u32 = 0; k < count / 2; k++) {
    const angle = (2 * Math.PI * <f64>k) / <f64>count;
    store<f64>(factors + k * 16, Math.cos(angle));
    store<f64>(factors + k * 16, Math.sin(angle), 8);
  }
}

/** Puts number i where i reversed, bit by bit, says. */
function reverse(at: usize): void {
  let other: u32 = 0;
  for (let i: u32 = 1; i < size; i++) {
    let bit = size >> 1;
    for (; (other & bit) != 0; bit >>= 1) other ^= bit;
    other |= bit;
    if (i >= other) continue;
    const a = at + i * 16;
    const b = at + other * 16;
    const re = load<f64>(a);
    const im = load<f64>(a, 8);
    store<f64>(a, load<f64>(b));
    store<f64>(a, load<f64>(b, 8), 8);
    store<f64>(b, re);
    store<f64>(b, im, 8);
  }
}

/** Transforms the numbers at `at`, pairs of f64. */
export function fft(at: usize): void {
  reverse(at);
  for (let half: u32 = 1; half < size; half *= 2) {
    const stride = size / (2 * half);
    for (let start: u32 = 0; start < size; start += 2 * half)
      for (let k: u32 = 0; k < half; k++) {
        const factor = factors + k * stride * 16;
        const cos = load<f64>(factor);
        const sin = load<f64>(factor, 8);
        const a = at + (start + k) * 16;
        const b = a + half * 16;
        const re = load<f64>(b) * cos + load<f64>(b, 8) * sin;
        const im = load<f64>(b, 8) * cos - load<f64>(b) * sin;
        store<f64>(b, load<f64>(a) - re);
        store<f64>(b, load<f64>(a, 8) - im, 8);
        store<f64>(a, load<f64>(a) + re);
        store<f64>(a, load<f64>(a, 8) + im, 8);
      }
  }
}
