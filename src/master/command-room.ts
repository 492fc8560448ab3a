// How much of what has no fixed size fits a command that can be repaired by unicast.

import {toUtf8} from '../base/bytes.ts';
import {REPAIRABLE_COMMAND_BYTES_MAX} from '../wire/command.ts';
import type {Target} from '../wire/message.ts';

/** The rest of the command: ids, instants, state, and the tags of the parts. */
const FIXED_BYTES = 160;
export const COMMAND_ROOM_BYTES = REPAIRABLE_COMMAND_BYTES_MAX - FIXED_BYTES;

/** Texts as UTF-8 and ids, each with its tag and length. */
export function bytesOf(texts: readonly string[], {labels, nodes}: Target): number {
  const text = [...texts, ...labels].reduce((sum, it) => sum + toUtf8(it).length + 3, 0);
  return text + nodes.length * 18;
}
