// GET /v1/events?batch=<id> | ?capture=<id> | ?transfer=<id> | nothing: server-sent events, as ../events.ts describes them.

import type {FastifyInstance} from 'fastify';
import {VolleyError} from '../../base/errors.ts';
import {asBatchId, asCaptureId} from '../../base/types.ts';
import {OWNER} from '../../core/access.ts';
import type {RouteContext} from '../context.ts';
import type {EventFilter} from '../events.ts';
import type {MasterHandle} from '../handle.ts';
import {EVENTS_QUERY} from '../schemas.ts';

/** Each costs what it leaves unread. The last ones are the owner's, whatever others hold. */
const STREAMS_MAX = 16;
const STREAMS_OF_OTHERS_MAX = 12;

type EventsRequest = {Querystring: {batch?: string; capture?: string; transfer?: string}};

export function addEventRoutes(app: FastifyInstance, {handle, hub}: RouteContext): void {
  app.get<EventsRequest>(
    '/v1/events',
    {
      config: {role: 'read', summary: 'What changes, as server-sent events', stream: true},
      schema: {querystring: EVENTS_QUERY},
    },
    (request, reply) => {
      const filter = filterOf(handle, request.query);
      const limit = request.speaker?.name === OWNER ? STREAMS_MAX : STREAMS_OF_OTHERS_MAX;
      if (hub.watcherCount >= limit)
        throw new VolleyError('VOLLEY_BUSY', {what: 'event streams', limit});
      reply.hijack();
      hub.watch(reply.raw, filter);
    },
  );
}

/** Throws VOLLEY_UNKNOWN_… for what is not there. */
function filterOf(
  handle: MasterHandle,
  {batch, capture, transfer}: EventsRequest['Querystring'],
): EventFilter {
  const batchId = batch === undefined ? undefined : asBatchId(Number(batch));
  const captureId = capture === undefined ? undefined : asCaptureId(Number(capture));
  const transferId = transfer === undefined ? undefined : Number(transfer);
  if (batchId !== undefined && handle.batch(batchId) === undefined)
    throw new VolleyError('VOLLEY_UNKNOWN_BATCH', {batch: batchId});
  if (captureId !== undefined && handle.capture(captureId) === undefined)
    throw new VolleyError('VOLLEY_UNKNOWN_CAPTURE', {capture: captureId});
  if (transferId !== undefined && handle.transfer(transferId) === undefined)
    throw new VolleyError('VOLLEY_UNKNOWN_TRANSFER', {transfer: transferId});
  return {batchId, captureId, transferId};
}
