// What both ends of a session share: the frames of proto/volley.proto and the keys of one session.
//
// mac1 is HMAC-SHA256, cut to 16 bytes, under SHA-256("mac1----" ‖ static key of the frame's receiver), as
// WireGuard does it: junk from those who do not even know whom they talk to costs one hash.
// A session is dead after REJECT_AFTER_MS; the node makes a new one well before (session-node.ts).

import {concat, equalBytes, toUtf8, uint32At, viewOf} from '../base/bytes.ts';
import type {Address, MonoMs, PeerId} from '../base/types.ts';
import type {Crypto} from './crypto.ts';
import {
  DATA_OVERHEAD_BYTES,
  DATAGRAM_BYTES_MAX,
  INITIATION_BYTES,
  REJECT_AFTER_MS,
  REKEY_AFTER_DATAGRAMS,
  RESPONSE_BYTES,
} from './limits.ts';
import type {DropReason, Received} from './link.ts';
import {type NoisePattern, nonceOf, type TransportKeys} from './noise.ts';
import {ReplayWindow} from './replay-window.ts';
import {FINGERPRINT_BYTES} from './trust.ts';

export const FRAME = {
  initiation: 1,
  response: 2,
  cookie: 3,
  data: 4,
  discover: 5,
  beacon: 6,
  command: 7,
  bulk: 8,
} as const;

/** An unconfirmed half-session lives this long: every retry of a Hello fits in. */
export const HALF_SESSION_LIFE_MS = 30_000;

const MAC_BYTES = 16;
const EMPTY_AAD = new Uint8Array(0);
const NO_MAC2 = new Uint8Array(MAC_BYTES);
const MAC1_LABEL = toUtf8('mac1----');
const PROLOGUE_LABEL = toUtf8('volley/v1/noise\0');
const INITIATION_HEADER_BYTES = 8;
const RESPONSE_HEADER_BYTES = 12;
const DATA_HEADER_BYTES = 16;

export const drop = (reason: DropReason): readonly Received[] => [{kind: 'drop', reason}];

/** The key of mac1 in frames to the owner of this static key. */
export const macKeyOf = (crypto: Crypto, receiverStatic: Uint8Array): Uint8Array =>
  crypto.sha256(MAC1_LABEL, receiverStatic);

function withMacs(crypto: Crypto, macKey: Uint8Array, frame: Uint8Array): Uint8Array {
  const mac1 = crypto.hmacSha256(macKey, frame).slice(0, MAC_BYTES);
  return concat(frame, mac1, NO_MAC2);
}

/** Is mac2 zero? No node asks for cookies, so that of a response always is. */
export const hasNoMac2 = (frame: Uint8Array): boolean =>
  equalBytes(frame.subarray(frame.length - MAC_BYTES), NO_MAC2);

/**
 * Is mac1 right? The comparison need not be in constant time: the key of mac1 is made of a public key.
 * What mac2 is worth only the gate knows (gate.ts).
 */
export function mac1Fits(crypto: Crypto, macKey: Uint8Array, frame: Uint8Array): boolean {
  const mac1At = frame.length - 2 * MAC_BYTES;
  const mac1 = crypto.hmacSha256(macKey, frame.slice(0, mac1At));
  return equalBytes(mac1.subarray(0, MAC_BYTES), frame.subarray(mac1At, mac1At + MAC_BYTES));
}

/** `undefined` when the length is right. */
export function wrongLength(datagram: Uint8Array, bytes: number): DropReason | undefined {
  if (datagram.length === bytes) return undefined;
  return datagram.length < bytes ? 'tooSmall' : 'tooLarge';
}

export type Initiation = {
  readonly pattern: NoisePattern;
  readonly senderIndex: number;
  /** Type, pattern and index: bound into the handshake, so that nobody can change them on the way. */
  readonly prologue: Uint8Array;
  /** 108 bytes. */
  readonly noise: Uint8Array;
};

export function initiationHeader(pattern: NoisePattern, senderIndex: number): Uint8Array {
  const header = new Uint8Array(INITIATION_HEADER_BYTES);
  header[0] = FRAME.initiation;
  header[1] = pattern === 'IK' ? 0 : 1;
  viewOf(header).setUint32(4, senderIndex);
  return header;
}

export const prologueOf = (header: Uint8Array): Uint8Array => concat(PROLOGUE_LABEL, header);

export const sealInitiation = (
  crypto: Crypto,
  macKey: Uint8Array,
  header: Uint8Array,
  noise: Uint8Array,
): Uint8Array => withMacs(crypto, macKey, concat(header, noise));

/** Bytes 1 … 3: the pattern and two zeros. Tells random bytes for nothing. */
export const isInitiation = (frame: Uint8Array): boolean =>
  (frame[1] === 0 || frame[1] === 1) && frame[2] === 0 && frame[3] === 0;

/** The parts of an initiation frame; length, first bytes and mac1 are to be checked before. */
export function readInitiation(frame: Uint8Array): Initiation {
  return {
    pattern: frame[1] === 0 ? 'IK' : 'IKpsk2',
    senderIndex: viewOf(frame).getUint32(4),
    prologue: prologueOf(frame.slice(0, INITIATION_HEADER_BYTES)),
    noise: frame.slice(INITIATION_HEADER_BYTES, INITIATION_BYTES - 2 * MAC_BYTES),
  };
}

