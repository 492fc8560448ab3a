import {mkdtemp, readdir, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {fromUtf8, toUtf8} from '../../src/base/bytes.ts';
import {asBlobId} from '../../src/base/types.ts';
import type {InputSource} from '../../src/core/input-source.ts';
import {type BlobStore, openBlobStore} from '../../src/io/blob-store.ts';
import {indexLines} from '../../src/io/index-lines.ts';
import {BlobInputs} from '../../src/io/inputs.ts';
import type {InputsRead} from '../../src/runtime/ports.ts';
import type {Input} from '../../src/wire/message.ts';

async function folderFor(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'volley-inputs-'));
  t.teardown(() => rm(folder, {recursive: true, force: true}));
  return folder;
}

const blobsFor = async (t: ExecutionContext): Promise<BlobStore> =>
  await openBlobStore(join(await folderFor(t), 'blobs'));

async function* streamOf(text: string, size = 61): AsyncGenerator<Uint8Array> {
  const bytes = toUtf8(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

const read = (
  inputs: BlobInputs,
  source: InputSource,
  from: number,
  count: number,
): Promise<InputsRead> => new Promise(resolve => inputs.read(source, from, count, resolve));

async function readAll(
  inputs: BlobInputs,
  source: InputSource,
  from: number,
  count: number,
): Promise<readonly Input[]> {
  const answer = await read(inputs, source, from, count);
  if (answer.kind === 'failed') throw new Error(answer.reason);
  return answer.inputs;
}

/** The text of an input, read from its blob when it is a slice. */
async function textOf(blobs: BlobStore, input: Input): Promise<string | undefined> {
  if (input.kind === 'inline') return fromUtf8(input.bytes);
  if (input.kind === 'range') return undefined;
  return fromUtf8(await blobs.read(input.blobId, input.offset, input.length));
}

test('parts of a range are computed, and the last one ends where the range does', async t => {
  const inputs = new BlobInputs(await blobsFor(t));
  const source: InputSource = {kind: 'range', start: 5, end: 30, chunk: 10};
  t.deepEqual(await readAll(inputs, source, 0, 3), [
    {kind: 'range', start: 5, end: 15},
    {kind: 'range', start: 15, end: 25},
    {kind: 'range', start: 25, end: 30},
  ]);
  t.deepEqual(await readAll(inputs, source, 2, 1), [{kind: 'range', start: 25, end: 30}]);
  t.is((await read(inputs, source, 2, 2)).kind, 'failed');
});

test('every line comes back byte for byte, wherever the reading begins', async t => {
  const blobs = await blobsFor(t);
  const lines = Array.from({length: 1_000}, (_, i) =>
    JSON.stringify({i, pad: 'ä'.repeat(i % 400)}),
  );
  const source = await indexLines(blobs, streamOf(lines.join('\n')));
  t.is(source.count, 1_000);
  const inputs = new BlobInputs(blobs);
  for (const [from, count] of [
    [0, 1_000],
    [255, 2],
    [256, 256],
    [511, 300],
    [999, 1],
    [3, 0],
  ] as const) {
    const got = await readAll(inputs, source, from, count);
    const texts = await Promise.all(got.map(input => textOf(blobs, input)));
    t.deepEqual(texts, lines.slice(from, from + count));
  }
});

test('an input of 512 bytes travels inline, one of 513 as a slice of the blob', async t => {
  const blobs = await blobsFor(t);
  const lines = [512, 513, 100_000, 3].map(length => JSON.stringify('x'.repeat(length - 2)));
  const source = await indexLines(blobs, streamOf(lines.join('\n'), 1_000));
  const got = await readAll(new BlobInputs(blobs), source, 0, 4);
  t.deepEqual(
    got.map(input => input.kind),
    ['inline', 'slice', 'slice', 'inline'],
  );
  t.deepEqual(got[1], {kind: 'slice', blobId: source.blobId, offset: 513, length: 513});
  t.deepEqual(await Promise.all(got.map(input => textOf(blobs, input))), lines);
});

test('ends of lines do not count: \\r\\n, none at the end, or one blank last line', async t => {
  const blobs = await blobsFor(t);
  for (const text of [
    '1\n2\n3',
    '1\n2\n3\n',
    '1\n2\n3\n\n',
    '1\r\n2\r\n3\r\n',
    '1\r\n2\r\n3\r\n\r\n',
  ]) {
    for (const size of [1, 2, 100]) {
      const source = await indexLines(blobs, streamOf(text, size));
      t.is(source.count, 3);
      const got = await readAll(new BlobInputs(blobs), source, 0, 3);
      t.deepEqual(await Promise.all(got.map(input => textOf(blobs, input))), ['1', '2', '3']);
    }
  }
});

test('a blank last line after a full block of 256 lines is no line', async t => {
  const blobs = await blobsFor(t);
  const source = await indexLines(blobs, streamOf(`${'7\n'.repeat(256)}\n`));
  t.is(source.count, 256);
  t.is((await readAll(new BlobInputs(blobs), source, 0, 256)).length, 256);
});

const refusals: readonly (readonly [string, string, RegExp])[] = [
  ['a line that is not JSON', '1\n2\n{"a":\n4', /line 3 is not JSON/],
  ['two values in a line', '1 2\n', /line 1 is not JSON/],
  ['a blank line in the middle', '1\n\n3', /line 2 is blank/],
  ['two blank lines at the end', '1\n\n\n', /line 2 is blank/],
  ['a byte order mark', '\ufeff1\n2', /line 1 begins with a byte order mark/],
  ['no line at all', '', /it has no lines/],
  ['a blank line only', '\n', /it has no lines/],
];
for (const [title, text, message] of refusals)
  test(`${title} is refused with the number of the line, and nothing stays`, async t => {
    const folder = await folderFor(t);
    const blobs = await openBlobStore(folder);
    await t.throwsAsync(indexLines(blobs, streamOf(text)), {code: 'VOLLEY_BAD_INPUT', message});
    t.deepEqual(await readdir(folder), ['tmp']);
    t.deepEqual(await readdir(join(folder, 'tmp')), []);
  });

test('lines of text need be no JSON, but UTF-8 and not blank', async t => {
  const blobs = await blobsFor(t);
  const source = await indexLines(blobs, streamOf('\ufeffone "two\n{\r\n'), 'text');
  t.like(source, {kind: 'lines', count: 2});
  const got = await readAll(new BlobInputs(blobs), source, 0, 2);
  t.deepEqual(got, [
    {kind: 'inline', bytes: toUtf8('\ufeffone "two')},
    {kind: 'inline', bytes: toUtf8('{')},
  ]);
  await t.throwsAsync(indexLines(blobs, streamOf('a\n\nb'), 'text'), {message: /line 2 is blank/});
  async function* bad(): AsyncGenerator<Uint8Array> {
    yield Uint8Array.of(0x31, 0x0a, 0xff);
  }
  await t.throwsAsync(indexLines(blobs, bad(), 'text'), {message: /line 2 is not UTF-8/});
});

test('text that is not UTF-8 is refused with the number of the line', async t => {
  const blobs = await blobsFor(t);
  async function* bad(): AsyncGenerator<Uint8Array> {
    yield Uint8Array.of(0x31, 0x0a, 0x22, 0xff, 0x22, 0x0a);
  }
  await t.throwsAsync(indexLines(blobs, bad()), {message: /line 2 is not UTF-8/});
});

test('a line without end is refused before it fills the memory', async t => {
  const blobs = await blobsFor(t);
  let given = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield toUtf8('1\n"');
    for (;;) {
      given++;
      yield new Uint8Array(1_048_576).fill(97);
    }
  }
  await t.throwsAsync(indexLines(blobs, endless()), {
    code: 'VOLLEY_TOO_LARGE',
    message: /line 2 of the input is \d+ bytes/,
  });
  t.true(given <= 18);
});

test('a file is read by its path, and one that cannot be read is named', async t => {
  const folder = await folderFor(t);
  const blobs = await openBlobStore(join(folder, 'blobs'));
  const path = join(folder, 'inputs.ndjson');
  await writeFile(path, '{"a":1}\n{"a":2}\n');
  t.is((await indexLines(blobs, path)).count, 2);
  await t.throwsAsync(indexLines(blobs, join(folder, 'none')), {
    code: 'VOLLEY_INPUT_MISSING',
    message: /cannot read .*none: ENOENT/,
  });
  await t.throwsAsync(indexLines(blobs, folder), {code: 'VOLLEY_INPUT_MISSING', message: /EISDIR/});
});

test('files: small ones travel inline, larger ones as a slice over the whole blob', async t => {
  const blobs = await blobsFor(t);
  const small = await blobs.put(toUtf8('small'));
  const large = await blobs.put(new Uint8Array(2_000));
  const lines = [
    {name: 'a.txt', blob: small, size: 5},
    {name: 'b.bin', blob: large, size: 2_000},
  ].map(line => JSON.stringify(line));
  const source = await indexLines(blobs, streamOf(`${lines.join('\n')}\n`), 'files');
  t.is(source.kind, 'files');
  t.deepEqual(await readAll(new BlobInputs(blobs), source, 0, 2), [
    {kind: 'inline', bytes: toUtf8('small')},
    {kind: 'slice', blobId: large, offset: 0, length: 2_000},
  ]);
  await t.throwsAsync(indexLines(blobs, streamOf('{"name":"x"}'), 'files'), {
    message: /line 1 is not \{"name", "blob", "size"\}/,
  });
});

test('a blob that is gone or an index that does not fit ends in a reason', async t => {
  const blobs = await blobsFor(t);
  const source = await indexLines(blobs, streamOf('1\n2\n3\n'));
  const reasonOf = async (odd: InputSource): Promise<string> => {
    const answer = await read(new BlobInputs(blobs), odd, 0, 1);
    return answer.kind === 'failed' ? answer.reason : 'no failure';
  };
  const none = asBlobId('0'.repeat(64));
  t.regex(await reasonOf({...source, blobId: none}), /there is no blob 0000/);
  t.regex(await reasonOf({...source, indexBlobId: none}), /there is no blob 0000/);
  t.regex(await reasonOf({...source, count: 2}), /has 3 lines where its index has 2/);
  const index = await blobs.put(new Uint8Array(new Float64Array([77]).buffer));
  t.regex(await reasonOf({...source, indexBlobId: index}), /does not fit/);
  t.is((await read(new BlobInputs(blobs), source, 2, 2)).kind, 'failed');
});

test('a failed read is tried anew the next time', async t => {
  const blobs = await blobsFor(t);
  const source = await indexLines(blobs, streamOf('1\n2\n'));
  const bytes = await blobs.get(source.blobId);
  const inputs = new BlobInputs(blobs);
  await blobs.delete(source.blobId);
  t.is((await read(inputs, source, 0, 1)).kind, 'failed');
  await blobs.put(bytes);
  t.is((await read(inputs, source, 0, 1)).kind, 'inputs');
});
