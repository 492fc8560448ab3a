// Values of a program as inputs of a map: texts and bytes as they are, everything else as JSON.

import {toUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {MIB} from '../base/units.ts';
import {closeQuietly, type MapInput, type MapSource} from './map-cut.ts';

/** An input and its place: 0, 1, 2 … */
export type Value<V> = MapInput & {readonly index: number; readonly value: V};

/** What is taken at once of values that are there already. */
const TAKE_BYTES = MIB;

export class ValueSource<V> implements MapSource<Value<V>> {
  readonly #values: AsyncIterator<V> | Iterator<V>;
  readonly #isSync: boolean;
  #index = 0;
  #fault: {readonly error: unknown} | undefined;

  constructor(values: AsyncIterable<V> | Iterable<V>) {
    this.#isSync = !(Symbol.asyncIterator in values);
    this.#values = iteratorOf(values);
  }

  /** Rejects with what the values threw, after what came before it. */
  async take(most: number): Promise<readonly Value<V>[]> {
    const taken: Value<V>[] = [];
    let size = 0;
    while (taken.length < most && size < TAKE_BYTES && !this.#fault) {
      const next = await this.#next();
      if (!next) break;
      taken.push(next);
      size += next.bytes.length;
      // The next one of a producer that takes its time may be long in coming.
      if (!this.#isSync) break;
    }
    if (taken.length === 0 && this.#fault) throw this.#fault.error;
    return taken;
  }

  async #next(): Promise<Value<V> | undefined> {
    try {
      const {done, value} = await this.#values.next();
      if (done) return undefined;
      const index = this.#index;
      const bytes = encoded(value, index);
      this.#index += 1;
      return {bytes, value, index};
    } catch (error) {
      this.#fault = {error};
      return undefined;
    }
  }

  close(): void {
    closeQuietly(this.#values);
  }
}

const iteratorOf = <V>(values: AsyncIterable<V> | Iterable<V>) =>
  Symbol.asyncIterator in values ? values[Symbol.asyncIterator]() : values[Symbol.iterator]();

function encoded(value: unknown, index: number): Uint8Array {
  if (value instanceof Uint8Array) return value.slice();
  if (typeof value === 'string') return toUtf8(value);
  const text = isNoJson(value) ? undefined : jsonOf(value);
  if (text !== undefined) return toUtf8(text);
  const reason = `input ${index} is neither text nor bytes (a Uint8Array) nor JSON`;
  throw new VolleyError('VOLLEY_BAD_INPUT', {reason});
}

/** JSON would make {} of them, without a word. */
const isNoJson = (value: unknown): boolean =>
  value instanceof Map ||
  value instanceof Set ||
  value instanceof ArrayBuffer ||
  ArrayBuffer.isView(value);

function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
