// What the manifest of each runtime says beside the fields that all have: a module or a script, which is a blob of its
// own, or an action. One row for each runtime.

import type {BlobId} from '../base/types.ts';
import {JS_BYTES_MAX, WASM_BYTES_MAX} from '../wire/limits.ts';

/** SHA-256 and size of the bytes that run, a blob of their own. */
export type BodyBlob = {readonly blobId: BlobId; readonly size: number};

export type AppBody = {
  readonly wasm?: BodyBlob;
  /** js: one script, made of the app's modules when it was published. */
  readonly js?: BodyBlob;
  /** exec: the action that the node's owner must allow by name. */
  readonly action?: string;
  /** wasm, js: the least level of a node's sandbox that may run it (io/sandbox.ts); absent = any. */
  readonly sandboxLevel?: number;
};

export type Fields = Readonly<Record<string, unknown>>;

/** 1 to 32 of a-z, 0-9 and -, not begun with -. */
export const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;
const BLOB_ID = /^[0-9a-f]{64}$/;
const WASM_BYTES_MIN = 8;

type BodyRule = {
  readonly fields: readonly (keyof AppBody)[];
  readonly faultOf: (manifest: Fields) => string | undefined;
};

const BODIES = {
  wasm: {
    fields: ['wasm', 'sandboxLevel'],
    faultOf: ({wasm}) => faultOfBlob('wasm', 'a module', wasm, WASM_BYTES_MIN, WASM_BYTES_MAX),
  },
  js: {
    fields: ['js', 'sandboxLevel'],
    faultOf: ({js}) => faultOfBlob('js', 'a script', js, 1, JS_BYTES_MAX),
  },
  exec: {
    fields: ['action'],
    faultOf: ({action}) =>
      matches(action, NAME) ? undefined : 'action must be 1 to 32 of a-z, 0-9 and -',
  },
} satisfies Readonly<Record<string, BodyRule>>;

export type AppRuntime = keyof typeof BODIES;

export const RUNTIMES = Object.keys(BODIES) as AppRuntime[];

export const isRuntime = (value: unknown): value is AppRuntime =>
  RUNTIMES.includes(value as AppRuntime);

/** Fields that a manifest of this runtime may have beside the common ones. */
export const bodyFieldsOf = (runtime: AppRuntime): readonly string[] => BODIES[runtime].fields;

export const faultOfBody = (runtime: AppRuntime, manifest: Fields): string | undefined =>
  (BODIES[runtime] satisfies BodyRule).faultOf(manifest);

/** The blob with what runs; undefined = the app has none. */
export const bodyOf = ({wasm, js}: AppBody): BodyBlob | undefined => wasm ?? js;

/** The fields of a body in one order, so that the same app always has the same bytes. */
export const orderedBody = ({wasm, js, action, sandboxLevel}: AppBody): AppBody => ({
  ...(wasm === undefined ? {} : {wasm}),
  ...(js === undefined ? {} : {js}),
  ...(action === undefined ? {} : {action}),
  ...(sandboxLevel === undefined ? {} : {sandboxLevel}),
});

function faultOfBlob(
  name: string,
  what: string,
  blob: unknown,
  sizeMin: number,
  sizeMax: number,
): string | undefined {
  if (!isFields(blob)) return `${name} must name ${what}`;
  const stray = strayField(blob, ['blobId', 'size']);
  if (stray !== undefined) return `unknown field "${name}.${stray}"`;
  if (!matches(blob['blobId'], BLOB_ID)) return `${name}.blobId must be 64 hex characters`;
  const {size} = blob;
  if (!Number.isInteger(size) || (size as number) < sizeMin || (size as number) > sizeMax)
    return `${name}.size must be ${sizeMin} to ${sizeMax} bytes`;
  return undefined;
}

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const matches = (value: unknown, pattern: RegExp): boolean =>
  typeof value === 'string' && pattern.test(value);

export const strayField = (fields: Fields, known: readonly string[]): string | undefined =>
  Object.keys(fields).find(name => !known.includes(name));
