// `volley push`: one file to many nodes at once, by one multicast for all of them.

import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {stat} from 'node:fs/promises';
import {basename} from 'node:path';
import {EXIT, VolleyError} from '../base/errors.ts';
import {asBlobId, type BlobId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import {FILE_NAME} from '../core/transfer-events.ts';
import type {NodeView, TransferView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import {followTransfer} from '../library/transfer-states.ts';
import {TRANSFER_BYTES_MAX} from '../wire/limits.ts';
import type {CommandSpec, Given} from './command.ts';
import {usage} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {counted, duration, percent, print, printJson, safe, sizeText, tell} from './output.ts';
import {ProgressLine} from './progress.ts';
import {isDelivered, missingLines, rateText} from './push-table.ts';
import {targetOf} from './target.ts';

export const pushCommand: CommandSpec = {
  name: 'push',
  args: '<file>',
  summary: 'Send a file to many nodes at once; it is kept in the folder `files` of their data',
  options: [
    {
      flag: '--to <who>',
      text: 'a label, or name or id of a node, or a set: cam-[01-12] (default: every node)',
      repeatable: true,
    },
    {flag: '--as <name>', text: 'name of the file there (default: as it is called here)'},
    {flag: '--rate <rate>', text: 'at most so fast: 50mbit (default: as fast as nodes hear it)'},
    {flag: '--detach', text: 'do not wait for the nodes'},
    ...OPERATOR_OPTIONS,
  ],
  examples: [
    'volley push model.bin                       # every node',
    'volley push calibration.json --to ring1 --to "cam-[07-12]"',
    'volley push images.tar --as pictures.tar --rate 50mbit --detach',
    'volley push show 3                          # who has it, who has not, and why',
  ],
  run: push,
};

type Local = {readonly path: string; readonly blobId: BlobId; readonly size: number};

async function push(given: Given): Promise<number> {
  const path = given.args[0] ?? '';
  const rate = rateOf(given.text('rate'));
  const fileName = given.text('as') ?? basename(path);
  if (!FILE_NAME.test(fileName))
    throw usage(
      `"${safe(fileName)}" is no name for a file at nodes: letters, digits and . _ + @ - and spaces, up to 63; --as NAME gives another`,
    );
  const file = await readLocal(path);
  return withClient(given, async client => {
    const nodes = await client.nodes();
    const target = targetOf(whom(given.texts('to'), nodes), nodes);
    await upload(client, file);
    const order = {blob: file.blobId, fileName, target, ...(rate === undefined ? {} : {rate})};
    const begun = await client.push(order);
    return given.flag('detach') ? detached(given, begun) : follow(given, client, begun);
  });
}

/** Where nobody's name is meant, a label may be said without `label=`. */
const whom = (texts: readonly string[], nodes: readonly NodeView[]): string[] =>
  texts.map(text => {
    const isLabel = nodes.some(node => node.labels.includes(text));
    return isLabel && !nodes.some(({name}) => name === text) ? `label=${text}` : text;
  });

/** Bits per second of `50mbit`; undefined = none was given. */
export function rateOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, number = '', unit = ''] = /^([0-9]+(?:\.[0-9]+)?)(k|m|g)bit$/.exec(text) ?? [];
  const rate = Number(number) * ({k: 1e3, m: 1e6, g: 1e9}[unit] ?? 0);
  if (rate < 100_000 || rate > 1e10)
    throw usage(`--rate is from 100kbit to 10gbit, such as 50mbit, not "${safe(text)}"`);
  return rate;
}

async function readLocal(path: string): Promise<Local> {
  const before = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new VolleyError('VOLLEY_BAD_INPUT', {
      reason: error.code === 'ENOENT' ? `there is no file ${safe(path)}` : error.message,
    });
  });
  if (!before.isFile()) throw usage(`${safe(path)} is no file; of a folder make one: tar -cf`);
  if (before.size > TRANSFER_BYTES_MAX)
    throw new VolleyError('VOLLEY_TOO_LARGE', {
      what: safe(path),
      size: before.size,
      limit: TRANSFER_BYTES_MAX,
    });
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of createReadStream(path)) {
    size += (chunk as Uint8Array).length;
    hash.update(chunk as Uint8Array);
  }
  if (size !== before.size) throw changed(path);
  return {path, size, blobId: asBlobId(hash.digest('hex'))};
}

