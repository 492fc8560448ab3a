// What an order of an exec or container app runs here: what the owner of the node allows, and nothing else. The
// master gives a node only what it said that it allows (core/grants.ts); here it is held to, whoever asks.

import type {BlobId} from '../base/types.ts';
import type {AppManifest} from '../core/app.ts';
import {fitsImage} from '../core/grants.ts';
import type {FailReason} from '../wire/message.ts';
import {type Containers, containerProgram} from './runner-container.ts';
import {fillArgv, surplusOf, takesBundle} from './runner-exec.ts';
import type {ExecProgram, ProgramOrder} from './runner-job.ts';

export type Refusal = {readonly reason: FailReason; readonly detail: string};

export type Allowed = {
  readonly actions: ReadonlyMap<string, readonly string[]>;
  /** undefined = no images. */
  readonly containers: Containers | undefined;
  /** Where the files of an app are, for reading. */
  readonly folderOf: (blobId: BlobId, files: Uint8Array) => Promise<string>;
};

/** @param files of the app, packed; empty = it has none */
export async function ownersProgram(
  order: ProgramOrder,
  manifest: AppManifest,
  files: Uint8Array,
  allowed: Allowed,
): Promise<ExecProgram | Refusal> {
  if (manifest.runtime === 'container') return inContainer(order, manifest, allowed.containers);
  const {args} = order;
  const {action = '', bundle} = manifest;
  const template = allowed.actions.get(action);
  if (template === undefined)
    return refused(`the owner of this node does not allow the action "${action}"`);
  const fault = faultOfFiles(action, bundle !== undefined, takesBundle(template));
  if (fault !== undefined) return refused(fault);
  const surplus = surplusOf(template, args);
  if (surplus !== undefined) return refused(surplus);
  const folder = bundle && (await allowed.folderOf(bundle.blobId, files));
  return {kind: 'exec', argv: fillArgv(template, args, folder), folder};
}

function faultOfFiles(action: string, hasFiles: boolean, takesFiles: boolean): string | undefined {
  if (hasFiles === takesFiles) return undefined;
  return hasFiles
    ? `the owner of this node does not allow programs from the app for the action "${action}"`
    : `the action "${action}" of this node runs a program from the app, and the app has no files`;
}

function inContainer(
  order: ProgramOrder,
  {image = '', command = []}: AppManifest,
  containers: Containers | undefined,
): ExecProgram | Refusal {
  if (containers === undefined) return refused('this node runs no containers');
  if (!containers.images.some(pattern => fitsImage(pattern, image)))
    return refused(`the owner of this node does not allow the image "${image}"`);
  if (order.shared !== undefined) return refused('a container app reads no shared input');
  return containerProgram(containers, {...order, image, command});
}

const refused = (detail: string): Refusal => ({reason: 'refused', detail});
