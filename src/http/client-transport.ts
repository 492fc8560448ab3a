// Requests of the operator client over node:http: the token, the errors as VolleyError, the bodies.

import type {ClientRequest, IncomingMessage} from 'node:http';
import {Agent, request} from 'node:http';
import {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {fromUtf8, toUtf8} from '../base/bytes.ts';
import type {ErrorCode, ErrorFields} from '../base/errors.ts';
import {ERRORS, VolleyError} from '../base/errors.ts';
import {MIB, SECOND_MS} from '../base/units.ts';

/** Shorter than the server's 5 s, so that no request meets a connection that is being closed. */
const IDLE_CONNECTION_MS = 3 * SECOND_MS;
/** The server gives a token 64; what is asked for beyond these waits for one of them. */
const CONNECTIONS_MAX = 32;
/** Until an answer begins, where the body is not a stream: a list of 100,000 files takes seconds. */
const ANSWER_TIMEOUT_MS = 60 * SECOND_MS;
/** The largest JSON answer is the list of 16,384 nodes. */
const JSON_BYTES_MAX = 64 * MIB;

export type Ask = {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT';
  /** With its query. */
  readonly path: string;
  readonly json?: unknown;
  readonly stream?: {readonly type: string; readonly source: AsyncIterable<Uint8Array>};
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
};

export type TransportOptions = {readonly url: string; readonly token: string};

export class Transport {
  readonly #url: URL;
  readonly #token: string;
  readonly #agent = new Agent({
    keepAlive: true,
    timeout: IDLE_CONNECTION_MS,
    maxSockets: CONNECTIONS_MAX,
  });

  constructor({url, token}: TransportOptions) {
    this.#url = new URL(url);
    this.#token = token;
  }

  /** The answer, its body still to be read. Throws what the master refused, under its own code. */
  async open(ask: Ask): Promise<IncomingMessage> {
    const answer = await this.#send(ask).catch(error => this.#again(ask, error));
    if ((answer.statusCode ?? 500) < 400) return answer;
    throw errorOf(answer.statusCode ?? 500, await readAll(answer).catch(() => new Uint8Array()));
  }

  /**
   * A master that was too busy to look closes a kept connection although a question has come meanwhile: that was never
   * read. What changes something is not said twice all the same (RFC 9110, 9.2.2).
   */
  #again(ask: Ask, error: unknown): Promise<IncomingMessage> {
    if (!(error instanceof StaleConnection)) throw error;
    if (ask.method !== 'GET' && ask.method !== 'HEAD') throw this.unreachable(error.cause);
    return this.#send(ask).catch(second => {
      throw second instanceof StaleConnection ? this.unreachable(second.cause) : second;
    });
  }

  async json<T>(ask: Ask): Promise<T> {
    const answer = await this.open(ask);
    try {
      // The server is the same program: what it says it answers is what it answers.
      return JSON.parse(fromUtf8(await readAll(answer)) ?? '') as T;
    } catch (error) {
      throw this.unreachable(error);
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  /** The master cannot be reached, or was lost in the middle of an answer. */
  unreachable(error: unknown): VolleyError {
    if (error instanceof VolleyError) return error;
    const reason = reasonOf(error);
    return new VolleyError('VOLLEY_MASTER_UNREACHABLE', {url: this.#url.origin, reason}, error);
  }

  #limit(sent: ClientRequest, {method, path}: Ask): void {
    const fields = {what: `${method} ${path}`, limit: `${ANSWER_TIMEOUT_MS / SECOND_MS} s`};
    const late = (): void => void sent.destroy(new VolleyError('VOLLEY_TIMEOUT', fields));
    const timer = setTimeout(late, ANSWER_TIMEOUT_MS);
    sent.once('response', () => clearTimeout(timer)).once('close', () => clearTimeout(timer));
  }

  #send(ask: Ask): Promise<IncomingMessage> {
    const json = ask.json === undefined ? undefined : toUtf8(JSON.stringify(ask.json));
    const type = json === undefined ? ask.stream?.type : 'application/json';
    return new Promise((resolve, reject) => {
      const sent = request({
        agent: this.#agent,
        host: this.#url.hostname.replace(/^\[|\]$/g, ''),
        port: this.#url.port === '' ? 80 : this.#url.port,
        path: ask.path,
        method: ask.method,
        headers: {
          ...ask.headers,
          authorization: `Bearer ${this.#token}`,
          ...(type === undefined ? {} : {'content-type': type}),
          ...(json === undefined ? {} : {'content-length': json.length}),
        },
      });
      if (ask.signal) endWith(ask.signal, sent);
      if (ask.stream === undefined) this.#limit(sent, ask);
      sent.on('response', answer => {
        // The rest of a body that is refused already need not cross the network.
        if ((answer.statusCode ?? 500) >= 400)
          answer.once('end', () => sent.writableFinished || sent.destroy());
        resolve(answer);
      });
      // After an answer this changes nothing: a server may refuse a body it has not read.
      sent.on('error', error => {
        if (ask.signal?.aborted) reject(error);
        else if (sent.reusedSocket && isLost(error)) reject(new StaleConnection(error));
        else reject(this.unreachable(error));
      });
      if (ask.stream === undefined) {
        sent.end(json);
        return;
      }
      pipeline(Readable.from(ask.stream.source), sent).catch((error: Error) => {
        // A fault of our own source, such as an unreadable file, is what the caller wants to know.
        reject(error instanceof VolleyError ? error : this.unreachable(error));
      });
    });
  }
}

/**
 * Ends the request when `signal` is aborted. What node:http does with a signal also strikes a connection whose answer
 * was read to its end, at the moment at which nobody listens to it: the process died of it.
 */
function endWith(signal: AbortSignal, sent: ClientRequest): void {
  let answer: IncomingMessage | undefined;
  const end = (): void => {
    const error = new DOMException('The operation was aborted', 'AbortError');
    if (answer === undefined) sent.destroy(error);
    else if (!answer.complete && !answer.destroyed) answer.destroy(error);
  };
  sent.once('response', response => {
    answer = response;
  });
  signal.addEventListener('abort', end, {once: true});
  sent.once('close', () => signal.removeEventListener('abort', end));
  if (signal.aborted) end();
}

/** A connection that had been used before ended before an answer began. */
class StaleConnection extends Error {
  constructor(cause: Error) {
    super('the connection was closed', {cause});
  }
}

const isLost = (error: NodeJS.ErrnoException): boolean =>
  error.code === 'ECONNRESET' || error.code === 'EPIPE';

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'the connection was lost';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host name is not known';
    default:
      return error instanceof Error && error.message !== '' ? error.message : String(code ?? error);
  }
}

async function readAll(answer: IncomingMessage): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of answer as AsyncIterable<Uint8Array>) {
    size += part.length;
    if (size > JSON_BYTES_MAX) throw new Error('the answer is too large');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** The VolleyError of an error body; of its status alone when the body is not one of ours. */
function errorOf(status: number, body: Uint8Array): VolleyError {
  try {
    return errorOfJson(JSON.parse(fromUtf8(body) ?? ''), status);
  } catch {
    return errorOfJson(undefined, status);
  }
}

/** The VolleyError of `{error: {code, fields}}`. */
export function errorOfJson(value: unknown, status: number): VolleyError {
  const {code, fields} = (value as {error?: {code?: string; fields?: ErrorFields}})?.error ?? {};
  if (code !== undefined && Object.hasOwn(ERRORS, code))
    return new VolleyError(code as ErrorCode, fields);
  // An answer to HEAD has no body.
  if (status === 401) return new VolleyError('VOLLEY_UNAUTHORIZED');
  if (status === 404) return new VolleyError('VOLLEY_USAGE', {reason: 'there is nothing there'});
  return new VolleyError('VOLLEY_INTERNAL', {reason: `the master answered ${status}`});
}