const changed = (path: string): VolleyError =>
  new VolleyError('VOLLEY_BAD_INPUT', {
    reason: `${safe(path)} changed while it was read; nothing was sent: try again when it is whole`,
  });

async function upload(client: OperatorClient, {path, blobId, size}: Local): Promise<void> {
  const progress = new ProgressLine();
  let sent = 0;
  async function* counting(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of createReadStream(path)) {
      sent += (chunk as Uint8Array).length;
      progress.show(`to the master ${percent(sent, size)} of ${sizeText(size)}`);
      yield chunk as Uint8Array;
    }
  }
  try {
    await client.putBlob(counting(), {blobId, size});
  } catch (error) {
    // The master held what came against what the file was when its hash was taken.
    const now = await stat(path).catch(() => undefined);
    throw now?.size === size ? error : changed(path);
  } finally {
    progress.end();
  }
}

function detached(given: Given, view: TransferView): number {
  if (given.flag('json')) printJson({...view, whole: false});
  else print(`Transfer ${view.id} has begun; \`volley push show ${view.id}\` tells how far it is.`);
  return EXIT.ok;
}

async function follow(given: Given, client: OperatorClient, begun: TransferView): Promise<number> {
  const progress = new ProgressLine();
  const endHearing = sayOnInterrupt(begun.id);
  try {
    const last = await followTransfer(client, begun.id, view => progress.show(progressText(view)));
    progress.end();
    const whole = isDelivered(last);
    if (given.flag('json')) printJson({...last, whole});
    else tellEnd(last);
    return whole ? EXIT.ok : EXIT.failed;
  } finally {
    endHearing();
  }
}

/** It goes on without us. */
function sayOnInterrupt(id: number): () => void {
  const hear = (): void => {
    tell(
      `volley: transfer ${id} goes on; \`volley push show ${id}\` tells how far it is, \`volley push cancel ${id}\` ends it`,
    );
    process.exit(130);
  };
  process.once('SIGINT', hear);
  return () => void process.off('SIGINT', hear);
}

function progressText({id, fileName, state, nodes, bitsPerSecond}: TransferView): string {
  const whole = nodes.filter(node => node.state === 'whole').length;
  const parts = nodes.reduce((sum, {part}) => sum + part, 0) / Math.max(1, nodes.length);
  const rate = bitsPerSecond === 0 ? state : rateText(bitsPerSecond);
  return `push ${id} ${fileName ?? ''}  ${percent(parts, 1)}  ${whole}/${nodes.length} nodes have it  ${rate}`;
}

function tellEnd(view: TransferView): void {
  const {id, state, nodes, size, fileName = '', createdAt, reason, sent, symbols} = view;
  const whole = nodes.filter(node => node.state === 'whole').length;
  const ms = Math.max(1, (view.endedAt ?? Date.now()) - createdAt);
  if (state === 'failed') tell(`volley: transfer ${id} failed: ${safe(reason ?? '', 200)}`);
  if (state === 'cancelled') tell(`volley: transfer ${id} was cancelled`);
  const each =
    sent === 0 || size < 1e6 ? '' : `, sent ${(sent / Math.max(1, symbols)).toFixed(2)} times`;
  const speed =
    whole === 0 || size < 1e6 ? '' : `, ${rateText((size * 8 * SECOND_MS) / ms)} to each`;
  print(
    `${whole} of ${counted(nodes.length, 'node')} ${whole === 1 ? 'has' : 'have'} ${safe(fileName)} (${sizeText(size)}), ${duration(ms)}${speed}${each}`,
  );
  for (const line of missingLines(view)) print(line);
}
