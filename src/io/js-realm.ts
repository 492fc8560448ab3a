// The world of js apps: a realm that is frozen once, with no authority in it (SES), and a compartment of its own for each
// workunit. What a compartment has is ECMAScript without clock, dice, shared memory and weak references: Date stands at
// 0, UTC; Math.random comes from the workunit's seed. Its global object is frozen before anything is evaluated in it, so
// that SES makes constants of its names, and the app runs at the engine's own speed.

import {createRequire} from 'node:module';
import {Prng} from '../base/prng.ts';
import {openFloats} from './js-floats.ts';
import {Utf8Decoder, Utf8Encoder} from './js-text.ts';

export type Harden = <T>(value: T) => T;
type Compartment = {
  readonly globalThis: Record<string, unknown>;
  evaluate(source: string): unknown;
};
type Ses = {
  repairIntrinsics(options: Readonly<Record<string, string>>): void;
  /** There once they are repaired. */
  hardenIntrinsics(): void;
  readonly harden: Harden;
  readonly Compartment: new (options: object) => Compartment;
};

export type Realm = {
  readonly harden: Harden;
  /** What a script comes to in a compartment of its own. @param extras further names of its global object, hardened */
  evaluate(source: string, seed: number, extras: object): unknown;
};

const LOCKDOWN = {
  // Only what is said to the node is said at all.
  reporting: 'none',
  consoleTaming: 'unsafe',
  errorTrapping: 'none',
  unhandledRejectionTrapping: 'none',
};

/** Of SES, and no part of the language. */
const FOREIGN = [
  'Compartment',
  'lockdown',
  'repairIntrinsics',
  'hardenIntrinsics',
  'harden',
  'assert',
];

/** Element stores look through these. */
const ELEMENT_PROTOTYPES: readonly object[] = [
  Object.prototype,
  Object.getPrototypeOf(Uint8Array.prototype),
  ...[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array],
  ...[Float32Array, Float64Array, BigInt64Array, BigUint64Array],
].map(one => (typeof one === 'function' ? one.prototype : one));

/**
 * Freezes as Object.freeze does, in another order. V8 makes every store to an element of a typed array ten times as slow
 * when Object.freeze was called with a prototype of it, for it may hold elements that are read only; not so when the
 * properties were made constant one by one, the prototype made fast again (by being used as one) and then sealed.
 */
function freezeWithFastStores<T extends object>(prototype: T): T {
  for (const key of Reflect.ownKeys(prototype)) {
    const isData = 'value' in (Object.getOwnPropertyDescriptor(prototype, key) ?? {});
    const fixed = isData ? {configurable: false, writable: false} : {configurable: false};
    Object.defineProperty(prototype, key, fixed);
  }
  const heir = Object.create(prototype) as {readonly none?: unknown};
  const lookUp = (): unknown => heir.none;
  for (let i = 0; i < 100; i++) lookUp();
  return Object.seal(prototype);
}

/** SES keeps the Object.freeze that it finds when it is loaded; afterwards the engine's own is back. */
function loadSes(): Ses {
  const {freeze} = Object;
  Object.freeze = (<T extends object>(value: T): Readonly<T> =>
    ELEMENT_PROTOTYPES.includes(value)
      ? freezeWithFastStores(value)
      : freeze(value)) as typeof freeze;
  try {
    createRequire(import.meta.url)('ses');
  } finally {
    Object.freeze = freeze;
  }
  return globalThis as unknown as Ses;
}

/** Once in a process, and for good: from here on nobody can change what the language brings. */
export function openRealm(): Realm {
  // Where a machine is must not show.
  process.env['TZ'] = 'UTC';
  const ses = loadSes();
  const PlainDate = Date;
  ses.repairIntrinsics(LOCKDOWN);
  // What SES allows and we do otherwise, before it is frozen.
  const StandingDate = standingDate(PlainDate);
  const arrays = openFloats();
  ses.hardenIntrinsics();
  const {harden, Compartment} = ses;
  const constant = harden({
    Date: StandingDate,
    TextEncoder: Utf8Encoder,
    TextDecoder: Utf8Decoder,
    // Also those of floats, which SES leaves out for the bits of NaN.
    ...arrays,
  });
  stripGlobals(Object.getOwnPropertyNames(new Compartment({__options__: true}).globalThis));
  return {
    harden,
    evaluate: (source, seed, extras) => {
      const globals = {...constant, Math: harden(seededMath(seed)), ...extras};
      const compartment = new Compartment({globals, __options__: true});
      for (const name of FOREIGN) delete compartment.globalThis[name];
      Object.freeze(compartment.globalThis);
      return compartment.evaluate(source);
    },
  };
}

/** Should anything ever get out of its compartment, it finds no process here and no way to load one. */
function stripGlobals(kept: readonly string[]): void {
  for (const name of Object.getOwnPropertyNames(globalThis))
    if (!kept.includes(name) || FOREIGN.includes(name)) Reflect.deleteProperty(globalThis, name);
}

/** `new Date()` is the beginning of 1970; instances are those of the language. */
function standingDate(Plain: DateConstructor): DateConstructor {
  function StandingDate(...args: unknown[]): unknown {
    if (new.target === undefined) return Reflect.construct(Plain, [0]).toString();
    return Reflect.construct(Plain, args.length === 0 ? [0] : args, new.target);
  }
  const {now} = {now: () => 0};
  Object.defineProperties(StandingDate, {
    name: {value: 'Date'},
    prototype: {value: Plain.prototype, writable: false},
    now: {value: now},
    parse: {value: Plain.parse},
    UTC: {value: Plain.UTC},
  });
  Object.defineProperty(Plain.prototype, 'constructor', {value: StandingDate});
  return StandingDate as unknown as DateConstructor;
}

/** The same dice for all replicas of a workunit. */
function seededMath(seed: number): Math {
  const dice = new Prng(seed);
  const {random} = {random: () => dice.fraction()};
  const own = {...Object.getOwnPropertyDescriptors(Math), random: {value: random}};
  return Object.create(Object.prototype, own) as Math;
}
