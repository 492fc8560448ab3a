// An app as the master keeps it, of its signed manifest.

import type {BlobId} from '../base/types.ts';
import type {AppManifest} from './app.ts';
import {grantOf} from './grants.ts';
import type {AppRow} from './tables.ts';

/** @param publishedAt wall clock, ms */
export const appRowOf = (appId: BlobId, manifest: AppManifest, publishedAt: number): AppRow => ({
  appId,
  name: manifest.name,
  version: manifest.version,
  runtime: manifest.runtime,
  action: grantOf(manifest),
  publishedAt,
  timeLimitSeconds: manifest.limits.timeSeconds,
  memoryLimitMib: manifest.limits.memoryMib,
  outputLimitBytes: manifest.limits.outputBytes,
  ...(manifest.reduces ? {reduces: manifest.reduces} : {}),
});
