// Inputs of a batch as the user names them: a range, lines or files. planInput looks at everything first
// (is it there, is it readable, is it too large); `store` then sends it.

import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {access, constants, stat} from 'node:fs/promises';
import {VolleyError} from '../base/errors.ts';
import {asBlobId} from '../base/types.ts';
import type {InputSource} from '../core/input-source.ts';
import type {OperatorClient} from '../http/client.ts';
import type {NamedBlob} from '../http/context.ts';
import {BLOB_BYTES_MAX, INPUT_FILE_BYTES_MAX} from '../wire/limits.ts';
import type {Given} from './command.ts';
import {numberOf, usage} from './command.ts';
import {expandPattern} from './pattern.ts';

export type InputPlan = {readonly store: (client: OperatorClient) => Promise<InputSource>};

const PIECES = 1_000;

export async function planInput(given: Given): Promise<InputPlan> {
  const [range, lines] = [given.text('range'), given.text('lines')];
  const files = given.texts('files');
  const paths = given.args.slice(1);
  const kinds = [range, lines, files[0]].filter(kind => kind !== undefined).length;
  const isBroadcast = given.flag('all');
  if (kinds === 0 && isBroadcast && paths.length === 0) return planRange('0..1', 1, 1);
  if (kinds === 0 && isBroadcast) throw usage(`what is "${paths[0]}" for?`);
  if (kinds !== 1)
    throw usage(`give ${kinds === 0 ? '' : 'only '}one of --range, --lines and --files`);
  // The shell makes `--files a.txt b.txt` of a pattern without quotes.
  if (paths.length > 0 && files.length === 0) throw usage(`what is "${paths[0]}" for?`);
  const chunk = given.whole('chunk', 1, 2 ** 53 - 1);
  if (range !== undefined) return planRange(range, chunk, isBroadcast ? 1 : PIECES);
  if (given.flag('chunk')) throw usage('--chunk goes with --range');
  return lines === undefined ? planFiles([...files, ...paths]) : planLines(lines);
}

/** @param pieces about so many, without a chunk */
function planRange(text: string, chunk: number | undefined, pieces: number): InputPlan {
  const [, from = '', to = ''] = /^(.+?)\.\.(.+)$/.exec(text) ?? [];
  const [start, end] = [numberOf(from), numberOf(to)];
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end))
    throw usage(`--range must be START..END in whole numbers, such as 0..1_000_000, not "${text}"`);
  const input = {
    kind: 'range' as const,
    start: start ?? 0,
    end: end ?? 0,
    chunk: chunk ?? Math.max(1, Math.ceil(((end ?? 0) - (start ?? 0)) / pieces)),
  };
  if (input.start < 0) throw usage(`--range cannot begin below 0: "${text}"`);
  if (input.end <= input.start)
    throw new VolleyError('VOLLEY_BAD_INPUT', {
      reason: `the range ${text} is empty: its end must be above its start`,
    });
  return {store: async () => input};
}

async function planLines(path: string): Promise<InputPlan> {
  if (path !== '-') await checkFile(path, INPUT_FILE_BYTES_MAX);
  const open = (): AsyncIterable<Uint8Array> =>
    path === '-' ? process.stdin : createReadStream(path, {highWaterMark: 256 * 1_024});
  return {store: async client => ({...(await client.lines(open())), kind: 'lines'})};
}

async function planFiles(patterns: readonly string[]): Promise<InputPlan> {
  const paths: string[] = [];
  for (const pattern of patterns) paths.push(...(await expandPattern(pattern)));
  const files: (NamedBlob & {path: string})[] = [];
  for (const path of [...new Set(paths)]) {
    const name = nameOf(path);
    const size = await checkFile(path, BLOB_BYTES_MAX);
    files.push({path, name, blob: asBlobId(await hashOf(path)), size});
  }
  const store = async (client: OperatorClient): Promise<InputSource> => {
    for (const {path, blob: blobId, size} of files)
      await client.putBlob(createReadStream(path), {blobId, size});
    const named = files.map(({name, blob, size}) => ({name, blob, size}));
    return {...(await client.files(named)), kind: 'files'};
  };
  return {store};
}

/** As results are named afterwards: the path as it was typed, without `./`. */
function nameOf(path: string): string {
  const name = path.replace(/^(\.\/)+/, '');
  if (name.length > 255) throw usage(`the path ${name.slice(0, 40)}… has more than 255 characters`);
  return name;
}

/** Answers the size. Throws VOLLEY_INPUT_MISSING, VOLLEY_BAD_INPUT for an empty one, VOLLEY_TOO_LARGE. */
export async function checkFile(path: string, limit: number): Promise<number> {
  const missing = (reason: string, cause?: unknown): VolleyError =>
    new VolleyError('VOLLEY_INPUT_MISSING', {path, reason}, cause);
  let found: Awaited<ReturnType<typeof stat>>;
  try {
    found = await stat(path);
    await access(path, constants.R_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const reasons: Record<string, string> = {
      ENOENT: 'there is no such file',
      EACCES: 'no permission',
    };
    throw missing(reasons[code] ?? code, error);
  }
  if (found.isDirectory()) throw missing('it is a folder');
  if (found.isFile() && found.size === 0)
    throw new VolleyError('VOLLEY_BAD_INPUT', {reason: `${path} is empty`});
  if (found.size > limit)
    throw new VolleyError('VOLLEY_TOO_LARGE', {what: path, size: found.size, limit});
  return found.size;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}
