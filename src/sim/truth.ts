// What the right answer is. An honest runner computes it from the input it was given, a checker computes it
// from the batch and the index: they agree only when every input reached the right replica.

import {toHex, toUtf8} from '../base/bytes.ts';
import {asBlobId, type BlobId} from '../base/types.ts';
import type {InputSource} from '../core/input-source.ts';
import type {BlobRef, Input, OutputRef} from '../wire/message.ts';
import {MACHINES, type MachinePlan} from './machine-plan.ts';

/** Argument of an app whose larger outputs are blobs. */
export const BLOBS_ARG = 'blobs';

/** Arguments of apps whose outputs differ with the processor, and with the engine too. */
export const BY_MACHINE = {arch: 'by-arch', engine: 'by-engine'} as const;

/** One output in this many is a blob, when the app makes any. */
const BLOB_EVERY = 4;
/** One line in this many is so long that it travels as a slice of its blob. */
const SLICE_EVERY = 5;

function hashText(text: string, seed: number): number {
  let h = seed | 0;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
    h ^= h >>> 15;
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  return (h ^ (h >>> 13)) >>> 0;
}

function wordsOf(text: string, count: number): Uint8Array {
  const bytes = new Uint8Array(4 * count);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < count; i++) view.setUint32(4 * i, hashText(text, i + 1));
  return bytes;
}

export const blobIdOf = (text: string): BlobId => asBlobId(toHex(wordsOf(text, 8)));

/** The input of line `index` of an NDJSON blob that nobody ever wrote. */
export function lineInput(blobId: BlobId, index: number): Input {
  if (index % SLICE_EVERY === 0)
    return {kind: 'slice', blobId, offset: index * 1_000, length: 1_000};
  return {kind: 'inline', bytes: toUtf8(`${blobId.slice(0, 8)} ${index}`)};
}

export function inputOf(source: InputSource, index: number): Input {
  if (source.kind === 'blob')
    return {kind: 'slice', blobId: source.blobId, offset: 0, length: source.size};
  if (source.kind === 'parts')
    return {kind: 'slice', blobId: source.blobId, offset: 1_000 * index, length: 1_000};
  if (source.kind !== 'range') return lineInput(source.blobId, index);
  const start = source.start + index * source.chunk;
  return {kind: 'range', start, end: Math.min(source.end, start + source.chunk)};
}

function nameOf(input: Input): string {
  if (input.kind === 'range') return `range ${input.start} ${input.end}`;
  if (input.kind === 'inline') return `inline ${toHex(input.bytes)}`;
  return `slice ${input.blobId} ${input.offset} ${input.length}`;
}

/** What of the machine is in its outputs. */
function markOf(args: readonly string[], {arch, engine}: MachinePlan): string {
  if (args.includes(BY_MACHINE.engine)) return `${arch} ${engine}`;
  return args.includes(BY_MACHINE.arch) ? arch : '';
}

/** What an app makes of an input; `salt` '' = the truth, anything else = a lie. */
export function compute(
  input: Input,
  args: readonly string[],
  salt = '',
  machine = MACHINES[0],
  shared?: BlobRef,
): OutputRef {
  const beside = shared ? `|${shared.blobId}` : '';
  const text = `${salt}${markOf(args, machine)}|${args.join(' ')}|${nameOf(input)}${beside}`;
  const word = hashText(text, 0);
  if (args.includes(BLOBS_ARG) && word % BLOB_EVERY === 0)
    return {kind: 'blob', blobId: blobIdOf(text), size: 800 + (word % 5_000)};
  return {kind: 'inline', bytes: wordsOf(text, 2 + (word % 5))};
}

export const truthOf = (
  source: InputSource,
  args: readonly string[],
  index: number,
  machine: MachinePlan,
  shared?: BlobRef,
): OutputRef => compute(inputOf(source, index), args, '', machine, shared);
