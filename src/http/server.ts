// The operator interface: what the CLI, the monitor, the page and other people's programs use. JSON over
// HTTP on 127.0.0.1:6271, every route under /v1, each described at the head of its file in routes/; GET /v1
// answers the list as OpenAPI. Errors are {error: {code, message, fields}} with the codes of base/errors.ts.
//
// A request passes, in this order: its connection's turn (turns.ts) → guard (Host, Origin, token) → its
// connection's room (lobby.ts) → the role of its route → media type and size → schema → route. Whoever has
// no token learns nothing but that.

import {createServer, type IncomingMessage, type Server} from 'node:http';
import type {AddressInfo, Socket} from 'node:net';
import type {FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions} from 'fastify';
import fastify from 'fastify';
import {VolleyError} from '../base/errors.ts';
import {MIB} from '../base/units.ts';
import {includesRole, OWNER} from '../core/access.ts';
import {AccessBook, type AccessRows, type Speaker} from './access-book.ts';
import type {RouteContext} from './context.ts';
import {EventHub} from './events.ts';
import {type Guard, LOOPBACK_HOSTS, makeGuard} from './guard.ts';
import {
  answerBroken,
  HEADER_BYTES_MAX,
  HTTP_TIMES,
  type HttpTimes,
  listenError,
  SECURITY_HEADERS,
  urlOf,
} from './listen.ts';
import {Lobby} from './lobby.ts';
import type {RouteNote} from './openapi.ts';
import {openApiOf} from './openapi.ts';
import {holdToPace} from './pace.ts';
import {problemJson, Refusal, refusalOf, usage} from './problem.ts';
import {addAccessRoutes} from './routes/access.ts';
import {addActionRoutes} from './routes/actions.ts';
import {addAppRoutes} from './routes/apps.ts';
import {addBatchOrderRoutes} from './routes/batch-orders.ts';
import {addBatchRoutes} from './routes/batches.ts';
import {addBlobRoutes, addStreamRoutes} from './routes/blobs.ts';
import {addCaptureRoutes} from './routes/captures.ts';
import {addClusterRoutes} from './routes/cluster.ts';
import {addEventRoutes} from './routes/events.ts';
import {addMembershipRoutes} from './routes/membership.ts';
import {addNodeOrderRoutes} from './routes/node-orders.ts';
import {addTransferRoutes} from './routes/transfers.ts';
import {type Handler, inTurn} from './turns.ts';

export const OPERATOR_PORT = 6271;
const LIMITS = {known: 128, perName: 64, strangers: 64, strangersPerSource: 8};
/** More than the others may have, so that they cannot keep the owner out. */
const RESERVED_FOR_OWNER = 16;
const BODY_BYTES_MAX = MIB;

export type OperatorServerOptions = Omit<RouteContext, 'hub' | 'wallNow' | 'access' | 'cut'> & {
  /** The owner's bearer token. */
  readonly token: string;
  /** Those of others. */
  readonly access: AccessRows;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 = any free port. Default 6271. */
  readonly port?: number;
  /** More names this server is called by (`rig.local`), without port. */
  readonly hostNames?: readonly string[];
  readonly wallNow?: () => number;
  /** Default: one for `handle`. */
  readonly hub?: EventHub;
  /** Where they differ from HTTP_TIMES. */
  readonly times?: Partial<HttpTimes>;
  /** Somebody at this address showed a wrong token. */
  readonly onWrongToken?: (source: string) => void;
};

export type OperatorServer = {
  /** http://host:port */
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
};

/** Throws VOLLEY_PORT_IN_USE or VOLLEY_NO_PERMISSION when it cannot listen. */
export async function openOperatorServer(options: OperatorServerOptions): Promise<OperatorServer> {
  const {host = '127.0.0.1', port = OPERATOR_PORT} = options;
  const app = makeOperatorApp(options);
  try {
    await app.listen({host, port});
  } catch (error) {
    await app.close();
    throw listenError(error, {host, port, flag: '--http-port'});
  }
  const bound = (app.server.address() as AddressInfo).port;
  return {url: urlOf(host, bound), port: bound, close: () => app.close()};
}

/** The interface with all its doors and routes, not listening yet. */
export function makeOperatorApp(options: OperatorServerOptions): FastifyInstance {
  const {handle, token, crypto, wallNow = Date.now} = options;
  const hub = options.hub ?? new EventHub({handle});
  const access = new AccessBook(crypto, token, options.access);
  const times = {...HTTP_TIMES, ...options.times};
  const guard = guardOf(options, access, wallNow);
  const app = fastify(serverOptions(times, guard));
  const lobby = new Lobby(LIMITS);
  lobby.attach(app.server);
  addDoors(app, guard, lobby);
  addClock(app, times);
  addErrors(app);
  addRoutes(app, {...options, hub, access, wallNow, cut: name => lobby.cut(name)});
  app.addHook('preClose', done => {
    hub.close();
    done();
  });
  return app;
}

function serverOptions(times: HttpTimes, guard: Guard) {
  return {
    logger: false,
    frameworkErrors: (_error, request, reply) => answerUnrouted(guard, request, reply),
    bodyLimit: BODY_BYTES_MAX,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    serverFactory: (handler: Handler) => makeServer(handler, times),
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: true,
        discriminator: true,
        // For the words of refusals (problem.ts).
        verbose: true,
      },
    },
  } as const satisfies FastifyServerOptions;
}

