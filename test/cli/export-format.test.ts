// Results as records, and where a file that was cut anywhere goes on.

import {mkdtemp, open, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {asBatchId} from '../../src/base/types.ts';
import {FORMATS, type Format, headOf, recordOf, whereToGoOn} from '../../src/cli/export-format.ts';
import type {ResultView} from '../../src/core/views.ts';

const VIEWS: readonly ResultView[] = [
  {batch: asBatchId(1), index: 0, state: 'done', size: 3, text: 'a,b'},
  {batch: asBatchId(1), index: 2, state: 'done', size: 9, text: 'say "hi"\nand\r\nbye'},
  {batch: asBatchId(1), index: 3, state: 'failed', size: 0, reason: 'timedOut: no, "late"'},
  {batch: asBatchId(1), index: 7, state: 'done', size: 2, base64: '//8='},
];

const whole = (format: Format): string =>
  headOf(format) + VIEWS.map(view => recordOf(format, view)).join('');

async function goOn(
  t: import('ava').ExecutionContext,
  text: Uint8Array,
  format: Format,
  {id = 1, isBroadcast = false} = {},
) {
  const dir = await mkdtemp(join(tmpdir(), 'volley-export-'));
  t.teardown(() => rm(dir, {recursive: true, force: true}));
  await writeFile(join(dir, 'f'), text);
  const file = await open(join(dir, 'f'), 'r');
  try {
    return await whereToGoOn(file, format, asBatchId(id), isBroadcast);
  } finally {
    await file.close();
  }
}

test('CSV is as RFC 4180 wants it', t => {
  t.is(headOf('csv'), 'batch,index,state,size,blobId,text,base64,reason\r\n');
  t.is(recordOf('csv', VIEWS[0] as ResultView), '1,0,done,3,,"a,b",,\r\n');
  t.is(recordOf('csv', VIEWS[1] as ResultView), '1,2,done,9,,"say ""hi""\nand\r\nbye",,\r\n');
});

for (const format of FORMATS)
  test(`a ${format} file that was cut at any byte goes on to the whole one`, async t => {
    const text = whole(format);
    const bytes = new TextEncoder().encode(text);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const {bytes: kept, from} = await goOn(t, bytes.subarray(0, cut), format);
      const rest = VIEWS.filter(({index}) => index >= from).map(view => recordOf(format, view));
      const head = from === 0 ? headOf(format) : '';
      const kept_ = new TextDecoder().decode(bytes.subarray(0, kept));
      t.is(kept_ + head + rest.join(''), text, `cut at ${cut}`);
    }
  });

test('a file that is no export does not go on', async t => {
  await t.throwsAsync(goOn(t, new TextEncoder().encode('hello\n'), 'ndjson'), {
    code: 'VOLLEY_USAGE',
  });
  await t.throwsAsync(goOn(t, new TextEncoder().encode('a,b\r\nc,d\r\n'), 'csv'), {
    code: 'VOLLEY_USAGE',
  });
});

for (const format of FORMATS)
  test(`a ${format} file of one batch does not go on with another, wherever it was cut`, async t => {
    const bytes = new TextEncoder().encode(whole(format));
    // Up to there the two begin alike.
    const head = headOf(format).length + (format === 'csv' ? 0 : '{"batch":'.length);
    const {bytes: kept, from} = await goOn(t, bytes.subarray(0, head), format, {id: 53});
    t.deepEqual([kept, from], [0, 0]);
    for (let cut = head + 1; cut <= bytes.length; cut++) {
      const error = await t.throwsAsync(goOn(t, bytes.subarray(0, cut), format, {id: 53}));
      t.like(error, {code: 'VOLLEY_USAGE'});
      t.regex(
        error?.message ?? '',
        /results of batch 1: it cannot go on with batch 53|no export of/,
      );
    }
    const error = await t.throwsAsync(goOn(t, bytes, format, {id: 53}));
    t.is(error?.message, 'the file holds results of batch 1: it cannot go on with batch 53');
  });

test('a file without one whole record must begin as an export does', async t => {
  const text = (wanted: string): Uint8Array => new TextEncoder().encode(wanted);
  for (const format of FORMATS) {
    await t.throwsAsync(goOn(t, text('my only copy'), format), {code: 'VOLLEY_USAGE'});
    t.deepEqual(await goOn(t, text(''), format), {bytes: 0, from: 0});
  }
  await t.throwsAsync(goOn(t, text(headOf('csv')), 'csv', {isBroadcast: true}), {
    code: 'VOLLEY_USAGE',
  });
});
