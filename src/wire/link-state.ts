// What the node's end of the wire is doing (session-node.ts), and where it looks for the master.

import {equalBytes} from '../base/bytes.ts';
import type {Prng} from '../base/prng.ts';
import {type Address, addMono, asMonoMs, type MonoMs, NEVER, type PeerId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {Attempt, JoinSecret} from './attempt.ts';
import type {Crypto, KeyPair} from './crypto.ts';
import type {Session} from './session.ts';
import {Whereabouts} from './whereabouts.ts';

export type NodeLinkOptions = {
  readonly crypto: Crypto;
  /** For jitter. */
  readonly prng: Prng;
  readonly staticKey: KeyPair;
  /** 8 random bytes of this start of the daemon. */
  readonly bootId: Uint8Array;
  /** 16 bytes; without it the first root that is met is trusted from then on (`--tofu`). */
  readonly rootFingerprint?: Uint8Array | undefined;
  /** The join token, until enrolled(). */
  readonly token?: JoinSecret | undefined;
  /** Where to look for the master first. */
  readonly address?: Address | undefined;
  /** SignedTrust that an earlier run stored. */
  readonly trust?: Uint8Array | undefined;
  /** Where a Discover is multicast as well. */
  readonly group?: Address | undefined;
};

/** A new session whose first message nobody answers was replaced at the master: make another. */
const FIRST_ANSWER_MS = 5 * SECOND_MS;
/** New keys are made beside the session, and not used when an answer comes after all: waiting costs more. */
const SILENCE_MS_MIN = 3 * SECOND_MS;
/** Silence is this many heartbeats without any word from the master. */
const SILENT_HEARTBEATS = 3;
/** `sent` counts tries since the last success. */
export type Retry = {
  sent: number;
  nextAt: MonoMs;
  attempt: Attempt | undefined;
  /** A cookie came for this try and was shown at once; the next waits for the next try. */
  shown?: boolean;
};

export type Discovering = {readonly kind: 'discovering'; sent: number; nextAt: MonoMs};

export type Handshaking = {
  readonly kind: 'handshaking';
  readonly places: Whereabouts;
  /** Where the last try went. */
  asked: readonly Address[];
  lastAt: MonoMs;
  readonly retry: Retry;
};

export type Linked = {
  readonly kind: 'linked';
  readonly session: Session;
  /** Where the master answers handshakes: it may speak from another port once there is a session. */
  readonly door: Address;
  /** Receives only: the master uses it until our first data frame under the new one is there. */
  readonly previous: Session | undefined;
  /** When new keys are due by age or count. */
  rekeyAt: MonoMs;
  /** First datagram sealed since the master was last heard; NEVER = it spoke last. */
  unansweredSince: MonoMs;
  heard: boolean;
  rekey: Retry | undefined;
};

export type LinkState = Discovering | Handshaking | Linked;

/** @param home where the master is or was; undefined = beacons have to say */
export function handshakingAt(
  home: Address | undefined,
  nextAt: MonoMs,
  retry?: Retry,
): Handshaking {
  const {sent, attempt} = retry ?? {sent: 0, attempt: undefined};
  const places = new Whereabouts(home);
  const lastAt = asMonoMs(-NEVER);
  return {kind: 'handshaking', places, asked: [], lastAt, retry: {sent, nextAt, attempt}};
}

/** The handshake under way, if there is one. */
export function retryOf(state: LinkState): Retry | undefined {
  switch (state.kind) {
    case 'discovering':
      return undefined;
    case 'handshaking':
      return state.retry;
    case 'linked':
      return state.rekey;
  }
}

/** How long the master may be silent after we spoke. */
export const silenceMsOf = (heartbeatMs: number): number =>
  Math.max(SILENCE_MS_MIN, SILENT_HEARTBEATS * heartbeatMs);

/** When this session is taken for dead. */
export const silentAt = (state: Linked, silenceMs: number): MonoMs =>
  addMono(state.unansweredSince, state.heard ? silenceMs : FIRST_ANSWER_MS);

/** A session that is new; the one before it is heard until the master uses this one. */
export const linkedBy = (
  session: Session,
  previous: Session | undefined,
  rekeyAt: MonoMs,
): Linked => ({
  kind: 'linked',
  session,
  door: session.address,
  previous,
  rekeyAt,
  unansweredSince: NEVER,
  heard: false,
  rekey: undefined,
});

/** When something is due, if nothing comes before. */
export function wakeAtOf(state: LinkState, silenceMs: number): MonoMs {
  switch (state.kind) {
    case 'discovering':
      return state.nextAt;
    case 'handshaking':
      return state.retry.nextAt;
    case 'linked':
      return state.rekey?.nextAt ?? asMonoMs(Math.min(state.rekeyAt, silentAt(state, silenceMs)));
  }
}

/** The living session with this peer. @param only of this handshake hash alone; undefined = whichever there is */
export function linkedWith(
  state: LinkState,
  peer: PeerId,
  now: MonoMs,
  only?: Uint8Array,
): Linked | undefined {
  if (state.kind !== 'linked' || state.session.peer !== peer) return undefined;
  if (only !== undefined && !equalBytes(only, state.session.handshakeHash)) return undefined;
  return state.session.expired(now) ? undefined : state;
}
