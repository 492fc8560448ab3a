// What run(input, context) of a js app is given, and the console that it talks to. All of it is hardened: an app may
// keep it, but not change it, and from no function of it leads a way to the host. When the run is over it is closed:
// what is kept of it answers no more.

import {STATE_BYTES_MAX} from '../wire/limits.ts';
import {type Exhaustion, exhaustionOf} from './js-exhaustion.ts';
import type {Harden} from './js-realm.ts';
import {bytesOf, storyOf} from './js-values.ts';
import type {RunFrame} from './runner-frames.ts';

const SAID_CHARS_MAX = 4_096;
/** Of what the app said last, in the reason of a failure. */
const SAID_SHOWN_CHARS = 200;
const PERMILLE_BYTES = 2;

export type Contents = {text(): string; json(): unknown; bytes(): Uint8Array};

export type Api = {
  readonly input: Contents;
  readonly context: object;
  readonly console: object;
  /** Of the script: tells what it caught. */
  readonly caught: (error: unknown) => void;
  /** Of what it caught: the first that another run need not meet. */
  exhaustion(): Exhaustion | undefined;
  /** What the console was told last, for people. */
  said(): string;
  close(): void;
};

/** An order, and what all workunits of the batch may read. */
export type JsOrder = RunFrame & {readonly shared: Uint8Array};

type Saves = (bytes: Uint8Array) => void;

/** @param save takes what the app saves, as file descriptor 3 of a wasm app: permille of progress, its bytes */
export function makeApi(order: JsOrder, save: Saves, harden: Harden): Api {
  const gate: Gate = {isOpen: true};
  const tail = new Tail();
  let met: Exhaustion | undefined;
  return {
    input: harden(contentsOf(order.input, gate)),
    context: contextOf(order, save, gate, harden),
    console: harden(consoleOf(tail, gate)),
    caught: harden((error: unknown): void => {
      met ??= exhaustionOf(error);
    }),
    exhaustion: () => met,
    said: () => tail.text,
    close: () => {
      gate.isOpen = false;
    },
  };
}

type Gate = {isOpen: boolean};

function mustBeOpen({isOpen}: Gate): void {
  if (!isOpen) throw new Error('this workunit is over');
}

/** Each time anew: what an app does to its copy stays there. */
function contentsOf(bytes: Uint8Array, gate: Gate): Contents {
  const text = (): string => {
    mustBeOpen(gate);
    return new TextDecoder().decode(bytes);
  };
  return {
    text,
    json: () => JSON.parse(text()),
    bytes: () => {
      mustBeOpen(gate);
      return bytes.slice();
    },
  };
}

function contextOf(order: JsOrder, save: Saves, gate: Gate, harden: Harden): object {
  const {args, seed, state} = order;
  let last = state.length < PERMILLE_BYTES ? new Uint8Array(PERMILLE_BYTES) : state.slice();
  const tell = (fraction: unknown): void => {
    const permille = permilleOf(fraction);
    last[0] = permille & 0xff;
    last[1] = permille >>> 8;
    save(last);
  };
  const calls = harden({
    args: [...args],
    shared: contentsOf(order.shared, gate),
    save: (bytes: unknown, fractionDone: unknown = 0): void => {
      mustBeOpen(gate);
      permilleOf(fractionDone);
      last = stateOf(bytes);
      tell(fractionDone);
    },
    progress: (fractionDone: unknown): void => {
      mustBeOpen(gate);
      tell(fractionDone);
    },
  });
  const saved = state.length > PERMILLE_BYTES ? state.slice(PERMILLE_BYTES) : undefined;
  return Object.freeze({...calls, seed, saved});
}

function permilleOf(fraction: unknown): number {
  if (typeof fraction !== 'number' || !(fraction >= 0 && fraction <= 1))
    throw new RangeError('how much is done is a number from 0 to 1');
  return Math.floor(fraction * 1_000);
}

function stateOf(value: unknown): Uint8Array<ArrayBuffer> {
  const bytes = bytesOf(value);
  if (bytes === undefined) throw new TypeError('save() takes a Uint8Array');
  if (bytes.length + PERMILLE_BYTES > STATE_BYTES_MAX)
    throw new RangeError(`at most ${STATE_BYTES_MAX - PERMILLE_BYTES} bytes can be saved`);
  const state = new Uint8Array(PERMILLE_BYTES + bytes.length);
  state.set(bytes, PERMILLE_BYTES);
  return state;
}

/** Keeps the last of it: what an app says before it fails is what matters. */
class Tail {
  #text = '';

  add(line: string): void {
    const kept = line.slice(-SAID_CHARS_MAX);
    this.#text = `${this.#text}${kept} `.slice(-SAID_CHARS_MAX);
  }

  get text(): string {
    return this.#text
      .replace(/[^\x21-\x7e]+/g, ' ')
      .trim()
      .slice(-SAID_SHOWN_CHARS);
  }
}

function consoleOf(tail: Tail, gate: Gate): object {
  const say = (...values: readonly unknown[]): void => {
    if (gate.isOpen) tail.add(values.map(shown).join(' '));
  };
  return {log: say, info: say, warn: say, error: say, debug: say, trace: say};
}

function shown(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null)
    return typeof value === 'symbol' ? '?' : `${value}`;
  try {
    return 'message' in value ? storyOf(value) : (JSON.stringify(value) ?? '?');
  } catch {
    return '?';
  }
}
