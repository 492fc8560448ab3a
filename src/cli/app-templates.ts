// The templates of `volley app init`, one for each language: what each needs of this machine, and how it is built.
// The files are in templates/, where each is a whole app. All of them compute the same.

import {spawnSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import {delimiter, join} from 'node:path';

/** Something that this machine must have before the app can be built or run. */
export type Need = {
  readonly what: string;
  readonly has: () => boolean;
  /** How to get it, on Debian and Raspberry Pi OS. */
  readonly get: string;
};

export type Template = {
  readonly name: string;
  readonly summary: string;
  /** Typed in the folder; makes what app.json names of the source. Absent = nothing has to be built. */
  readonly build?: string;
  /** The owner of a node must allow it: the folder has the line for node.json. */
  readonly isAllowedByOwner?: true;
  readonly needs: readonly Need[];
};

function isInPath(program: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.some(folder => folder !== '' && existsSync(join(folder, program)));
}

const program = (what: string, get: string): Need => ({what, has: () => isInPath(what), get});

const MAKE = program('make', 'apt install make');

const C_LIBRARY: Need = {
  what: 'a C library for WASI',
  has: () => existsSync('/usr/lib/wasm32-wasi/libc.a'),
  get: 'apt install wasi-libc libclang-rt-dev-wasm32',
};

/** The libraries of the Rust that is used here: Debian's, or the toolchain that rustup has chosen. */
function hasRustTarget(): boolean {
  const asked = spawnSync('rustc', ['--print', 'sysroot'], {encoding: 'utf8', timeout: 5_000});
  if (asked.status !== 0) return false;
  const libraries = join(asked.stdout.trim(), 'lib/rustlib');
  return ['wasm32-wasip1', 'wasm32-wasi'].some(target => existsSync(join(libraries, target)));
}

const RUST_TARGET: Need = {
  what: 'a WASI target for Rust',
  has: hasRustTarget,
  get: 'rustup target add wasm32-wasip1, or apt install rustc libstd-rust-dev-wasm32',
};

/** In the order of the list that people read. */
export const TEMPLATES: readonly Template[] = [
  {name: 'ts', summary: 'TypeScript: nothing to build, npm modules if you like', needs: []},
  {name: 'js', summary: 'JavaScript: the same without types', needs: []},
  {
    name: 'assemblyscript',
    summary: 'AssemblyScript: reads like TypeScript, becomes WebAssembly',
    build: 'npm install && npm run build',
    needs: [program('npm', 'apt install npm')],
  },
  {
    name: 'c',
    summary: 'C: becomes WebAssembly, with clang',
    build: 'make',
    needs: [
      MAKE,
      program('clang', 'apt install clang'),
      program('wasm-ld', 'apt install lld'),
      C_LIBRARY,
    ],
  },
  {
    name: 'rust',
    summary: 'Rust: becomes WebAssembly, with cargo',
    build: 'make',
    needs: [MAKE, program('cargo', 'apt install cargo'), RUST_TARGET],
  },
  {
    name: 'exec',
    summary: 'Python, or any other program: runs at nodes whose owner allows it',
    isAllowedByOwner: true,
    needs: [program('python3', 'apt install python3')],
  },
];

export const missingOf = ({needs}: Template): readonly Need[] => needs.filter(({has}) => !has());
