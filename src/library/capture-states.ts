// Follows a capture to its end, across restarts of its master: `volley capture`, the demo, the library.

import type {CaptureId} from '../base/types.ts';
import type {CaptureView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import {patiently} from './patience.ts';

/** Waits until everything is told and collected, or nobody is waited for any more. */
export const followCapture = (
  client: OperatorClient,
  captureId: CaptureId,
  onChange: (view: CaptureView) => void,
): Promise<CaptureView> => patiently(heard => untilEnd(client, captureId, heard), onChange);

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
