// The operator interface: what the CLI, the monitor, the page and other people's programs use. JSON over
// HTTP on 127.0.0.1:6271, every route under /v1, each described at the head of its file in routes/; GET /v1
// answers the list as OpenAPI. Errors are {error: {code, message, fields}} with the codes of base/errors.ts.
//
// A request passes, in this order: connection and header limits (listen.ts) → guard (Host, Origin, token)
// → media type and size → schema → route. Whoever has no token learns nothing but that.

import type {AddressInfo} from 'node:net';
import type {FastifyInstance, FastifyRequest, FastifyServerOptions} from 'fastify';
import fastify from 'fastify';
import {VolleyError} from '../base/errors.ts';
import {MIB} from '../base/units.ts';
import type {RouteContext} from './context.ts';
import {EventHub} from './events.ts';
import {LOOPBACK_HOSTS, makeGuard} from './guard.ts';
import {
  CHECK_INTERVAL_MS,
  HEADER_BYTES_MAX,
  HEADERS_TIMEOUT_MS,
  IDLE_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  listenError,
  REQUEST_TIMEOUT_MS,
  urlOf,
} from './listen.ts';
import type {RouteNote} from './openapi.ts';
import {openApiOf} from './openapi.ts';
import {problemJson, Refusal, refusalOf, usage} from './problem.ts';
import {addAppRoutes} from './routes/apps.ts';
import {addBatchRoutes} from './routes/batches.ts';
import {addBlobRoutes, addStreamRoutes} from './routes/blobs.ts';
import {addCaptureRoutes} from './routes/captures.ts';
import {addClusterRoutes} from './routes/cluster.ts';
import {addEventRoutes} from './routes/events.ts';
import {addMembershipRoutes} from './routes/membership.ts';

export const OPERATOR_PORT = 6271;
const CONNECTIONS_MAX = 128;
const BODY_BYTES_MAX = MIB;

export type OperatorServerOptions = Omit<RouteContext, 'hub' | 'wallNow'> & {
  /** Bearer token. */
  readonly token: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 = any free port. Default 6271. */
  readonly port?: number;
  /** More names this server is called by (`rig.local`), without port. */
  readonly hostNames?: readonly string[];
  readonly wallNow?: () => number;
  /** Default: one for `handle`. */
  readonly hub?: EventHub;
};

export type OperatorServer = {
  /** http://host:port */
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
};

/** Throws VOLLEY_PORT_IN_USE or VOLLEY_NO_PERMISSION when it cannot listen. */
export async function openOperatorServer(options: OperatorServerOptions): Promise<OperatorServer> {
  const {host = '127.0.0.1', port = OPERATOR_PORT, handle} = options;
  const hub = options.hub ?? new EventHub({handle});
  const app = fastify(serverOptions());
  app.server.maxConnections = CONNECTIONS_MAX;
  addDoors(app, options, host);
  addRoutes(app, {...options, hub, wallNow: options.wallNow ?? Date.now});
  app.addHook('preClose', done => {
    hub.close();
    done();
  });
  try {
    await app.listen({host, port});
  } catch (error) {
    await app.close();
    throw listenError(error, {host, port, flag: '--http-port'});
  }
  const bound = (app.server.address() as AddressInfo).port;
  return {url: urlOf(host, bound), port: bound, close: () => app.close()};
}

function serverOptions() {
  return {
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Node has one request timeout for all; addClock gives each route its own.
    requestTimeout: 0,
    connectionTimeout: IDLE_TIMEOUT_MS,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    http: {
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: IDLE_TIMEOUT_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
    },
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: true,
        discriminator: true,
      },
    },
  } as const satisfies FastifyServerOptions & {http: object};
}

/** What every request passes before its route. */
function addDoors(app: FastifyInstance, options: OperatorServerOptions, host: string): void {
  const named = host.includes(':') ? `[${host}]` : host;
  const hosts = [...LOOPBACK_HOSTS, named, ...(options.hostNames ?? [])];
  const guard = makeGuard({token: options.token, hosts, sha256: options.crypto.sha256});
  app.addHook('onRequest', (request, _reply, done) => {
    guard(request.headers);
    done();
  });
  addClock(app);
  // Not text/plain, which a page may send to another site without asking.
  app.removeAllContentTypeParsers();
  const json = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', {parseAs: 'string'}, json);
  app.setErrorHandler((error, request, reply) => {
    const {status, error: told} = refusalOf(large(error, request));
    // Nothing of a stranger's body is read; of an operator's the rest is, so that the answer is heard.
    if (status === 401 || status === 403) reply.header('connection', 'close');
    return reply.code(status).send(problemJson(told));
  });
  app.setNotFoundHandler((request, reply) => {
    const error = usage(`there is no ${request.method} ${request.url.split('?')[0]}; see GET /v1`);
    return reply.code(404).send(problemJson(error));
  });
}

/**
 * A body that is not a stream must be here in 30 s. A stream of the operator's own lasts as long as its
 * other end takes, be it a pipe that a person feeds: only TCP's keep-alive finds it dead.
 */
function addClock(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    done();
    const {raw} = request;
    if (request.routeOptions.config.stream === true) raw.socket.setTimeout(0);
    if (request.routeOptions.config.stream === true || raw.complete) return;
    const timer = setTimeout(() => raw.destroy(), REQUEST_TIMEOUT_MS);
    const stop = (): void => clearTimeout(timer);
    raw.once('end', stop).once('close', stop);
  });
}

function large(error: unknown, {headers, routeOptions}: FastifyRequest): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== 'FST_ERR_CTP_BODY_TOO_LARGE') return error;
  const limit = routeOptions.bodyLimit ?? BODY_BYTES_MAX;
  const size = headers['content-length'] ?? `more than ${limit}`;
  const fields = {what: 'the request body', size, limit};
  return new Refusal(413, new VolleyError('VOLLEY_TOO_LARGE', fields, error));
}

function addRoutes(app: FastifyInstance, context: RouteContext): void {
  const routes: RouteNote[] = [];
  app.addHook('onRoute', route => {
    routes.push(route);
  });
  let description: object | undefined;
  app.get('/v1', {config: {summary: 'This list'}}, () => {
    description ??= openApiOf(routes, context.handle.status().version);
    return description;
  });
  addClusterRoutes(app, context);
  addMembershipRoutes(app, context);
  addAppRoutes(app, context);
  addBatchRoutes(app, context);
  addBlobRoutes(app, context);
  addCaptureRoutes(app, context);
  addEventRoutes(app, context);
  app.register((scope, _options, done) => {
    addStreamRoutes(scope, context);
    done();
  });
}
