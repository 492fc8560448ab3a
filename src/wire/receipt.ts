// The master's signed word that a report or a shot statement is durable.

import {viewOf} from '../base/bytes.ts';
import type {Crypto} from './crypto.ts';
import type {Receipt} from './message.ts';

/** `journal_no` as it is signed: an IEEE double, big-endian. */
export function journalNoBytes(journalNo: number): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setFloat64(0, journalNo);
  return bytes;
}

export const receiptIsGood = (
  crypto: Crypto,
  commandKey: Uint8Array,
  clusterId: Uint8Array,
  body: Uint8Array,
  receipt: Receipt,
): boolean =>
  crypto.verify(
    commandKey,
    'receipt',
    receipt.signature,
    clusterId,
    crypto.sha256(body),
    journalNoBytes(receipt.journalNo),
  );
