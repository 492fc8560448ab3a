// Values on their way out. The receiver refuses what is not UTF-8 or too long, so text for people is
// made to fit here, where it costs a letter and not the message.

import {assert} from '../base/assert.ts';
import {utf8Length} from './codec-check.ts';

const LONE_SURROGATE = /\p{Surrogate}/gu;
const NOT_ASCII = /[^\0-\x7f]/;

/** The text with every lone half of a surrogate pair replaced: protobufjs would write broken UTF-8. */
export function wellFormed(text: string): string {
  return NOT_ASCII.test(text) ? text.replace(LONE_SURROGATE, '\ufffd') : text;
}

/** As much of the text as fits into `bytesMax` bytes of UTF-8, cut between characters. */
export function clipped(text: string, bytesMax: number): string {
  const formed = wellFormed(text);
  if (formed.length * 3 <= bytesMax || utf8Length(formed) <= bytesMax) return formed;
  let bytes = 0;
  let end = 0;
  for (const character of formed) {
    bytes += utf8Length(character);
    if (bytes > bytesMax) break;
    end += character.length;
  }
  return formed.slice(0, end);
}

/** Bytes of an id of ours: lower-case hex of known length. Four times as fast as fromHex. */
export function idBytes(hex: string, length: number): Uint8Array {
  assert(hex.length === 2 * length, `id of ${hex.length} characters, not ${2 * length}`);
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    bytes[i] = (nibble(hex.charCodeAt(2 * i)) << 4) | nibble(hex.charCodeAt(2 * i + 1));
  }
  return bytes;
}

function nibble(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  assert(code >= 0x61 && code <= 0x66, `character ${code} in an id`);
  return code - 0x57;
}
