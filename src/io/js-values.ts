// What a js app hands to the host may be anything: a proxy, a subclass whose getters lie, an object whose toString never
// ends. What it is is asked of the language's own getters, which look at the thing itself; whatever runs code of the app
// runs inside a try of the caller.

import {tidyNans} from './js-floats.ts';

const typedArray: object = Object.getPrototypeOf(Uint8Array.prototype);

const getterOf = (prototype: object, name: PropertyKey): ((value: unknown) => unknown) => {
  const get = Object.getOwnPropertyDescriptor(prototype, name)?.get ?? (() => undefined);
  return value => Reflect.apply(get, value, []);
};

const OF_ARRAY = {
  buffer: getterOf(typedArray, 'buffer'),
  byteOffset: getterOf(typedArray, 'byteOffset'),
  byteLength: getterOf(typedArray, 'byteLength'),
  kind: getterOf(typedArray, Symbol.toStringTag),
};
const OF_VIEW = {
  buffer: getterOf(DataView.prototype, 'buffer'),
  byteOffset: getterOf(DataView.prototype, 'byteOffset'),
  byteLength: getterOf(DataView.prototype, 'byteLength'),
};
const lengthOfBuffer = getterOf(ArrayBuffer.prototype, 'byteLength');

/** `Uint8Array`, `Float64Array` …; undefined = no typed array. Runs no code of the app. */
export const arrayKind = (value: unknown): string | undefined => {
  const kind = OF_ARRAY.kind(value);
  return typeof kind === 'string' ? kind : undefined;
};

/** The bytes of a buffer or of a view of one, in place, as a plain array, their NaNs canonical; undefined = neither. Runs no code of the app. */
export function bytesOf(value: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(value)) {
    const of = arrayKind(value) === undefined ? OF_VIEW : OF_ARRAY;
    const [from, length] = [of.byteOffset(value) as number, of.byteLength(value) as number];
    const buffer = of.buffer(value) as ArrayBuffer;
    tidyNans(buffer, from, length);
    return new Uint8Array(buffer, from, length);
  }
  try {
    tidyNans(value as object, 0, lengthOfBuffer(value) as number);
  } catch {
    return undefined;
  }
  return new Uint8Array(value as ArrayBuffer);
}

const TEXT_CHARS_MAX = 400;
const isObject = (value: unknown): value is {readonly name?: unknown; readonly message?: unknown} =>
  (typeof value === 'object' && value !== null) || typeof value === 'function';

/** What was thrown, in a line: name and message, never a stack. May run code of the app, and end as that does. */
export function storyOf(thrown: unknown): string {
  try {
    return plainStory(thrown).slice(0, TEXT_CHARS_MAX);
  } catch {
    return 'an error that cannot be told';
  }
}

function plainStory(thrown: unknown): string {
  if (typeof thrown === 'string') return `threw "${thrown.slice(0, TEXT_CHARS_MAX)}"`;
  if (!isObject(thrown)) return `threw ${String(thrown)}`;
  const {name, message} = thrown;
  if (typeof message !== 'string') return 'threw something that is no error';
  return typeof name === 'string' && name !== '' ? `${name}: ${message}` : message;
}
