// Tokens of the operator interface beside the owner's own.
//
//   GET  /v1/access                 {access: AccessView[]}
//   POST /v1/access                 {role, name}  →  201 AccessView and {token: 64 hex}
//   POST /v1/access/<name>/revoke   AccessView; its connections end
//
// A token is made here and shown once: what is kept is its hash.

import type {FastifyInstance} from 'fastify';
import type {Role} from '../../core/access.ts';
import type {RouteContext} from '../context.ts';
import {ACCESS_BODY, ACCESS_PARAMS, NO_QUERY} from '../schemas.ts';

export function addAccessRoutes(app: FastifyInstance, context: RouteContext): void {
  const {access, cut, wallNow} = context;

  app.get(
    '/v1/access',
    {config: {role: 'admin', summary: 'Every operator token'}, schema: {querystring: NO_QUERY}},
    () => ({access: access.list()}),
  );

  app.post<{Body: {role: Role; name: string}}>(
    '/v1/access',
    {
      config: {role: 'admin', summary: 'A new operator token'},
      schema: {body: ACCESS_BODY, querystring: NO_QUERY},
    },
    (request, reply) => {
      const {role, name} = request.body;
      return reply.code(201).send(access.add(role, name, wallNow()));
    },
  );

  app.post<{Params: {name: string}}>(
    '/v1/access/:name/revoke',
    {
      config: {role: 'admin', summary: 'Ends an operator token'},
      schema: {params: ACCESS_PARAMS, querystring: NO_QUERY},
    },
    request => {
      const gone = access.revoke(request.params.name);
      cut(gone.name);
      return gone;
    },
  );
}
