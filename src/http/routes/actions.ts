// Actions of nodes: what they are set to.
//
//   POST /v1/actions/<name>/settings   {settings: {name: value}, target}  →  202 {settingsId, nodes}
//
// One command for all. What came of it is in GET /v1/nodes: actionStates with this settingsId.

import type {FastifyInstance} from 'fastify';
import type {SetActionRequest} from '../../core/operator-request.ts';
import {accepted, given} from '../answers.ts';
import type {RouteContext} from '../context.ts';
import {ACTION_PARAMS, NO_QUERY, SETTINGS_BODY} from '../schemas.ts';

export function addActionRoutes(app: FastifyInstance, {handle}: RouteContext): void {
  app.post<{Params: {name: string}; Body: Omit<SetActionRequest, 'action'>}>(
    '/v1/actions/:name/settings',
    {
      config: {role: 'operate', summary: 'Sets an action on many nodes by one command'},
      schema: {params: ACTION_PARAMS, body: SETTINGS_BODY, querystring: NO_QUERY},
    },
    async (request, reply) => {
      const {settings, target} = request.body;
      const set = {action: request.params.name, settings, target};
      const answer = accepted(await handle.operator({kind: 'setAction', set}));
      const settingsId = given(answer.settingsId, 'an id of settings');
      return reply.code(202).send({settingsId, nodes: answer.nodes ?? []});
    },
  );
}
