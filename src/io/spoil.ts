// Wrong on purpose: what `volley node --evil` does with outputs, so that whoever runs a cluster can see redundancy find
// it. The node signs what comes out, as a broken board would.

import type {Prng} from '../base/prng.ts';

/** Never the bytes that it was given: one bit of one byte differs, and of nothing comes something. */
function spoiled(output: Uint8Array, prng: Prng): Uint8Array {
  if (output.length === 0) return Uint8Array.of(prng.below(256));
  const bytes = output.slice();
  const at = prng.below(bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << prng.below(8));
  return bytes;
}

/** @param share of all outputs that come out wrong, 0 … 1 */
export const spoiler =
  (share: number, prng: Prng) =>
  (output: Uint8Array): Uint8Array =>
    prng.chance(share) ? spoiled(output, prng) : output;
