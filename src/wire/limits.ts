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
/** 0.43 times what it answers. */
export const COOKIE_REPLY_BYTES = 64;

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

/**
 * New handshakes the master works out in a second, over all sources, 0.4 ms each: a fifth of an x86 core. The
 * rest is dropped and comes again: 1,000 nodes are back two seconds after a restart.
 */
export const HANDSHAKES_PER_SECOND = 500;
/** Handshakes that come faster than this have to show a cookie (cookie.ts): no office has so many boots. */
export const COOKIES_ABOVE_PER_SECOND = 100;
/** Cookies are asked for until there was no such load for so long. */
export const COOKIE_LOAD_MS = SECOND_MS;
/** A secret makes cookies for so long; a node shows one for as long at most. */
export const COOKIE_LIFE_MS = 120 * SECOND_MS;
/** Handshakes under load, and answers to strangers, for each source address: WireGuard's numbers. */
export const SOURCE_PER_SECOND = 20;
export const SOURCE_BURST = 5;
/** Source addresses that are told apart: 64 KiB in a table, and there are two. */
export const SOURCES_MAX = 4_096;
/** Cookies and beacons said in a second, 10 µs each with their sending: a tenth of a core. */
export const ANSWERS_PER_SECOND = 10_000;
/** Of them for addresses whose own bucket is empty: a stranger may have used it up in their name. */
export const SPARE_ANSWERS_PER_SECOND = 2_000;
export const SESSIONS_MAX = 16_384;
/**
 * Handshakes that wait for the first data under them, about 3 KiB each; one more ends the oldest. At
 * HANDSHAKES_PER_SECOND each has a quarter of a second at least, and a node needs a round trip.
 */
export const HALF_SESSIONS_MAX = 256;
/** New handshakes at one instant: a storm must not end the half-sessions that it made a moment ago. */
export const HANDSHAKES_AT_ONCE = 128;
/** What the master keeps for all strangers together: half-sessions and tables of sources. */
export const STRANGERS_BYTES_MAX = MIB;
/**
 * Datagrams of one node that are acted on in a second, in bursts of twice as many. A busy node sends some
 * hundreds; one that is out for harm costs at most a fifth of a core, a signature in each.
 */
export const SESSION_DATAGRAMS_PER_SECOND = 2_000;

/** Nodes that ask to be let in without a token: sessions and rows kept for them, and those of one address. */
export const STRANGERS_MAX = 256;
export const STRANGERS_PER_HOST_MAX = 4;
/** Join tokens that let nodes in. */
export const TOKENS_MAX = 1_024;

export const NODES_MAX = 16_384;
export const LABELS_MAX = 16;
/** Labels that an operator gives a node, and their bytes: they travel in the Welcome. */
export const GIVEN_LABELS_MAX = 8;
export const GIVEN_LABELS_BYTES_MAX = 256;
/** What a node's owner allows: names of actions, and images (core/grants.ts). */
export const ACTIONS_MAX = 48;
export const ACTION_BYTES_MAX = 160;
export const NAME_BYTES_MAX = 64;
export const REASON_BYTES_MAX = 256;
/** What a node is wished to be careful with, as JSON: fits a datagram. */
export const PREFERENCES_BYTES_MAX = 900;
/** Settings of one action as JSON, in a command and in what is told of it. */
export const SETTINGS_BYTES_MAX = 512;
/** Why a node does not work, in each of its pulls. */
export const HELD_REASON_BYTES_MAX = 64;
export const ARGS_MAX = 16;
export const ARGS_BYTES_MAX = 512;
export const RENEWALS_MAX = 256;
export const RESULTS_PER_REPORT_MAX = 64;
export const LEASES_PER_ASSIGN_MAX = 64;
/** An input up to this travels inside its lease; a larger one is read from its blob. */
export const INLINE_INPUT_BYTES_MAX = 512;
/** An output up to this travels inside its result; a larger one is a blob. */
export const INLINE_OUTPUT_BYTES_MAX = 768;
/** Pulses that a Pull tells of. */
export const PULSES_MAX = 8;
export const SHOT_FILES_MAX = 8;
/** Of a node id, in the order of a sweep: enough that no two of a cluster are alike. */
export const SWEEP_ID_BYTES = 8;
export const COLLECT_BLOBS_MAX = 16;
export const APP_KEYS_MAX = 4;

