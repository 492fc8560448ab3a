// The files of a capture on our disk, verified by their hashes: where capture-layout.ts says, each with a
// sidecar, and beside them report.html and manifest.json. The manifest comes last: a folder without one is
// not whole, and the next fetch into it goes on with what is there.

import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {access, constants, stat, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {VolleyError} from '../base/errors.ts';
import {asCaptureId} from '../base/types.ts';
import type {Rig} from '../core/rig-plan.ts';
import type {CaptureView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import {
  type Layout,
  MANIFEST,
  type PlannedFile,
  plan,
  REPORT,
  sidecarOf,
} from './capture-layout.ts';
import {type Derived, manifestOf, type SavedFile} from './capture-manifest.ts';
import {reportOf} from './capture-report.ts';
import {captureRigOf} from './capture-rig.ts';
import {sidecarText} from './capture-sidecar.ts';
import {usage} from './command.ts';
import {makeFolder} from './folder.ts';
import {cannotWrite} from './result-bytes.ts';

/**
 * Looks at the folder before anything is fired: a shot cannot be taken again because it had no place.
 * Throws VOLLEY_USAGE for a folder that holds a capture, VOLLEY_CANNOT_WRITE or VOLLEY_NO_PERMISSION for one that cannot be made.
 */
export async function prepareFolder(out: string): Promise<void> {
  try {
    await makeFolder(out);
    await mayWriteIn(out);
  } catch (error) {
    throw cannotWrite(out, error);
  }
  const taken = await stat(join(out, MANIFEST)).catch(() => undefined);
  if (taken) throw usage(`${out} holds a capture already; name another folder with --out`);
}

/** Before anything is fired; without a name the folder is made here, once the capture has a number. */
export async function lookAtPlace(out: string | undefined, isDry = false): Promise<void> {
  if (out !== undefined) return prepareFolder(out);
  if (isDry) return;
  await mayWriteIn('.').catch((error: unknown) => {
    throw cannotWrite('.', error);
  });
}

const mayWriteIn = (folder: string) => access(folder, constants.W_OK | constants.X_OK);

/** Blobs that are fetched at the same time. */
const PARALLEL = 4;

/** Answers the files in the order of the view. */
export async function saveCapture(
  client: OperatorClient,
  id: CaptureView['id'],
  out: string,
  layout?: Layout,
  plannedRig?: Rig,
): Promise<readonly SavedFile[]> {
  const answer = await client.recordOf(asCaptureId(id));
  const {capture} = answer;
  const rig = await captureRigOf(plannedRig, nodesOf(capture));
  const planned = plan(capture, layout);
  const waiting = [...planned];
  try {
    await makeFolder(out);
    const fetchNext = async (): Promise<void> => {
      for (let file = waiting.shift(); file !== undefined; file = waiting.shift())
        await fetchFile(client, file, join(out, file.path));
    };
    await Promise.all(Array.from({length: PARALLEL}, fetchNext));
    const files = planned.map(savedOf);
    const derived: Derived[] = [];
    const write = async (path: string, text: string): Promise<void> => {
      await writeFile(join(out, path), text);
      derived.push({path, sha256: createHash('sha256').update(text).digest('hex')});
    };
    for (const [i, file] of files.entries()) {
      const row = planned[i]?.row;
      if (row) await write(sidecarOf(file.path), sidecarText(capture, row, file, rig));
    }
    await write(REPORT, reportOf(capture, files));
    const manifest = manifestOf(answer, files, derived, rig);
    await writeFile(join(out, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`);
    return files;
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? cannotWrite(out, error) : error;
  }
}

/** Each once, however many shots it has. */
const nodesOf = ({rows}: CaptureView) => [...new Map(rows.map(row => [row.nodeId, row])).values()];

const savedOf = ({row, path, blobId, size}: PlannedFile): SavedFile => ({
  ...{nodeId: row.nodeId, shot: row.shot},
  ...{path, sha256: blobId, size},
});

/** What an earlier fetch has brought is not brought again. */
async function fetchFile(
  client: OperatorClient,
  {blobId}: PlannedFile,
  path: string,
): Promise<void> {
  const there = await hashOf(path);
  if (there === blobId) return;
  // What is ours has a hash of ours: files come whole or not at all.
  if (there !== '')
    throw new VolleyError('VOLLEY_CANNOT_WRITE', {
      path,
      reason: 'another file has this name; move it away, or name another folder with --out',
    });
  await client.getBlob(blobId, path);
}

/** SHA-256 of a plain file, hex; '' = there is none, or it cannot be read. */
export async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array);
  } catch {
    return '';
  }
  return hash.digest('hex');
}
