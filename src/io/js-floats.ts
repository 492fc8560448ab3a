// The bits of a NaN in js apps. The language leaves them open, and V8 uses that: one that it folds is positive, one that
// an x64 computes negative, and when it folds depends on the moment. A store into a float array cannot be looked at
// without making all loops slow, so the NaNs are made canonical when somebody is about to look at their bytes: where a
// view of bytes is made of a buffer that a float array looks at, and where bytes leave the app. SES has
// DataView store canonical ones. What an app still can see is what it writes through one view and reads through another that
// was there before; `volley app test` finds such apps out by a run without the optimizer.
//
// Of the bytes below a float array only those are touched that are a NaN as processors make them: no integer below
// 2^18 in magnitude that shares the buffer ever looks so, nor does a NaN with a payload of its own.

type AnyArray = {readonly prototype: object; readonly name: string; new (...args: never[]): object};

/** What float arrays look at in a buffer. */
type Floats = {
  /** Of one float. 0 = of both kinds, so that nobody knows which it is. */
  readonly size: number;
  /** In bytes. */
  readonly from: number;
  readonly to: number;
};

const HIGH_NAN_64 = 0x7ff80000;
const NAN_32 = 0x7fc00000;
/** The two bits below the exponent: in them, and in the sign, processors and libraries differ. */
const QUIET_64 = 0xc0000;
const QUIET_32 = 0x600000;
/** All but these and the sign; of a NaN that was made only the exponent is set there. */
const REST_64 = 0x7ff3ffff;
const REST_32 = 0x7f9fffff;
const EXPONENT_64 = 0x7ff00000;
const EXPONENT_32 = 0x7f800000;

const {apply, construct} = Reflect;
const PlainWords = Uint32Array;
const typedArray: object = Object.getPrototypeOf(Uint8Array.prototype);
const getterOf = (prototype: object, name: PropertyKey): ((of: unknown) => unknown) => {
  const get = Object.getOwnPropertyDescriptor(prototype, name)?.get ?? (() => undefined);
  return of => apply(get, of, []);
};
const PARTS = ['buffer', 'byteOffset', 'byteLength'] as const;
const OF_ARRAY = PARTS.map(part => getterOf(typedArray, part));
const OF_VIEW = PARTS.map(part => getterOf(DataView.prototype, part));
const kindOf = getterOf(typedArray, Symbol.toStringTag);
const sizeOfBuffer = getterOf(ArrayBuffer.prototype, 'byteLength');

const floatsIn = new WeakMap<object, Floats>();

/** Makes the NaNs canonical that float arrays left in this part of a buffer. Runs no code of the app. */
export function tidyNans(buffer: object, byteOffset: number, byteLength: number): void {
  const floats = floatsIn.get(buffer);
  if (floats === undefined || floats.size === 0) return;
  const {size} = floats;
  const end = Math.min(floats.to, byteOffset + byteLength, sizeOfBuffer(buffer) as number);
  // A float that begins before this part or ends behind it is in it, too.
  const from = Math.max(floats.from, byteOffset - (byteOffset % size));
  const to = Math.min(floats.to, sizeOfBuffer(buffer) as number, Math.ceil(end / size) * size);
  const count = Math.floor((to - from) / size);
  if (count <= 0) return;
  const words = new PlainWords(buffer as ArrayBuffer, from, count * (size / 4));
  if (size === 8) tidy64(words);
  else tidy32(words);
}

function tidy64(words: Uint32Array): void {
  for (let i = 1; i < words.length; i += 2) {
    const high = words[i] as number;
    const isMade = (high & REST_64) === EXPONENT_64 && (high & QUIET_64) !== 0;
    if (isMade && words[i - 1] === 0) words[i] = HIGH_NAN_64;
  }
}

function tidy32(words: Uint32Array): void {
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as number;
    if ((word & REST_32) === EXPONENT_32 && (word & QUIET_32) !== 0) words[i] = NAN_32;
  }
}

function note(buffer: object, size: number, from: number, to: number): void {
  const known = floatsIn.get(buffer);
  if (known === undefined) floatsIn.set(buffer, {size, from, to});
  else if (known.size !== size) floatsIn.set(buffer, {...known, size: 0});
  else if (from < known.from || to > known.to)
    floatsIn.set(buffer, {size, from: Math.min(from, known.from), to: Math.max(to, known.to)});
}

type Look = (buffer: object, byteOffset: number, byteLength: number) => void;

/** The constructor, which looks at what is made of a buffer. Views that arrays make of themselves are the engine's own. */
function looking(Plain: AnyArray, look: Look): AnyArray {
  const [bufferOf, offsetOf, lengthOf] = Plain.name === 'DataView' ? OF_VIEW : OF_ARRAY;
  const Made = Plain as unknown as new (...args: unknown[]) => object;
  function View(source: unknown, offset: unknown, length: unknown): object {
    if (new.target === undefined) throw new TypeError(`Constructor ${Plain.name} requires 'new'`);
    const view =
      new.target === (View as unknown)
        ? new Made(source, offset, length)
        : construct(Made, [source, offset, length], new.target);
    if (typeof source === 'object' && source !== null && bufferOf?.(view) === source)
      look(source, offsetOf?.(view) as number, lengthOf?.(view) as number);
    return view;
  }
  const own = Object.getOwnPropertyDescriptors(Plain) as PropertyDescriptorMap;
  // A view that slice() and the like make is of this kind, and not made by way of the above.
  own[Symbol.species as unknown as string] = {get: () => Plain, configurable: true};
  for (const key of Reflect.ownKeys(own)) {
    const descriptor = (own as Record<PropertyKey, PropertyDescriptor>)[key];
    if (descriptor !== undefined) Object.defineProperty(View, key, descriptor);
  }
  Object.setPrototypeOf(View, Object.getPrototypeOf(Plain));
  Object.defineProperty(Plain.prototype, 'constructor', {value: View});
  return View as unknown as AnyArray;
}

const INTEGERS = [
  ...[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array],
  ...[BigInt64Array, BigUint64Array, DataView],
] as unknown as readonly AnyArray[];
const FLOATS = [Float32Array, Float64Array] as const;

/** Before anything is frozen. Returns the constructors that apps are given in place of the engine's, by their names. */
export function openFloats(): Record<string, unknown> {
  const ours: Record<string, unknown> = {};
  for (const Plain of INTEGERS) ours[Plain.name] = looking(Plain, tidyNans);
  for (const Plain of FLOATS) {
    const size = Plain.BYTES_PER_ELEMENT;
    const look: Look = (buffer, from, length) => note(buffer, size, from, from + length);
    ours[Plain.name] = looking(Plain as unknown as AnyArray, look);
  }
  tellBuffers();
  return ours;
}

/** A buffer that a float array brought with it is known once somebody asks for it. */
function tellBuffers(): void {
  const [bufferOf] = OF_ARRAY;
  const told = {
    get buffer(): unknown {
      const buffer = bufferOf?.(this) as object;
      const kind = kindOf(this);
      if ((kind === 'Float64Array' || kind === 'Float32Array') && !floatsIn.has(buffer))
        note(buffer, kind === 'Float64Array' ? 8 : 4, 0, sizeOfBuffer(buffer) as number);
      return buffer;
    },
  };
  const {get} = Object.getOwnPropertyDescriptor(told, 'buffer') ?? {};
  if (get !== undefined) Object.defineProperty(typedArray, 'buffer', {get});
}
