// What the driver knows of sessions: datagrams in, opened messages out. session-master.ts and
// session-node.ts are the two ends; both are plain state machines (no I/O, time is an argument).

import type {Address, MonoMs, PeerId} from '../base/types.ts';
import type {Message} from './message.ts';

/** Why a datagram was dropped. Counted under this name, and nothing else happens. */
export type DropReason =
  | 'tooLarge'
  | 'tooSmall'
  | 'unknownType'
  | 'badMac'
  | 'badHandshake'
  | 'unknownPeer'
  | 'unknownSession'
  | 'badSeal'
  | 'replayed'
  | 'expiredSession'
  | 'malformed'
  | 'limits'
  | 'tooManyHandshakes'
  | 'cookieWanted'
  | 'badCookie'
  | 'tooManySessions'
  | 'notForUs'
  | 'badTrust'
  | 'unknownKey'
  | 'oldEpoch'
  | 'rateLimited'
  | 'badSignature'
  | 'coldStart'
  | 'inboxFull';

export type Outgoing = {readonly to: Address; readonly datagram: Uint8Array};

export type Received =
  /** An authentic message from the other end. */
  | {readonly kind: 'message'; readonly peer: PeerId; readonly message: Message}
  /**
   * A session is confirmed: at the node when the response is good, at the master with the first
   * authentic data. `handshakeHash` (32 bytes) is the same at both ends. `tokenId` is the join token
   * whose psk the handshake used, 0 = none.
   */
  | {
      readonly kind: 'linked';
      readonly peer: PeerId;
      readonly handshakeHash: Uint8Array;
      readonly tokenId: number;
      readonly from: Address;
    }
  /**
   * At the node: a trust document newer than the one we held. It is to be durable before anything that
   * follows in this list, or in takeOutgoing(), is acted on. `rekeyed`: the master's keys in it are
   * others, so what the old ones made is over: the session, the group.
   */
  | {
      readonly kind: 'trust';
      readonly signedTrust: Uint8Array;
      readonly rootFingerprint: Uint8Array;
      readonly version: number;
      readonly rekeyed: boolean;
    }
  | {readonly kind: 'drop'; readonly reason: DropReason};

export interface Link {
  /** Takes one datagram. What is to be sent in answer waits in takeOutgoing(). */
  receive(datagram: Uint8Array, from: Address, now: MonoMs): readonly Received[];
  /**
   * Seals for the confirmed session with `peer`; undefined when there is none.
   * @param only the handshake hash of the session that it is for, at the node; undefined = of whichever there is
   */
  seal(peer: PeerId, message: Message, now: MonoMs, only?: Uint8Array): Outgoing | undefined;
  /** Handshakes, retries, rekeying and forgetting that are due. */
  tick(now: MonoMs): void;
  wakeAt(): MonoMs;
  /** Hands over, once, what handshakes want sent. */
  takeOutgoing(): readonly Outgoing[];
  /** Ends the session with this peer: at the node a new search for the master begins. */
  forget(peer: PeerId, now: MonoMs): void;
}
