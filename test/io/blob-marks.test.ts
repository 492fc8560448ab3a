// What counts as the name of a blob, in bytes of any kind.

import test from 'ava';
import fc from 'fast-check';
import {concat, fromHex, toHex, toUtf8} from '../../src/base/bytes.ts';
import {asBlobId, type BlobId} from '../../src/base/types.ts';
import {BlobMarks} from '../../src/io/blob-marks.ts';
import {sha256} from './sha256.ts';

const idOf = (no: number): BlobId => asBlobId(toHex(sha256(toUtf8(String(no)))));
const bytesOf = (blobId: BlobId): Uint8Array => fromHex(blobId) ?? new Uint8Array();

function marksOf(count: number): BlobMarks {
  const marks = new BlobMarks();
  for (let no = 0; no < count; no++) marks.add(idOf(no));
  return marks;
}

const markedIn = (marks: BlobMarks): number[] =>
  Array.from({length: marks.count}, (_, no) => no).filter(no => marks.isMarked(no));

/** Which of three blobs these bytes name. */
function named(bytes: Uint8Array): number[] {
  const marks = marksOf(3);
  marks.mark(bytes);
  return markedIn(marks);
}

test('an id counts as bytes and as hex, wherever it stands', t => {
  const [id, other] = [idOf(1), idOf(2)];
  const raw = bytesOf(id);
  const junk = sha256(toUtf8('junk'));
  for (const bytes of [
    raw,
    concat(junk.subarray(0, 7), raw, junk),
    toUtf8(id),
    toUtf8(`{"blob":"${id}"}`),
    toUtf8(`40${id}61`),
    toUtf8(`a${id}`),
    toUtf8(toHex(concat(junk, raw, junk))),
  ])
    t.deepEqual(named(bytes), [1], toHex(bytes));
  t.deepEqual(named(concat(raw, bytesOf(other))), [1, 2]);
  t.deepEqual(named(toUtf8(id + other)), [1, 2]);
});

test('what is no whole id names nothing', t => {
  const id = idOf(1);
  for (const bytes of [
    new Uint8Array(),
    bytesOf(id).subarray(1),
    bytesOf(id).subarray(0, 31),
    toUtf8(id.slice(1)),
    toUtf8(id.slice(0, 63)),
    toUtf8(`${id.slice(0, 32)} ${id.slice(32)}`),
    toUtf8(id.toUpperCase()),
    bytesOf(idOf(4)),
    new Uint8Array(200),
  ])
    t.deepEqual(named(bytes), [], toHex(bytes));
});

test('of thousands exactly those are marked that are named, and told each time', t => {
  const marks = marksOf(5_000);
  const told: number[] = [];
  const wanted = Array.from({length: 500}, (_, i) => i * 10);
  for (const no of wanted)
    marks.mark(no % 20 === 0 ? bytesOf(idOf(no)) : toUtf8(idOf(no)), found => told.push(found));
  marks.mark(bytesOf(idOf(20)), found => told.push(found));
  t.deepEqual(markedIn(marks), wanted);
  t.deepEqual(told, [...wanted, 20]);
  for (const no of [0, 1, 4_999]) t.is(marks.idOf(no), idOf(no));
});

test('no bytes around an id hide it', t => {
  const part = fc.oneof(
    fc.uint8Array({maxLength: 80}),
    fc.stringMatching(/^[0-9a-f]{0,80}$/).map(toUtf8),
  );
  const name = fc.tuple(fc.nat({max: 2}), fc.boolean());
  fc.assert(
    fc.property(fc.array(fc.tuple(part, name), {maxLength: 6}), part, (parts, last) => {
      const bytes = parts.flatMap(([before, [no, isRaw]]) => [
        before,
        isRaw ? bytesOf(idOf(no)) : toUtf8(idOf(no)),
      ]);
      const expected = [...new Set(parts.map(([, [no]]) => no))].sort();
      t.deepEqual(named(concat(...bytes, last)), expected);
    }),
    {numRuns: 300},
  );
});
