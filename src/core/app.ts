// An app as the cluster knows it: a manifest signed by an app key that the root names. The signed blob is
// `base64(signature) "\n" manifest JSON`; its SHA-256 is the AppId (a BlobId), so a batch names exact bytes.

import {concat, fromUtf8, toUtf8} from '../base/bytes.ts';
import type {Crypto} from '../wire/crypto.ts';
import {
  APP_MANIFEST_BYTES_MAX,
  MEMORY_LIMIT_MIB_MAX,
  OUTPUT_LIMIT_BYTES_MAX,
  SANDBOX_LEVEL_MAX,
  TIME_LIMIT_SECONDS_MAX,
} from '../wire/limits.ts';
import {
  type AppBody,
  type AppRuntime,
  bodyFieldsOf,
  type Fields,
  faultOfBody,
  isFields,
  isRuntime,
  matches,
  NAME,
  RUNTIMES,
  strayField,
} from './app-bodies.ts';
import {decodeJson} from './tables.ts';

export type AppManifest = AppBody & {
  readonly format: 1;
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly runtime: AppRuntime;
  /** It can reduce its own results: in rounds it does, without being asked to. */
  readonly reduces?: true;
  readonly limits: {
    readonly timeSeconds: number;
    readonly memoryMib: number;
    readonly outputBytes: number;
  };
};

export const encodeManifest = (manifest: AppManifest): Uint8Array =>
  toUtf8(JSON.stringify(manifest));

/** Splits a signed blob; undefined when it has no signature line. Signature text is base64. */
export function splitSignedApp(
  blob: Uint8Array,
): {readonly signatureBase64: string; readonly manifest: Uint8Array} | undefined {
  const end = blob.indexOf(10);
  if (end < 0 || end > 128) return undefined;
  const signatureBase64 = fromUtf8(blob.subarray(0, end));
  return signatureBase64 === undefined
    ? undefined
    : {signatureBase64, manifest: blob.slice(end + 1)};
}

/** Whether the first of two versions is below the other; of one number, what is marked (-beta) comes before. */
export function isOlderVersion(first: string, second: string): boolean {
  const [a = '', ...aMarks] = first.split('-');
  const [b = '', ...bMarks] = second.split('-');
  const others = b.split('.').map(Number);
  for (const [i, number] of a.split('.').map(Number).entries()) {
    const other = others[i] ?? 0;
    if (number !== other) return number < other;
  }
  if (aMarks.length === 0 || bMarks.length === 0) return aMarks.length > bMarks.length;
  return aMarks.join('-') < bMarks.join('-');
}

const DESCRIPTION_CHARS_MAX = 512;
const SIGNATURE_BYTES = 64;

const VERSION = /^\d{1,5}\.\d{1,5}\.\d{1,5}(?:-[0-9A-Za-z][0-9A-Za-z.-]{0,31})?$/;
const SIGNATURE = /^[A-Za-z0-9+/]{86}==$/;

export type ManifestRefusal = {readonly reason: string};

/** The manifest, or why it is none. Unknown fields are refused: a misspelt limit must not be ignored. */
export function decodeManifest(bytes: Uint8Array): AppManifest | ManifestRefusal {
  if (bytes.length > APP_MANIFEST_BYTES_MAX) return {reason: 'the manifest is too long'};
  const value = decodeJson(bytes);
  if (!isFields(value)) return {reason: 'the manifest is not a JSON object'};
  const reason = faultOf(value);
  return reason === undefined ? (value as AppManifest) : {reason};
}

const isNumber = (value: unknown, min: number, max: number): boolean =>
  typeof value === 'number' && value >= min && value <= max;

const isInteger = (value: unknown, min: number, max: number): boolean =>
  Number.isInteger(value) && isNumber(value, min, max);