function makeServer(handler: Handler, times: HttpTimes): Server {
  const server = createServer(
    {
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: times.idleMs,
      keepAliveTimeout: times.keepAliveMs,
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: times.headersMs,
      // Node has one request timeout for all; addClock gives each route its own.
      requestTimeout: 0,
      connectionsCheckingInterval: times.checkMs,
      insecureHTTPParser: false,
    },
    inTurn(handler),
  );
  server.timeout = times.idleMs;
  server.on('clientError', answerBroken);
  return server;
}

function guardOf(options: OperatorServerOptions, access: AccessBook, now: () => number): Guard {
  const {host = '127.0.0.1', hostNames = [], onWrongToken} = options;
  const named = host.includes(':') ? `[${host}]` : host;
  return makeGuard({access, hosts: [...LOOPBACK_HOSTS, named, ...hostNames], now, onWrongToken});
}

/** What every request passes before its route. */
function addDoors(app: FastifyInstance, guard: Guard, lobby: Lobby): void {
  app.decorateRequest('speaker', null);
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(SECURITY_HEADERS);
    const speaker = guard(request.raw);
    enter(lobby, request.raw.socket, speaker);
    request.speaker = speaker;
    checkRole(request, speaker);
    done();
  });
}

function enter(lobby: Lobby, socket: Socket, {name}: Speaker): void {
  const reserved = name === OWNER ? RESERVED_FOR_OWNER : 0;
  if (lobby.welcome(socket, name, reserved)) return;
  const limit = LIMITS.perName + reserved;
  throw new VolleyError('VOLLEY_BUSY', {what: 'connections', limit});
}

function checkRole({is404, routeOptions}: FastifyRequest, {name, role}: Speaker): void {
  const wanted = is404 ? 'read' : routeOptions.config.role;
  if (!includesRole(role, wanted)) throw new VolleyError('VOLLEY_FORBIDDEN', {name, role, wanted});
}

/** A path that cannot be read reaches no hook: it passes the guard here, and gets no more words than others. */
function answerUnrouted(guard: Guard, {raw}: FastifyRequest, reply: FastifyReply): void {
  const {status, error, headers} = refusalOf(refusalAt(guard, raw));
  reply.code(status).headers({...SECURITY_HEADERS, ...headers, connection: 'close'});
  reply.send(problemJson(error));
}

function refusalAt(guard: Guard, raw: IncomingMessage): unknown {
  try {
    guard(raw);
  } catch (error) {
    return error;
  }
  return usage('the path cannot be read; see GET /v1');
}

/**
 * A body that is not a stream must be here in 30 s; one from a file must move. A stream of the operator's
 * own lasts as long as its other end takes, be it a pipe that a person feeds: only TCP's keep-alive finds
 * it dead.
 */
function addClock(app: FastifyInstance, {requestMs, paceMs}: HttpTimes): void {
  app.addHook('onRequest', (request, _reply, done) => {
    done();
    const {raw} = request;
    const {stream, paced} = request.routeOptions.config;
    if (stream === true) raw.socket.setTimeout(0);
    if (raw.complete) return;
    if (paced === true) holdToPace(raw, paceMs);
    if (stream === true) return;
    const timer = setTimeout(() => raw.destroy(), requestMs);
    const stop = (): void => clearTimeout(timer);
    raw.once('end', stop).once('close', stop);
  });
}

function addErrors(app: FastifyInstance): void {
  // Not text/plain, which a page may send to another site without asking.
  app.removeAllContentTypeParsers();
  const json = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', {parseAs: 'string'}, json);
  app.setErrorHandler((error, request, reply) => {
    const {status, error: told, headers} = refusalOf(large(error, request));
    // Nothing of a stranger's body is read; of an operator's the rest is, so that the answer is heard.
    if (request.speaker === null) reply.header('connection', 'close');
    return reply.code(status).headers(headers).send(problemJson(told));
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0]?.slice(0, 200);
    const error = usage(`there is no ${request.method} ${path}; see GET /v1`);
    return reply.code(404).send(problemJson(error));
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
    // The compiler asks for it where there is a config at all.
    if (route.config?.role === undefined)
      throw new Error(`${route.method} ${route.url} does not state a role: config.role is missing`);
    routes.push(route);
  });
  let description: object | undefined;
  app.get('/v1', {config: {role: 'read', summary: 'This list'}}, () => {
    description ??= openApiOf(routes, context.handle.status().version);
    return description;
  });
  addAccessRoutes(app, context);
  addClusterRoutes(app, context);
  addMembershipRoutes(app, context);
  addNodeOrderRoutes(app, context);
  addAppRoutes(app, context);
  addBatchRoutes(app, context);
  addBatchOrderRoutes(app, context);
  addBlobRoutes(app, context);
  addCaptureRoutes(app, context);
  addTransferRoutes(app, context);
  addActionRoutes(app, context);
  addEventRoutes(app, context);
  app.register((scope, _options, done) => {
    addStreamRoutes(scope, context);
    done();
  });
}
