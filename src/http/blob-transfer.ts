// One try at one transfer between a node and the master's blob server, over node:http with a keep-alive
// agent: less memory than fetch, and the node has little. blob-client.ts decides what to try again.

import type {Agent, IncomingMessage} from 'node:http';
import {request} from 'node:http';
import {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {SECOND_MS} from '../base/units.ts';

/** Nothing moved for this long: the connection is given up and begun anew. */
const STALLED_MS = 15 * SECOND_MS;

const NO_SPACE = 507;

/** `final`: another try would end the same. */
export class TransferError extends Error {
  override readonly name = 'TransferError';
  readonly final: boolean;
  /** The master wants it and has no room for it: later, then. */
  readonly isFull: boolean;

  constructor(reason: string, final: boolean, cause?: unknown, isFull = false) {
    super(reason, cause === undefined ? undefined : {cause});
    this.final = final;
    this.isFull = isFull;
  }
}

export type Where = {
  readonly agent: Agent;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly authorization: string;
  readonly signal: AbortSignal;
};

const stalled = (): TransferError => new TransferError('the master stands still', false);

function answerOf(
  where: Where,
  method: 'GET' | 'PUT',
  headers: Readonly<Record<string, string | number>>,
  onContinue?: () => Readable,
): Promise<IncomingMessage> {
  const {agent, host, port, path, signal} = where;
  return new Promise((resolve, reject) => {
    const sent = request({
      agent,
      host,
      port,
      path,
      method,
      signal,
      timeout: STALLED_MS,
      headers: {...headers, authorization: where.authorization},
    });
    sent.on('timeout', () => sent.destroy(stalled()));
    sent.on('error', reject);
    sent.on('response', resolve);
    if (onContinue === undefined) {
      sent.end();
      return;
    }
    // A body that fails on our side breaks the request; `error` above then tells why.
    sent.on('continue', () => {
      pipeline(onContinue(), sent).catch((error: Error) => sent.destroy(error));
    });
    sent.flushHeaders();
  });
}

/** 401 passes once the session has brought a new key; 404, 403 and the like do not pass. */
function refusalOf(status: number): TransferError {
  if (status === NO_SPACE)
    return new TransferError('the disk of the master is full', true, undefined, true);
  const final = status >= 400 && status < 500 && status !== 401 && status !== 408;
  return new TransferError(`the master answered ${status}`, final);
}

export type Download = {
  readonly body: AsyncIterable<Uint8Array>;
  readonly headers: IncomingMessage['headers'];
  /** Size of the whole blob. */
  readonly total: number;
};

/** The blob from `offset` on, or `length` bytes of it. Fails unless the answer is exactly that part. */
export async function download(where: Where, offset: number, length?: number): Promise<Download> {
  const last = length === undefined ? '' : offset + length - 1;
  const part = offset > 0 || length !== undefined;
  const answer = await answerOf(where, 'GET', part ? {range: `bytes=${offset}-${last}`} : {});
  const {statusCode = 0, headers} = answer;
  if (statusCode !== (part ? 206 : 200)) {
    answer.destroy();
    throw refusalOf(statusCode);
  }
  if (!part) return {body: answer, headers, total: Number(headers['content-length'])};
  const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers['content-range'] ?? '');
  const [from, to, total] = (range?.slice(1) ?? []).map(Number);
  const wrong = from !== offset || (length !== undefined && to !== offset + length - 1);
  if (wrong || total === undefined) {
    answer.destroy();
    throw new TransferError('the master sent another part', true);
  }
  return {body: answer, headers, total};
}

/** Ends when the master has the blob; its body is sent only when the master asks for it. */
export async function upload(
  where: Where,
  size: number,
  open: () => AsyncIterable<Uint8Array>,
): Promise<void> {
  const headers = {
    'content-length': size,
    'content-type': 'application/octet-stream',
    expect: '100-continue',
  };
  const answer = await answerOf(where, 'PUT', headers, () => Readable.from(open()));
  const {statusCode = 0} = answer;
  answer.resume();
  if (statusCode !== 200 && statusCode !== 201) throw refusalOf(statusCode);
}
