// What a workunit of a plan computes: eight bytes, of which four say whose lie it is, so that a store knows
// right from wrong without a second computation, and no two liars ever agree.

import {viewOf} from '../base/bytes.ts';
import type {OutputRef} from '../wire/message.ts';

const OUTPUT_BYTES = 8;
/** In place of the liar's number. */
const TRUTH = 0;

function mixed(index: number): number {
  let h = Math.imul(index ^ (index >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** @param liar number of the node that returns something wrong, from 1; undefined = it is right */
export function outputOf(index: number, liar?: number): OutputRef {
  const bytes = new Uint8Array(OUTPUT_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, mixed(index));
  view.setUint32(4, liar ?? TRUTH);
  return {kind: 'inline', bytes};
}

/** Equal for equal outputs of one workunit; undefined = it is no output of this one. */
export function wordOf(index: number, output: OutputRef): number | undefined {
  if (output.kind !== 'inline' || output.bytes.length !== OUTPUT_BYTES) return undefined;
  const view = viewOf(output.bytes);
  return view.getUint32(0) === mixed(index) ? view.getUint32(4) : undefined;
}

export const isTrue = (word: number): boolean => word === TRUTH;
