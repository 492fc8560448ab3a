// What an operator's word leaves of a capture (pure): shots that were never commanded are over; nodes that were
// commanded are told, and say themselves what became of theirs.

import type {CaptureId, WallMs} from '../base/types.ts';
import type {CommandWhat} from '../wire/message.ts';
import {
  type Capture,
  type CaptureRow,
  lastCommanded,
  plannedAt,
  sweepLengthMs,
} from './capture-row.ts';

/** Why there is nothing to cancel; undefined = there is. @param instant now, on the cluster's clock */
export function whyTooLate({row, over}: Capture, instant: WallMs): string | undefined {
  if (over) return `capture ${row.id} is over`;
  if (row.calling || row.cancelled || instant < lastInstantOf(row)) return undefined;
  return `all shots of capture ${row.id} have had their instant; \`volley capture rm ${row.id} --force\` deletes it`;
}

/** When the last shot that was commanded fires, or fired; on the cluster's clock. */
export const lastInstantOf = (row: CaptureRow): number =>
  lastCommanded(row) === 0 ? 0 : plannedAt(row, lastCommanded(row)) + sweepLengthMs(row);

export const cancelWhat = ({id, salt}: {id: CaptureId; salt: number}): CommandWhat => ({
  kind: 'cancelCapture',
  captureId: id,
  salt,
});
