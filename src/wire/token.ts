// The join token that `volley nodes token` prints and people carry to a node: root fingerprint, secret and the
// master's address, in letters that can be read out, with a checksum that tells a typing error from a
// token that is old. The secret never travels: both ends derive a psk from it for the handshake.

import {concat, fromUtf8, toUtf8, viewOf} from '../base/bytes.ts';
import {type Address, asAddress} from '../base/types.ts';
import type {Crypto} from './crypto.ts';
import {FINGERPRINT_BYTES} from './trust.ts';

const PREFIX = 'volley1';
/** RFC 4648, lower case: no 0, 1, 8 and 9, which look like letters. */
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const LOOKALIKES: Readonly<Record<string, string>> = {'0': 'o', '1': 'l', '8': 'b', '9': 'g'};
export const SECRET_BYTES = 16;
const CHECKSUM_BYTES = 4;
const HOST_BYTES_MAX = 253;
const PSK_LABEL = toUtf8('volley/v1/psk\0');
const ID_LABEL = toUtf8('volley/v1/token\0');

export type JoinToken = {
  /** 16 bytes: which root to trust. */
  readonly fingerprint: Uint8Array;
  /** 16 random bytes; the master stores only their hash. */
  readonly secret: Uint8Array;
  /** `host:port` of the master; the host an IPv4 literal or a name. */
  readonly address: Address;
};

export type DecodedToken =
  | ({readonly kind: 'token'} & JoinToken)
  /** `reason` is for people, and continues "join token refused: ". */
  | {readonly kind: 'bad'; readonly reason: string};

/** The 32-byte key that both ends mix into the enrolling handshake. */
export const pskOf = (crypto: Crypto, secret: Uint8Array): Uint8Array =>
  crypto.sha256(PSK_LABEL, secret);

/** By this number the master finds the token again: 1 … 2^32-1. */
export function tokenIdOf(crypto: Crypto, secret: Uint8Array): number {
  const id = viewOf(crypto.sha256(ID_LABEL, secret)).getUint32(0);
  return id === 0 ? 1 : id;
}

/** `volley1` and lower-case base32: about 80 characters. */
export function encodeToken(token: JoinToken): string {
  const colon = token.address.lastIndexOf(':');
  const port = Number(token.address.slice(colon + 1));
  const portBytes = Uint8Array.of(port >> 8, port & 0xff);
  const host = toUtf8(token.address.slice(0, colon));
  const body = concat(token.fingerprint, token.secret, portBytes, host);
  return PREFIX + toBase32(concat(body, checksumOf(body)));
}

const bad = (reason: string): DecodedToken => ({kind: 'bad', reason});

/** Takes what people type: case, blanks, line ends and hyphens between characters do not matter. */
export function decodeToken(text: string): DecodedToken {
  const letters = text.toLowerCase().replace(/[\s-]/g, '');
  if (letters.length === 0) return bad('it is empty');
  if (!letters.startsWith(PREFIX)) return bad(`it does not begin with "${PREFIX}"`);
  const coded = letters.slice(PREFIX.length);
  for (const letter of coded) {
    if (ALPHABET.includes(letter)) continue;
    const instead = LOOKALIKES[letter];
    const advice = instead === undefined ? '' : `; perhaps it is "${instead}"`;
    return bad(`it has a typing error: "${letter}" occurs in no token${advice}`);
  }
  const bytes = fromBase32(coded);
  const length = FINGERPRINT_BYTES + SECRET_BYTES + 2 + CHECKSUM_BYTES;
  if (bytes === undefined || bytes.length <= length) return bad('a part of it is missing');
  const body = bytes.slice(0, -CHECKSUM_BYTES);
  const checksum = viewOf(bytes).getUint32(body.length);
  if (checksum !== viewOf(checksumOf(body)).getUint32(0)) {
    return bad('it has a typing error, or a part of it is missing; copy it again');
  }
  return readToken(body);
}

function readToken(body: Uint8Array): DecodedToken {
  const portAt = FINGERPRINT_BYTES + SECRET_BYTES;
  const port = viewOf(body).getUint16(portAt);
  const host = fromUtf8(body.slice(portAt + 2));
  if (port === 0 || host === undefined || host.length > HOST_BYTES_MAX || !/^[\w.-]+$/.test(host)) {
    return bad('the address in it is not valid; make a new one with `volley nodes token`');
  }
  return {
    kind: 'token',
    fingerprint: body.slice(0, FINGERPRINT_BYTES),
    secret: body.slice(FINGERPRINT_BYTES, portAt),
    address: asAddress(`${host}:${port}`),
  };
}

/** CRC-32 (IEEE 802.3): finds every error in up to 6 characters that stand together. */
function checksumOf(bytes: Uint8Array): Uint8Array {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  const checksum = new Uint8Array(CHECKSUM_BYTES);
  viewOf(checksum).setUint32(0, ~crc >>> 0);
  return checksum;
}

function toBase32(bytes: Uint8Array): string {
  let text = '';
  let buffer = 0;
  let bits = 0;
  for (const byte of bytes) {
    buffer = ((buffer << 8) | byte) & 0xffff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(buffer >> bits) & 31];
    }
  }
  return bits === 0 ? text : text + ALPHABET[(buffer << (5 - bits)) & 31];
}

/** undefined when no number of whole bytes has this length, or when the bits left over are not zero. */
function fromBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let buffer = 0;
  let bits = 0;
  let at = 0;
  for (const letter of text) {
    buffer = ((buffer << 5) | ALPHABET.indexOf(letter)) & 0xffff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (buffer >> bits) & 0xff;
  }
  return bits < 5 && (buffer & ((1 << bits) - 1)) === 0 ? bytes : undefined;
}
