// Where the workunits of a batch find their inputs.

import type {BlobId} from '../base/types.ts';

/** Where workunit `index` finds its input. `count` of a range = ⌈(end-start)/chunk⌉. */
export type InputSource =
  | {
      readonly kind: 'range';
      readonly start: number;
      readonly end: number;
      readonly chunk: number;
    }
  /** NDJSON blob, one line each; `indexBlobId` holds the offset (f64 LE) of every 256th line. */
  | {
      readonly kind: 'lines';
      readonly blobId: BlobId;
      readonly indexBlobId: BlobId;
      readonly count: number;
    }
  /** NDJSON blob of {"name","blob","size"}, one file each, indexed as `lines` is. */
  | {
      readonly kind: 'files';
      readonly blobId: BlobId;
      readonly indexBlobId: BlobId;
      readonly count: number;
    }
  /** Outputs of a stage, one after the other: the input of one workunit. */
  | {readonly kind: 'blob'; readonly blobId: BlobId; readonly size: number; readonly count: 1}
  /** The same for several: `indexBlobId` holds where each begins and ends (two f64 LE). */
  | {
      readonly kind: 'parts';
      readonly blobId: BlobId;
      readonly size: number;
      readonly indexBlobId: BlobId;
      readonly count: number;
    };

/** Made by the master, of outputs. */
export type GatheredSource = Extract<InputSource, {kind: 'blob' | 'parts'}>;

/** A blob that a row named; without its size where the row does not say it. */
export type NamedBlob = {readonly blobId: BlobId; readonly size?: number};

/** The blobs that a source is made of; not the files that a list names. */
export function blobsOfSource(source: InputSource): NamedBlob[] {
  if (source.kind === 'range') return [];
  const {blobId} = source;
  const named: NamedBlob[] = ['size' in source ? {blobId, size: source.size} : {blobId}];
  if ('indexBlobId' in source) named.push({blobId: source.indexBlobId});
  return named;
}
