// Every limit of the wire and of what peers can make us keep, with its reason. Full means: drop the
// newest, count it, stay alive.

import type {Address} from '../base/types.ts';
import {HOUR_MS, KIB, MIB, SECOND_MS} from '../base/units.ts';

/** Fits the IPv6 minimum MTU (1,280) less IPv6 and UDP headers: never fragmented. */
export const DATAGRAM_BYTES_MAX = 1_232;
/** Data frame: header 16 + tag 16. */
export const DATA_OVERHEAD_BYTES = 32;
export const PLAINTEXT_BYTES_MAX = DATAGRAM_BYTES_MAX - DATA_OVERHEAD_BYTES;
/** Command frame: header 24 + signature 64 + tag 16. */
export const COMMAND_OVERHEAD_BYTES = 104;
export const COMMAND_BYTES_MAX = DATAGRAM_BYTES_MAX - COMMAND_OVERHEAD_BYTES;
/** Discover is padded to this, so that a Beacon answer is never larger than its question. */
export const DISCOVER_BYTES = 512;

export const INITIATION_BYTES = 148;
export const RESPONSE_BYTES = 92;

/** RFC 6479 sliding window; 32 is OSCORE's, 8,128 WireGuard's: one burst of a group commit fits. */
export const REPLAY_WINDOW = 1_024;
export const REKEY_AFTER_DATAGRAMS = 2 ** 20;
export const REKEY_AFTER_MS = HOUR_MS;
export const REJECT_AFTER_MS = 3 * HOUR_MS;
/** First retry of a handshake or a Hello; doubles with jitter up to RETRY_MS_MAX. */
export const RETRY_MS_MIN = 250;
export const RETRY_MS_MAX = 10 * SECOND_MS;
/** What is said inside a session grows no rarer than this at first: it is lost, not unwanted. */
export const RETRY_MS_LIVELY = SECOND_MS;
/** New handshakes the master takes in a second, over all sources; the rest is dropped and comes again. */
export const HANDSHAKES_PER_SECOND = 500;
export const SESSIONS_MAX = 16_384;

/** Nodes that ask to be let in without a token: sessions and rows kept for them, and those of one address. */
export const STRANGERS_MAX = 256;
export const STRANGERS_PER_HOST_MAX = 4;
/** Join tokens that let nodes in. */
export const TOKENS_MAX = 1_024;

export const NODES_MAX = 16_384;
export const LABELS_MAX = 16;
export const NAME_BYTES_MAX = 64;
export const REASON_BYTES_MAX = 256;
export const ARGS_MAX = 16;
export const ARGS_BYTES_MAX = 512;
export const RENEWALS_MAX = 256;
export const RESULTS_PER_REPORT_MAX = 64;
export const LEASES_PER_ASSIGN_MAX = 64;
/** An input up to this travels inside its lease; a larger one is read from its blob. */
export const INLINE_INPUT_BYTES_MAX = 512;
/** An output up to this travels inside its result; a larger one is a blob. */
export const INLINE_OUTPUT_BYTES_MAX = 768;
export const SHOT_FILES_MAX = 8;
export const COLLECT_BLOBS_MAX = 16;
export const APP_KEYS_MAX = 4;

/**
 * Commands a node verifies in a second, in bursts of twice as many: an insider costs at most this, 2 % of
 * an x86 core and about a quarter of a Cortex-A53.
 */
export const COMMANDS_PER_SECOND = 250;
export const COMMAND_TTL_MS = 10 * SECOND_MS;
export const COMMAND_TTL_MS_MAX = 60 * SECOND_MS;
/** A command is repeated this long after its first datagram, same seq. */
export const COMMAND_REPEATS_MS: readonly number[] = [20, 60];

/** Events taken in one turn, and events that may wait for one. */
export const TURN_EVENTS_MAX = 256;
export const INBOX_EVENTS_MAX = 16_384;
/** Operations that may wait for the disk before the driver stops taking events. */
export const PENDING_OPS_MAX = 16_384;

export const BLOB_BYTES_MAX = 256 * MIB;
export const INPUT_FILE_BYTES_MAX = 1_024 * MIB;
export const WORKUNITS_PER_BATCH_MAX = 2 ** 32 - 1;
export const APP_MANIFEST_BYTES_MAX = 64 * KIB;
export const WASM_BYTES_MAX = 16 * MIB;
export const MEMORY_LIMIT_MIB_MAX = 1_024;
export const OUTPUT_LIMIT_BYTES_MAX = 64 * MIB;

/** The address without its port: what limits for each source go by. */
export const hostOf = (address: Address): string => address.slice(0, address.lastIndexOf(':'));
