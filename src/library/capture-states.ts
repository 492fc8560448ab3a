// Follows a capture to its end, across restarts of its master: `volley capture`, the demo, the library.

import {setTimeout as sleep} from 'node:timers/promises';
import {VolleyError} from '../base/errors.ts';
import type {CaptureId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {CaptureView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';

/** A master that restarts is waited for this long: nodes keep what they fired until it is back. */
const PATIENCE_MS = 60 * SECOND_MS;
const RETRY_MS = SECOND_MS;

/** Waits until everything is told and collected, or nobody is waited for any more. */
export async function followCapture(
  client: OperatorClient,
  captureId: CaptureId,
  onChange: (view: CaptureView) => void,
): Promise<CaptureView> {
  let heardAt = performance.now();
  const heard = (view: CaptureView): void => {
    heardAt = performance.now();
    onChange(view);
  };
  for (;;) {
    try {
      const last = await untilEnd(client, captureId, heard);
      if (last) return last;
    } catch (error) {
      const lost = error instanceof VolleyError && error.code === 'VOLLEY_MASTER_UNREACHABLE';
      if (!lost || performance.now() - heardAt > PATIENCE_MS) throw error;
      await sleep(RETRY_MS);
    }
  }
}

/** undefined = the stream ended before the capture did. */
async function untilEnd(
  client: OperatorClient,
  captureId: CaptureId,
  heard: (view: CaptureView) => void,
): Promise<CaptureView | undefined> {
  for await (const event of client.events({captureId})) {
    if (event.kind !== 'capture') continue;
    heard(event.capture);
    if (event.capture.state === 'done') return event.capture;
  }
  return undefined;
}
