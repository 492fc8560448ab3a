// One token bucket for each source address, in a table that never grows: 1,024 sets of 4 places in typed
// arrays. A new source takes the place that was used longest ago in its set. So a stranger with thousands
// of addresses makes the table forget, which gives everybody a full bucket and takes nobody's away; what it
// cannot bound is how many come in all, and the gate has a second limit for that.

import type {Address, MonoMs} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import {SOURCES_MAX} from './limits.ts';

const WAYS = 4;
const SETS = SOURCES_MAX / WAYS;

export class SourceTable {
  readonly #perSecond: number;
  readonly #burst: number;
  /** Mixed into the place of a source, so that nobody knows whose place is whose. */
  readonly #salt: number;
  readonly #sources = new Uint32Array(SOURCES_MAX);
  readonly #tokens = new Float32Array(SOURCES_MAX);
  /** When the place was last used; -Infinity = free. */
  readonly #usedAt = new Float64Array(SOURCES_MAX).fill(Number.NEGATIVE_INFINITY);

  /** @param salt any uint32 that peers do not know */
  constructor(perSecond: number, burst: number, salt: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#salt = salt;
  }

  /** Bytes that the table takes, now and for ever. */
  get bytes(): number {
    return this.#sources.byteLength + this.#tokens.byteLength + this.#usedAt.byteLength;
  }

  /** Is there one in the bucket of this source? */
  has(from: Address, now: MonoMs): boolean {
    const source = sourceOf(from);
    return this.#tokensAt(this.#placeOf(source), source, now) >= 1;
  }

  /** Takes one from the bucket of this source, or says that it is empty. */
  take(from: Address, now: MonoMs): boolean {
    const source = sourceOf(from);
    const place = this.#placeOf(source);
    const tokens = this.#tokensAt(place, source, now);
    const has = tokens >= 1;
    this.#sources[place] = source;
    this.#tokens[place] = has ? tokens - 1 : tokens;
    this.#usedAt[place] = now;
    return has;
  }

  /** What the place holds by now, if it is this source's. */
  #tokensAt(place: number, source: number, now: MonoMs): number {
    const usedAt = this.#usedAt[place] as number;
    if (this.#sources[place] !== source || usedAt === Number.NEGATIVE_INFINITY) return this.#burst;
    const gained = (Math.max(0, now - usedAt) * this.#perSecond) / SECOND_MS;
    return Math.min(this.#burst, (this.#tokens[place] as number) + gained);
  }

  /** The place of this source, or the one in its set that was used longest ago. */
  #placeOf(source: number): number {
    const mixed = Math.imul(source ^ this.#salt, 0x9e3779b1);
    const first = ((mixed ^ (mixed >>> 15)) & (SETS - 1)) * WAYS;
    let oldest = first;
    for (let place = first; place < first + WAYS; place++) {
      const usedAt = this.#usedAt[place] as number;
      if (this.#sources[place] === source && usedAt !== Number.NEGATIVE_INFINITY) return place;
      if (usedAt < (this.#usedAt[oldest] as number)) oldest = place;
    }
    return oldest;
  }
}

/**
 * The part of an address that its owner cannot choose freely, as a uint32: all of an IPv4 address, a hash of
 * the first 64 bits of an IPv6 address. The port does not count.
 *
 * @param from `192.0.2.7:6273` or `[2001:db8::7]:6273`
 */
export function sourceOf(from: Address): number {
  return from.charCodeAt(0) === 0x5b ? networkOf(from) : hostOf(from);
}

function hostOf(from: string): number {
  let source = 0;
  let part = 0;
  for (let i = 0; i < from.length; i++) {
    const code = from.charCodeAt(i);
    if (code === 0x3a) break; // the port
    if (code !== 0x2e) part = part * 10 + (code - 0x30);
    else {
      source = source * 256 + part;
      part = 0;
    }
  }
  return (source * 256 + part) >>> 0;
}

/** FNV-1a over the four groups; `::` stands for as many zero groups as are missing. */
function networkOf(from: string): number {
  const [head = '', tail] = from.slice(1, from.indexOf(']')).split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  while (groups.length + after.length < 8) groups.push('0');
  groups.push(...after);
  let hash = 0x811c9dc5;
  for (const group of groups.slice(0, 4)) {
    const value = Number.parseInt(group, 16);
    hash = Math.imul(hash ^ (value & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (value >>> 8), 0x01000193);
  }
  return hash >>> 0;
}
