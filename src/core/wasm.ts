// Looks at a WebAssembly module before anything runs it: what it may import, how much memory it may
// take. Only the outline is read (section by section, never code); the engine validates the rest.
//
// A module that passes is rewritten once: its memory gets the limit of the app as maximum, so that the
// engine enforces it and every node gives the same answer to memory.grow.

import {ByteWriter, concat, fromUtf8} from '../base/bytes.ts';
import {WASM_BYTES_MAX} from '../wire/limits.ts';

/** Bytes of a page of wasm memory. */
export const PAGE_BYTES = 65_536;
export const PAGES_PER_MIB = 16;

export const WASI_MODULE = 'wasi_snapshot_preview1';
/** Where importMemory() makes a module look for its memory. */
export const MEMORY_IMPORT = {module: 'volley', name: 'memory'} as const;

/** Preview 1 calls with an answer; all others of preview 1 but the refused ones answer "not capable". */
export const WASI_ANSWERED = [
  'args_get',
  'args_sizes_get',
  'environ_get',
  'environ_sizes_get',
  'clock_res_get',
  'clock_time_get',
  'fd_close',
  'fd_fdstat_get',
  'fd_fdstat_set_flags',
  'fd_filestat_get',
  'fd_prestat_get',
  'fd_prestat_dir_name',
  'fd_read',
  'fd_seek',
  'fd_tell',
  'fd_write',
  'poll_oneoff',
  'proc_exit',
  'random_get',
  'sched_yield',
] as const;

/**
 * Calls that compilers link in whether used or not (Go's runtime, C's stdio) and that need a file or a
 * folder. A workunit has none, so they say so; they have no other code behind them.
 */
export const WASI_DENIED = [
  'fd_advise',
  'fd_allocate',
  'fd_datasync',
  'fd_fdstat_set_rights',
  'fd_filestat_set_size',
  'fd_filestat_set_times',
  'fd_pread',
  'fd_pwrite',
  'fd_readdir',
  'fd_renumber',
  'fd_sync',
  'path_create_directory',
  'path_filestat_get',
  'path_filestat_set_times',
  'path_link',
  'path_open',
  'path_readlink',
  'path_remove_directory',
  'path_rename',
  'path_symlink',
  'path_unlink_file',
] as const;

const ALLOWED: ReadonlySet<string> = new Set([...WASI_ANSWERED, ...WASI_DENIED]);

const SECTION = {import: 2, memory: 5, export: 7, tag: 13} as const;
/** Every section of core wasm but custom (0), which may repeat, and tag, which is refused. */
const KNOWN_SECTIONS: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

export type Inspection =
  | {
      readonly kind: 'wasm';
      readonly initialPages: number;
      /** undefined = the module declares none; boundMemory() gives it one. */
      readonly maximumPages: number | undefined;
    }
  | {readonly kind: 'refused'; readonly reason: string};

/** Why a module is refused; caught at every exported function of this file. */
class Refusal extends Error {}

type Section = {readonly id: number; readonly from: number; readonly body: number; to: number};
type MemoryType = {readonly initialPages: number; readonly maximumPages: number | undefined};

/** Judges a module against a memory limit in pages. Never throws, whatever the bytes are. */
export function inspectWasm(bytes: Uint8Array, pagesMax: number): Inspection {
  try {
    const sections = readSections(bytes);
    checkImports(bytes, sections);
    const memory = readMemory(bytes, sections);
    checkMemory(memory, pagesMax);
    checkExports(bytes, sections);
    return {kind: 'wasm', ...memory};
  } catch (error) {
    if (error instanceof Refusal) return {kind: 'refused', reason: error.message};
    throw error;
  }
}

/**
 * The module with `pagesMax` as the maximum of its memory, whatever it declared; undefined when it has
 * no memory of its own or is malformed. Same bytes in, same bytes out.
 */
export function boundMemory(bytes: Uint8Array, pagesMax: number): Uint8Array | undefined {
  return rewrite(bytes, (sections, memory) => {
    const body = limits(new ByteWriter().varint(1), memory.initialPages, pagesMax).bytes();
    return sections.map(section =>
      section.id === SECTION.memory ? frame(section.id, body) : slice(bytes, section),
    );
  });
}

/**
 * The module with its memory taken from MEMORY_IMPORT instead of made anew: an engine needs ten times
 * longer to map a memory than to clear a small one. undefined as for boundMemory().
 */
export function importMemory(bytes: Uint8Array): Uint8Array | undefined {
  return rewrite(bytes, (sections, memory) => {
    const old = sections.find(section => section.id === SECTION.import);
    const reader = old === undefined ? undefined : new Reader(bytes, old.body, old.to);
    const count = reader?.u32() ?? 0;
    const entry = new ByteWriter().text(MEMORY_IMPORT.module).text(MEMORY_IMPORT.name).varint(2);
    const body = concat(
      new ByteWriter().varint(count + 1).bytes(),
      reader?.rest() ?? new Uint8Array(0),
      limits(entry, memory.initialPages, memory.maximumPages).bytes(),
    );
    const imports = frame(SECTION.import, body);
    const parts: Uint8Array[] = [];
    let placed = false;
    for (const section of sections) {
      // Imports come after types (1) and before everything else that is numbered.
      if (!placed && section.id >= SECTION.import) {
        parts.push(imports);
        placed = true;
      }
      if (section.id !== SECTION.import && section.id !== SECTION.memory)
        parts.push(slice(bytes, section));
    }
    return parts;
  });
}

