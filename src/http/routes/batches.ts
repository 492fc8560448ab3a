// Batches and their results.
//
//   POST /v1/batches              BatchRequest {name, app, args, input, policy}  →  201 {batchId, warning?}
//        `warning`: what it waits for; with `strict` it is refused instead
//   GET  /v1/batches              {batches: BatchView[]}
//   GET  /v1/batches/<id>         BatchView
//   GET  /v1/batches/<id>/results?from=&to=&state=done|failed
//        NDJSON: one ResultView a line in the order of the indexes (of a broadcast with the node's id), from <= index < to, what is decided
//        and durable when it is read, and what is checked again (`rechecking`). A fault in the middle is a last line {error: {code, …}}.
//        &follow=index|arrival: the same lines as they become durable, to the end of the batch (../follow.ts)

import type {ServerResponse} from 'node:http';
import {Readable} from 'node:stream';
import type {FastifyInstance} from 'fastify';
import {VolleyError} from '../../base/errors.ts';
import type {BatchId, BlobId, NodeId} from '../../base/types.ts';
import {OWNER} from '../../core/access.ts';
import type {BatchRequest} from '../../core/operator-request.ts';
import {type BroadcastRow, broadcastKey} from '../../core/operator-rows.ts';
import {jsonRow} from '../../core/tables.ts';
import type {BatchView, ResultView} from '../../core/views.ts';
import {accepted, actorOf, batchOf, given, type Spoken} from '../answers.ts';
import {askForListed, type Blobs} from '../blobs.ts';
import type {RouteContext} from '../context.ts';
import {type FollowOrder, followResults} from '../follow.ts';
import type {MasterHandle} from '../handle.ts';
import {problemJson, refusalOf} from '../problem.ts';
import type {ResultQuery} from '../results.ts';
import {readResults} from '../results.ts';
import {BATCH_BODY, NO_QUERY, NUMBER_PARAMS, RESULTS_QUERY, uint32} from '../schemas.ts';

/** Streams that follow a batch: each is a connection that waits. The last ones are the owner's, whatever others hold. */
const FOLLOWERS_MAX = 32;
const FOLLOWERS_OF_OTHERS_MAX = 24;
/** Lines are put together to chunks of about this size. */
const CHUNK_CHARACTERS = 16_384;

type ById = {Params: {id: string}};
type ResultsRequest = ById & {
  Querystring: {from?: string; to?: string; state?: 'done' | 'failed'; follow?: FollowOrder};
};

export function addBatchRoutes(app: FastifyInstance, context: RouteContext): void {
  const {handle, blobs} = context;
  const followers = new Followers();

  app.post<{Body: BatchRequest}>(
    '/v1/batches',
    {
      config: {role: 'operate', summary: 'Submits a batch'},
      schema: {body: BATCH_BODY, querystring: NO_QUERY},
    },
    async (request, reply) => {
      const batch = request.body;
      const {batchId, warning} = await blobs.naming(async () => {
        await checkInputs(blobs, batch);
        return accepted(await handle.operator({kind: 'submitBatch', batch}, actorOf(request)));
      });
      return reply.code(201).send({batchId: given(batchId, 'a batch'), ...(warning && {warning})});
    },
  );

  app.get(
    '/v1/batches',
    {config: {role: 'read', summary: 'Every batch'}, schema: {querystring: NO_QUERY}},
    () => ({batches: handle.batches()}),
  );

  app.get<ById>(
    '/v1/batches/:id',
    {
      config: {role: 'read', summary: 'One batch'},
      schema: {params: NUMBER_PARAMS, querystring: NO_QUERY},
    },
    request => batchOf(handle, request.params.id),
  );

  app.get<ResultsRequest>(
    '/v1/batches/:id/results',
    {
      config: {role: 'read', summary: 'Canonical results as NDJSON, by index', stream: true},
      schema: {params: NUMBER_PARAMS, querystring: RESULTS_QUERY},
    },
    async (request, reply) => {
      const batch = batchOf(handle, request.params.id);
      const nodes = await nodesOf(handle, batch);
      const query = {...queryOf(batch, request.query), ...(nodes && {nodes})};
      const {follow} = request.query;
      if (follow) followers.enter(request, reply.raw);
      const results = follow
        ? followed(handle, batch.id, query, follow, reply.raw)
        : readResults(handle, batch.id, query);
      const lines = Readable.from(linesOf(handle, batch.id, results), {objectMode: false});
      return reply.type('application/x-ndjson').send(lines);
    },
  );
}