function faultOf(manifest: Fields): string | undefined {
  const {format, name, version, description, runtime, limits} = manifest;
  if (format !== 1) return 'format must be 1';
  if (!matches(name, NAME)) return 'name must be 1 to 32 of a-z, 0-9 and -, not begun with -';
  if (!matches(version, VERSION)) return 'version must look like 1.2.3 or 1.2.3-beta';
  if (typeof description !== 'string' || description.length > DESCRIPTION_CHARS_MAX)
    return `description must be a text of at most ${DESCRIPTION_CHARS_MAX} characters`;
  if (!isRuntime(runtime)) return `runtime must be ${RUNTIMES.map(one => `"${one}"`).join(' or ')}`;
  const stray = strayField(manifest, [
    'format',
    'name',
    'version',
    'description',
    'runtime',
    ...bodyFieldsOf(runtime),
    'reduces',
    'limits',
  ]);
  if (stray !== undefined) return `unknown field "${stray}" for runtime ${runtime}`;
  return (
    faultOfBody(runtime, manifest) ??
    faultOfReduces(manifest['reduces']) ??
    faultOfLevel(manifest['sandboxLevel']) ??
    faultOfLimits(limits)
  );
}

const faultOfReduces = (reduces: unknown): string | undefined =>
  reduces === undefined || reduces === true ? undefined : 'reduces must be true, or left out';

const faultOfLevel = (level: unknown): string | undefined =>
  level === undefined || isInteger(level, 0, SANDBOX_LEVEL_MAX)
    ? undefined
    : `sandboxLevel must be a whole number, 0 to ${SANDBOX_LEVEL_MAX}`;

function faultOfLimits(limits: unknown): string | undefined {
  if (!isFields(limits)) return 'limits must be given';
  const stray = strayField(limits, ['timeSeconds', 'memoryMib', 'outputBytes']);
  if (stray !== undefined) return `unknown field "limits.${stray}"`;
  if (!isNumber(limits['timeSeconds'], 0.001, TIME_LIMIT_SECONDS_MAX))
    return `limits.timeSeconds must be 0.001 to ${TIME_LIMIT_SECONDS_MAX}`;
  if (!isInteger(limits['memoryMib'], 1, MEMORY_LIMIT_MIB_MAX))
    return `limits.memoryMib must be a whole number, 1 to ${MEMORY_LIMIT_MIB_MAX}`;
  if (!isInteger(limits['outputBytes'], 1, OUTPUT_LIMIT_BYTES_MAX))
    return `limits.outputBytes must be a whole number, 1 to ${OUTPUT_LIMIT_BYTES_MAX}`;
  return undefined;
}

export type OpenedApp =
  /** `signedBy`: which of the keys it was. */
  | {readonly kind: 'app'; readonly manifest: AppManifest; readonly signedBy: Uint8Array}
  | {readonly kind: 'refused'; readonly reason: string};

/** The signed blob of a manifest. The signature is over the exact bytes of the JSON. */
export function signApp(crypto: Crypto, secretKey: Uint8Array, manifest: AppManifest): Uint8Array {
  const bytes = encodeManifest(manifest);
  const signature = crypto.sign(secretKey, 'app', bytes);
  return concat(toUtf8(`${btoa(String.fromCharCode(...signature))}\n`), bytes);
}

/** Opens a signed blob with the keys that may sign apps now. The caller has checked its hash. */
export function openSignedApp(
  crypto: Crypto,
  appKeys: readonly Uint8Array[],
  blob: Uint8Array,
): OpenedApp {
  const refused = (reason: string): OpenedApp => ({kind: 'refused', reason});
  if (blob.length > APP_MANIFEST_BYTES_MAX) return refused('the app is too long');
  const split = splitSignedApp(blob);
  if (split === undefined) return refused('the app has no signature');
  const signature = decodeSignature(split.signatureBase64);
  if (signature === undefined) return refused('the signature of the app is not base64');
  const signedBy = appKeys.find(key => crypto.verify(key, 'app', signature, split.manifest));
  if (!signedBy) return refused('the app is not signed by a key of this cluster');
  const manifest = decodeManifest(split.manifest);
  return 'reason' in manifest ? refused(manifest.reason) : {kind: 'app', manifest, signedBy};
}

function decodeSignature(base64: string): Uint8Array | undefined {
  if (!SIGNATURE.test(base64)) return undefined;
  const bytes = Uint8Array.from(atob(base64), char => char.charCodeAt(0));
  return bytes.length === SIGNATURE_BYTES ? bytes : undefined;
}
