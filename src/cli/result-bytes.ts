// The bytes of one result, wherever the master keeps them, and why they cannot be written to a file.

import {dirname} from 'node:path';
import {VolleyError} from '../base/errors.ts';
import type {ResultView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';

export async function* outputOf(
  client: OperatorClient,
  view: ResultView,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (view.blobId !== undefined) yield* client.readBlob(view.blobId);
  else if (view.text !== undefined) yield new TextEncoder().encode(view.text);
  else if (view.base64 !== undefined) yield new Uint8Array(Buffer.from(view.base64, 'base64'));
}

/** A full disk and a folder in the way are not a matter of permission. */
export function cannotWrite(path: string, error: unknown): VolleyError {
  const reason = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new VolleyError('VOLLEY_NO_PERMISSION', {what: `writing ${path}`, reason}, error);
  const words: Record<string, string> = {
    ENOENT: `there is no folder ${dirname(path)}`,
    EISDIR: 'it is a folder',
  };
  const told = words[String(code)] ?? reason;
  return new VolleyError('VOLLEY_CANNOT_WRITE', {path, reason: told}, error);
}
