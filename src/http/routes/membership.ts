// Who belongs to the cluster: nodes that ask, nodes that are taken out, tokens that let nodes in.
//
//   GET  /v1/pending              {nodes: PendingView[]}: nodes that ask without a token
//   POST /v1/pending/approve      {fingerprint?}  →  {nodes: [fingerprint]}; none given = all that ask
//   POST /v1/pending/deny         {fingerprint}   →  {}
//   POST /v1/nodes/<id>/revoke    {nodeId, doubts}; -1 = what rests on the node is being listed
//   POST /v1/nodes/<id>/preferences   {key: value, …}, null takes a key out  →  {nodeId, preferences}
//   GET  /v1/nodes/<id>/doubts    DoubtsView {nodeId, listed, batches: [{batch, indexes}]}
//   GET  /v1/tokens               {tokens: TokenView[]}
//   POST /v1/tokens/<id>/revoke   TokenView
//
// A fingerprint is the node's id, 32 hex characters, whole: the beginning of one can be made to fit.

import type {FastifyInstance} from 'fastify';
import {VolleyError} from '../../base/errors.ts';
import {asNodeId, type BatchId} from '../../base/types.ts';
import {decodeDoubt, decodeDoubtKey} from '../../core/checks.ts';
import {PAGE_WORKUNITS} from '../../core/tables.ts';
import type {DoubtsView} from '../../core/views.ts';
import {accepted, given} from '../answers.ts';
import type {RouteContext} from '../context.ts';
import {
  APPROVE_BODY,
  DENY_BODY,
  NO_QUERY,
  NODE_PARAMS,
  NUMBER_PARAMS,
  PREFERENCES_BODY,
} from '../schemas.ts';

type ById = {Params: {id: string}};

export function addMembershipRoutes(app: FastifyInstance, context: RouteContext): void {
  addPending(app, context);
  addRevocation(app, context);
  addTokens(app, context);
  addPreferences(app, context);
}

function addPreferences(app: FastifyInstance, {handle}: RouteContext): void {
  app.post<ById & {Body: Record<string, unknown>}>(
    '/v1/nodes/:id/preferences',
    {
      config: {role: 'operate', summary: 'What one node is to be careful with'},
      schema: {params: NODE_PARAMS, body: PREFERENCES_BODY, querystring: NO_QUERY},
    },
    async request => {
      const nodeId = asNodeId(request.params.id);
      const changes = request.body;
      const answer = await handle.operator({kind: 'preferNode', nodeId, changes});
      return {nodeId, preferences: given(accepted(answer).preferences, 'preferences')};
    },
  );
}

function addPending(app: FastifyInstance, {handle}: RouteContext): void {
  app.get(
    '/v1/pending',
    {
      config: {role: 'read', summary: 'Nodes that ask to be let in'},
      schema: {querystring: NO_QUERY},
    },
    () => ({nodes: handle.pending()}),
  );

  app.post<{Body: {fingerprint?: string}}>(
    '/v1/pending/approve',
    {
      config: {role: 'admin', summary: 'Lets one node in, or all that ask'},
      schema: {body: APPROVE_BODY, querystring: NO_QUERY},
    },
    async request => {
      const {fingerprint} = request.body;
      const which = fingerprint === undefined ? {} : {nodeId: asNodeId(fingerprint)};
      const {nodes} = accepted(await handle.operator({kind: 'approveNode', ...which}));
      return {nodes: given(nodes, 'nodes')};
    },
  );

  app.post<{Body: {fingerprint: string}}>(
    '/v1/pending/deny',
    {
      config: {role: 'admin', summary: 'Turns one node away that asks'},
      schema: {body: DENY_BODY, querystring: NO_QUERY},
    },
    async request => {
      const nodeId = asNodeId(request.body.fingerprint);
      accepted(await handle.operator({kind: 'denyNode', nodeId}));
      return {};
    },
  );
}

function addRevocation(app: FastifyInstance, {handle}: RouteContext): void {
  const schema = {params: NODE_PARAMS, querystring: NO_QUERY};

  app.post<ById>(
    '/v1/nodes/:id/revoke',
    {config: {role: 'admin', summary: 'Takes a membership away, for ever'}, schema},
    async request => {
      const nodeId = asNodeId(request.params.id);
      const {doubts} = accepted(await handle.operator({kind: 'revokeNode', nodeId}));
      return {nodeId, doubts: given(doubts, 'a number of doubts')};
    },
  );

  app.get<ById>(
    '/v1/nodes/:id/doubts',
    {
      config: {role: 'read', summary: 'Canonical results that rest on a revoked node alone'},
      schema,
    },
    async request => {
      const nodeId = asNodeId(request.params.id);
      const node = handle.nodes().find(each => each.nodeId === nodeId);
      if (node === undefined) throw new VolleyError('VOLLEY_UNKNOWN_NODE', {node: nodeId});
      const batches = new Map<BatchId, number[]>();
      for await (const [key, row] of handle.scan('doubt', nodeId, `${nodeId}~`)) {
        const {batchId, pageNo} = decodeDoubtKey(key);
        const indexes = batches.get(batchId) ?? [];
        for (const offset of decodeDoubt(row)) indexes.push(pageNo * PAGE_WORKUNITS + offset);
        batches.set(batchId, indexes);
      }
      const view: DoubtsView = {
        nodeId,
        listed: node.doubts >= 0,
        batches: [...batches].map(([batch, indexes]) => ({batch, indexes})),
      };
      return view;
    },
  );
}

function addTokens(app: FastifyInstance, {handle}: RouteContext): void {
  app.get(
    '/v1/tokens',
    {
      config: {role: 'read', summary: 'Join tokens, without their secrets'},
      schema: {querystring: NO_QUERY},
    },
    () => ({tokens: handle.tokens()}),
  );

  app.post<ById>(
    '/v1/tokens/:id/revoke',
    {
      config: {role: 'admin', summary: 'Ends a join token; who is in stays in'},
      schema: {params: NUMBER_PARAMS, querystring: NO_QUERY},
    },
    async request => {
      const tokenId = Number(request.params.id);
      accepted(await handle.operator({kind: 'revokeToken', tokenId}));
      return given(
        handle.tokens().find(token => token.tokenId === tokenId),
        'a token',
      );
    },
  );
}
