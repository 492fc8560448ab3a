// Bytes of what is said about bulk transfers in sessions and commands; the symbols are in bulk-packet.ts.

import type {
  TransferOffer,
  TransferOrder,
  TransferReport,
  TransferState,
  TransferStep,
} from './bulk-message.ts';
import {atMost, blobIdOf, exactly, malformed, text, whole, within} from './codec-check.ts';
import {clipped, idBytes, wellFormed} from './codec-text.ts';
import type {volley} from './generated/volley.js';
import {
  DEFICIT_BYTES_MAX,
  NAME_BYTES_MAX,
  REASON_BYTES_MAX,
  SYMBOL_BYTES_MAX,
  SYMBOL_BYTES_MIN,
  SYMBOLS_PER_BLOCK_MAX,
  TRANSFER_BYTES_MAX,
} from './limits.ts';

/** Numbers are for ever: the index is the number on the wire. */
const STATES: readonly TransferState[] = ['listening', 'whole', 'declined', 'aside', 'gaveUp'];
const STEPS: readonly TransferStep[] = ['heard', 'fetch', 'cancel'];

export function offerProperties(offer: TransferOffer): volley.TransferOffer.$Properties {
  return {
    transfer: offer.transferId,
    blob: idBytes(offer.blobId, 32),
    size: offer.size,
    symbolBytes: offer.symbolBytes,
    symbolsPerBlock: offer.symbolsPerBlock,
    listHash: offer.listHash,
    key: offer.key,
    group: addressNumber(offer.group),
    port: offer.port,
    salt: offer.salt,
    ...(offer.fileName === undefined ? {} : {fileName: wellFormed(offer.fileName)}),
  };
}

export function readOffer(offer: volley.TransferOffer.$Properties): TransferOffer {
  const symbolBytes = within(offer.symbolBytes ?? 0, SYMBOL_BYTES_MAX);
  const symbolsPerBlock = within(offer.symbolsPerBlock ?? 0, SYMBOLS_PER_BLOCK_MAX);
  const port = within(offer.port ?? 0, 65_535);
  const transferId = offer.transfer ?? 0;
  if (symbolBytes < SYMBOL_BYTES_MIN || symbolsPerBlock < 1 || port < 1 || transferId < 1)
    malformed();
  return {
    transferId,
    salt: offer.salt ?? 0,
    blobId: blobIdOf(offer.blob),
    size: within(whole(offer.size ?? 0), TRANSFER_BYTES_MAX),
    symbolBytes,
    symbolsPerBlock,
    listHash: exactly(offer.listHash, 32),
    key: exactly(offer.key, 32),
    group: groupOf(offer.group ?? 0),
    port,
    ...(offer.fileName ? {fileName: text(offer.fileName, NAME_BYTES_MAX)} : {}),
  };
}

const addressNumber = (address: string): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

/** Multicast only: nobody shall be told to listen where others are answered. */
function groupOf(number: number): string {
  const parts = [24, 16, 8, 0].map(shift => (number >>> shift) & 255);
  const [first = 0] = parts;
  return first >= 224 && first < 240 ? parts.join('.') : malformed();
}

export const transferReportProperties = (
  report: TransferReport,
): volley.TransferReport.$Properties => ({
  ...report,
  transfer: report.transferId,
  state: STATES.indexOf(report.state),
  reason: clipped(report.reason, REASON_BYTES_MAX),
});

export const readTransferReport = (report: volley.TransferReport.$Properties): TransferReport => ({
  type: 'transferReport',
  transferId: report.transfer ?? 0,
  salt: report.salt ?? 0,
  state: STATES[Number(report.state ?? 0)] ?? malformed(),
  poll: within(report.poll ?? 0, 65_535),
  sequence: report.sequence ?? 0,
  heard: report.heard ?? 0,
  blocks: report.blocks ?? 0,
  room: report.room ?? 0,
  from: report.from ?? 0,
  deficits: atMost(report.deficits ?? new Uint8Array(), DEFICIT_BYTES_MAX),
  reason: text(report.reason ?? '', REASON_BYTES_MAX),
});

export const orderProperties = (order: TransferOrder): volley.TransferOrder.$Properties => ({
  transfer: order.transferId,
  step: STEPS.indexOf(order.step),
  salt: order.salt,
});

export const readOrder = (order: volley.TransferOrder.$Properties): TransferOrder => ({
  type: 'transferOrder',
  transferId: order.transfer ?? 0,
  salt: order.salt ?? 0,
  step: STEPS[Number(order.step ?? 0)] ?? malformed(),
});
