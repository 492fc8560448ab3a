// What operators do with a batch that is there. Each answers the batch as it is then.
//
//   POST /v1/batches/<id>/cancel             ends it; its results stay
//   POST /v1/batches/<id>/suspend  {reason}  no new replicas; what is out may end
//   POST /v1/batches/<id>/resume
//   POST /v1/batches/<id>/priority {priority}
//   POST /v1/batches/<id>/retry              failed workunits begin anew
//   POST /v1/batches/<id>/delete   {force}   →  {}; `force` = also one that is running
//   GET  /v1/batches/<id>/history            {history: HistoryRow[]}, the oldest first; also of a deleted one

import type {FastifyInstance} from 'fastify';
import {VolleyError} from '../../base/errors.ts';
import {asBatchId} from '../../base/types.ts';
import type {BatchOrder} from '../../core/operator-request.ts';
import {type HistoryRow, historyKey} from '../../core/operator-rows.ts';
import {jsonRow} from '../../core/tables.ts';
import type {BatchView} from '../../core/views.ts';
import {accepted, actorOf, batchOf, type Spoken} from '../answers.ts';
import type {RouteContext} from '../context.ts';
import {FORCE_BODY, NO_QUERY, NUMBER_PARAMS, PRIORITY_BODY, REASON_BODY} from '../schemas.ts';

type ById = {Params: {id: string}};

const params = {params: NUMBER_PARAMS, querystring: NO_QUERY};

export function addBatchOrderRoutes(app: FastifyInstance, context: RouteContext): void {
  const {handle} = context;
  const done = async (request: Spoken, order: BatchOrder): Promise<BatchView> => {
    const id = String(order.batchId);
    batchOf(handle, id);
    accepted(await handle.operator(order, actorOf(request)));
    return batchOf(handle, id);
  };
  const idOf = (request: {readonly params: {readonly id: string}}) =>
    asBatchId(Number(request.params.id));

  for (const [word, kind, summary] of [
    ['cancel', 'cancelBatch', 'Ends a batch; its results stay'],
    ['resume', 'resumeBatch', 'Hands replicas of a suspended batch out again'],
    ['retry', 'retryBatch', 'Begins failed workunits anew'],
  ] as const)
    app.post<ById>(
      `/v1/batches/:id/${word}`,
      {config: {role: 'operate', summary}, schema: params},
      request => done(request, {kind, batchId: idOf(request)}),
    );

  app.post<ById & {Body: {reason: string}}>(
    '/v1/batches/:id/suspend',
    {
      config: {role: 'operate', summary: 'Hands no new replicas out; what is out may end'},
      schema: {...params, body: REASON_BODY},
    },
    request => {
      const {reason} = request.body;
      return done(request, {kind: 'suspendBatch', batchId: idOf(request), reason});
    },
  );

  app.post<ById & {Body: {priority: number}}>(
    '/v1/batches/:id/priority',
    {
      config: {role: 'operate', summary: 'Changes the priority'},
      schema: {...params, body: PRIORITY_BODY},
    },
    request => {
      const {priority} = request.body;
      return done(request, {kind: 'setPriority', batchId: idOf(request), priority});
    },
  );

  addDeletion(app, context);
}

function addDeletion(app: FastifyInstance, {handle}: RouteContext): void {
  app.post<ById & {Body: {force: boolean}}>(
    '/v1/batches/:id/delete',
    {
      config: {role: 'operate', summary: 'Deletes a batch with its results'},
      schema: {...params, body: FORCE_BODY},
    },
    async request => {
      const {id: batchId} = batchOf(handle, request.params.id);
      const {force} = request.body;
      const order = {kind: 'deleteBatch', batchId, force} as const;
      accepted(await handle.operator(order, actorOf(request)));
      return {};
    },
  );

  app.get<ById>(
    '/v1/batches/:id/history',
    {config: {role: 'read', summary: 'Who did what to a batch'}, schema: params},
    async request => {
      const batchId = asBatchId(Number(request.params.id));
      const history: HistoryRow[] = [];
      const [from, to] = [historyKey(batchId, 0), historyKey(asBatchId(batchId + 1), 0)];
      for await (const [, row] of handle.scan('history', from, to))
        history.push(jsonRow<HistoryRow>(row));
      if (history.length === 0 && handle.batch(batchId) === undefined)
        throw new VolleyError('VOLLEY_UNKNOWN_BATCH', {batch: batchId});
      return {history};
    },
  );
}