const queryOf = (
  {count, state: now}: BatchView,
  {from, to, state}: ResultsRequest['Querystring'],
): ResultQuery => ({
  from: uint32(from, 0),
  to: Math.min(uint32(to, count), count),
  state,
  running: now === 'running',
});

/** Of a broadcast; one that has lost the list of its nodes does not name them. */
async function nodesOf(
  handle: MasterHandle,
  {id, policy}: BatchView,
): Promise<readonly NodeId[] | undefined> {
  if (!policy.broadcast) return undefined;
  const row = await handle.read('meta', broadcastKey(id));
  return row && jsonRow<BroadcastRow>(row).nodes;
}

async function checkInputs(blobs: Blobs, {input, shared}: BatchRequest): Promise<void> {
  const needed: BlobId[] = [];
  if (input.kind !== 'range') needed.push(input.blobId);
  if ('indexBlobId' in input) needed.push(input.indexBlobId);
  if (shared) needed.push(shared.blobId);
  for (const blob of needed)
    if ((await blobs.size(blob)) === undefined)
      throw new VolleyError('VOLLEY_UNKNOWN_BLOB', {blob});
  if (input.kind === 'files') await askForListed(blobs, input.blobId);
  if (shared && (await blobs.size(shared.blobId)) !== shared.size)
    throw new VolleyError('VOLLEY_BAD_INPUT', {
      reason: `the shared input ${shared.blobId.slice(0, 16)} does not have ${shared.size} bytes`,
    });
}

class Followers {
  #count = 0;

  enter({speaker}: Spoken, response: ServerResponse): void {
    const limit = speaker?.name === OWNER ? FOLLOWERS_MAX : FOLLOWERS_OF_OTHERS_MAX;
    if (this.#count >= limit) throw new VolleyError('VOLLEY_BUSY', {what: 'followers', limit});
    this.#count += 1;
    response.once('close', () => {
      this.#count -= 1;
    });
  }
}

/** Its head goes at once: the first result may take hours. */
async function* followed(
  handle: MasterHandle,
  batchId: BatchId,
  query: ResultQuery,
  order: FollowOrder,
  response: ServerResponse,
): AsyncGenerator<ResultView | 'pause', void, undefined> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  if (response.destroyed) gone.abort();
  response.flushHeaders();
  yield* followResults(handle, batchId, query, order, gone.signal);
}

async function* linesOf(
  handle: MasterHandle,
  batchId: BatchId,
  results: AsyncIterable<ResultView | 'pause'>,
): AsyncGenerator<string, void, undefined> {
  let chunk = '';
  try {
    for await (const result of results) {
      if (result !== 'pause') chunk += `${JSON.stringify(result)}\n`;
      if (chunk === '' || (result !== 'pause' && chunk.length < CHUNK_CHARACTERS)) continue;
      yield chunk;
      chunk = '';
    }
  } catch (error) {
    // The status is long sent: the fault is the last line. Rows are missing when the batch was deleted meanwhile.
    const gone = handle.batch(batchId) === undefined;
    const fault = gone ? new VolleyError('VOLLEY_UNKNOWN_BATCH', {batch: batchId}) : error;
    chunk += `${JSON.stringify(problemJson(refusalOf(fault).error))}\n`;
  }
  if (chunk !== '') yield chunk;
}
