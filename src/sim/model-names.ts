// Names of what the model counts: workunits by one number, outputs by one text.

import {toHex} from '../base/bytes.ts';
import type {OutputRef} from '../wire/message.ts';

export type WorkunitKey = number;
export const workunitKey = (batchId: number, index: number): WorkunitKey =>
  batchId * 2 ** 32 + index;
export const batchOf = (key: WorkunitKey): number => Math.floor(key / 2 ** 32);
export const indexOf = (key: WorkunitKey): number => key % 2 ** 32;
export const nameOf = (key: WorkunitKey): string => `${batchOf(key)}/${indexOf(key)}`;

/** One name for equal outputs. */
export const outputName = (output: OutputRef): string =>
  output.kind === 'inline' ? toHex(output.bytes) : `${output.blobId} ${output.size}`;
