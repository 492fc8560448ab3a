// What a runner process and its node say to each other: length-prefixed frames over the process's stdin
// and stdout, little endian. The node's side trusts none of it: a frame is bounded before room is made
// for it, and one that does not parse ends the process.
//
//   frame   length u32 (of what follows), kind u8, body
//   to the runner    app    module bytes, or a script; all later orders are for it
//                    shared what later orders may read beside their input, until the next such frame
//                    run    no u32, outputMax u32, seed f64, argc u8, argc × (length u16, UTF-8), length u32 of
//                           what an earlier run saved, that, input
//   from the runner  ready  why the app cannot be run, as UTF-8: then each order will say so; empty = it can
//                    state  no u32, what the app saves of the run under way
//                    ended  no u32, status u8, ms f64, output (done) or the reason as UTF-8 (else)

import {concat, EMPTY, fromUtf8, toUtf8, viewOf} from '../base/bytes.ts';
import {STATE_BYTES_MAX} from '../wire/limits.ts';

export const FRAME = {app: 1, run: 2, ready: 3, ended: 4, state: 5, shared: 6} as const;
const KINDS: readonly number[] = Object.values(FRAME);
export const LENGTH_BYTES = 4;
/** Length and kind. */
const HEAD_BYTES = 5;
/** kind, no, status, ms. */
const ENDED_HEAD_BYTES = 14;
/** kind, no. */
const STATE_HEAD_BYTES = 5;
/** The reason of a failure in a frame; a node keeps REASON_BYTES_MAX of it. */
export const FRAME_REASON_BYTES_MAX = 1_024;

/**
 * How a run ended. `exited` is the app's own decision and leaves a clean process behind; after `trapped`
 * and the rest the runner ends itself.
 */
export const STATUSES = [
  'done',
  'exited',
  'trapped',
  'outputTooLarge',
  'outOfMemory',
  'refused',
] as const; // append only
export type Status = (typeof STATUSES)[number];

export type RunFrame = {
  readonly no: number;
  readonly outputBytesMax: number;
  readonly seed: number;
  readonly args: readonly string[];
  /** What an earlier run of the same workunit saved; empty = nothing. */
  readonly state: Uint8Array;
  readonly input: Uint8Array;
};

export type StateFrame = {
  readonly no: number;
  /** A view: copy what is kept. */
  readonly bytes: Uint8Array;
};

export type EndedFrame = {
  readonly no: number;
  readonly status: Status;
  readonly ms: number;
  /** The output of `done`, the reason of any other status. A view: copy what is kept. */
  readonly body: Uint8Array;
};

/** Longest frame that an order with this output limit may be answered with. */
export const endedBytesMax = (outputBytesMax: number): number =>
  ENDED_HEAD_BYTES + Math.max(outputBytesMax, FRAME_REASON_BYTES_MAX);

export const STATE_FRAME_BYTES_MAX = STATE_HEAD_BYTES + STATE_BYTES_MAX;

const framed = (kind: number, body: Uint8Array): Uint8Array => {
  const head = new Uint8Array(LENGTH_BYTES + 1);
  viewOf(head).setUint32(0, body.length + 1, true);
  head[LENGTH_BYTES] = kind;
  return concat(head, body);
};

export const encodeApp = (module: Uint8Array): Uint8Array => framed(FRAME.app, module);

export const encodeShared = (shared: Uint8Array): Uint8Array => framed(FRAME.shared, shared);

/** @param refusal UTF-8; empty = the app is compiled */
export const encodeReady = (refusal: Uint8Array = EMPTY): Uint8Array =>
  framed(FRAME.ready, refusal.subarray(0, FRAME_REASON_BYTES_MAX));

export function encodeRun(run: RunFrame): Uint8Array {
  const args = run.args.map(toUtf8);
  const argsBytes = args.reduce((sum, arg) => sum + 2 + arg.length, 0);
  const frame = new Uint8Array(LENGTH_BYTES + 22 + argsBytes + run.state.length + run.input.length);
  const view = viewOf(frame);
  view.setUint32(0, frame.length - LENGTH_BYTES, true);
  frame[4] = FRAME.run;
  view.setUint32(5, run.no, true);
  view.setUint32(9, run.outputBytesMax, true);
  view.setFloat64(13, run.seed, true);
  frame[21] = args.length;
  let at = 22;
  for (const arg of args) {
    view.setUint16(at, arg.length, true);
    frame.set(arg, at + 2);
    at += 2 + arg.length;
  }
  view.setUint32(at, run.state.length, true);
  frame.set(run.state, at + 4);
  frame.set(run.input, at + 4 + run.state.length);
  return frame;
}

/** Body of a `run` frame. Throws RangeError when it is cut short; only the runner reads it. */
export function decodeRun(frame: Uint8Array): RunFrame {
  const view = viewOf(frame);
  const argc = view.getUint8(17);
  const args: string[] = [];
  let at = 18;
  for (let i = 0; i < argc; i++) {
    const length = view.getUint16(at, true);
    args.push(fromUtf8(frame.subarray(at + 2, at + 2 + length)) ?? '');
    at += 2 + length;
  }
  const inputAt = at + 4 + view.getUint32(at, true);
  return {
    no: view.getUint32(1, true),
    outputBytesMax: view.getUint32(5, true),
    seed: view.getFloat64(9, true),
    args,
    state: frame.subarray(at + 4, inputAt),
    input: frame.subarray(inputAt),
  };
}

