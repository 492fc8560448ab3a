// What a decoder may let through: exact lengths, bounded counts, finite numbers. Every check throws one
// of two ready-made faults (no stack is taken for a bad packet), and `decoded` at the border turns these
// and whatever protobufjs throws into a value. Bytes are copied here, once, out of the datagram.

import {toHex} from '../base/bytes.ts';
import {cleaned} from '../base/text.ts';
import {asBlobId, asNodeId, type BlobId, type NodeId} from '../base/types.ts';
import {ARGS_BYTES_MAX, ARGS_MAX} from './limits.ts';

/** `malformed`: not this protocol. `limits`: this protocol, but more than limits.ts allows. */
export type DecodeFault = 'malformed' | 'limits';

class Fault extends Error {
  readonly fault: DecodeFault;

  constructor(fault: DecodeFault) {
    super(fault);
    this.fault = fault;
  }
}

const MALFORMED = new Fault('malformed');
const LIMITS = new Fault('limits');

/** Runs a decoder; a bad packet comes out as a value. */
export function decoded<T>(bytes: Uint8Array, decode: (bytes: Uint8Array) => T): T | DecodeFault {
  try {
    return decode(bytes);
  } catch (error) {
    return error instanceof Fault ? error.fault : 'malformed';
  }
}

/** As `decoded`, where the caller does not tell faults apart. */
export function decodedOrNothing<T>(
  bytes: Uint8Array,
  decode: (bytes: Uint8Array) => T,
): T | undefined {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}

export function malformed(): never {
  throw MALFORMED;
}

export function within(value: number, max: number): number {
  if (value > max) throw LIMITS;
  return value;
}

/** A submessage that has to be there. */
export function present<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw MALFORMED;
  return value;
}

/** A copy of exactly `length` bytes. */
export function exactly(view: Uint8Array | null | undefined, length: number): Uint8Array {
  if (view?.length !== length) throw MALFORMED;
  return new Uint8Array(view);
}

/** A copy of at most `max` bytes. */
export function atMost(view: Uint8Array | null | undefined, max: number): Uint8Array {
  if (view === null || view === undefined) throw MALFORMED;
  if (view.length > max) throw LIMITS;
  return new Uint8Array(view);
}

export function blobIdOf(view: Uint8Array | null | undefined): BlobId {
  if (view?.length !== 32) throw MALFORMED;
  return asBlobId(toHex(view));
}

export function nodeIdOf(view: Uint8Array): NodeId {
  if (view.length !== 16) throw MALFORMED;
  return asNodeId(toHex(view));
}

export function finite(value: number): number {
  if (!Number.isFinite(value)) throw MALFORMED;
  return value;
}

/** An integer 0 … 2^53-1 that travelled as a double. */
export function whole(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw MALFORMED;
  // Negative zero is an integer too, and no key of ours.
  return value + 0;
}

/** Bytes of UTF-8 that `value` takes; a lone half of a pair counts as the 3 of its replacement. */
export function utf8Length(value: string): number {
  let bytes = value.length;
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 || isPair(value, i) ? 1 : 2;
    // Both halves of a pair come by here: 2 units, and 1 more each, are its 4 bytes.
  }
  return bytes;
}

function isPair(value: string, at: number): boolean {
  const unit = value.charCodeAt(at) & 0xfc00;
  if (unit === 0xd800) return (value.charCodeAt(at + 1) & 0xfc00) === 0xdc00;
  return unit === 0xdc00 && at > 0 && (value.charCodeAt(at - 1) & 0xfc00) === 0xd800;
}

/** Text for people, or a name: bounded, and cleaned of what would steer where it is shown. */
export function text(value: string, bytesMax: number): string {
  if (value.length > bytesMax || (value.length * 3 > bytesMax && utf8Length(value) > bytesMax)) {
    throw LIMITS;
  }
  return cleaned(value);
}

export function texts(values: readonly string[], countMax: number, bytesMax: number): string[] {
  within(values.length, countMax);
  return values.map(value => text(value, bytesMax));
}

/** Arguments of an app or an action: their number and the bytes of all together are bounded. */
export function args(values: readonly string[]): string[] {
  within(values.length, ARGS_MAX);
  let bytes = 0;
  for (const value of values) bytes += utf8Length(value);
  within(bytes, ARGS_BYTES_MAX);
  return values.slice();
}
