// Captures: every camera at one instant.
//
//   POST /v1/captures       CaptureRequest {action, args, target, leadMs, shots, intervalMs}
//                           →  201 {captureId}
//   GET  /v1/captures       {captures: CaptureView[]}
//   GET  /v1/captures/<id>  CaptureView with one row for each node and shot; files are blobs

import type {FastifyInstance} from 'fastify';
import {VolleyError} from '../../base/errors.ts';
import {asCaptureId} from '../../base/types.ts';
import type {CaptureRequest} from '../../core/operator-request.ts';
import {accepted, given} from '../answers.ts';
import type {RouteContext} from '../context.ts';
import {CAPTURE_BODY, NO_QUERY, NUMBER_PARAMS} from '../schemas.ts';

export function addCaptureRoutes(app: FastifyInstance, {handle}: RouteContext): void {
  app.post<{Body: CaptureRequest}>(
    '/v1/captures',
    {
      config: {role: 'operate', summary: 'Fires an action on many nodes at one instant'},
      schema: {body: CAPTURE_BODY, querystring: NO_QUERY},
    },
    async (request, reply) => {
      const capture = request.body;
      const answer = accepted(await handle.operator({kind: 'capture', capture}));
      return reply.code(201).send({captureId: given(answer.captureId, 'a capture')});
    },
  );

  app.get(
    '/v1/captures',
    {config: {role: 'read', summary: 'Every capture'}, schema: {querystring: NO_QUERY}},
    () => ({captures: handle.captures()}),
  );

  app.get<{Params: {id: string}}>(
    '/v1/captures/:id',
    {
      config: {role: 'read', summary: 'One capture: who fired, how late, which files'},
      schema: {params: NUMBER_PARAMS, querystring: NO_QUERY},
    },
    request => {
      const {id} = request.params;
      const view = handle.capture(asCaptureId(Number(id)));
      if (view === undefined) throw new VolleyError('VOLLEY_UNKNOWN_CAPTURE', {capture: id});
      return view;
    },
  );
}
