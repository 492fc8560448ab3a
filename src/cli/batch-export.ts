// `volley batch export`: all results as one stream of records. Nothing is held but the record under way, so a
// batch of millions is exported in the memory of a small one. A file that was cut goes on with --resume.
//
// The exit code says whether the export is whole: 1 when its reader went away, the disk was full or the master
// was lost, also in a pipe.

import {once} from 'node:events';
import {type FileHandle, open, stat} from 'node:fs/promises';
import {EXIT, VolleyError} from '../base/errors.ts';
import {asBatchId} from '../base/types.ts';
import type {BatchView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import {finalStage} from '../library/final-stage.ts';
import {conditionOf} from './batch-suspend.ts';
import {type CommandSpec, type Given, usage} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {FORMATS, type Format, headOf, recordOf, whereToGoOn} from './export-format.ts';
import {counted, tell} from './output.ts';
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
  await withClient(given, async client => {
    const asked = await client.batch(id);
    const batch = await finalStage(client, asked);
    if (!batch)
      throw usage(`batch ${id} has several stages and is ${asked.state}: it has no result yet`);
    if (out === undefined) await toStdout(recordsOf(given, client, batch, {format, from: 0}));
    else await toFile(given, client, batch, {format, out});
  });
  process.exitCode = EXIT.ok;
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

async function toStdout(records: Records): Promise<void> {
  for await (const {text} of records)
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

async function toFile(
  given: Given,
  client: OperatorClient,
  batch: BatchView,
  {format, out}: {readonly format: Format; readonly out: string},
): Promise<void> {
  const resume = given.flag('resume');
  if (resume && batch.state === 'running')
    throw usage(
      `batch ${batch.id} is ${conditionOf(batch)}: results before the end of the file may still come; ` +
        'export it anew when it has ended',
    );
  try {
    const file = await openFile(out, resume);
    try {
      const {bytes, from} = resume
        ? await whereToGoOn(file, format, batch.id, batch.policy.broadcast)
        : {bytes: 0, from: 0};
      await file.truncate(bytes);
      const count = await append(file, bytes, recordsOf(given, client, batch, {format, from}));
      await file.sync();
      tell(`volley: ${ending(out, count, bytes > 0)}`);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw error instanceof VolleyError ? error : cannotWrite(out, error);
  }
}

/** Without --resume never one that is there: it may be the only copy of something else. */
async function openFile(out: string, resume: boolean): Promise<FileHandle> {
  try {
    return await open(out, resume ? 'r+' : 'wx');
  } catch (error) {
    const {code} = error as NodeJS.ErrnoException;
    const isFolder = await stat(out).then(
      found => found.isDirectory(),
      () => false,
    );
    if (isFolder)
      throw new VolleyError('VOLLEY_CANNOT_WRITE', {path: out, reason: 'it is a folder'}, error);
    if (code === 'EEXIST')
      throw usage(`${out} is there already: go on with it by --resume, or name another file`);
    if (resume && code === 'ENOENT')
      throw usage(`${out} is not there: begin it by the same command without --resume`);
    throw error;
  }
}

/** Answers how many results were written. */
async function append(file: FileHandle, start: number, records: Records): Promise<number> {
  let [written, at] = [0, start];
  for await (const {text, count} of records) {
    // One write may take only a part, on a disk that is nearly full.
    const chunk = new TextEncoder().encode(text);
    for (let done = 0; done < chunk.length; )
      done += (await file.write(chunk, done, chunk.length - done, at + done)).bytesWritten;
    at += chunk.length;
    written += count;
  }
  return written;
}

/** `hadSome`: results were in the file before. */
function ending(out: string, count: number, hadSome: boolean): string {
  if (hadSome && count === 0) return `${out} is whole already`;
  const results = counted(count, hadSome ? 'more result' : 'result');
  return `${results} ${count === 1 ? 'is' : 'are'} in ${out}`;
}
