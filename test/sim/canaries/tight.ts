// The same simulator with tables, windows and periods so small that rare paths are taken in every run: entries are
// dropped for newer ones, inboxes are full, sessions get new keys, the group key changes every few seconds. As with
// planted bugs each is a change of the source in memory, so that no option of the product reaches it.

import type {Change} from './bugs.ts';

const limit = (file: string, name: string, is: string, tight: number): Change => {
  const of = `const ${name} = `;
  return {file, find: `${of}${is};`, put: `${of}${tight};`};
};

const WIRE = 'wire/limits.ts';

export const TIGHT: readonly Change[] = [
  limit(WIRE, 'REPLAY_WINDOW', '1_024', 64),
  limit(WIRE, 'REKEY_AFTER_DATAGRAMS', '2 ** 20', 300),
  limit(WIRE, 'REKEY_AFTER_MS', 'HOUR_MS', 15_000),
  limit(WIRE, 'REJECT_AFTER_MS', '3 * HOUR_MS', 60_000),
  limit(WIRE, 'HALF_SESSIONS_MAX', '256', 8),
  limit(WIRE, 'STRANGERS_MAX', '256', 6),
  limit(WIRE, 'RENEWALS_MAX', '256', 8),
  limit(WIRE, 'LEASES_PER_ASSIGN_MAX', '64', 4),
  limit(WIRE, 'TURN_EVENTS_MAX', '256', 4),
  limit(WIRE, 'INBOX_EVENTS_MAX', '16_384', 256),
  limit(WIRE, 'INBOX_EVENTS_PER_PEER_MAX', '1_024', 32),
  limit(WIRE, 'PENDING_OPS_MAX', '16_384', 16),
  limit('node/outbox.ts', 'SPOOL_MAX', '4_096', 16),
  limit('node/late-saves.ts', 'OPS_MAX', '1_024', 4),
  limit('node/spool.ts', 'DUE_MAX', '64', 4),
  limit('node/kept.ts', 'REPORTS_MAX', '256', 4),
  limit('node/shot-shelf.ts', 'FILES_MAX', '512', 4),
  limit('master/group-keys.ts', 'ROTATE_MS', '24 * HOUR_MS', 7_000),
  limit('master/group-keys.ts', 'PUSHED_MAX', '256', 2),
  limit('master/call.ts', 'TARGETED_NODES_MAX', '32', 2),
  limit('master/scheduler.ts', 'WANTING_MAX', '65_536', 8),
  limit('master/enrolment.ts', 'EPOCH_LEAP_MAX', '65_536', 8),
  limit('master/uploads.ts', 'BLOBS_WAITING_MAX', '65_536', 8),
  limit('master/adaptive.ts', 'TRUSTED_AFTER', '10', 2),
  limit('master/adaptive.ts', 'PER_CHECK_MAX', '20', 4),
  limit('master/machines.ts', 'STUCK_MS_MAX', '60 * SECOND_MS', 2_000),
  limit('master/machines.ts', 'LEFT_MS_MAX', '10 * MINUTE_MS', 5_000),
  limit('master/probes.ts', 'IDLE_MS_MAX', 'MINUTE_MS', 2_000),
  limit('sim/escrow-ledger.ts', 'TRUSTED_AFTER', '10', 2),
  limit('sim/escrow-ledger.ts', 'PER_CHECK', '20', 4),
  limit('master/leases.ts', 'LEASES_PER_NODE_MAX', '8_192', 6),
];
