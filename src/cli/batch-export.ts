// `volley batch export`: all results as one stream of records. Nothing is held but the record under way, so a
// batch of millions is exported in the memory of a small one. A file that was cut goes on with --resume.
//
// The exit code says whether the export is whole: 1 when its reader went away, the disk was full or the master
// was lost, also in a pipe.

import {once} from 'node:events';
import {open} from 'node:fs/promises';
import {EXIT, VolleyError} from '../base/errors.ts';
import {asBatchId} from '../base/types.ts';
import type {BatchView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import {type CommandSpec, type Given, usage} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {FORMATS, type Format, headOf, recordOf, whereToGoOn} from './export-format.ts';
import {grouped, tell} from './output.ts';
import {cannotWrite} from './result-bytes.ts';

export const batchExportCommand: CommandSpec = {
  name: 'batch export',
  args: '<batch>',
  summary: 'Write all results as NDJSON or CSV, to stdout or a file',
  options: [
    {flag: '--format <format>', text: 'ndjson or csv (default ndjson)'},
    {flag: '--out <file>', text: 'a new file (default: stdout)'},
    {flag: '--resume', text: 'go on with a file that was cut, of a batch that has ended'},
    {flag: '--state <state>', text: 'only done or failed ones'},
    ...OPERATOR_OPTIONS,
  ],
  examples: [
    'volley batch export 1 > results.ndjson',
    'volley batch export 1 --format csv --out results.csv',
    'volley batch export 1 --format csv --out results.csv --resume',
  ],
  run: exportBatch,
};

async function exportBatch(given: Given): Promise<number> {
  const id = asBatchId(given.id('batch'));
  const format = given.oneOf('format', FORMATS) ?? 'ndjson';
  const out = given.text('out');
  if (given.flag('resume') && out === undefined) throw usage('--resume goes with --out');
  // Whoever ends us in the middle (main.ts does, when the reader of a pipe is gone) must not say 0.
  process.exitCode = EXIT.failed;
  const count = await withClient(given, async client => {
    const batch = await client.batch(id);
    if (out === undefined) return toStdout(recordsOf(given, client, batch, {format, from: 0}));
    return toFile(given, client, batch, {format, out});
  });
  process.exitCode = EXIT.ok;
  if (out !== undefined) tell(`volley: ${grouped(count)} results are in ${out}`);
  return EXIT.ok;
}

/** Records, many to a chunk. */
async function* recordsOf(
  given: Given,
  client: OperatorClient,
  {id, policy}: BatchView,
  {format, from}: {readonly format: Format; readonly from: number},
): AsyncGenerator<{readonly text: string; readonly count: number}, void, undefined> {
  const state = given.oneOf('state', ['done', 'failed']);
  let text = from === 0 ? headOf(format, policy.broadcast) : '';
  let count = 0;
  for await (const view of client.results(id, {from, ...(state === undefined ? {} : {state})})) {
    text += recordOf(format, view, policy.broadcast);
    count += 1;
    if (text.length < CHUNK_CHARACTERS) continue;
    yield {text, count};
    text = '';
    count = 0;
  }
  yield {text, count};
}

const CHUNK_CHARACTERS = 64 * 1_024;

type Records = ReturnType<typeof recordsOf>;

async function toStdout(records: Records): Promise<number> {
  let written = 0;
  for await (const {text, count} of records) {
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
    written += count;
  }
  return written;
}

async function toFile(
  given: Given,
  client: OperatorClient,
  batch: BatchView,
  {format, out}: {readonly format: Format; readonly out: string},
): Promise<number> {
  const resume = given.flag('resume');
  if (resume && batch.state === 'running')
    throw usage(`batch ${batch.id} is running: results before the end of the file may still come`);
  try {
    const file = await open(out, resume ? 'r+' : 'wx');
    try {
      const {bytes, from} = resume ? await whereToGoOn(file, format) : {bytes: 0, from: 0};
      await file.truncate(bytes);
      let [written, at] = [0, bytes];
      for await (const {text, count} of recordsOf(given, client, batch, {format, from})) {
        // One write may take only a part, on a disk that is nearly full.
        const chunk = new TextEncoder().encode(text);
        for (let done = 0; done < chunk.length; )
          done += (await file.write(chunk, done, chunk.length - done, at + done)).bytesWritten;
        at += chunk.length;
        written += count;
      }
      await file.sync();
      return written;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw error instanceof VolleyError ? error : cannotWrite(out, error);
  }
}
