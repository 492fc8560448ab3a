// Results as files: one each, named after its input where that was a file, or its node in a broadcast, else by its index.

import {writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {VolleyError} from '../base/errors.ts';
import type {NodeId} from '../base/types.ts';
import type {BatchView, NodeView, ResultView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import {linesOf} from '../http/client-streams.ts';
import {clipped} from '../wire/codec-text.ts';
import {makeFolder} from './folder.ts';
import {shortId} from './output.ts';
import {cannotWrite, outputOf} from './result-bytes.ts';

/** What results are called, by a number of each. */
export type Names = {
  readonly all: ReadonlyMap<number, string>;
  readonly noOf: (view: ResultView) => number;
};

/** By file where inputs are files, by node in a broadcast; else none, and results go by their indexes. */
export async function namesOf(
  client: OperatorClient,
  {input, policy}: Pick<BatchView, 'input' | 'policy'>,
): Promise<Names> {
  if (policy.broadcast) return nodeNames(await client.nodes());
  const all = new Map<number, string>();
  if (input.kind === 'files')
    for await (const line of linesOf(client.readBlob(input.blobId)))
      if (line !== '') all.set(all.size, (JSON.parse(line) as {name: string}).name);
  return {all, noOf: ({index}) => index};
}

/** Boards of one name are told apart by their ids. */
function nodeNames(nodes: readonly NodeView[]): Names {
  const times = new Map<string, number>();
  for (const {name} of nodes) times.set(name, (times.get(name) ?? 0) + 1);
  const all = new Map<number, string>();
  const numbers = new Map<NodeId, number>();
  for (const [no, {nodeId, name}] of nodes.entries()) {
    all.set(no, times.get(name) === 1 ? name : `${name}-${shortId(nodeId)}`);
    numbers.set(nodeId, no);
  }
  return {all, noOf: ({nodeId}) => (nodeId && numbers.get(nodeId)) ?? -1};
}

type Place = {
  readonly batch: BatchView;
  readonly names: Names;
  readonly out: string;
};

/** Answers how many files were written. Blobs are verified on the way. */
export async function writeResults(
  client: OperatorClient,
  views: AsyncIterable<ResultView>,
  {batch, names, out}: Place,
): Promise<number> {
  const digits = String(batch.count - 1).length;
  const paths = pathsOf(names.all);
  let count = 0;
  for await (const view of views) {
    if (view.state !== 'done') continue;
    const extension = view.text === undefined ? 'bin' : 'txt';
    const index = String(view.index).padStart(digits, '0');
    await writeOne(client, view, join(out, paths.get(names.noOf(view)) ?? `${index}.${extension}`));
    count++;
  }
  return count;
}

async function writeOne(client: OperatorClient, view: ResultView, path: string): Promise<void> {
  try {
    if (view.blobId !== undefined) {
      await client.getBlob(view.blobId, path);
      return;
    }
    const parts: Uint8Array[] = [];
    for await (const part of outputOf(client, view)) parts.push(part);
    await makeFolder(dirname(path));
    await writeFile(path, Buffer.concat(parts));
  } catch (error) {
    throw error instanceof VolleyError ? error : cannotWrite(path, error);
  }
}

/** A file system has room for 255 bytes in a name; some are for `-INDEX.out`. */
const SEGMENT_BYTES_MAX = 240;
const EXTENSION = '.out';

/**
 * A path for each name, no two the same and none the folder of another: where a name comes twice, or comes to
 * the same path, its index is added. Those that differ in case only are one file on some disks.
 */
export function pathsOf(names: ReadonlyMap<number, string>): ReadonlyMap<number, string> {
  const paths = new Map([...names].map(([index, name]) => [index, inside(name)]));
  const taken = new Set<string>();
  for (const path of paths.values())
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1))
      taken.add(path.slice(0, at).toLowerCase());
  for (const [index, path] of paths) {
    let free = `${path}${EXTENSION}`;
    for (let n = 0; taken.has(free.toLowerCase()); n++)
      free = `${path}-${index}${n === 0 ? '' : `-${n}`}${EXTENSION}`;
    taken.add(free.toLowerCase());
    paths.set(index, free);
  }
  return paths;
}

/** A path that stays in its folder, whatever the name says; without `.out`, that no input is overwritten. */
function inside(name: string): string {
  const segments = name
    .split(/[/\\]+/)
    .filter(segment => segment !== '' && segment !== '.')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they have no place in a file name
    .map(segment => (segment === '..' ? '_' : segment.replace(/[\u0000-\u001f\u007f]/g, '_')))
    .map(segment => clipped(segment, SEGMENT_BYTES_MAX));
  return segments.join('/') || '_';
}
