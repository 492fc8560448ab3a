// What operators do with nodes, and with all of them at once.
//
//   POST /v1/nodes/<id>/label      {add, remove}  labels beside the node's own
//   POST /v1/nodes/<id>/suspend    {reason}       it stops what runs and is given nothing
//   POST /v1/nodes/<id>/drain      {reason}       it is given nothing; what it has may end
//   POST /v1/nodes/<id>/quarantine {reason}       it is given nothing, its results do not count
//   POST /v1/nodes/<id>/resume                    ends a suspension or a draining
//   POST /v1/nodes/<id>/release                   ends a quarantine, whoever began it
//   POST /v1/nodes/<id>/forget     →  {}          of one that is away: it must join again
//   POST /v1/suspend               {reason}       one packet: all nodes stop computing
//   POST /v1/resume                {reason}
//
// Each answers the node, or the status, as it is then.

import type {FastifyInstance} from 'fastify';
import {VolleyError} from '../../base/errors.ts';
import {asNodeId, type NodeId} from '../../base/types.ts';
import type {NodeOrder} from '../../core/operator-request.ts';
import type {NodeView} from '../../core/views.ts';
import {accepted, actorOf, type Spoken} from '../answers.ts';
import type {RouteContext} from '../context.ts';
import type {MasterHandle} from '../handle.ts';
import {LABEL_BODY, NO_QUERY, NODE_PARAMS, REASON_BODY} from '../schemas.ts';

type ById = {Params: {id: string}};
type WithReason = {Body: {reason: string}};

const params = {params: NODE_PARAMS, querystring: NO_QUERY};

const HOLDS = [
  ['suspend', 'suspended', 'Stops what a node runs, and gives it nothing'],
  ['drain', 'draining', 'Gives a node nothing; what it has may end'],
  ['quarantine', 'quarantined', 'Gives a node nothing, and does not count its results'],
] as const;
const ENDS = [
  ['resume', 'resumeNode', 'Ends the suspension or draining of a node'],
  ['release', 'releaseNode', 'Ends the quarantine of a node'],
] as const;

export function addNodeOrderRoutes(app: FastifyInstance, context: RouteContext): void {
  const {handle} = context;
  const done = async (request: Spoken, order: NodeOrder): Promise<NodeView> => {
    accepted(await handle.operator(order, actorOf(request)));
    return nodeOf(handle, order.nodeId);
  };
  const idOf = (request: {readonly params: {readonly id: string}}) => asNodeId(request.params.id);

  app.post<ById & {Body: {add: string[]; remove: string[]}}>(
    '/v1/nodes/:id/label',
    {
      config: {role: 'operate', summary: 'Gives a node labels, or takes them away'},
      schema: {...params, body: LABEL_BODY},
    },
    request => done(request, {kind: 'labelNode', nodeId: idOf(request), ...request.body}),
  );

  for (const [word, hold, summary] of HOLDS)
    app.post<ById & WithReason>(
      `/v1/nodes/:id/${word}`,
      {config: {role: 'operate', summary}, schema: {...params, body: REASON_BODY}},
      request => {
        const {reason} = request.body;
        return done(request, {kind: 'holdNode', nodeId: idOf(request), hold, reason});
      },
    );

  for (const [word, kind, summary] of ENDS)
    app.post<ById>(
      `/v1/nodes/:id/${word}`,
      {config: {role: 'operate', summary}, schema: params},
      request => done(request, {kind, nodeId: idOf(request)}),
    );

  app.post<ById>(
    '/v1/nodes/:id/forget',
    {config: {role: 'admin', summary: 'Forgets a node that is away for good'}, schema: params},
    async request => {
      const order = {kind: 'forgetNode', nodeId: idOf(request)} as const;
      accepted(await handle.operator(order, actorOf(request)));
      return {};
    },
  );

  addPause(app, context);
}

function addPause(app: FastifyInstance, {handle}: RouteContext): void {
  for (const [word, paused, summary] of [
    ['suspend', true, 'Suspends computing on all nodes'],
    ['resume', false, 'Resumes computing on all nodes'],
  ] as const)
    app.post<WithReason>(
      `/v1/${word}`,
      {config: {role: 'operate', summary}, schema: {body: REASON_BODY, querystring: NO_QUERY}},
      async request => {
        const {reason} = request.body;
        const order = {kind: 'pauseCluster', paused, reason} as const;
        accepted(await handle.operator(order, actorOf(request)));
        return handle.status();
      },
    );
}

function nodeOf(handle: MasterHandle, nodeId: NodeId): NodeView {
  const node = handle.nodes().find(each => each.nodeId === nodeId);
  if (node === undefined) throw new VolleyError('VOLLEY_UNKNOWN_NODE', {node: nodeId});
  return node;
}
