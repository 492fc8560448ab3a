// Datagrams of a bulk transfer: one symbol each, multicast to all nodes of the transfer and to nobody's session.
//
//   0  type 8        1  version 1      2  flags: 1 = nothing new follows              3  answer within, in 4 ms
//   4  transfer u32  8  block u32     12  symbol u16 (65,535 = none: only the poll)       14  poll u16
//  16  sequence u32: one more for each datagram of the transfer, so that a gap is a loss
//  20  symbol       behind it: tag, 8 bytes of HMAC-SHA256 under the key of the transfer over all before it
//
// The key is in the offer, which only members of the group can read: strangers make no symbol that counts. A member
// could; what it spoils shows at the hash of the block, which the master signed.

import {equalBytes, uint32At, viewOf} from '../base/bytes.ts';
import type {Crypto} from './crypto.ts';
import {FRAME} from './session.ts';

const VERSION = 1;
const HEADER_BYTES = 20;
export const BULK_TAG_BYTES = 8;
export const BULK_OVERHEAD_BYTES = HEADER_BYTES + BULK_TAG_BYTES;
const NO_SYMBOL = 0xffff;
const FLAG_ENDING = 1;
const ANSWER_UNIT_MS = 4;

export type BulkHeader = {
  readonly transferId: number;
  /** Numbers are counted from the begin of the transfer and go round. */
  readonly sequence: number;
  readonly poll: number;
  /** Nothing new follows: whoever lacks anything says so. */
  readonly isEnding: boolean;
  /** Answer the poll within this, ms. 0 … 1,020. */
  readonly answerMs: number;
};

export type BulkPacket = BulkHeader & {
  /** undefined = it only polls. */
  readonly symbol:
    | {readonly block: number; readonly no: number; readonly bytes: Uint8Array}
    | undefined;
};

export function sealBulk(
  crypto: Pick<Crypto, 'hmacSha256'>,
  key: Uint8Array,
  packet: BulkPacket,
): Uint8Array {
  const {symbol} = packet;
  const payload = symbol?.bytes.length ?? 0;
  const datagram = new Uint8Array(HEADER_BYTES + payload + BULK_TAG_BYTES);
  const view = viewOf(datagram);
  datagram[0] = FRAME.bulk;
  datagram[1] = VERSION;
  datagram[2] = packet.isEnding ? FLAG_ENDING : 0;
  datagram[3] = Math.min(255, Math.ceil(packet.answerMs / ANSWER_UNIT_MS));
  view.setUint32(4, packet.transferId);
  view.setUint32(8, symbol?.block ?? 0);
  view.setUint16(12, symbol?.no ?? NO_SYMBOL);
  view.setUint16(14, packet.poll);
  view.setUint32(16, packet.sequence);
  if (symbol) datagram.set(symbol.bytes, HEADER_BYTES);
  const told = datagram.subarray(0, HEADER_BYTES + payload);
  datagram.set(crypto.hmacSha256(key, told).subarray(0, BULK_TAG_BYTES), HEADER_BYTES + payload);
  return datagram;
}

/** What a datagram says, unproven: whether it is wanted at all can be told before its tag is checked. */
export function readBulk(datagram: Uint8Array, symbolBytes: number): BulkPacket | undefined {
  const payload = datagram.length - BULK_OVERHEAD_BYTES;
  if (payload !== 0 && payload !== symbolBytes) return undefined;
  const isOurs = datagram[0] === FRAME.bulk && datagram[1] === VERSION;
  const flags = datagram[2] ?? 0;
  if (!isOurs || flags > FLAG_ENDING) return undefined;
  const [block, polls] = [uint32At(datagram, 8), uint32At(datagram, 12)];
  const no = polls >>> 16;
  if ((no === NO_SYMBOL) !== (payload === 0)) return undefined;
  const bytes = datagram.subarray(HEADER_BYTES, HEADER_BYTES + payload);
  return {
    transferId: uint32At(datagram, 4),
    sequence: uint32At(datagram, 16),
    poll: polls & 0xffff,
    isEnding: flags === FLAG_ENDING,
    answerMs: (datagram[3] ?? 0) * ANSWER_UNIT_MS,
    symbol: payload === 0 ? undefined : {block, no, bytes},
  };
}

/** Did somebody who has the key make it? The datagram has a length that readBulk takes. */
export function provesBulk(
  crypto: Pick<Crypto, 'hmacSha256'>,
  key: Uint8Array,
  datagram: Uint8Array,
): boolean {
  const end = datagram.length - BULK_TAG_BYTES;
  const tag = crypto.hmacSha256(key, datagram.subarray(0, end)).subarray(0, BULK_TAG_BYTES);
  return equalBytes(tag, datagram.subarray(end));
}