/**
 * Seals of commands that a node tries to open in a second, in bursts of twice as many: what a stranger's
 * forgeries cost at most, 2 % of an x86 core. Beyond this commands come by unicast.
 */
export const COMMAND_SEALS_PER_SECOND = 5_000;
/**
 * Commands a node verifies in a second, in bursts of twice as many: an insider costs at most this, 2 % of
 * an x86 core and about a quarter of a Cortex-A53.
 */
export const COMMANDS_PER_SECOND = 250;
export const COMMAND_TTL_MS = 10 * SECOND_MS;
export const COMMAND_TTL_MS_MAX = 60 * SECOND_MS;
/** A command is repeated this long after its first datagram, same seq. */
export const COMMAND_REPEATS_MS: readonly number[] = [20, 60];
/** … of one that fires on hearing: who lost the first fires with the second. */
export const COMMAND_REPEATS_NOW_MS: readonly number[] = [4, 12, 30, 60];
/**
 * A repeat by multicast is acknowledged again for so long: then only the master's unicast copy is. Else one
 * recorded datagram would make the whole room speak.
 */
export const COMMAND_REPEATS_HEARD_MS = 250;

/**
 * Any time inside a capture: to its first instant, from its first step to another, from shot to shot of a burst, from
 * node to node of a sweep. A command does not live longer.
 */
export const CAPTURE_TIME_MS_MAX = COMMAND_TTL_MS_MAX;
/** Shots of one capture, with all bursts and steps: a roll of pictures, and a row that a node can keep. */
export const SHOTS_PER_CAPTURE_MAX = 1_000;
/** A clock that may be more wrong than this serves to judge times to live, not to fire at an instant. */
export const CLOCK_BOUND_MS_MAX = 250;

/** Events taken in one turn, and events that may wait for one. */
export const TURN_EVENTS_MAX = 256;
export const INBOX_EVENTS_MAX = 16_384;
/** Of these for one peer: sixteen that are out for harm fill the inbox, one does not. */
export const INBOX_EVENTS_PER_PEER_MAX = 1_024;
/** Operations that may wait for the disk before the driver stops taking events. */
export const PENDING_OPS_MAX = 16_384;

/** Of a bulk transfer: a symbol is one datagram, header and tag come on top, and Ethernet takes 1,472 bytes of both. */
export const SYMBOL_BYTES_MAX = 1_400;
export const SYMBOL_BYTES_MIN = 16;
/** Source symbols of a block: as many may be lost and made good (core/reed-solomon.ts). */
export const SYMBOLS_PER_BLOCK_MAX = 128;
/** What one report tells of deficits. */
export const DEFICIT_BYTES_MAX = 800;
/** A card image: the list of its blocks takes 6 MiB. */
export const TRANSFER_BYTES_MAX = 32 * 1_024 * MIB;

export const BLOB_BYTES_MAX = 256 * MIB;
export const INPUT_FILE_BYTES_MAX = 1_024 * MIB;
export const WORKUNITS_PER_BATCH_MAX = 2 ** 32 - 1;
export const APP_MANIFEST_BYTES_MAX = 64 * KIB;
/** Levels of io/sandbox.ts. */
export const SANDBOX_LEVEL_MAX = 3;
/** What an app may save of a workunit that is not done. */
export const STATE_BYTES_MAX = MIB;
export const WASM_BYTES_MAX = 16 * MIB;
/** Of a js app, with all that it imports: it is read anew for each workunit. */
export const JS_BYTES_MAX = 4 * MIB;
/** Files of an exec app, packed (core/app-bundle.ts). */
export const BUNDLE_BYTES_MAX = 8 * MIB;
export const BUNDLE_FILES_MAX = 256;
/** Of one workunit. */
export const TIME_LIMIT_SECONDS_MAX = 7 * 24 * 3_600;
export const MEMORY_LIMIT_MIB_MAX = 1_024;
export const OUTPUT_LIMIT_BYTES_MAX = 64 * MIB;

/** The address without its port: what limits for each source go by. */
export const hostOf = (address: Address): string => address.slice(0, address.lastIndexOf(':'));
