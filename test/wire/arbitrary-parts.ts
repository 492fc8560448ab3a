// Parts of what travels, for fast-check.

import fc, {type Arbitrary} from 'fast-check';
import {toHex} from '../../src/base/bytes.ts';
import {cleaned} from '../../src/base/text.ts';
import {asBlobId, asWallMs} from '../../src/base/types.ts';

export const exactly = (length: number): Arbitrary<Uint8Array> =>
  fc.uint8Array({minLength: length, maxLength: length});
export const upTo = (maxLength: number): Arbitrary<Uint8Array> => fc.uint8Array({maxLength});
export const uint32 = fc.oneof(
  fc.integer({min: 0, max: 2 ** 32 - 1}),
  fc.constantFrom(0, 127, 128, 16_383, 16_384, 2 ** 21, 2 ** 28, 2 ** 32 - 1),
);
export const whole = fc.maxSafeNat();
export const wall = fc.double({noDefaultInfinity: true, noNaN: true}).map(asWallMs);
export const finite = fc.double({noDefaultInfinity: true, noNaN: true});
/** Text of at most `bytes` bytes of UTF-8, with letters of all widths, as it is after a decoder. */
export const text = (bytes: number): Arbitrary<string> =>
  fc
    .string({unit: 'grapheme', maxLength: bytes})
    .map(cleaned)
    .filter(it => Buffer.byteLength(it) <= bytes);
export const texts = fc.array(text(64), {maxLength: 16});
export const args = fc.array(text(32), {maxLength: 16});
export const blobId = exactly(32).map(it => asBlobId(toHex(it)));
