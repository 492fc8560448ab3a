// The cluster as it is, and join tokens for more of it.
//
//   GET  /v1/status   StatusView
//   GET  /v1/nodes    {nodes: NodeView[]}
//   POST /v1/tokens   {uses, hours}  →  201 {secret: 32 hex, tokenId, expiresAt}
//
// The token's secret is made here and shown once: the store keeps only what a one-way function makes of
// it. The CLI joins it with the root's fingerprint to the text that `volley node --join` takes.

import type {FastifyInstance} from 'fastify';
import {toHex} from '../../base/bytes.ts';
import {asWallMs} from '../../base/types.ts';
import {HOUR_MS} from '../../base/units.ts';
import {pskOf, SECRET_BYTES, tokenIdOf} from '../../wire/token.ts';
import {accepted} from '../answers.ts';
import type {RouteContext} from '../context.ts';
import {NO_QUERY, TOKEN_BODY} from '../schemas.ts';

export function addClusterRoutes(app: FastifyInstance, context: RouteContext): void {
  const {handle, crypto, wallNow} = context;

  app.get(
    '/v1/status',
    {
      config: {role: 'read', summary: 'The master and its numbers'},
      schema: {querystring: NO_QUERY},
    },
    () => handle.status(),
  );

  app.get(
    '/v1/nodes',
    {config: {role: 'read', summary: 'Every enrolled node'}, schema: {querystring: NO_QUERY}},
    () => ({nodes: handle.nodes()}),
  );

  app.post<{Body: {uses: number; hours: number}}>(
    '/v1/tokens',
    {
      config: {role: 'admin', summary: 'A new join token'},
      schema: {body: TOKEN_BODY, querystring: NO_QUERY},
    },
    async (request, reply) => {
      const {uses, hours} = request.body;
      const secret = crypto.random(SECRET_BYTES);
      const psk = pskOf(crypto, secret);
      const tokenId = tokenIdOf(crypto, secret);
      const expiresAt = asWallMs(Math.round(wallNow() + hours * HOUR_MS));
      accepted(await handle.operator({kind: 'addToken', tokenId, psk, uses, expiresAt}));
      return reply.code(201).send({secret: toHex(secret), tokenId, expiresAt});
    },
  );
}
