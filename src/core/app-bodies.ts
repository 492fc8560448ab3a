// What the manifest of each runtime says beside the fields that all have: a module or a script, which is a blob of its
// own, an action with or without files, or an image. One row for each runtime.

import type {BlobId} from '../base/types.ts';
import {ACTION_BYTES_MAX, BUNDLE_BYTES_MAX, JS_BYTES_MAX, WASM_BYTES_MAX} from '../wire/limits.ts';

/** SHA-256 and size of the bytes that run, a blob of their own. */
export type BodyBlob = {readonly blobId: BlobId; readonly size: number};

export type AppBody = {
  readonly wasm?: BodyBlob;
  /** js: one script, made of the app's modules when it was published. */
  readonly js?: BodyBlob;
  /** exec: the action that the node's owner must allow by name. */
  readonly action?: string;
  /** exec: its files, packed (app-bundle.ts), for an action that takes them. Absent = none. */
  readonly bundle?: BodyBlob;
  /** container: `name:tag` or `name@sha256:…`, which the node's owner must allow. */
  readonly image?: string;
  /** container: what is run in it in place of the image's own command. */
  readonly command?: readonly string[];
  /** wasm, js: the least level of a node's sandbox that may run it (io/sandbox.ts); absent = any. */
  readonly sandboxLevel?: number;
};

export type Fields = Readonly<Record<string, unknown>>;

/** 1 to 32 of a-z, 0-9 and -, not begun with -. */
export const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;
const BLOB_ID = /^[0-9a-f]{64}$/;
const WASM_BYTES_MIN = 8;
const BUNDLE_BYTES_MIN = 8;
/** A host with its port, folders, and a tag or a digest; no word may begin with a dash. */
const IMAGE =
  /^[a-z0-9][a-z0-9._-]*(?::\d{1,5}\/[a-z0-9][a-z0-9._-]*)?(?:\/[a-z0-9][a-z0-9._-]*)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[0-9a-f]{64})$/;
export const IMAGE_CHARS_MAX = ACTION_BYTES_MAX - 'container:'.length;
const COMMAND_MAX = 64;

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
    fields: ['action', 'bundle'],
    faultOf: ({action, bundle}) =>
      matches(action, NAME) ? faultOfBundle(bundle) : 'action must be 1 to 32 of a-z, 0-9 and -',
  },
  container: {
    fields: ['image', 'command'],
    faultOf: ({image, command}) => faultOfImage(image) ?? faultOfCommand(command),
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
export const bodyOf = ({wasm, js, bundle}: AppBody): BodyBlob | undefined => wasm ?? js ?? bundle;

/** The fields of a body in one order, so that the same app always has the same bytes. */
export function orderedBody(body: AppBody): AppBody {
  const order = ['wasm', 'js', 'action', 'bundle', 'image', 'command', 'sandboxLevel'] as const;
  return Object.fromEntries(
    order.flatMap(name => (body[name] === undefined ? [] : [[name, body[name]]])),
  );
}

const faultOfBundle = (bundle: unknown): string | undefined =>
  bundle === undefined
    ? undefined
    : faultOfBlob('bundle', 'the files', bundle, BUNDLE_BYTES_MIN, BUNDLE_BYTES_MAX);

const faultOfImage = (image: unknown): string | undefined =>
  typeof image === 'string' && isImage(image)
    ? undefined
    : `image must be name:tag or name@sha256:…, at most ${IMAGE_CHARS_MAX} characters`;

/** Is it the full name of an image? Without a tag or a digest it would be another one tomorrow. */
export const isImage = (text: string): boolean =>
  text.length <= IMAGE_CHARS_MAX && IMAGE.test(text);

function faultOfCommand(command: unknown): string | undefined {
  const isArgv =
    Array.isArray(command) &&
    command.length > 0 &&
    command.length <= COMMAND_MAX &&
    command.every(part => typeof part === 'string' && !part.includes('\0')) &&
    command[0] !== '';
  return command === undefined || isArgv
    ? undefined
    : `command must be a list of 1 to ${COMMAND_MAX} texts`;
}

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