function rewrite(
  bytes: Uint8Array,
  parts: (sections: readonly Section[], memory: MemoryType) => Uint8Array[],
): Uint8Array | undefined {
  try {
    const sections = readSections(bytes);
    return concat(bytes.subarray(0, 8), ...parts(sections, readMemory(bytes, sections)));
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

const slice = (bytes: Uint8Array, section: Section): Uint8Array =>
  bytes.subarray(section.from, section.to);

const frame = (id: number, body: Uint8Array): Uint8Array =>
  new ByteWriter().varint(id).sized(body).bytes();

const limits = (writer: ByteWriter, initial: number, maximum: number | undefined): ByteWriter =>
  maximum === undefined
    ? writer.varint(0).varint(initial)
    : writer.varint(1).varint(initial).varint(maximum);

function readSections(bytes: Uint8Array): Section[] {
  if (bytes.length > WASM_BYTES_MAX) throw new Refusal('the module is larger than 16 MiB');
  const reader = new Reader(bytes, 0, bytes.length);
  if (reader.u32le() !== 0x6d736100) throw new Refusal('this is not a WebAssembly module');
  const version = reader.u32le();
  if (version !== 1)
    throw new Refusal(
      version === 0x1000d
        ? 'this is a WebAssembly component; build a core module for WASI preview 1'
        : `WebAssembly version ${version} is not known`,
    );
  const sections: Section[] = [];
  const seen = new Set<number>();
  while (!reader.done) {
    const from = reader.at;
    const id = reader.byte();
    const size = reader.u32();
    const body = reader.at;
    reader.skip(size);
    if (id === SECTION.tag) throw new Refusal('the module uses exceptions');
    if (id !== 0 && !KNOWN_SECTIONS.includes(id)) throw new Refusal(`section ${id} is not known`);
    if (id !== 0 && seen.has(id)) throw new Refusal(`section ${id} is there twice`);
    seen.add(id);
    sections.push({id, from, body, to: reader.at});
  }
  return sections;
}

/** Names are the module's own words: only a short, printable piece of them goes on. */
const shown = (module: string, name: string): string =>
  `${module}.${name}`.replace(/[^\x21-\x7e]/g, '?').slice(0, 80);

const IMPORT_KINDS = ['function', 'table', 'memory', 'global', 'tag'];

function checkImports(bytes: Uint8Array, sections: readonly Section[]): void {
  const section = sections.find(one => one.id === SECTION.import);
  if (section === undefined) return;
  const reader = new Reader(bytes, section.body, section.to);
  for (let left = reader.u32(); left > 0; left--) {
    const module = reader.name();
    const name = reader.name();
    const kind = reader.byte();
    // What follows an import that is refused need not be read.
    if (kind !== 0)
      throw new Refusal(
        `imports the ${IMPORT_KINDS[kind] ?? 'unknown thing'} ${shown(module, name)}`,
      );
    if (module !== WASI_MODULE || !ALLOWED.has(name))
      throw new Refusal(`imports ${shown(module, name)}, which no node provides`);
    reader.u32();
  }
}

function readMemory(bytes: Uint8Array, sections: readonly Section[]): MemoryType {
  const section = sections.find(one => one.id === SECTION.memory);
  if (section === undefined) throw new Refusal('the module has no memory');
  const reader = new Reader(bytes, section.body, section.to);
  const count = reader.u32();
  if (count !== 1) throw new Refusal(`the module has ${count} memories; it must have one`);
  const flags = reader.byte();
  if ((flags & 2) !== 0) throw new Refusal('the memory is shared');
  if ((flags & 4) !== 0) throw new Refusal('the memory is 64-bit');
  if (flags > 1) throw new Refusal('the memory is of an unknown kind');
  const initialPages = reader.u32();
  const maximumPages = flags === 1 ? reader.u32() : undefined;
  if (!reader.done) throw new Refusal('the module is malformed');
  return {initialPages, maximumPages};
}

const mib = (pages: number): string => String(Math.ceil((pages / PAGES_PER_MIB) * 10) / 10);

function checkMemory({initialPages, maximumPages}: MemoryType, pagesMax: number): void {
  const largest = Math.max(initialPages, maximumPages ?? 0);
  if (largest > pagesMax)
    throw new Refusal(`the memory declares ${mib(largest)} MiB, the limit is ${mib(pagesMax)} MiB`);
}

function checkExports(bytes: Uint8Array, sections: readonly Section[]): void {
  const section = sections.find(one => one.id === SECTION.export);
  const found = new Map<string, number>();
  if (section !== undefined) {
    const reader = new Reader(bytes, section.body, section.to);
    for (let left = reader.u32(); left > 0; left--) {
      const name = reader.name();
      found.set(name, reader.byte());
      reader.u32();
    }
  }
  if (found.get('_start') !== 0) throw new Refusal('the module exports no function _start');
  if (found.get('memory') !== 2) throw new Refusal('the module does not export its memory');
}

/** Reads inside one section; running over its end is a refusal. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  at: number;

  constructor(bytes: Uint8Array, from: number, end: number) {
    this.#bytes = bytes;
    this.at = from;
    this.#end = end;
  }

  get done(): boolean {
    return this.at === this.#end;
  }

  byte(): number {
    const byte = this.at < this.#end ? this.#bytes[this.at++] : undefined;
    if (byte === undefined) throw new Refusal('the module is cut short');
    return byte;
  }

  skip(length: number): void {
    if (length > this.#end - this.at) throw new Refusal('the module is cut short');
    this.at += length;
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.at, this.#end);
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
    throw new Refusal('the module is malformed');
  }

  name(): string {
    const length = this.u32();
    const from = this.at;
    this.skip(length);
    const name = fromUtf8(this.#bytes.subarray(from, this.at));
    if (name === undefined) throw new Refusal('a name is not UTF-8');
    return name;
  }
}
