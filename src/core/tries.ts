// Which try of a workunit counts, where its batch was retried: a row of table `tries` for each page of which failed
// workunits began anew. Others are still in their first try, or in that of their batch (BatchControl.baseTry).

import {ByteReader, ByteWriter} from '../base/bytes.ts';

/** Tries by offset in the page; the key is that of the page. */
export function encodeTries(tries: ReadonlyMap<number, number>): Uint8Array {
  const writer = new ByteWriter();
  for (const [offset, tryNo] of tries) writer.varint(offset).varint(tryNo);
  return writer.bytes();
}

/** Throws RangeError for a row that is cut short. */
export function decodeTries(bytes: Uint8Array): Map<number, number> {
  const reader = new ByteReader(bytes);
  const tries = new Map<number, number>();
  while (!reader.done) tries.set(reader.varint(), reader.varint());
  return tries;
}
