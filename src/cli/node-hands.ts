// What computes, fires and carries blobs in a real node.

import {createReadStream} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {assertNever} from '../base/assert.ts';
import {toUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import type {Prng} from '../base/prng.ts';
import type {NodeId} from '../base/types.ts';
import {nodeFloor} from '../core/free-space.ts';
import {HttpNodeBlobs} from '../http/blob-client.ts';
import {ActionRunner} from '../io/actions.ts';
import type {allowedActions} from '../io/allowed-actions.ts';
import {AppSource} from '../io/app-source.ts';
import {type BlobStore, openBlobStore} from '../io/blob-store.ts';
import {BulkEar} from '../io/bulk-ear.ts';
import {forgetOldParts} from '../io/bulk-file.ts';
import type {NodeCrypto} from '../io/crypto.ts';
import {roomAt} from '../io/disk-space.ts';
import {raise} from '../io/realtime.ts';
import {ProcessRunner} from '../io/runner.ts';
import type {Containers} from '../io/runner-container.ts';
import {takesBundle} from '../io/runner-exec.ts';
import type {Jail} from '../io/sandbox.ts';
import {spoiler} from '../io/spoil.ts';
import {endLeftovers} from '../io/stand-still.ts';
import {StateStore} from '../io/state-store.ts';
import type {SystemClock} from '../io/system-clock.ts';
import type {NodeConfig} from '../node/memory.ts';
import type {Tell} from '../runtime/ports.ts';
import {BLOB_BYTES_MAX} from '../wire/limits.ts';
import type {Input} from '../wire/message.ts';
import type {NodeLink} from '../wire/session-node.ts';
import type {Closers} from './closers.ts';

/** A turn and its commit take some milliseconds; after a second nothing is waited for. */
const LOOK_MS = 5;
const LOOKS_MAX = 200;

export type HandsOf = {
  readonly crypto: NodeCrypto;
  readonly clock: SystemClock;
  readonly nodeId: NodeId;
  readonly actions: ReturnType<typeof allowedActions>;
  readonly config: NodeConfig;
  readonly prng: Prng;
  readonly jail: Jail;
  readonly containers: Containers | undefined;
  readonly data: string;
  /** Percent of its results that are wrong on purpose. */
  readonly evil: number;
  /** What actions leave free on the disk; absent = the floor of a node. */
  readonly minFreeBytes: number | undefined;
  /** IPv4 address of the interface. */
  readonly address: string;
  readonly count: (name: string) => void;
  readonly fatal: (error: unknown) => void;
};

export async function openHands(self: HandsOf, link: NodeLink, closers: Closers, tell: Tell) {
  const {crypto, clock, nodeId, actions, config, prng, jail, containers, data} = self;
  const folder = await openBlobStore(join(data, 'blobs'), self.fatal);
  const blobs = new HttpNodeBlobs({
    nodeId,
    blobs: folder,
    hmac: (key, ...parts) => crypto.hmacSha256(key, ...parts),
    dice: prng.fork(),
    tell,
    onItsWay: blobId => bulkEar.waitFor(blobId),
  });
  closers.add(() => blobs.close());
  const bulkEar: BulkEar = earOf(self, folder, blobs, tell);
  closers.add(() => bulkEar.close());
  const source = new AppSource({
    crypto,
    // Of the newest document that was seen, also between two Welcomes.
    appKeys: () => link.trustDocument()?.appKeys ?? [],
    fetchBlob: (blobId, maxBytes) => blobs.fetchBlob(blobId, maxBytes),
  });
  endLeftovers(join(data, 'slots'));
  const runner = new ProcessRunner({
    slots: config.slots,
    tell,
    fetchApp: appId => source.fetchApp(appId),
    readInput: input => readInput(blobs, input),
    putBlob: bytes => folder.put(bytes),
    actions: new Map([...actions].map(([action, {argv}]) => [action, argv])),
    dir: join(data, 'slots'),
    jail,
    ...(containers === undefined ? {} : {containers}),
    states: new StateStore(join(data, 'states'), clock.now().wall),
    ...(self.evil > 0 ? {spoil: spoiler(self.evil / 100, prng.fork())} : {}),
  });
  closers.add(() => runner.close());
  const shooter = new ActionRunner({
    dir: join(data, 'shots'),
    // A line that takes an app's files has nothing to fire.
    actions: new Map([...actions].filter(([, {argv}]) => !takesBundle(argv))),
    clock,
    tell,
    putFile: path => folder.putStream(createReadStream(path)),
    hush: isQuiet => runner.hush(isQuiet),
    raise,
    limits: {fileBytes: BLOB_BYTES_MAX, freeBytes: self.minFreeBytes ?? nodeFloor()},
  });
  shooter.arm('testcard');
  for (const [action, {armed}] of actions) if (armed) shooter.arm(action);
  closers.add(() => shooter.close());
  return {folder, ports: {blobs, runner, actions: shooter, bulkEar}};
}

function earOf(self: HandsOf, folder: BlobStore, blobs: HttpNodeBlobs, tell: Tell): BulkEar {
  const {crypto, clock, prng, data, address, count} = self;
  void forgetOldParts(join(data, 'transfers'), clock.now().wall);
  return new BulkEar({
    partsDir: join(data, 'transfers'),
    filesDir: join(data, 'files'),
    blobs: folder,
    ...{crypto, clock, address, tell, count},
    room: () => roomAt(data, self.minFreeBytes ?? nodeFloor()),
    dice: prng.fork(),
    fetchSpan: (offer, offset, length) => blobs.fetchSpan(offer.blobId, offset, length),
    fetchWhole: offer => blobs.fetchWhole(offer.blobId, offer.size),
  });
}

async function readInput(blobs: HttpNodeBlobs, input: Input): Promise<Uint8Array> {
  switch (input.kind) {
    case 'inline':
      return input.bytes;
    case 'range':
      return toUtf8(`${input.start} ${input.end}\n`);
    case 'slice': {
      const bytes = await blobs.readSlice(input.blobId, input.offset, input.length);
      if (!bytes) throw new VolleyError('VOLLEY_UNKNOWN_BLOB', {blob: input.blobId});
      return bytes;
    }
    default:
      return assertNever(input);
  }
}

/** What became of shots that wait or are under way is durable before the end: the next start tells the master. */
export async function endShots(
  actions: Pick<ActionRunner, 'close'>,
  running: {readonly idle: boolean},
): Promise<void> {
  await actions.close();
  for (let looks = 0; looks < LOOKS_MAX && !running.idle; looks++) await sleep(LOOK_MS);
}
