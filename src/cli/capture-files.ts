// The files of a capture on our disk: `<out>/<shot>/<label or name>.<ext>`, verified by their hashes, and
// manifest.json with what the nodes signed and everything that is needed to check it.

import {stat, writeFile} from 'node:fs/promises';
import {extname, join} from 'node:path';
import type {NodeId} from '../base/types.ts';
import type {CaptureView, ShotRow} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import {usage} from './command.ts';
import {makeFolder} from './folder.ts';
import {shortId} from './output.ts';
import {cannotWrite} from './result-bytes.ts';

export type SavedFile = {
  readonly nodeId: NodeId;
  readonly shot: number;
  /** Inside the folder. */
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
};

/**
 * Looks at the folder before anything is fired: a shot cannot be taken again because it had no place.
 * Throws VOLLEY_USAGE for a folder that holds a capture, VOLLEY_CANNOT_WRITE or VOLLEY_NO_PERMISSION for one that cannot be made.
 */
export async function prepareFolder(out: string): Promise<void> {
  try {
    await makeFolder(out);
  } catch (error) {
    throw cannotWrite(out, error);
  }
  const taken = await stat(join(out, 'manifest.json')).catch(() => undefined);
  if (taken) throw usage(`${out} holds a capture already; name another folder with --out`);
}

/** Blobs that are fetched at the same time. */
const PARALLEL = 4;

export async function saveCapture(
  client: OperatorClient,
  view: CaptureView,
  out: string,
): Promise<ReadonlySet<SavedFile>> {
  const saved = new Set<SavedFile>();
  const wanted = plan(view);
  try {
    await makeFolder(out);
    const fetchNext = async (): Promise<void> => {
      for (let file = wanted.shift(); file !== undefined; file = wanted.shift()) {
        await client.getBlob(file.blobId, join(out, file.path));
        const {nodeId, shot, path, blobId: sha256, size} = file;
        saved.add({nodeId, shot, path, sha256, size});
      }
    };
    await Promise.all(Array.from({length: PARALLEL}, fetchNext));
    const manifest = await manifestOf(client, view, [...saved]);
    await writeFile(join(out, 'manifest.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? cannotWrite(out, error) : error;
  }
  return saved;
}

type Wanted = Omit<SavedFile, 'sha256'> & {readonly blobId: ShotRow['files'][number]['blobId']};

/** Exported for its test: which file of the view goes where. */
export function plan(view: CaptureView): Wanted[] {
  const wanted: Wanted[] = [];
  const taken = new Set<string>();
  for (const row of view.rows) {
    const base = baseOf(row, view.rows);
    row.files.forEach((file, i) => {
      if (!file.collected) return;
      const name = i === 0 ? base : `${base}-${i + 1}`;
      const path = unique(join(String(row.shot), name), extensionOf(file.name), row, taken);
      const {blobId, size} = file;
      wanted.push({nodeId: row.nodeId, shot: row.shot, path, size, blobId});
    });
  }
  return wanted;
}

/** The label when it is this node's alone, else its name. */
function baseOf(row: ShotRow, rows: readonly ShotRow[]): string {
  const sharing = rows.filter(other => other.shot === row.shot && other.label === row.label);
  return fileName(row.label !== '' && sharing.length === 1 ? row.label : row.name) || row.nodeId;
}

/** Nodes choose their names: nothing of them may lead out of the folder or hide a file. */
const fileName = (text: string): string =>
  text
    .replace(/[^\p{L}\p{N}._-]+/gu, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 64);

const extensionOf = (name: string): string => {
  const extension = extname(name).toLowerCase();
  return /^\.[a-z0-9]{1,8}$/.test(extension) ? extension : '.bin';
};

function unique(path: string, extension: string, row: ShotRow, taken: Set<string>): string {
  let free = `${path}${extension}`;
  // Two names that differ in case only are one file on some disks. What a name is made to may be another's name.
  for (let n = 0; taken.has(free.toLowerCase()); n++)
    free = `${path}-${shortId(row.nodeId)}${n === 0 ? '' : `-${n}`}${extension}`;
  taken.add(free.toLowerCase());
  return free;
}

async function manifestOf(
  client: OperatorClient,
  view: CaptureView,
  files: readonly SavedFile[],
): Promise<object> {
  const {clusterId} = await client.status();
  const nodes = (await client.nodes()).filter(({nodeId}) =>
    view.rows.some(row => row.nodeId === nodeId),
  );
  return {
    format: 1,
    clusterId,
    howToCheck:
      'each statement is a ShotStatement of proto/volley.proto; its signature is Ed25519 by ' +
      'identityKey over "volley/v1/shot", clusterId and statement, as wire/crypto.ts puts them ' +
      'together; nodeId is the first half of SHA-256 of identityKey; sha256 names each file',
    capture: view,
    nodes: nodes.map(({nodeId, name, labels, identityKey}) => ({
      nodeId,
      name,
      labels,
      identityKey,
    })),
    files,
  };
}
