// Blobs for nodes, on the master. Two requests and nothing else:
//
//   GET /blobs/<id>                                    the bytes; Range for the rest of a broken download
//   PUT /blobs/<id>?size=<n>&replica=<batch/index/no>  an output of this replica, exactly n bytes
//   PUT /blobs/<id>?size=<n>&capture=<no>&shot=<no>    a file of this shot
//
// Each is signed as blob-auth.ts says. A stranger gets one short line and a closed connection before any
// of the body is read. One node has its share of the connections. A node sends `expect: 100-continue` with PUT, so that what the master may not or
// need not take never crosses the network: a blob that is already here answers 200 at once.
//
// 200 stored or here · 201 taken · 400 bad request · 401 not signed by a node that is linked · 403 not
// owed by this node · 404 no such blob or path · 411 no length · 413 too large · 416 · 422 wrong hash ·
// 503 this node has too many connections · 507 the disk of the master is full: come again later

import {createHmac, timingSafeEqual} from 'node:crypto';
import type {IncomingMessage, ServerResponse} from 'node:http';
import {createServer} from 'node:http';
import {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {VolleyError} from '../base/errors.ts';
import type {BlobId, NodeId} from '../base/types.ts';
import {asBatchId, asCaptureId, replicaId} from '../base/types.ts';
import type {UploadPurpose} from '../core/core.ts';
import {BLOB_BYTES_MAX} from '../wire/limits.ts';
import type {Hmac} from './blob-auth.ts';
import {
  PROOF_HEADER,
  PROVEN_BYTES_MAX,
  parseAuthorization,
  requestMac,
  sliceHead,
} from './blob-auth.ts';
import type {BlobAnswer, Blobs, Span} from './blobs.ts';
import {answerBlob, parseBlobId, readSpan} from './blobs.ts';
import type {MasterHandle} from './handle.ts';
import {HEADER_BYTES_MAX, HTTP_TIMES, type HttpTimes, listen, urlOf} from './listen.ts';
import {Lobby} from './lobby.ts';
import {holdToPace} from './pace.ts';
import {inTurn} from './turns.ts';

export const BLOB_PORT = 6274;
/** Two for each of 500 nodes; more come again. */
const LIMITS = {known: 1_024, perName: 16, strangers: 128, strangersPerSource: 16};

export type BlobServerOptions = {
  readonly handle: Pick<MasterHandle, 'blobKeyOf' | 'mayUpload' | 'blobStored'>;
  readonly blobs: Blobs;
  readonly hmac: Hmac;
  readonly host: string;
  /** 0 = any free port. Default 6274. */
  readonly port?: number;
  /** Where they differ from HTTP_TIMES. */
  readonly times?: Partial<HttpTimes>;
  /** A file that was wanted was turned away, because the disk is full. */
  readonly onNoSpace?: () => void;
};

export type BlobServer = {readonly url: string; readonly port: number; close(): Promise<void>};

export async function openBlobServer(options: BlobServerOptions): Promise<BlobServer> {
  const times = {...HTTP_TIMES, ...options.times};
  const server = createServer({
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: times.headersMs,
    // A blob takes as long as it takes; what stands still is cut by the idle timeout, and by pace.ts.
    requestTimeout: 0,
    connectionsCheckingInterval: times.checkMs,
    keepAliveTimeout: times.keepAliveMs,
    insecureHTTPParser: false,
  });
  server.timeout = times.idleMs;
  const lobby = new Lobby(LIMITS);
  lobby.attach(server);
  const door = new BlobDoor(options, lobby, times.paceMs);
  const take = inTurn((request, response) => door.take(request, response));
  server.on('request', take);
  server.on('checkContinue', take);
  server.on('checkExpectation', (_, response) => refuse(response, 417, 'unknown expectation'));
  const {host} = options;
  const asked = options.port ?? BLOB_PORT;
  const port = await listen(server, {host, port: asked, flag: '--blob-port'});
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= new Promise(resolve => server.close(() => resolve()));
    server.closeAllConnections();
    return closing;
  };
  return {url: urlOf(host, port), port, close};
}

type Order = {
  readonly blobId: BlobId;
  readonly query: string;
  readonly nodeId: NodeId;
  readonly key: Uint8Array;
};

class BlobDoor {
  readonly #handle: BlobServerOptions['handle'];
  readonly #blobs: Blobs;
  readonly #hmac: Hmac;
  readonly #lobby: Lobby;
  readonly #paceMs: number;
  readonly #onNoSpace: () => void;

  constructor(options: BlobServerOptions, lobby: Lobby, paceMs: number) {
    const {handle, blobs, hmac, onNoSpace} = options;
    this.#onNoSpace = onNoSpace ?? (() => {});
    this.#handle = handle;
    this.#blobs = blobs;
    this.#hmac = hmac;
    this.#lobby = lobby;
    this.#paceMs = paceMs;
  }

