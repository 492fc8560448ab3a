// Blobs of the operator: modules, signed apps, input files going in; outputs and pictures coming out.
// (Nodes use blob-server.ts on a port of its own.)
//
//   POST /v1/blobs             body octet-stream  →  201 {blobId, size}
//   PUT  /v1/blobs/<id>?size=  the same, refused unless hash and size are these
//   GET  /v1/blobs/<id>        bytes; Range, If-Range, ETag: 200, 206, 304, 416; HEAD tells the size
//   POST /v1/lines?form=       body x-ndjson      →  201 {blobId, indexBlobId, count}: `lines` inputs;
//        form=text: lines of any UTF-8 text in place of JSON
//   POST /v1/files             {files: [{name, blob, size}]}  →  the same: `files` inputs

import {Readable} from 'node:stream';
import type {FastifyInstance, FastifyReply, FastifyRequest} from 'fastify';
import {VolleyError} from '../../base/errors.ts';
import type {BlobId} from '../../base/types.ts';
import {MIB} from '../../base/units.ts';
import {TRANSFER_BYTES_MAX} from '../../wire/limits.ts';
import {answerBlob, readSpan} from '../blobs.ts';
import type {LineForm, NamedBlob, RouteContext} from '../context.ts';
import {usage} from '../problem.ts';
import {BLOB_PARAMS, FILES_BODY, LINES_QUERY, NO_QUERY, SIZE_QUERY} from '../schemas.ts';

/** About 100,000 names: `files` is for pictures and documents; more small inputs are `lines`. */
const FILES_BODY_BYTES_MAX = 16 * MIB;

type ByBlob = {Params: {id: BlobId}};

/** Takes bodies in no other way than unread: give it a scope of its own. */
export function addStreamRoutes(app: FastifyInstance, context: RouteContext): void {
  const {blobs} = context;
  // The one for JSON is inherited: what it makes is no stream, and the store took its fault for the disk's.
  app.removeAllContentTypeParsers();
  const types = ['application/octet-stream', 'application/x-ndjson'];
  app.addContentTypeParser(types, (_request, body, done) => done(null, body));

  app.post<{Body: Readable}>(
    '/v1/blobs',
    {
      config: {role: 'operate', summary: 'Stores bytes', stream: true, paced: true},
      schema: {querystring: NO_QUERY},
    },
    async (request, reply) => {
      checkSpace(context);
      context.onUpload?.(Number(request.headers['content-length'] ?? Number.POSITIVE_INFINITY));
      const stored = await blobs.putStream(bodyOf(request.body), {limit: TRANSFER_BYTES_MAX});
      return reply.code(201).send(stored);
    },
  );

  app.put<ByBlob & {Body: Readable; Querystring: {size: string}}>(
    '/v1/blobs/:id',
    {
      config: {
        role: 'operate',
        summary: 'Stores bytes whose hash and size are known',
        stream: true,
        paced: true,
      },
      schema: {params: BLOB_PARAMS, querystring: SIZE_QUERY},
    },
    async (request, reply) => {
      checkSpace(context);
      const size = Number(request.query.size);
      const [limit, what] = [TRANSFER_BYTES_MAX, 'the blob'];
      if (size > limit) throw new VolleyError('VOLLEY_TOO_LARGE', {what, size, limit});
      context.onUpload?.(size);
      const expected = request.params.id;
      const source = exactly(bodyOf(request.body), size);
      return reply.code(201).send(await blobs.putStream(source, {expected, limit: size}));
    },
  );

  addLineRoute(app, context);
}

function addLineRoute(app: FastifyInstance, context: RouteContext): void {
  app.post<{Body: Readable; Querystring: {form?: LineForm}}>(
    '/v1/lines',
    {
      config: {
        role: 'operate',
        summary: 'Stores NDJSON, or lines of text, as inputs',
        stream: true,
      },
      schema: {querystring: LINES_QUERY},
    },
    async (request, reply) => {
      checkSpace(context);
      const {form = 'json'} = request.query;
      return reply.code(201).send(await context.indexLines(bodyOf(request.body), form));
    },
  );
}

export function addBlobRoutes(app: FastifyInstance, context: RouteContext): void {
  const {blobs} = context;

  app.route<ByBlob>({
    method: ['GET', 'HEAD'],
    url: '/v1/blobs/:id',
    config: {role: 'read', summary: 'The bytes of a blob, or a range of them', stream: true},
    schema: {params: BLOB_PARAMS, querystring: NO_QUERY},
    handler: (request, reply) => sendBlob(context, request, reply),
  });

  app.post<{Body: {files: readonly NamedBlob[]}}>(
    '/v1/files',
    {
      bodyLimit: FILES_BODY_BYTES_MAX,
      config: {role: 'operate', summary: 'Stores a list of blobs as inputs'},
      schema: {body: FILES_BODY, querystring: NO_QUERY},
    },
    async (request, reply) => {
      const {files} = request.body;
      for (const {name, blob, size} of files) {
        const here = await blobs.size(blob);
        if (here === undefined) throw new VolleyError('VOLLEY_UNKNOWN_BLOB', {blob});
        if (here === size) continue;
        const reason = `${name} is ${here} bytes, not ${size}`;
        throw new VolleyError('VOLLEY_BAD_INPUT', {reason});
      }
      return reply.code(201).send(await context.indexFiles(files));
    },
  );
}

/** Before the first byte is read: a disk that is nearly full takes no inputs. */
function checkSpace({handle}: RouteContext): void {
  const {full, free, floor} = handle.status().space;
  if (!full) return;
  const path = "the master's disk";
  throw new VolleyError('VOLLEY_NO_SPACE', {path, free, floor, what: 'no input is taken'});
}

async function sendBlob(
  {blobs}: RouteContext,
  request: FastifyRequest<ByBlob>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const {id} = request.params;
  const size = await blobs.size(id);
  if (size === undefined) throw new VolleyError('VOLLEY_UNKNOWN_BLOB', {blob: id});
  const {status, headers, span} = answerBlob(id, size, request.headers);
  reply.code(status).headers(headers);
  if (span === undefined || span.length === 0 || request.method === 'HEAD') return reply.send();
  return reply.send(Readable.from(readSpan(blobs, id, span), {objectMode: false}));
}

/** fastify gives no body at all for a request without one. */
const bodyOf = (body: Readable | undefined | null): AsyncIterable<Uint8Array> =>
  body ?? Readable.from([]);

async function* exactly(
  source: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let count = 0;
  for await (const piece of source) {
    count += piece.length;
    yield piece;
  }
  if (count !== size) throw usage(`query: size says ${size}, ${count} bytes came`, {field: 'size'});
}
