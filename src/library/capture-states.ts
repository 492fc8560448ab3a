// Follows a capture to its end: `volley capture`, the library.

import {asCaptureId, type CaptureId} from '../base/types.ts';
import type {CaptureView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';

/** Waits until everything is told and collected, or nobody is waited for any more. */
export async function followCapture(
  client: OperatorClient,
  captureId: CaptureId,
  onChange: (view: CaptureView) => void,
): Promise<CaptureView> {
  for await (const event of client.events({captureId: asCaptureId(captureId)})) {
    if (event.kind !== 'capture') continue;
    onChange(event.capture);
    if (event.capture.state === 'done') return event.capture;
  }
  return client.captureOf(captureId);
}
