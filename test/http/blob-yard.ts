// A blob server and nodes that talk to it, for the tests of both.

import {readdir} from 'node:fs/promises';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {Prng} from '../../src/base/prng.ts';
import {asBatchId, replicaId} from '../../src/base/types.ts';
import type {NodeEvent, UploadPurpose} from '../../src/core/core.ts';
import {HttpNodeBlobs} from '../../src/http/blob-client.ts';
import {openBlobServer} from '../../src/http/blob-server.ts';
import type {HttpTimes} from '../../src/http/listen.ts';
import type {BlobStore} from '../../src/io/blob-store.ts';
import {crypto, FakeHandle, idOf, NODE, openFolder} from './rig.ts';

export const hmac = crypto.hmacSha256.bind(crypto);
export const BYTES = crypto.random(3_000_000);
export const ID = idOf(BYTES);
export const REPLICA: UploadPurpose = {kind: 'replica', replicaId: replicaId(asBatchId(1), 2, 0)};
export const REPLICA_QUERY = `size=${BYTES.length}&replica=1/2/0`;

/** AVA compares large arrays byte by byte for seconds: their hash says the same. */
export const named = (bytes: Uint8Array | undefined) => bytes && idOf(bytes);

export type Yard = {
  readonly url: string;
  readonly port: number;
  readonly handle: FakeHandle;
  /** Files that the full disk turned away. */
  readonly turnedAway: () => number;
  readonly blobs: BlobStore;
  readonly dir: string;
};

export async function openYard(t: ExecutionContext, times: Partial<HttpTimes> = {}): Promise<Yard> {
  const handle = new FakeHandle();
  const {dir, blobs} = await openFolder(t);
  let full = 0;
  const onNoSpace = (): unknown => full++;
  const host = '127.0.0.1';
  const server = await openBlobServer({handle, blobs, hmac, host, port: 0, times, onNoSpace});
  t.teardown(() => server.close());
  return {url: server.url, port: server.port, handle, blobs, dir, turnedAway: () => full};
}

export type NodeYard = {
  readonly node: HttpNodeBlobs;
  readonly folder: BlobStore;
  readonly events: NodeEvent[];
  readonly dir: string;
};

export async function openNode(
  t: ExecutionContext,
  yard: Yard,
  port = yard.port,
): Promise<NodeYard> {
  const {dir, blobs: folder} = await openFolder(t);
  const events: NodeEvent[] = [];
  const node = new HttpNodeBlobs({
    nodeId: NODE,
    blobs: folder,
    hmac,
    dice: new Prng(1),
    tell: event => events.push(event),
    backoffMsMin: 1,
  });
  t.teardown(() => node.close());
  const key = yard.handle.blobKeys.get(NODE) ?? new Uint8Array(32);
  node.access('127.0.0.1', port, key, []);
  return {node, folder, events, dir};
}

export async function filesIn(dir: string): Promise<string[]> {
  const entries = await readdir(join(dir, 'blobs'), {recursive: true, withFileTypes: true});
  return entries.filter(entry => entry.isFile()).map(entry => entry.name);
}
