// How many bytes things take inside a datagram, without encoding them: a core adds these up to fill a
// datagram to PLAINTEXT_BYTES_MAX. Never below the true size (a property test holds this), and above it
// by a few bytes at most: lengths are taken as 2-byte varints, doubles as present.

import {assertNever} from '../base/assert.ts';
import {utf8Length} from './codec-check.ts';
import {
  HELD_REASON_BYTES_MAX,
  PLAINTEXT_BYTES_MAX,
  REASON_BYTES_MAX,
  RENEWALS_MAX,
} from './limits.ts';
import type {AssignedBatch, Input, Lease, OutputRef, ResultItem} from './message.ts';

/** Tag and length of anything shorter than 16,384 bytes. */
const LENGTH_DELIMITED = 3;
const UINT32_MAX = 6;
const DOUBLE = 9;
const BLOB_ID = 34;

/** An Assign, in its Envelope, without batches and closed ids. */
export const ASSIGN_OVERHEAD_BYTES =
  LENGTH_DELIMITED + 4 * UINT32_MAX + (2 + UINT32_MAX + 2) + DOUBLE + 3;
/** The list of closed ids in an Assign, without the ids. */
export const CLOSED_OVERHEAD_BYTES = LENGTH_DELIMITED;
/** One id in the list of closed ones. */
export const CLOSED_BATCH_BYTES_MAX = 5;
/** A Guest in a Pull. */
const GUEST_BYTES_MAX = LENGTH_DELIMITED + 3 * UINT32_MAX + (2 + HELD_REASON_BYTES_MAX) + 2;
/** A Pull, in its Envelope, without renewals and what is given back, which is as long as a renewal. */
export const PULL_OVERHEAD_BYTES = LENGTH_DELIMITED + 3 * UINT32_MAX + 5 + 3 + 7 + GUEST_BYTES_MAX;
export const RENEWAL_BYTES_MAX = 2 + 3 * UINT32_MAX + 3 + 5;
/** Replicas that one Pull names at most: as fit into it, and no more than are read. One that names fewer has named all. */
export const RENEWALS_PER_PULL = Math.min(
  RENEWALS_MAX,
  Math.floor((PLAINTEXT_BYTES_MAX - PULL_OVERHEAD_BYTES) / RENEWAL_BYTES_MAX),
);
/** A Report, in its Envelope, without its results: nonce, tag and length of the body, signature. */
export const REPORT_OVERHEAD_BYTES = LENGTH_DELIMITED + UINT32_MAX + LENGTH_DELIMITED + 66;
/** All results of one report have to fit into this. */
export const RESULTS_BYTES_MAX = PLAINTEXT_BYTES_MAX - REPORT_OVERHEAD_BYTES;
/** A CommandCopy, in its Envelope, without the datagram: a larger command cannot be repaired. */
export const COMMAND_COPY_OVERHEAD_BYTES = 2 * LENGTH_DELIMITED;

/** Bytes that `lease` adds to its AssignedBatch, at most. */
export const leaseBytesMax = (lease: Lease): number =>
  LENGTH_DELIMITED + uint32(lease.index) + uint32(lease.replicaNo) + 5 + inputBytesMax(lease.input);

function inputBytesMax(input: Input): number {
  switch (input.kind) {
    case 'inline':
      return 2 * LENGTH_DELIMITED + input.bytes.length;
    case 'slice':
      return 4 + BLOB_ID + 2 * DOUBLE;
    case 'range':
      return 4 + 2 * DOUBLE;
    default:
      return assertNever(input);
  }
}

/** Bytes that `batch` adds to an Assign, at most, when it has no leases yet. */
export function assignedBatchBytesMax(batch: Omit<AssignedBatch, 'leases'>): number {
  let bytes = LENGTH_DELIMITED + 5 * UINT32_MAX + BLOB_ID;
  if (batch.shared) bytes += 2 + BLOB_ID + DOUBLE;
  for (const arg of batch.args) bytes += LENGTH_DELIMITED + utf8Length(arg);
  return bytes;
}

/** Bytes that `item` adds to the body of a Report, at most. */
export function resultBytesMax(item: ResultItem): number {
  const ids = uint32(item.batchId) + uint32(item.index) + uint32(item.replicaNo) + 5;
  const what =
    item.status === 'done'
      ? outputBytesMax(item.output) + (item.suspicion ? 1 + uint32(item.suspicion) : 0)
      : 2 + LENGTH_DELIMITED + Math.min(REASON_BYTES_MAX, utf8Length(item.reason));
  return LENGTH_DELIMITED + ids + uint32(item.cpuMs) + what;
}

function outputBytesMax(output: OutputRef): number {
  switch (output.kind) {
    case 'inline':
      return LENGTH_DELIMITED + output.bytes.length;
    case 'blob':
      return 2 + BLOB_ID + DOUBLE;
    default:
      return assertNever(output);
  }
}

/** Tag and varint of a uint32. */
function uint32(value: number): number {
  if (value < 2 ** 7) return 2;
  if (value < 2 ** 14) return 3;
  if (value < 2 ** 21) return 4;
  return value < 2 ** 28 ? 5 : UINT32_MAX;
}
