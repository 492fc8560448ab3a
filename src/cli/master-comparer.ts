// The part of a master that compares outputs: blobs and comparison apps from its own folder.

import {createHash} from 'node:crypto';
import {join} from 'node:path';
import {VolleyError} from '../base/errors.ts';
import type {BlobId} from '../base/types.ts';
import {AppSource} from '../io/app-source.ts';
import type {BlobStore} from '../io/blob-store.ts';
import {OutputComparer} from '../io/comparer.ts';
import {chooseJail} from '../io/sandbox-probe.ts';
import {trustIn} from '../io/trust-files.ts';
import type {Journal} from '../runtime/ports.ts';
import type {Crypto} from '../wire/crypto.ts';

export function openComparer(master: {
  readonly data: string;
  readonly signedTrust: Uint8Array;
  readonly crypto: Crypto;
  readonly blobs: BlobStore;
  readonly log: Journal;
}): OutputComparer {
  const {data, signedTrust, crypto, blobs, log} = master;
  const {appKeys} = trustIn(data, signedTrust);
  const dir = join(data, 'compare');
  const source = new AppSource({
    crypto,
    appKeys: () => appKeys,
    fetchBlob: (blobId, maxBytes) => fetchBlob(blobs, blobId, maxBytes),
  });
  return new OutputComparer({
    readBlob: (blobId, size) => readChecked(blobs, blobId, size),
    fetchApp: appId => source.fetchApp(appId),
    // A master that never compares by an app need not find out how to shut one in.
    jail: () => chooseJail('auto', dir, log),
    dir: join(dir, 'slot'),
  });
}

/** As get() of the blobs, but no step takes long: the master's loop goes on. */
async function readChecked(blobs: BlobStore, blobId: BlobId, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  const hash = createHash('sha256');
  let at = 0;
  for await (const chunk of blobs.stream(blobId, 0, size)) {
    hash.update(chunk);
    bytes.set(chunk, at);
    at += chunk.length;
  }
  if (at === size && hash.digest('hex') === blobId) return bytes;
  throw new VolleyError('VOLLEY_STORE_DAMAGED', {
    reason: `blob ${blobId}: it is not what was stored`,
  });
}

async function fetchBlob(
  blobs: BlobStore,
  blobId: BlobId,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const size = await blobs.size(blobId);
  return size === undefined || size > maxBytes ? undefined : await blobs.get(blobId);
}
