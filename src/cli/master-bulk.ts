// What sends the transfers of a master, put together.

import type {BlobStore} from '../io/blob-store.ts';
import {BulkLine} from '../io/bulk-line.ts';
import type {chooseInterface} from '../io/interfaces.ts';
import type {MasterRuntime} from '../runtime/master-runtime.ts';
import type {Closers} from './closers.ts';

/** @param runtime asked when there is something to tell: it begins after us */
export function openBulk(
  blobs: BlobStore,
  {address, name: interfaceName}: ReturnType<typeof chooseInterface>,
  runtime: () => MasterRuntime,
  closers: Closers,
): BulkLine {
  const bulk = new BulkLine({
    pathOf: blobId => blobs.pathOf(blobId),
    address,
    interfaceName,
    tell: (transferId, news) => runtime().post({type: 'bulkNews', transferId, news}),
  });
  closers.add(() => bulk.close());
  return bulk;
}
