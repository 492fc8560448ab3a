// Apps: what may run. Publishing is three requests, so that the large parts are blobs like any other:
// the wasm module or the packed files, and the signed manifest are uploaded first, then the app is named.
//
//   GET  /v1/apps   {apps: AppRow[]}
//   POST /v1/apps   {appId}  →  201 AppRow; appId = blob id of the signed manifest
//   GET  /v1/apps/<name>/versions   {versions: AppVersionView[]}, the oldest first

import type {FastifyInstance} from 'fastify';
import {toHex} from '../../base/bytes.ts';
import {VolleyError} from '../../base/errors.ts';
import type {BatchId, BlobId} from '../../base/types.ts';
import {type AppManifest, openSignedApp} from '../../core/app.ts';
import {bodyOf} from '../../core/app-bodies.ts';
import {decodeBundle} from '../../core/app-bundle.ts';
import {appRowOf} from '../../core/app-row.ts';
import {PROBE_PREFIX, type ProbeRow} from '../../core/operator-rows.ts';
import {type AppRow, jsonRow} from '../../core/tables.ts';
import type {AppVersionView} from '../../core/views.ts';
import {outlineWasm, PAGES_PER_MIB} from '../../core/wasm.ts';
import {APP_MANIFEST_BYTES_MAX, BUNDLE_BYTES_MAX, WASM_BYTES_MAX} from '../../wire/limits.ts';
import {fingerprintOf} from '../../wire/trust.ts';
import {accepted, actorOf} from '../answers.ts';
import type {RouteContext} from '../context.ts';
import type {MasterHandle} from '../handle.ts';
import {APP_BODY, APP_PARAMS, NO_QUERY} from '../schemas.ts';

const badApp = (reason: string): VolleyError => new VolleyError('VOLLEY_BAD_APP', {reason});

export function addAppRoutes(app: FastifyInstance, context: RouteContext): void {
  const {handle, wallNow} = context;

  app.get(
    '/v1/apps',
    {config: {role: 'read', summary: 'Every published app'}, schema: {querystring: NO_QUERY}},
    () => ({apps: handle.apps()}),
  );

  app.get<{Params: {name: string}}>(
    '/v1/apps/:name/versions',
    {
      config: {role: 'read', summary: 'All versions of an app'},
      schema: {params: APP_PARAMS, querystring: NO_QUERY},
    },
    async request => {
      const {name} = request.params;
      const versions = await versionsOf(handle, name);
      if (versions.length === 0) throw new VolleyError('VOLLEY_UNKNOWN_APP', {app: name});
      return {versions};
    },
  );

  app.post<{Body: {appId: BlobId}}>(
    '/v1/apps',
    {
      config: {role: 'admin', summary: 'Publishes an app whose blobs are here'},
      schema: {body: APP_BODY, querystring: NO_QUERY},
    },
    async (request, reply) => {
      const {appId} = request.body;
      const what = 'the signed app';
      const signed = await bounded(context, appId, what, APP_MANIFEST_BYTES_MAX);
      const opened = openSignedApp(context.crypto, context.appKeys, signed);
      if (opened.kind === 'refused') throw badApp(opened.reason);
      const {manifest, signedBy} = opened;
      await checkModule(context, manifest);
      await checkBundle(context, manifest);
      const key = toHex(fingerprintOf(context.crypto, signedBy));
      const row = {...appRowOf(appId, manifest, wallNow()), signedBy: key};
      const body = bodyOf(manifest);
      const order = {kind: 'addApp', app: row, ...(body ? {body} : {})} as const;
      accepted(await handle.operator(order, actorOf(request)));
      return reply.code(201).send(row);
    },
  );
}

/** Everything that was published under the name, the oldest first, and what batches name of it beside. */
async function versionsOf(handle: MasterHandle, name: string): Promise<AppVersionView[]> {
  const current = handle.apps().find(app => app.name === name);
  const versions = new Map<BlobId, AppVersionView & {batches: BatchId[]}>();
  const add = ({appId, version, publishedAt, signedBy = ''}: Known): void => {
    const isCurrent = appId === current?.appId;
    versions.set(appId, {
      ...{name, version, appId, publishedAt, signedBy},
      current: isCurrent,
      batches: [],
    });
  };
  for await (const [, value] of handle.scan('release', '', '~')) {
    const row = jsonRow<AppRow>(value);
    if (row.name === name) add(row);
  }
  if (current && !versions.has(current.appId)) add(current);
  const tried = new Map<BlobId, ProbeRow>();
  for await (const [, value] of handle.scan('meta', PROBE_PREFIX, `${PROBE_PREFIX}~`)) {
    const row = jsonRow<ProbeRow>(value);
    tried.set(row.appId, row);
  }
  for (const {id, appName, appId} of handle.batches()) {
    if (appName !== name) continue;
    if (!versions.has(appId)) add({appId, version: '?', publishedAt: 0});
    versions.get(appId)?.batches.push(id);
  }
  return [...versions.values()]
    .map(view => withTrial(view, tried.get(view.appId)))
    .sort((a, b) => a.publishedAt - b.publishedAt);
}

const withTrial = (view: AppVersionView, row: ProbeRow | undefined): AppVersionView =>
  row ? {...view, tried: {result: row.result, archs: row.archs}} : view;

type Known = Pick<AppRow, 'appId' | 'version' | 'publishedAt' | 'signedBy'>;

async function checkModule(context: RouteContext, manifest: AppManifest): Promise<void> {
  const body = bodyOf(manifest);
  if (body === undefined) return;
  const {blobId, size} = body;
  const module = await bounded(context, blobId, 'the module', WASM_BYTES_MAX);
  if (module.length !== size)
    throw badApp(`the module is ${module.length} bytes, its manifest says ${size}`);
  if (manifest.wasm === undefined) return;
  const found = outlineWasm(module, manifest.limits.memoryMib * PAGES_PER_MIB);
  if (found.kind === 'refused') throw badApp(found.reason);
}

async function checkBundle(context: RouteContext, {bundle}: AppManifest): Promise<void> {
  if (bundle === undefined) return;
  const blob = await bounded(context, bundle.blobId, 'the files of the app', BUNDLE_BYTES_MAX);
  if (blob.length !== bundle.size)
    throw badApp(`the files are ${blob.length} bytes, the manifest says ${bundle.size}`);
  const opened = decodeBundle(blob);
  if (opened.kind === 'refused') throw badApp(opened.reason);
}

/** A blob that is read whole: its size is looked at first. */
async function bounded(
  {blobs}: RouteContext,
  blobId: BlobId,
  what: string,
  limit: number,
): Promise<Uint8Array> {
  const size = await blobs.size(blobId);
  if (size !== undefined && size > limit)
    throw new VolleyError('VOLLEY_TOO_LARGE', {what, size, limit});
  return blobs.get(blobId);
}
