// What `volley map` does.
//
//   stdin ─▶ LineSource ─▶ mapInputs (library/map.ts) ─▶ MapOutput ─▶ stdout
//                               │                            │
//                               └── Resumption: a state file of what was begun and what was written

import {randomBytes} from 'node:crypto';
import {fstatSync} from 'node:fs';
import {fromUtf8, toUtf8} from '../base/bytes.ts';
import {EXIT, VolleyError} from '../base/errors.ts';
import type {BatchId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {OperatorClient} from '../http/client.ts';
import type {LineForm} from '../http/context.ts';
import {type Line, LineSource} from '../library/line-source.ts';
import {type Launched, type Mapped, mapInputs} from '../library/map.ts';
import type {Cut} from '../library/map-cut.ts';
import type {Settings} from '../library/map-journal.ts';
import {type BatchOptions, ClientPort, storeInputs} from '../library/map-port.ts';
import {Removals} from '../library/map-removal.ts';
import {policyIn} from './batch-policy.ts';
import {sharedIn} from './batch-stages.ts';
import {checkAgainstApp} from './batch-submit.ts';
import {aimIn, warn} from './batch-target.ts';
import {type Given, usage} from './command.ts';
import {withClient} from './connect.ts';
import {MapOutput} from './map-output.ts';
import {Resumption} from './map-resume.ts';
import {counted, grouped, safe, tell} from './output.ts';
import {ProgressLine} from './progress.ts';

const AHEAD = 4_096;
/** A large cluster needs more to have enough to do. */
const AHEAD_OF_SLOT = 4;
const AHEAD_MAX = 1_048_576;
const SHOWN_EVERY_MS = 200;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const NEWLINE = 10;
const STDIN = 0;

export const runMap = (given: Given): Promise<number> =>
  withClient(given, client => new MapRun(given, client).run());

class MapRun {
  readonly #given: Given;
  readonly #client: OperatorClient;
  readonly #form: LineForm;
  readonly #keep: boolean;
  readonly #stop = new AbortController();
  readonly #output: MapOutput;
  readonly #removals: Removals;
  readonly #source: LineSource;
  readonly #line: ProgressLine | undefined;
  readonly #since = performance.now();
  readonly #warnings = new Set<string>();
  #resumption: Resumption | undefined;
  #skipped = 0;
  #done = 0;
  #failed = 0;
  #lastLine = 0;

  constructor(given: Given, client: OperatorClient) {
    const badLines = given.oneOf('bad-lines', ['stop', 'skip']) ?? 'stop';
    this.#given = given;
    this.#client = client;
    this.#form = given.flag('text') ? 'text' : 'json';
    this.#keep = given.flag('keep');
    this.#output = new MapOutput(() => this.#stop.abort());
    this.#removals = new Removals(client);
    this.#source = new LineSource(process.stdin, {
      form: this.#form,
      badLines,
      onBad: (line, fault) => {
        this.#skipped += 1;
        this.#say(`volley: line ${line} ${fault}: skipped`);
      },
    });
    // Lines of results and a line that changes would be in each other's way.
    const isShown = process.stderr.isTTY && !process.stdout.isTTY;
    this.#line = isShown ? new ProgressLine(process.stderr) : undefined;
  }

  async run(): Promise<number> {
    // Node reads nothing of it, and says nothing.
    if (fstatSync(STDIN).isDirectory()) throw usage('standard input is a folder; give lines');
    const {app, options} = await this.#request();
    const path = this.#given.text('resume');
    if (path === undefined) return this.#run(options);
    this.#resumption = new Resumption(path, this.#client, this.#output, {
      whole: id => this.#over(id),
      say: text => this.#say(text),
    });
    try {
      this.#resumption.begin(this.#settings(app, options));
      const {ended} = this.#resumption.journal;
      return ended ? sayFinished(path, ended) : await this.#run(options);
    } finally {
      await this.#resumption.close();
    }
  }

  async #run(options: BatchOptions): Promise<number> {
    const showing = setInterval(() => this.#show(), SHOWN_EVERY_MS);
    const restore = this.#hearSignals();
    try {
      return await this.#mapAll(options);
    } finally {
      await this.#removals.done();
      clearInterval(showing);
      this.#line?.end();
      restore();
    }
  }

  /** Everything that can be checked is, before a line is read. */
  async #request(): Promise<{readonly app: string; readonly options: BatchOptions}> {
    const policy = policyIn(this.#given);
    const name = this.#given.args[0] ?? '';
    const {appId} = await checkAgainstApp(this.#client, name, policy);
    const args = this.#given.texts('arg');
    const aim = await aimIn(this.#given, this.#client);
    const shared = await sharedIn(this.#given, this.#client);
    return {app: appId, options: {app: name, args, policy, ...aim, ...shared}};
  }

  #settings(appId: string, {app, args, policy, target, shared}: BatchOptions): Settings {
    return {
      app,
      'version of the app': appId,
      arguments: args,
      policy,
      target,
      'shared input': shared?.blobId,
      form: this.#form,
      order: this.#given.flag('unordered') ? 'unordered' : 'ordered',
      output: this.#given.flag('json') ? 'json' : 'plain',
    };
  }

  async #mapAll(options: BatchOptions): Promise<number> {
    const run = randomBytes(8).toString('hex');
    const results = mapInputs({
      port: new ClientPort(this.#client, this.#keep || this.#resumption !== undefined),
      source: this.#source,
      ordered: !this.#given.flag('unordered'),
      ahead: await this.#ahead(),
      signal: this.#stop.signal,
      counts: this.#resumption?.counts,
      launch: (cut, no) => this.#launch(options, run, cut, no),
      onTaken: ({batchId}) => {
        if (this.#resumption) this.#resumption.whole(batchId);
        else this.#over(batchId);
      },
    });
    try {
      for await (const mapped of results) await this.#take(mapped);
      await this.#output.flush();
      await this.#resumption?.end();
    } catch (error) {
      if (!this.#stop.signal.aborted) throw await this.#lost(error);
    }
    return this.#end();
  }

  async #ahead(): Promise<number> {
    const given = this.#given.whole('ahead', 1, AHEAD_MAX);
    if (given !== undefined) return given;
    const {nodes} = await this.#client.status();
    return Math.min(AHEAD_MAX, Math.max(AHEAD, AHEAD_OF_SLOT * nodes.slots));
  }

  #launch(
    options: BatchOptions,
    run: string,
    cut: Cut<Line>,
    no: number,
  ): Promise<Launched | undefined> {
    const submit = (name: string, inputs: readonly Line[]) => this.#submit(options, name, inputs);
    if (this.#resumption) return this.#resumption.launch(cut, no, submit);
    return submit(`map-${run}-${no}`, cut.inputs).then(batchId => ({batchId}));
  }

  async #submit(options: BatchOptions, name: string, lines: readonly Line[]): Promise<BatchId> {
    const inputs = lines.map(({bytes}) => bytes);
    const input = await storeInputs(this.#client, inputs, this.#form);
    const {batchId, warning} = await this.#client.submit({...options, name, input});
    if (warning !== undefined && !this.#warnings.has(warning)) {
      this.#warnings.add(warning);
      this.#line?.end();
      warn(batchId, warning);
    }
    return batchId;
  }

  #over(batchId: BatchId): void {
    if (!this.#keep) this.#removals.remove(batchId);
  }

  async #take(mapped: Mapped<Line>): Promise<void> {
    const {line} = mapped.input;
    this.#lastLine = Math.max(this.#lastLine, line);
    if (mapped.state === 'done') this.#done += 1;
    else {
      this.#failed += 1;
      this.#say(`volley: line ${line} failed: ${safe(mapped.reason, 256)}`);
    }
    const bytes = this.#given.flag('json') ? this.#recordOf(mapped) : plainOf(mapped);
    const writing = this.#output.write(bytes);
    // Before it waits: what is noted and how long the file is belong together.
    this.#resumption?.wrote(mapped);
    await writing;
  }

  /** One that failed has its input with it, so that it can be tried again. */
  #recordOf(mapped: Mapped<Line>): Uint8Array {
    const {input, state} = mapped;
    const head = {line: input.line, state};
    if (mapped.state === 'done') {
      const text = fromUtf8(mapped.output);
      const base64 = Buffer.from(mapped.output).toString('base64');
      return jsonLine({...head, ...(text === undefined ? {base64} : {text})});
    }
    const text = fromUtf8(input.bytes) ?? '';
    const value: unknown = this.#form === 'json' ? JSON.parse(text) : text;
    return jsonLine({...head, reason: mapped.reason, input: value});
  }

  async #end(): Promise<number> {
    this.#line?.end();
    if (this.#stop.signal.aborted && !this.#output.fault) {
      // What was written stays written; the rest was cancelled.
      await this.#resumption?.end();
      tell(
        `volley: interrupted after ${counted(this.#done + this.#failed, 'line')}; the rest is cancelled`,
      );
      return EXIT.interrupted;
    }
    if (this.#output.isClosed) return EXIT.ok;
    if (this.#output.fault) throw this.#output.fault;
    await this.#removals.done();
    this.#sayLeft();
    if (this.#source.fault) throw this.#source.fault;
    const {journal} = this.#resumption ?? {};
    journal?.end({done: journal.done + this.#done, failed: journal.failed + this.#failed});
    const failed = this.#failed + (journal?.failed ?? 0);
    if (failed > 0) tell(`volley: ${counted(failed, 'line')} failed`);
    if (this.#skipped > 0) tell(`volley: ${counted(this.#skipped, 'line')} skipped`);
    return failed > 0 ? EXIT.failed : EXIT.ok;
  }

  #sayLeft(): void {
    const {fault} = this.#removals;
    if (fault === undefined) return;
    const reason = fault instanceof Error ? fault.message : String(fault);
    tell(`volley: batches could not be deleted, \`volley batch ls\` shows them: ${reason}`);
  }

  /** The master is lost, or refuses more: how to go on. */
  async #lost(error: unknown): Promise<unknown> {
    this.#line?.end();
    if (!this.#resumption) return error;
    await this.#resumption.end().catch(() => undefined);
    const isLost = error instanceof VolleyError && error.code === 'VOLLEY_MASTER_UNREACHABLE';
    if (isLost) tell('volley: the same command goes on from here');
    return error;
  }

  /** Once: it ends what runs. Twice: at once. */
  #hearSignals(): () => void {
    const hear = (): void => {
      if (this.#stop.signal.aborted) process.exit(EXIT.interrupted);
      this.#stop.abort();
    };
    for (const signal of SIGNALS) process.on(signal, hear);
    return () => {
      for (const signal of SIGNALS) process.off(signal, hear);
    };
  }

  #say(text: string): void {
    if (this.#line) this.#line.say(text);
    else tell(text);
  }

  #show(): void {
    const count = this.#done + this.#failed;
    const perSecond = (count * SECOND_MS) / (performance.now() - this.#since);
    const parts = [`line ${grouped(this.#lastLine)}`, `${grouped(this.#done)} done`];
    if (this.#failed > 0) parts.push(`${grouped(this.#failed)} failed`);
    if (this.#skipped > 0) parts.push(`${grouped(this.#skipped)} skipped`);
    this.#line?.show([...parts, `${perSecond.toFixed(perSecond < 10 ? 1 : 0)}/s`].join('  '));
  }
}

function plainOf(mapped: Mapped<Line>): Uint8Array {
  if (mapped.state === 'failed') return new Uint8Array();
  const {output} = mapped;
  if (output[output.length - 1] === NEWLINE) return output;
  const line = new Uint8Array(output.length + 1);
  line.set(output);
  line[output.length] = NEWLINE;
  return line;
}

const jsonLine = (value: unknown): Uint8Array => toUtf8(`${JSON.stringify(value)}\n`);

function sayFinished(path: string, {done, failed}: {done: number; failed: number}): number {
  const counts = `${counted(done, 'line')} done, ${grouped(failed)} failed`;
  tell(`volley: this run is finished, says ${path}: ${counts}; remove it to begin anew`);
  return failed > 0 ? EXIT.failed : EXIT.ok;
}