  take(request: IncomingMessage, response: ServerResponse): void {
    request.on('error', () => response.destroy());
    this.#answer(request, response).catch((error: unknown) => {
      if (isNoSpace(error)) this.#onNoSpace();
      if (response.headersSent) response.destroy();
      else refuse(response, ...faultOf(error));
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const {method} = request;
    if (method !== 'GET' && method !== 'PUT') return refuse(response, 405, 'GET or PUT');
    const order = this.#open(method, request);
    if (order === 'unknown') return refuse(response, 404, 'not found');
    if (order === 'stranger') return refuse(response, 401, 'unauthorized');
    if (!this.#lobby.welcome(request.socket, order.nodeId))
      return refuse(response, 503, 'too many connections, come again');
    return method === 'GET'
      ? this.#get(order, request, response)
      : this.#put(order, request, response);
  }

  /** The same answer for a stranger whether or not the blob is here. */
  #open(method: 'GET' | 'PUT', request: IncomingMessage): Order | 'unknown' | 'stranger' {
    const [path = '', query = '', ...more] = (request.url ?? '').split('?');
    const blobId = path.startsWith('/blobs/') ? parseBlobId(path.slice(7)) : undefined;
    const claim = parseAuthorization(request.headers.authorization);
    const key = claim && this.#handle.blobKeyOf(claim.nodeId);
    if (claim === undefined || key === undefined) return 'stranger';
    if (blobId === undefined || more.length > 0) return 'unknown';
    const mac = requestMac(this.#hmac, key, {method, blobId, query});
    return timingSafeEqual(mac, claim.mac)
      ? {blobId, query, nodeId: claim.nodeId, key}
      : 'stranger';
  }

  async #get(order: Order, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const size = await this.#blobs.size(order.blobId);
    if (size === undefined) return refuse(response, 404, 'no such blob');
    const answer = answerBlob(order.blobId, size, request.headers);
    const {span} = answer;
    if (span === undefined) {
      response.writeHead(answer.status, answer.headers).end();
      return;
    }
    if (answer.status === 206 && span.length <= PROVEN_BYTES_MAX)
      return this.#sendProven(order, answer, response);
    response.writeHead(answer.status, answer.headers);
    await pipeline(Readable.from(readSpan(this.#blobs, order.blobId, span)), response);
  }

  async #sendProven(order: Order, answer: BlobAnswer, response: ServerResponse): Promise<void> {
    const span = answer.span ?? {offset: 0, length: 0};
    const proof = await this.#proofOf(order, span);
    response.writeHead(answer.status, {...answer.headers, [PROOF_HEADER]: proof});
    await pipeline(Readable.from(readSpan(this.#blobs, order.blobId, span)), response);
  }

  /** Read once for the proof and once to be sent: a part that nobody takes is never held in memory. */
  async #proofOf({blobId, key}: Order, span: Span): Promise<string> {
    const mac = createHmac('sha256', key).update(sliceHead(blobId, span.offset, span.length));
    for await (const bytes of readSpan(this.#blobs, blobId, span)) mac.update(bytes);
    return mac.digest('hex');
  }

  async #put(order: Order, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const {blobId, nodeId} = order;
    const upload = parseUpload(order.query);
    if (upload === undefined) return refuse(response, 400, 'size and purpose wanted');
    const length = request.headers['content-length'];
    if (length === undefined) return refuse(response, 411, 'length wanted');
    if (Number(length) !== upload.size) return refuse(response, 400, 'size is not the length');
    if (upload.size > BLOB_BYTES_MAX) return refuse(response, 413, 'too large');
    const verdict = this.#handle.mayUpload(nodeId, upload.purpose, upload.size);
    const here = await this.#blobs.size(blobId);
    if (here !== undefined) {
      // A repeat whose first answer was lost is not owed any more, and yet the node must hear of it.
      if (verdict !== 'unwanted') this.#handle.blobStored(blobId, here);
      return refuse(response, 200, 'here');
    }
    if (verdict === 'unwanted') return refuse(response, 403, 'not wanted');
    if (verdict === 'full')
      throw new VolleyError('VOLLEY_NO_SPACE', {path: 'the master', ...NO_ROOM});
    if (request.headers.expect !== undefined) response.writeContinue();
    holdToPace(request, this.#paceMs);
    const stored = await this.#blobs.putStream(request, {
      expected: blobId,
      limit: upload.size,
    });
    this.#handle.blobStored(blobId, stored.size);
    response.writeHead(201, {'content-length': 0}).end();
  }
}

const WHOLE = /^\d{1,15}$/;

function parseUpload(query: string): {size: number; purpose: UploadPurpose} | undefined {
  const fields = new URLSearchParams(query);
  const number = (name: string): number | undefined => {
    const text = fields.get(name) ?? '';
    return WHOLE.test(text) ? Number(text) : undefined;
  };
  const [size, capture, shot] = [number('size'), number('capture'), number('shot')];
  if (size === undefined) return undefined;
  const replica = /^(\d{1,10})\/(\d{1,10})\/(\d{1,10})$/.exec(fields.get('replica') ?? '');
  if (replica !== null) {
    const [batch = 0, index = 0, replicaNo = 0] = replica.slice(1).map(Number);
    const id = replicaId(asBatchId(batch), index, replicaNo);
    return {size, purpose: {kind: 'replica', replicaId: id}};
  }
  if (capture === undefined || shot === undefined) return undefined;
  return {size, purpose: {kind: 'shot', captureId: asCaptureId(capture), shot}};
}

const NO_ROOM = {free: 0, floor: 1, what: 'no file is taken'};
const isNoSpace = (error: unknown): boolean =>
  error instanceof VolleyError && error.code === 'VOLLEY_NO_SPACE';

function faultOf(error: unknown): [number, string] {
  if (!(error instanceof VolleyError)) return [500, 'failed'];
  // The only thing the store can hold against bytes of the right length is their hash.
  return error.code === 'VOLLEY_BAD_INPUT' ? [422, 'wrong hash'] : [error.httpStatus, error.code];
}

/** A short line, and the end of the connection: no body that may still come is read. */
function refuse(response: ServerResponse, status: number, line: string): void {
  if (response.headersSent) return;
  response.shouldKeepAlive = false;
  const head = {'content-type': 'text/plain', 'content-length': line.length + 1};
  response.writeHead(status, {...head, connection: 'close'});
  response.end(`${line}\n`);
}