export type Response = {
  readonly senderIndex: number;
  readonly receiverIndex: number;
  /** 48 bytes. */
  readonly noise: Uint8Array;
};

export function sealResponse(crypto: Crypto, macKey: Uint8Array, response: Response): Uint8Array {
  const header = new Uint8Array(RESPONSE_HEADER_BYTES);
  header[0] = FRAME.response;
  const view = viewOf(header);
  view.setUint32(4, response.senderIndex);
  view.setUint32(8, response.receiverIndex);
  return withMacs(crypto, macKey, concat(header, response.noise));
}

/** The parts of a response frame; length and macs are to be checked before. */
export function readResponse(frame: Uint8Array): Response | undefined {
  if (frame[1] !== 0 || frame[2] !== 0 || frame[3] !== 0) return undefined;
  const view = viewOf(frame);
  return {
    senderIndex: view.getUint32(4),
    receiverIndex: view.getUint32(8),
    noise: frame.slice(RESPONSE_HEADER_BYTES, RESPONSE_BYTES - 2 * MAC_BYTES),
  };
}

/** `undefined` when this may be a data frame; its receiver index is at 4. */
export function wrongDataFrame(datagram: Uint8Array): DropReason | undefined {
  if (datagram.length < DATA_OVERHEAD_BYTES) return 'tooSmall';
  if (datagram.length > DATAGRAM_BYTES_MAX) return 'tooLarge';
  return datagram[1] === 0 && datagram[2] === 0 && datagram[3] === 0 ? undefined : 'malformed';
}

export const receiverIndexOf = (datagram: Uint8Array): number => uint32At(datagram, 4);

export type SessionParts = {
  readonly crypto: Crypto;
  readonly peer: PeerId;
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly keys: TransportKeys;
  readonly tokenId: number;
  readonly createdAt: MonoMs;
  readonly address: Address;
};

/** The keys of one finished handshake, in use for data frames. */
export class Session {
  readonly peer: PeerId;
  readonly localIndex: number;
  readonly handshakeHash: Uint8Array;
  readonly tokenId: number;
  readonly createdAt: MonoMs;
  /** Where the last authentic packet came from. */
  address: Address;
  readonly #crypto: Crypto;
  readonly #remoteIndex: number;
  readonly #keys: TransportKeys;
  readonly #window = new ReplayWindow();
  #counter = 0;

  constructor(parts: SessionParts) {
    this.peer = parts.peer;
    this.localIndex = parts.localIndex;
    this.handshakeHash = parts.keys.handshakeHash;
    this.tokenId = parts.tokenId;
    this.createdAt = parts.createdAt;
    this.address = parts.address;
    this.#crypto = parts.crypto;
    this.#remoteIndex = parts.remoteIndex;
    this.#keys = parts.keys;
  }

  expired(now: MonoMs): boolean {
    return now - this.createdAt >= REJECT_AFTER_MS;
  }

  /** So many datagrams went either way that it is time for new keys. */
  get worn(): boolean {
    return Math.max(this.#counter, this.#window.highest) >= REKEY_AFTER_DATAGRAMS;
  }

  /** A data frame of plaintext + 32 bytes. */
  seal(plaintext: Uint8Array): Uint8Array {
    const counter = this.#counter++;
    const sealed = this.#crypto.seal(this.#keys.sendKey, nonceOf(counter), EMPTY_AAD, plaintext);
    const datagram = new Uint8Array(DATA_HEADER_BYTES + sealed.length);
    const view = viewOf(datagram);
    datagram[0] = FRAME.data;
    view.setUint32(4, this.#remoteIndex);
    view.setUint32(8, Math.floor(counter / 2 ** 32));
    view.setUint32(12, counter % 2 ** 32);
    datagram.set(sealed, DATA_HEADER_BYTES);
    return datagram;
  }

  /** The plaintext of a data frame that wrongDataFrame() let pass; taken once. */
  open(datagram: Uint8Array): Uint8Array | DropReason {
    const view = viewOf(datagram);
    const counter = view.getUint32(8) * 2 ** 32 + view.getUint32(12);
    if (!Number.isSafeInteger(counter)) return 'malformed';
    if (!this.#window.check(counter)) return 'replayed';
    const sealed = datagram.subarray(DATA_HEADER_BYTES);
    const opened = this.#crypto.open(this.#keys.receiveKey, nonceOf(counter), EMPTY_AAD, sealed);
    if (opened === undefined) return 'badSeal';
    this.#window.mark(counter);
    return opened;
  }
}

const FINGERPRINT_AT = 4;
const FINGERPRINT_END = FINGERPRINT_AT + FINGERPRINT_BYTES;

/**
 * The frame that asks for a beacon, padded so that no answer is larger.
 * @param root fingerprint of the root that the node believes: it is answered what leads on from there
 */
export function discoverFrame(bytes: number, root: Uint8Array | undefined): Uint8Array {
  const frame = new Uint8Array(bytes);
  frame[0] = FRAME.discover;
  if (root !== undefined) frame.set(root.subarray(0, FINGERPRINT_BYTES), FINGERPRINT_AT);
  return frame;
}

/** 16 bytes; all zero = the node believes no root yet. */
export const discoveredRoot = (frame: Uint8Array): Uint8Array =>
  frame.subarray(FINGERPRINT_AT, FINGERPRINT_END);
