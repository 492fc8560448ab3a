// `volley batch results`: canonical results in the order of the inputs.

import type {WriteStream} from 'node:fs';
import {VolleyError} from '../base/errors.ts';
import {asBatchId} from '../base/types.ts';
import {MIB} from '../base/units.ts';
import type {BatchView, ResultView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import type {ResultsFilter} from '../http/client-types.ts';
import {finalStage} from '../library/final-stage.ts';
import {isReduced, stageText} from './batch-stages.ts';
import type {CommandSpec, Given} from './command.ts';
import {usage} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {counted, grouped, print, printPaced, safe, safeText, tell} from './output.ts';
import {cannotWrite, outputOf} from './result-bytes.ts';

export const batchResultsCommand: CommandSpec = {
  name: 'batch results',
  args: '<batch>',
  summary: 'Print the results of a batch, or write them to files',
  options: [
    {flag: '--out <path>', text: 'a folder for one file each; with --raw or --json, one file'},
    {flag: '--raw', text: 'the bytes of all outputs, one after the other'},
    {flag: '--sum', text: 'the sum of outputs that are whole numbers'},
    {flag: '--state <state>', text: 'only done or failed ones'},
    ...OPERATOR_OPTIONS,
  ],
  examples: [
    'volley batch results 1                       # index, file or node, and the output',
    'volley batch results 1 --sum',
    'volley batch results 1 --json | jq .text',
    'volley batch results 2 --out ./counts         # one file for each result',
  ],
  run: results,
};

async function results(given: Given): Promise<number | undefined> {
  const id = asBatchId(given.id('batch'));
  const state = given.oneOf('state', ['done', 'failed']);
  const forms = ['raw', 'sum', 'json'].filter(name => given.flag(name));
  if (forms.length > 1)
    throw usage(`give only one of ${forms.map(name => `--${name}`).join(', ')}`);
  return withClient(given, async client => {
    const asked = await client.batch(id);
    const batch = await finalStage(client, asked);
    if (!batch) {
      tell(
        `volley: the batch is ${asked.state}: ${stageText(asked) || 'map'}: it has no result yet`,
      );
      return undefined;
    }
    const views = client.results(batch.id, state === undefined ? wonBy(batch) : {state});
    const out = given.text('out');
    switch (forms[0]) {
      case 'sum':
        print(String(await sumOf(views)));
        break;
      case 'raw':
        await writeAll(out, rawOf(client, views));
        break;
      case 'json':
        await writeAll(out, jsonOf(views));
        break;
      default:
        if (isReduced(batch)) await writeAll(out, rawOf(client, views));
        else await plain(client, batch, views, out);
    }
    sayWhatIsMissing(batch);
    return undefined;
  });
}

/** Of a batch that its first result ended, only that one says something. */
const wonBy = ({winner}: BatchView): ResultsFilter =>
  winner === undefined ? {} : {from: winner, to: winner + 1};

type Views = AsyncIterable<ResultView>;

async function sumOf(views: Views): Promise<bigint> {
  let sum = 0n;
  for await (const {index, state, text} of views) {
    if (state !== 'done') continue;
    const trimmed = text?.trim() ?? '';
    if (!/^-?\d+$/.test(trimmed))
      throw usage(`result ${index} is not a whole number, so there is no sum`);
    sum += BigInt(trimmed);
  }
  return sum;
}

async function* jsonOf(views: Views): AsyncGenerator<Uint8Array, void, undefined> {
  const {toUtf8} = await import('../base/bytes.ts');
  for await (const view of views) yield toUtf8(`${JSON.stringify(view)}\n`);
}

async function* rawOf(
  client: OperatorClient,
  views: Views,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const view of views) yield* outputOf(client, view);
}

async function writeAll(out: string | undefined, source: AsyncIterable<Uint8Array>): Promise<void> {
  const {createWriteStream} = await import('node:fs');
  const {pipeline} = await import('node:stream/promises');
  if (out === undefined) {
    await pipeline(source, process.stdout, {end: false});
    return;
  }
  let file: WriteStream | undefined;
  try {
    file = createWriteStream(out);
    await pipeline(source, file);
  } catch (error) {
    throw error instanceof VolleyError ? error : cannotWrite(out, error);
  }
}

async function plain(
  client: OperatorClient,
  batch: BatchView,
  views: Views,
  out: string | undefined,
): Promise<void> {
  const {namesOf, writeResults} = await import('./result-files.ts');
  const names = await namesOf(client, batch);
  if (out !== undefined) {
    const count = await writeResults(client, views, {batch, names, out});
    print(`${grouped(count)} results are in ${out}`);
    return;
  }
  for await (const view of views) {
    const key = safe(names.all.get(names.noOf(view)) ?? view.nodeId ?? String(view.index), 255);
    for (const line of await shownLines(client, view)) await printPaced(`${key}\t${line}`);
  }
}

/** A larger output is only named: it is read whole to be shown. */
const SHOWN_BYTES_MAX = 16 * MIB;

/** One line for each line of the output, so that `grep` and `cut` work. */
async function shownLines(client: OperatorClient, view: ResultView): Promise<readonly string[]> {
  if (view.state === 'failed') return [`failed: ${safe(view.reason ?? '', 256)}`];
  if (view.state === 'rechecking') return ['being checked again'];
  const text = view.text ?? (await textOf(client, view));
  if (text !== undefined) return safeText(text.replace(/\n$/, '')).split('\n');
  const where = view.blobId === undefined ? 'not text' : `blob ${view.blobId}`;
  return [`${grouped(view.size)} bytes, ${where}`];
}

async function textOf(client: OperatorClient, view: ResultView): Promise<string | undefined> {
  if (view.blobId === undefined || view.size > SHOWN_BYTES_MAX) return undefined;
  const {concat, fromUtf8} = await import('../base/bytes.ts');
  const parts: Uint8Array[] = [];
  for await (const part of outputOf(client, view)) parts.push(part);
  return fromUtf8(concat(...parts));
}

function sayWhatIsMissing(batch: BatchView): void {
  if (batch.winner !== undefined) return;
  const open = batch.count - batch.done - batch.failed;
  if (open > 0)
    tell(
      `volley: the batch is ${batch.state}: ${counted(open, 'workunit')} ${open === 1 ? 'has' : 'have'} no result`,
    );
  if (batch.rechecking > 0)
    tell(
      `volley: ${grouped(batch.rechecking)} results rest on a revoked node alone and are being checked again`,
    );
  if (batch.replaced > 0)
    tell(
      `volley: ${grouped(batch.replaced)} results of a revoked node were replaced; --json names them`,
    );
  if (batch.failed > 0)
    tell(`volley: ${counted(batch.failed, 'workunit')} failed; --state failed lists them`);
}
