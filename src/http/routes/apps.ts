// Apps: what may run. Publishing is three requests, so that the large parts are blobs like any other:
// the wasm module and the signed manifest are uploaded first, then the app is named.
//
//   GET  /v1/apps   {apps: AppRow[]}
//   POST /v1/apps   {appId}  →  201 AppRow; appId = blob id of the signed manifest

import type {FastifyInstance} from 'fastify';
import {VolleyError} from '../../base/errors.ts';
import type {BlobId} from '../../base/types.ts';
import {type AppManifest, openSignedApp} from '../../core/app.ts';
import type {AppRow} from '../../core/tables.ts';
import {outlineWasm, PAGES_PER_MIB} from '../../core/wasm.ts';
import {APP_MANIFEST_BYTES_MAX, WASM_BYTES_MAX} from '../../wire/limits.ts';
import {accepted} from '../answers.ts';
import type {RouteContext} from '../context.ts';
import {APP_BODY, NO_QUERY} from '../schemas.ts';

const badApp = (reason: string): VolleyError => new VolleyError('VOLLEY_BAD_APP', {reason});

export function addAppRoutes(app: FastifyInstance, context: RouteContext): void {
  const {handle, wallNow} = context;

  app.get(
    '/v1/apps',
    {config: {role: 'read', summary: 'Every published app'}, schema: {querystring: NO_QUERY}},
    () => ({apps: handle.apps()}),
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
      const {manifest} = opened;
      await checkModule(context, manifest);
      const row = rowOf(appId, manifest, wallNow());
      accepted(await handle.operator({kind: 'addApp', app: row}));
      return reply.code(201).send(row);
    },
  );
}

const rowOf = (appId: BlobId, manifest: AppManifest, publishedAt: number): AppRow => ({
  appId,
  name: manifest.name,
  version: manifest.version,
  runtime: manifest.runtime,
  action: manifest.action ?? '',
  publishedAt,
  timeLimitSeconds: manifest.limits.timeSeconds,
  memoryLimitMib: manifest.limits.memoryMib,
  outputLimitBytes: manifest.limits.outputBytes,
});

async function checkModule(context: RouteContext, manifest: AppManifest): Promise<void> {
  if (manifest.wasm === undefined) return;
  const {blobId, size} = manifest.wasm;
  const module = await bounded(context, blobId, 'the module', WASM_BYTES_MAX);
  if (module.length !== size)
    throw badApp(`the module is ${module.length} bytes, its manifest says ${size}`);
  const found = outlineWasm(module, manifest.limits.memoryMib * PAGES_PER_MIB);
  if (found.kind === 'refused') throw badApp(found.reason);
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
