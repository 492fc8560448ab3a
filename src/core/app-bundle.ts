// The files of an exec app as one blob. One app has one blob: files in the order of their paths, and nothing of
// where or when they were packed. It holds files alone, so that no link, device or mode can come with it:
//
//   "volley-files 1\n"  JSON [[path, size], …] "\n"  the bytes of the files, one after the other

import {concat, fromUtf8, toUtf8} from '../base/bytes.ts';
import {BUNDLE_BYTES_MAX, BUNDLE_FILES_MAX} from '../wire/limits.ts';
import {decodeJson} from './tables.ts';

export type BundleFile = {readonly path: string; readonly bytes: Uint8Array};

const MAGIC = toUtf8('volley-files 1\n');
const PATH_CHARS_MAX = 128;
const DEPTH_MAX = 8;
/** No part begins with a dot or a dash: no way up, nothing hidden, nothing that a program takes for a flag. */
const PATH = /^[A-Za-z0-9_][A-Za-z0-9_.+-]*(?:\/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*$/;

/** What is wrong with these paths; undefined = nothing. They have to be in order. */
export function faultOfPaths(paths: readonly string[]): string | undefined {
  if (paths.length < 1 || paths.length > BUNDLE_FILES_MAX)
    return `the files must be 1 to ${BUNDLE_FILES_MAX}, not ${paths.length}`;
  const known = new Set(paths);
  if (known.size < paths.length) return 'a file is named twice';
  for (const path of paths) {
    if (path.length > PATH_CHARS_MAX || !PATH.test(path))
      return (
        `the file ${JSON.stringify(path.slice(0, PATH_CHARS_MAX))} must be a path inside the folder, of ` +
        `letters, digits and _ . + - only, at most ${PATH_CHARS_MAX} characters`
      );
    const parts = path.split('/');
    if (parts.length > DEPTH_MAX)
      return `the file ${path} lies more than ${DEPTH_MAX} folders deep`;
    const above = parts.slice(0, -1).map((_, i) => parts.slice(0, i + 1).join('/'));
    const both = above.find(folder => known.has(folder));
    if (both !== undefined) return `${both} is named as a file and as a folder`;
  }
  const isSorted = paths.every((path, i) => i === 0 || (paths[i - 1] ?? '') < path);
  return isSorted ? undefined : 'the files are not in order';
}

/** The caller has checked the paths. */
export function encodeBundle(files: readonly BundleFile[]): Uint8Array {
  const index = JSON.stringify(files.map(({path, bytes}) => [path, bytes.length]));
  return concat(MAGIC, toUtf8(`${index}\n`), ...files.map(({bytes}) => bytes));
}

export type OpenedBundle =
  | {readonly kind: 'files'; readonly files: readonly BundleFile[]}
  | {readonly kind: 'refused'; readonly reason: string};

const refused = (reason: string): OpenedBundle => ({kind: 'refused', reason});
const MALFORMED = refused('the files of the app are malformed');

/** Whoever made it: every path is looked at again. The bytes are views of the blob. */
export function decodeBundle(blob: Uint8Array): OpenedBundle {
  if (blob.length > BUNDLE_BYTES_MAX)
    return refused(`the files of the app have more than ${BUNDLE_BYTES_MAX} bytes`);
  if (MAGIC.some((byte, i) => blob[i] !== byte)) return MALFORMED;
  const end = blob.indexOf(10, MAGIC.length);
  const index = end < 0 ? undefined : indexOf(blob.subarray(MAGIC.length, end));
  if (index === undefined) return MALFORMED;
  const fault = faultOfPaths(index.map(([path]) => path));
  if (fault !== undefined) return refused(fault);
  let at = end + 1;
  const files = index.map(([path, size]) => {
    const bytes = blob.subarray(at, at + size);
    at += size;
    return {path, bytes};
  });
  return at === blob.length ? {kind: 'files', files} : MALFORMED;
}

type Index = readonly (readonly [string, number])[];

function indexOf(json: Uint8Array): Index | undefined {
  const value = fromUtf8(json) === undefined ? undefined : decodeJson(json);
  if (!Array.isArray(value)) return undefined;
  const isIndex = value.every(
    entry =>
      Array.isArray(entry) &&
      entry.length === 2 &&
      typeof entry[0] === 'string' &&
      Number.isInteger(entry[1]) &&
      entry[1] >= 0 &&
      entry[1] <= BUNDLE_BYTES_MAX,
  );
  return isIndex ? (value as Index) : undefined;
}
