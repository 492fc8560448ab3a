// What the demo shows, one act after the other. Every act answers numbers for the end.

import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {VolleyError} from '../base/errors.ts';
import type {BatchView, CaptureView} from '../core/views.ts';
import {batchStates} from '../library/batch-states.ts';
import {followCapture} from '../library/capture-states.ts';
import {endOf, progressOf} from './batch-progress.ts';
import {saveCapture} from './capture-files.ts';
import {captureLines} from './capture-table.ts';
import type {DemoCluster} from './demo-cluster.ts';
import {makeFolder} from './folder.ts';
import {grouped} from './output.ts';
import {Picture, tileCountOf} from './picture.ts';
import type {ProgressLine} from './progress.ts';
import {outputOf} from './result-bytes.ts';

/** The number of primes below 10^8; published, e.g. by Lehmer in 1959 and in OEIS A006880. */
export const PRIMES_BELOW_1E8 = 5_761_455;
const PRIMES_END = 100_000_000;
const PRIMES_WORKUNITS = 1_000;
/** The part of the batch after which a node is killed. */
const KILL_AT = 0.2;

const SCENE = {width: 640, height: 480, tileSize: 64};
const SAMPLES = 32;
const SEED = 1;
/** Tiles in a workunit. */
const TILES = 1;

/** Enough for a node that has just been started to have its camera process ready. */
const LEAD_MS = 1_000;

export type Stage = {
  readonly cluster: DemoCluster;
  readonly line: ProgressLine;
  readonly say: (text?: string) => void;
  /** Folder of the pictures. */
  readonly out: string;
  readonly nodes: number;
};

/** Counts primes while a node dies and comes back. */
export async function showPrimes(stage: Stage): Promise<BatchView & {readonly sum: number}> {
  const {cluster, line, say} = stage;
  const {client} = cluster;
  const chunk = PRIMES_END / PRIMES_WORKUNITS;
  const {batchId} = await client.submit({
    name: 'primes',
    app: 'primes',
    args: [],
    input: {kind: 'range', start: 0, end: PRIMES_END, chunk},
    policy: {minQuorum: 2, targetReplicas: 2},
  });
  say(`Counting the primes below ${grouped(PRIMES_END)}, every workunit on two nodes:`);
  let accident: Promise<void> | undefined;
  let last: BatchView | undefined;
  for await (const batch of batchStates(client, batchId)) {
    last = batch;
    line.show(progressOf(batch));
    if (batch.done >= KILL_AT * batch.count) accident ??= killOne(stage);
  }
  line.end();
  await accident;
  if (last?.state !== 'done') throw failed(last);
  let sum = 0;
  for await (const {text} of client.results(batchId)) sum += Number(text);
  const right = sum === PRIMES_BELOW_1E8;
  for (const text of endOf(last)) say(text);
  say(`Primes below ${grouped(PRIMES_END)}: ${grouped(sum)}${right ? ', as published' : ''}`);
  if (!right)
    throw new VolleyError('VOLLEY_INTERNAL', {
      reason: `the count of primes is ${sum}, but it must be ${PRIMES_BELOW_1E8}`,
    });
  return {...last, sum};
}

async function killOne({cluster, line, nodes}: Stage): Promise<void> {
  if (nodes < 2) return;
  const pid = await cluster.kill(nodes);
  line.say(`  node-${nodes} is killed (kill -9 ${pid}) and started again`);
  cluster.startNode(nodes);
}

const failed = (batch: BatchView | undefined): VolleyError =>
  new VolleyError('VOLLEY_BATCH_FAILED', {
    batch: batch?.id ?? 0,
    state: batch?.state ?? 'unknown',
    reason: batch?.reason ?? '',
  });

/** One packet, one picture of every node. */
export async function showCapture(stage: Stage): Promise<CaptureView> {
  const {cluster, line, say, out, nodes} = stage;
  const {client} = cluster;
  await cluster.nodesUp(nodes, up => line.show(`waiting for nodes: ${up} of ${nodes}`));
  line.end();
  say('One multicast packet: all nodes take a picture one second from now.');
  const {captureId} = await client.capture({
    action: 'testcard',
    args: [],
    target: {labels: [], nodes: []},
    leadMs: LEAD_MS,
    shots: 1,
    intervalMs: 0,
  });
  const view = await followCapture(client, captureId, () => {});
  const saved = await saveCapture(client, captureId, out);
  for (const text of captureLines(view, saved)) say(text);
  say(`The pictures are in ${join(out, '1')}`);
  if (view.rows.every(row => row.verdict === 'fired')) return view;
  throw new VolleyError('VOLLEY_INTERNAL', {reason: 'not every node of the demo fired'});
}

/** A picture whose tiles come from all nodes. Answers where it is. */
export async function showRender(stage: Stage): Promise<{path: string; batch: BatchView}> {
  const {cluster, line, say, out} = stage;
  const {client} = cluster;
  const {width, height, tileSize} = SCENE;
  const {batchId} = await client.submit({
    name: 'render',
    app: 'render',
    args: [width, height, tileSize, SAMPLES, SEED].map(String),
    input: {kind: 'range', start: 0, end: tileCountOf(SCENE), chunk: TILES},
    policy: {minQuorum: 2, targetReplicas: 2},
  });
  say(`Path-tracing a picture of ${width}×${height} in ${tileCountOf(SCENE)} tiles:`);
  let last: BatchView | undefined;
  for await (const batch of batchStates(client, batchId)) {
    last = batch;
    line.show(progressOf(batch));
  }
  line.end();
  if (last?.state !== 'done') throw failed(last);
  const picture = new Picture(SCENE);
  for await (const result of client.results(batchId)) {
    const parts: Uint8Array[] = [];
    for await (const part of outputOf(client, result)) parts.push(part);
    picture.put(result.index * TILES, Buffer.concat(parts));
  }
  await makeFolder(out);
  const path = join(out, 'render.png');
  await writeFile(path, picture.encode());
  for (const text of endOf(last)) say(text);
  say(`The picture is ${path}`);
  return {path, batch: last};
}
