// One handshake of a node under way: the initiation frame and what is needed to read its response.

import {concat, toHex, viewOf} from '../base/bytes.ts';
import {asPeerId, type MonoMs, type PeerId} from '../base/types.ts';
import type {Crypto, KeyPair} from './crypto.ts';
import {NoiseInitiator} from './noise.ts';
import {initiationHeader, macKeyOf, prologueOf, sealInitiation} from './session.ts';

export type JoinSecret = {readonly id: number; readonly psk: Uint8Array};

export type Attempt = {
  readonly noise: NoiseInitiator;
  readonly localIndex: number;
  /** The initiation frame without a cookie; every retry sends these same bytes, and mac2 when it has one. */
  readonly datagram: Uint8Array;
  readonly tokenId: number;
  readonly peer: PeerId;
  readonly masterStatic: Uint8Array;
  readonly madeAt: MonoMs;
};

export type AttemptKeys = {
  readonly staticKey: KeyPair;
  readonly masterStatic: Uint8Array;
  readonly bootId: Uint8Array;
  readonly token: JoinSecret | undefined;
};

/** undefined when the master's static key is no key. */
export function makeAttempt(crypto: Crypto, keys: AttemptKeys, now: MonoMs): Attempt | undefined {
  const {staticKey, masterStatic, bootId, token} = keys;
  const pattern = token === undefined ? 'IK' : 'IKpsk2';
  const localIndex = viewOf(crypto.random(4)).getUint32(0);
  const header = initiationHeader(pattern, localIndex);
  const noise = new NoiseInitiator(crypto, {
    pattern,
    prologue: prologueOf(header),
    staticKey,
    remoteStatic: masterStatic,
    ...(token === undefined ? {} : {psk: token.psk}),
  });
  const tokenId = token?.id ?? 0;
  const tokenBytes = new Uint8Array(4);
  viewOf(tokenBytes).setUint32(0, tokenId);
  const first = noise.writeFirst(concat(bootId, tokenBytes));
  if (first === undefined) return undefined;
  const datagram = sealInitiation(crypto, macKeyOf(crypto, masterStatic), header, first);
  const peer = asPeerId(toHex(masterStatic));
  return {noise, localIndex, datagram, tokenId, peer, masterStatic, madeAt: now};
}
