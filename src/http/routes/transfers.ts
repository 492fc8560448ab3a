// Transfers: one file to many nodes at once.
//
//   POST /v1/transfers              {blob, fileName, target, rate}: a blob that is here (POST /v1/blobs) goes to these
//                                   nodes and is kept there under this name; bits per second at most  →  201 TransferView
//   GET  /v1/transfers              {transfers: TransferView[]}, the newest first
//   GET  /v1/transfers/<id>         TransferView: how far it is at each node, and why not
//   POST /v1/transfers/<id>/cancel  →  TransferView; what is not whole at a node goes

import type {FastifyInstance} from 'fastify';
import {VolleyError} from '../../base/errors.ts';
import type {TransferView} from '../../core/views.ts';
import {accepted, actorOf, given} from '../answers.ts';
import type {PushOrder} from '../client-types.ts';
import type {RouteContext} from '../context.ts';
import {NO_QUERY, NUMBER_PARAMS, TRANSFER_BODY} from '../schemas.ts';

export function addTransferRoutes(app: FastifyInstance, context: RouteContext): void {
  const {handle, blobs} = context;
  const shown = (id: number): TransferView => {
    const view = handle.transfer(id);
    if (view === undefined) throw new VolleyError('VOLLEY_UNKNOWN_TRANSFER', {transfer: id});
    return view;
  };

  app.post<{Body: PushOrder}>(
    '/v1/transfers',
    {
      config: {role: 'operate', summary: 'Sends a file to many nodes at once'},
      schema: {body: TRANSFER_BODY, querystring: NO_QUERY},
    },
    async (request, reply) => {
      const {blob: blobId, ...push} = request.body;
      const size = await blobs.size(blobId);
      if (size === undefined) throw new VolleyError('VOLLEY_UNKNOWN_BLOB', {blob: blobId});
      const order = {kind: 'push', ...push, blobId, size} as const;
      const answer = accepted(await handle.operator(order, actorOf(request)));
      return reply.code(201).send(shown(given(answer.transferId, 'a transfer')));
    },
  );

  app.get(
    '/v1/transfers',
    {config: {role: 'read', summary: 'Transfers of files'}, schema: {querystring: NO_QUERY}},
    () => ({transfers: handle.transfers()}),
  );

  app.get<{Params: {id: string}}>(
    '/v1/transfers/:id',
    {
      config: {role: 'read', summary: 'One transfer: how far it is at each node'},
      schema: {params: NUMBER_PARAMS, querystring: NO_QUERY},
    },
    request => shown(Number(request.params.id)),
  );

  app.post<{Params: {id: string}}>(
    '/v1/transfers/:id/cancel',
    {
      config: {role: 'operate', summary: 'Ends a transfer: what is not whole at a node goes'},
      schema: {params: NUMBER_PARAMS, querystring: NO_QUERY},
    },
    async request => {
      const transferId = Number(request.params.id);
      accepted(await handle.operator({kind: 'cancelTransfer', transferId}, actorOf(request)));
      return shown(transferId);
    },
  );
}
