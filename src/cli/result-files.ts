// Results as files: one each, named after its input where that was a file, else by its index.

import {writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {VolleyError} from '../base/errors.ts';
import type {InputSource} from '../core/tables.ts';
import type {BatchView, ResultView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import {linesOf} from '../http/client-streams.ts';
import {makeFolder} from './folder.ts';
import {cannotWrite, outputOf} from './result-bytes.ts';

/** Names of `files` inputs by index; empty for other inputs. */
export async function fileNames(
  client: OperatorClient,
  input: InputSource,
): Promise<ReadonlyMap<number, string>> {
  const names = new Map<number, string>();
  if (input.kind !== 'files') return names;
  for await (const line of linesOf(client.readBlob(input.blobId)))
    if (line !== '') names.set(names.size, (JSON.parse(line) as {name: string}).name);
  return names;
}

type Place = {
  readonly batch: BatchView;
  readonly names: ReadonlyMap<number, string>;
  readonly out: string;
};

/** Answers how many files were written. Blobs are verified on the way. */
export async function writeResults(
  client: OperatorClient,
  views: AsyncIterable<ResultView>,
  {batch, names, out}: Place,
): Promise<number> {
  const digits = String(batch.count - 1).length;
  let count = 0;
  for await (const view of views) {
    if (view.state !== 'done') continue;
    const name = names.get(view.index);
    const extension = view.text === undefined ? 'bin' : 'txt';
    const index = String(view.index).padStart(digits, '0');
    const path = join(out, name === undefined ? `${index}.${extension}` : inside(name));
    await writeOne(client, view, path);
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

/** A path that stays in its folder, whatever the name says; `.out`, so that no input is overwritten. */
function inside(name: string): string {
  const segments = name
    .split(/[/\\]+/)
    .filter(segment => segment !== '' && segment !== '.')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they have no place in a file name
    .map(segment => (segment === '..' ? '_' : segment.replace(/[\u0000-\u001f\u007f]/g, '_')));
  return `${segments.join('/') || '_'}.out`;
}
