// What a map asks of a master, over its operator interface.

import {setTimeout as sleep} from 'node:timers/promises';
import {concat, EMPTY, fromUtf8, toUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import type {BatchId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {InputSource} from '../core/input-source.ts';
import type {BatchRequest} from '../core/operator-request.ts';
import type {BatchView, ResultView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import type {ResultsFilter} from '../http/client-types.ts';
import type {LineForm, NamedBlob} from '../http/context.ts';
import type {FollowOrder} from '../http/follow.ts';
import type {MapPort} from './map.ts';

export type BatchOptions = Omit<BatchRequest, 'name' | 'input'>;

const BUSY_MS = SECOND_MS;
const BOM = Uint8Array.of(0xef, 0xbb, 0xbf);
const [NEWLINE, RETURN] = [10, 13];

export class ClientPort implements MapPort {
  readonly #client: OperatorClient;
  /** Cancelled ones stay at the master. */
  readonly #keep: boolean;

  constructor(client: OperatorClient, keep: boolean) {
    this.#client = client;
    this.#keep = keep;
  }

  /** When all streams are taken by others it waits for one of them. */
  async *results(
    batchId: BatchId,
    follow: FollowOrder,
    from: number,
    signal: AbortSignal,
  ): AsyncGenerator<ResultView, void, undefined> {
    const filter: ResultsFilter = {follow, ...(from === 0 ? {} : {from})};
    for (;;) {
      try {
        return yield* this.#client.results(batchId, filter, signal);
      } catch (error) {
        if (!(error instanceof VolleyError && error.code === 'VOLLEY_BUSY')) throw error;
        await sleep(BUSY_MS, undefined, {signal});
      }
    }
  }

  output(view: ResultView, signal?: AbortSignal): Promise<Uint8Array> {
    return outputBytes(this.#client, view, signal);
  }

  batch(batchId: BatchId): Promise<BatchView> {
    return this.#client.batch(batchId);
  }

  async cancel(batchId: BatchId): Promise<void> {
    // It may have ended meanwhile.
    await this.#client.cancel(batchId).catch(() => undefined);
    if (!this.#keep) await this.#client.deleteBatch(batchId, true);
  }
}

/** The whole output of one workunit; that of a failed one is empty. */
export async function outputBytes(
  client: Pick<OperatorClient, 'readBlob'>,
  {text, base64, blobId, size}: ResultView,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  if (text !== undefined) {
    const bytes = toUtf8(text);
    // A byte order mark at its beginning is lost where bytes become text.
    return bytes.length + BOM.length === size ? concat(BOM, bytes) : bytes;
  }
  if (base64 !== undefined) return new Uint8Array(Buffer.from(base64, 'base64'));
  if (blobId === undefined) return EMPTY;
  const parts: Uint8Array[] = [];
  for await (const part of client.readBlob(blobId, 0, signal)) parts.push(part);
  return concat(...parts);
}

/** Sends inputs: as lines where all of them may be lines, else each as a file. */
export async function storeInputs(
  client: OperatorClient,
  inputs: readonly Uint8Array[],
  form: LineForm,
): Promise<InputSource> {
  if (form === 'json' || inputs.every(isLine))
    return {...(await client.lines(linesOf(inputs), form)), kind: 'lines'};
  const files: NamedBlob[] = [];
  for (const [index, bytes] of inputs.entries()) {
    const {blobId, size} = await client.putBlob(once(bytes));
    files.push({name: String(index), blob: blobId, size});
  }
  return {...(await client.files(files)), kind: 'files'};
}

const isLine = (bytes: Uint8Array): boolean =>
  bytes.length > 0 && !bytes.includes(NEWLINE) && fromUtf8(bytes) !== undefined;

const CHUNK_BYTES = 65_536;

async function* linesOf(inputs: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for (const bytes of inputs) {
    // The master takes one \r at the end of a line for a part of its end.
    parts.push(bytes, bytes[bytes.length - 1] === RETURN ? CRLF : LF);
    size += bytes.length + 1;
    if (size < CHUNK_BYTES) continue;
    yield concat(...parts);
    parts = [];
    size = 0;
  }
  if (size > 0) yield concat(...parts);
}

const LF = Uint8Array.of(NEWLINE);
const CRLF = Uint8Array.of(RETURN, NEWLINE);

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
