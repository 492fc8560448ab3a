// Reads the bytes of a WebAssembly module: numbers, names, sections. Running over the end of what is read
// is a refusal, so that no reader above has to look.

import {fromUtf8} from '../base/bytes.ts';
import {WASM_BYTES_MAX} from '../wire/limits.ts';

/** Why a module is refused; caught at every exported function of wasm.ts. */
export class Refusal extends Error {}

export const refuse = (reason: string): never => {
  throw new Refusal(reason);
};

export const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;
const ID_MAX = SECTION.dataCount;

/** Body from `body` to `to`; the whole with its head from `from`. */
export type Section = {
  readonly id: number;
  readonly from: number;
  readonly body: number;
  readonly to: number;
};

/** Reads from `at` to an end; never beyond it. */
export class Reader {
  readonly bytes: Uint8Array;
  readonly #end: number;
  at: number;

  constructor(bytes: Uint8Array, from: number, end: number) {
    this.bytes = bytes;
    this.at = from;
    this.#end = end;
  }

  get done(): boolean {
    return this.at === this.#end;
  }

  byte(): number {
    const byte = this.at < this.#end ? this.bytes[this.at++] : undefined;
    return byte === undefined ? refuse('the module is cut short') : byte;
  }

  skip(length: number): void {
    if (length > this.#end - this.at) refuse('the module is cut short');
    this.at += length;
  }

  rest(): Uint8Array {
    return this.bytes.subarray(this.at, this.#end);
  }

  u32le(): number {
    return (this.byte() | (this.byte() << 8) | (this.byte() << 16) | (this.byte() << 24)) >>> 0;
  }

  /** LEB128 of 32 bits. */
  u32(): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (value >= 2 ** 32) break;
        return value;
      }
    }
    return refuse('the module is malformed');
  }

  /** A count, held to a limit before anything is done with it. */
  count(max: number, what: string): number {
    const count = this.u32();
    return count > max ? refuse(`the module has ${count} ${what}, at most ${max} may be`) : count;
  }

  /** LEB128 of at most `bytesMax` bytes, whatever it means. */
  skipLeb(bytesMax: number): void {
    for (let i = 0; i < bytesMax; i++) if (this.byte() < 128) return;
    refuse('the module is malformed');
  }

  name(): string {
    const length = this.u32();
    const from = this.at;
    this.skip(length);
    return fromUtf8(this.bytes.subarray(from, this.at)) ?? refuse('a name is not UTF-8');
  }
}

/** The sections of a core module, in their order; each known one at most once. */
export function readSections(bytes: Uint8Array): Section[] {
  if (bytes.length > WASM_BYTES_MAX) refuse('the module is larger than 16 MiB');
  const reader = new Reader(bytes, 0, bytes.length);
  if (reader.u32le() !== 0x6d736100) refuse('this is not a WebAssembly module');
  const version = reader.u32le();
  if (version === 0x1000d)
    refuse('this is a WebAssembly component; build a core module for WASI preview 1');
  if (version !== 1) refuse(`WebAssembly version ${version} is not known`);
  const sections: Section[] = [];
  const seen = new Set<number>();
  while (!reader.done) {
    const from = reader.at;
    const id = reader.byte();
    const size = reader.u32();
    const body = reader.at;
    reader.skip(size);
    if (id === SECTION.tag) refuse('the module uses exceptions');
    if (id > ID_MAX) refuse(`section ${id} is not known`);
    // Names, debug data, hints: nobody here reads them, and their number is nobody's business.
    if (id === SECTION.custom) {
      new Reader(bytes, body, reader.at).name();
      continue;
    }
    if (seen.has(id)) refuse(`section ${id} is there twice`);
    seen.add(id);
    sections.push({id, from, body, to: reader.at});
  }
  return sections;
}

export function readerOf(
  bytes: Uint8Array,
  sections: readonly Section[],
  id: number,
): Reader | undefined {
  const section = sections.find(one => one.id === id);
  return section === undefined ? undefined : new Reader(bytes, section.body, section.to);
}
