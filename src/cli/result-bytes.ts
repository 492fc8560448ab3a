// The bytes of one result, wherever the master keeps them.

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

export const cannotWrite = (path: string, error: unknown): VolleyError =>
  new VolleyError(
    'VOLLEY_NO_PERMISSION',
    {what: `writing ${path}`, reason: error instanceof Error ? error.message : String(error)},
    error,
  );