export function encodeState({no, bytes}: StateFrame): Uint8Array {
  const frame = new Uint8Array(LENGTH_BYTES + STATE_HEAD_BYTES + bytes.length);
  const view = viewOf(frame);
  view.setUint32(0, frame.length - LENGTH_BYTES, true);
  frame[4] = FRAME.state;
  view.setUint32(5, no, true);
  frame.set(bytes, LENGTH_BYTES + STATE_HEAD_BYTES);
  return frame;
}

/** undefined = malformed: the runner is hostile. */
export function decodeState(frame: Uint8Array): StateFrame | undefined {
  if (frame.length < STATE_HEAD_BYTES || frame.length > STATE_FRAME_BYTES_MAX) return undefined;
  return {no: viewOf(frame).getUint32(1, true), bytes: frame.subarray(STATE_HEAD_BYTES)};
}

/** How far the app says it is, 0 … 1000: the first two bytes of what it saves, little endian. */
export function permilleOf(state: Uint8Array): number {
  const permille = state.length < 2 ? 0 : viewOf(state).getUint16(0, true);
  return permille > 1_000 ? 0 : permille;
}

export function encodeEnded({no, status, ms, body}: EndedFrame): Uint8Array {
  const length = LENGTH_BYTES + ENDED_HEAD_BYTES + body.length;
  const frame = new Uint8Array(length);
  const view = viewOf(frame);
  view.setUint32(0, length - LENGTH_BYTES, true);
  frame[4] = FRAME.ended;
  view.setUint32(5, no, true);
  frame[9] = STATUSES.indexOf(status);
  view.setFloat64(10, ms, true);
  frame.set(body, LENGTH_BYTES + ENDED_HEAD_BYTES);
  return frame;
}

/** undefined = malformed: the runner is hostile. */
export function decodeEnded(frame: Uint8Array): EndedFrame | undefined {
  if (frame.length < ENDED_HEAD_BYTES) return undefined;
  const view = viewOf(frame);
  const status = STATUSES[view.getUint8(5)];
  const ms = view.getFloat64(6, true);
  if (status === undefined || !(ms >= 0)) return undefined;
  return {no: view.getUint32(1, true), status, ms, body: frame.subarray(ENDED_HEAD_BYTES)};
}

const lengthOf = (head: Uint8Array): number => viewOf(head).getUint32(0, true);

/** Cuts a stream into frames. What it hands out is a view of a chunk: good until the next push(). */
export class FrameReader {
  readonly #lengthMax: (kind: number) => number;
  /** The frame that is not whole yet, or as much of it as says how long it is. */
  #part = EMPTY;
  #filled = 0;

  /** @param lengthMax longest frame of this kind that may come now; asked again for each frame */
  constructor(lengthMax: (kind: number) => number) {
    this.#lengthMax = lengthMax;
  }

  /** false = a frame was too long or of an unknown kind; nothing after it counts. */
  push(chunk: Uint8Array, onFrame: (frame: Uint8Array) => void): boolean {
    let rest = chunk;
    while (rest.length > 0) {
      const used = this.#filled > 0 ? this.#resume(rest, onFrame) : this.#begin(rest, onFrame);
      if (used === undefined) return false;
      rest = rest.subarray(used);
    }
    return true;
  }

  /** At the start of a frame; mostly all of it is there. */
  #begin(rest: Uint8Array, onFrame: (frame: Uint8Array) => void): number | undefined {
    const length = rest.length < HEAD_BYTES ? Number.POSITIVE_INFINITY : lengthOf(rest);
    const end = LENGTH_BYTES + length;
    if (rest.length < end) {
      this.#part = new Uint8Array(HEAD_BYTES);
      return this.#resume(rest, onFrame);
    }
    if (length === 0 || !this.#fits(rest)) return undefined;
    onFrame(rest.subarray(LENGTH_BYTES, end));
    return end;
  }

  #resume(rest: Uint8Array, onFrame: (frame: Uint8Array) => void): number | undefined {
    const used = this.#fill(rest);
    if (used === undefined || this.#filled < HEAD_BYTES) return used;
    if (this.#filled < LENGTH_BYTES + lengthOf(this.#part)) return used;
    this.#filled = 0;
    onFrame(this.#part.subarray(LENGTH_BYTES));
    return used;
  }

  /** Whatever kind it will be. */
  #mayCome(length: number): boolean {
    return length > 0 && KINDS.some(kind => length <= this.#lengthMax(kind));
  }

  /** @param head length and kind */
  #fits(head: Uint8Array): boolean {
    const kind = head[LENGTH_BYTES] ?? 0;
    const length = lengthOf(head);
    return KINDS.includes(kind) && length <= this.#lengthMax(kind);
  }

  /** Takes from `bytes` what the part lacks; how many that were, or undefined for a bad head. */
  #fill(bytes: Uint8Array): number | undefined {
    const taken = Math.min(bytes.length, this.#part.length - this.#filled);
    this.#part.set(bytes.subarray(0, taken), this.#filled);
    this.#filled += taken;
    if (this.#filled >= LENGTH_BYTES && !this.#mayCome(lengthOf(this.#part))) return undefined;
    if (this.#filled === HEAD_BYTES && this.#part.length === HEAD_BYTES) {
      if (!this.#fits(this.#part)) return undefined;
      const whole = new Uint8Array(LENGTH_BYTES + lengthOf(this.#part));
      whole.set(this.#part);
      this.#part = whole;
    }
    return taken;
  }
}
