// What a salvage makes of results that are checked again: open checks go, and with them what batches count of them,
// and revoked nodes are listed anew, so that the next start finds what still rests on them. Until then no list
// names a page that is gone. What was taken out and not decided is an open workunit as any other.

import {type Check, decodeChecks, encodeChecks} from '../core/checks.ts';
import {encodeJson, jsonRow, type NodeRow} from '../core/tables.ts';

/** Leaves what came out. Keys of rows that cannot be read; they stay. */
export function closeChecks(rows: Map<string, Uint8Array>): string[] {
  const unreadable: string[] = [];
  for (const [key, value] of [...rows]) {
    const checks = readable(value);
    if (!checks) {
      unreadable.push(key);
      continue;
    }
    const over = new Map([...checks].filter(([, {state}]) => state !== 'open'));
    if (over.size === 0) rows.delete(key);
    else rows.set(key, encodeChecks(over));
  }
  return unreadable;
}

function readable(value: Uint8Array): Map<number, Check> | undefined {
  try {
    return decodeChecks(value);
  } catch {
    return undefined;
  }
}

export function listAgain(nodes: Map<string, Uint8Array>): void {
  for (const [key, value] of [...nodes]) {
    const row = jsonRow<NodeRow>(value);
    // A member, or a row of before there was revocation.
    if (row.revokedAt) nodes.set(key, encodeJson({...row, doubts: -1, rechecked: false}));
  }
}
