// Captures: every camera at one instant.
//
//   POST /v1/captures       CaptureRequest {action, target, args, leadMs, shots, intervalMs, burst, burstMs, needs, sweepMs, toleranceMs, dryRun, preview}; in place
//                           of `action` and `args` steps: [{atMs, action, args, target}]
//                           →  201 {captureId}
//   GET  /v1/captures       {captures: CaptureView[]}
//   GET  /v1/captures/<id>  CaptureView with one row for each node and shot; files are blobs
//   POST /v1/captures/<id>/cancel   →  CaptureView; what is not under way yet does not fire
//   POST /v1/captures/<id>/delete   {force}  →  {}; `force` = also one that is running
//   GET  /v1/captures/<id>/record   {capture, record: {body, signature, trust}}: the same, and what the master
//                           signs of it (core/capture-record.ts), base64

import type {FastifyInstance} from 'fastify';
import {VolleyError} from '../../base/errors.ts';
import {asCaptureId} from '../../base/types.ts';
import type {CaptureRequest} from '../../core/operator-request.ts';
import {accepted, actorOf, given} from '../answers.ts';
import type {RouteContext} from '../context.ts';
import {CAPTURE_BODY, FORCE_BODY, NO_QUERY, NUMBER_PARAMS} from '../schemas.ts';

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

export function addCaptureRoutes(app: FastifyInstance, context: RouteContext): void {
  const {handle} = context;
  addOrders(app, context);
  addRecord(app, context);
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

function addRecord(app: FastifyInstance, {handle}: RouteContext): void {
  app.get<{Params: {id: string}}>(
    '/v1/captures/:id/record',
    {
      config: {role: 'read', summary: 'One capture, with what the master signs of it'},
      schema: {params: NUMBER_PARAMS, querystring: NO_QUERY},
    },
    request => {
      const {id} = request.params;
      const recorded = handle.captureRecord(asCaptureId(Number(id)));
      if (recorded === undefined) throw new VolleyError('VOLLEY_UNKNOWN_CAPTURE', {capture: id});
      const {body, signature, trust} = recorded.record;
      const record = {body: base64(body), signature: base64(signature), trust: base64(trust)};
      return {capture: recorded.capture, record};
    },
  );
}

function addOrders(app: FastifyInstance, {handle}: RouteContext): void {
  app.post<{Params: {id: string}}>(
    '/v1/captures/:id/cancel',
    {
      config: {role: 'operate', summary: 'Ends a capture: what has not fired yet does not'},
      schema: {params: NUMBER_PARAMS, querystring: NO_QUERY},
    },
    async request => {
      const captureId = asCaptureId(Number(request.params.id));
      accepted(await handle.operator({kind: 'cancelCapture', captureId}, actorOf(request)));
      return given(handle.capture(captureId), 'a capture');
    },
  );

  app.post<{Params: {id: string}; Body: {force: boolean}}>(
    '/v1/captures/:id/delete',
    {
      config: {role: 'operate', summary: 'Deletes a capture; its files go with the next sweep'},
      schema: {params: NUMBER_PARAMS, querystring: NO_QUERY, body: FORCE_BODY},
    },
    async request => {
      const captureId = asCaptureId(Number(request.params.id));
      const {force} = request.body;
      accepted(await handle.operator({kind: 'deleteCapture', captureId, force}, actorOf(request)));
      return {};
    },
  );
}
