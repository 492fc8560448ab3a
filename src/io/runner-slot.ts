// One slot of a node: its queue, its runner process, its clock. Orders of one app are pipelined to the
// process, which answers them in order, so the first unanswered one is the one that runs: its time
// counts from the answer before it, and it alone is to blame when the process has to be killed. Those
// behind it have not begun and go to a fresh process.

import {assert} from '../base/assert.ts';
import {EMPTY} from '../base/bytes.ts';
import {KIB, MIB, SECOND_MS} from '../base/units.ts';
import type {FailReason} from '../wire/message.ts';
import {MemoryWatch} from './memory-watch.ts';
import {begun, type ExecRun} from './runner-exec.ts';
import {
  type EndedFrame,
  encodeApp,
  encodeRun,
  encodeShared,
  endedBytesMax,
  FRAME,
  STATE_FRAME_BYTES_MAX,
  type StateFrame,
} from './runner-frames.ts';
import {
  type ExecProgram,
  failureOf,
  type InnerProgram,
  isOfKey,
  type Job,
  leftMsOf,
  type Outcome,
  type SlotOptions,
} from './runner-job.ts';
import {type ProcessEnd, RunnerProcess, storyOf} from './runner-process.ts';
import {goOn, standStill} from './stand-still.ts';

/** Orders in a process at once: enough that it never waits for us, few enough to do again. */
const FLIGHT_MAX = 128;
const FLIGHT_BYTES_MAX = MIB;
/** A process is replaced after this many runs, so that nothing can pile up in it. */
const RUNS_MAX = 100_000;
/** From spawn to a compiled app: a small board with a cold disk that others keep busy too, a module of 16 MiB. */
const START_MS_MAX = 120 * SECOND_MS;
/** A run that nobody wants any more may end by itself for this long: a new process costs about as much. */
const STOP_GRACE_MS = 20;
/** Orders for the app at hand that may go before an older one for another app. */
const OVERTAKES_MAX = 256;
/** An idle process is ended after this long: it holds 45 MB. */
const IDLE_MS_MAX = 120 * SECOND_MS;
const STRAY_FRAME_BYTES_MAX = 4 * KIB;
/** Resident in a runner beside its module's memory, input and output: 50 MB, and compiled code. */
const ENGINE_BYTES = 256 * MIB;

export class RunnerSlot {
  readonly #options: SlotOptions;
  #ready: Job[] = [];
  /** In the process, by the order of their answers; numbers are consecutive. */
  #flight: Job[] = [];
  #headNo = 0;
  #process: RunnerProcess | undefined;
  #processKey = '';
  #isStarting = false;
  #runs = 0;
  #overtakes = 0;
  /** What its process was given last to read beside inputs. */
  #shared: Uint8Array = EMPTY;
  /** When the first of #flight began to run, or the process to start. */
  #headAt = 0;
  #exec: {readonly job: Job; readonly run: ExecRun} | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #bytes = 0;
  #isScheduled = false;
  #isClosed = false;
  readonly #ending = new Set<Promise<void>>();
  readonly #memory = new MemoryWatch(() => this.#onTooMuch());
  /** Since when all of it stands still. */
  #stillSince: number | undefined;
  #stopped: readonly number[] = [];

  constructor(options: SlotOptions) {
    this.#options = options;
  }

  /** Process of the slot, while it has one. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** false: inputs that wait here are large enough; read no more of them for now. */
  get hasRoom(): boolean {
    const count = this.#ready.length + this.#flight.length;
    return count === 0 || (count < 2 * FLIGHT_MAX && this.#bytes < FLIGHT_BYTES_MAX);
  }

  push(job: Job): void {
    this.#ready.push(job);
    this.#bytes += job.input.length;
    this.#schedule();
  }

  /** A job of this slot was marked as stopped. */
  onStop(): void {
    if (this.#stillSince !== undefined && this.#flight[0]?.isStopped) this.#blame('runnerLost', '');
    this.#schedule();
  }

  /** Stops what runs, or lets it go on. Time that stands still counts for nothing. */
  hold(isHeld: boolean): void {
    if (isHeld === (this.#stillSince !== undefined) || this.#isClosed) return;
    if (isHeld) {
      this.#stillSince = performance.now();
      const pid = this.#flight.length > 0 || this.#isStarting ? this.pid : undefined;
      this.#stopped = pid === undefined ? [] : standStill(pid);
    } else {
      const now = performance.now();
      this.#headAt = Math.min(now, this.#headAt + now - (this.#stillSince ?? now));
      this.#stillSince = undefined;
      goOn(this.#stopped);
      this.#schedule();
    }
    this.#exec?.run.hold(isHeld);
    this.#watchMemory();
    this.#arm();
  }

  /** Kills what runs and resolves when it is gone; no outcome follows. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#memory.stop();
    this.#endProcess();
    this.#exec?.run.stop();
    if (this.#exec !== undefined) this.#ending.add(this.#exec.run.ended);
    await Promise.all(this.#ending);
  }

  /** Orders of one turn leave in one write. */
  #schedule(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (!this.#isClosed) this.#dispatch();
    });
  }

  #dispatch(): void {
    if (this.#exec?.job.isStopped) this.#exec.run.stop();
    this.#ready = this.#ready.filter(job => !job.isStopped || this.#drop(job));
    const job = this.#ready[0];
    if (job !== undefined && this.#exec === undefined && this.#stillSince === undefined) {
      if (job.program.kind === 'exec') {
        if (this.#flight.length === 0) this.#runExec(job, job.program);
      } else this.#fill(job.program);
    }
    this.#watchMemory();
    this.#arm();
    if (this.hasRoom) this.#options.onRoom();
  }

  #drop(job: Job): false {
    this.#bytes -= job.input.length;
    return false;
  }

  /** Gives the process all it may have; `program` is that of the oldest waiting job. */
  #fill(program: InnerProgram): void {
    if (this.#mustChange(program.key)) {
      if (this.#flight.length > 0) return;
      this.#endProcess();
      this.#start(program);
    }
    const taken: Uint8Array[] = [];
    const left: Job[] = [];
    for (const job of this.#ready) {
      const fits = isOfKey(job, this.#processKey);
      if (!fits || this.#flight.length >= FLIGHT_MAX || (left.length > 0 && !this.#mayOvertake()))
        left.push(job);
      else taken.push(...this.#take(job));
    }
    this.#ready = left;
    if (taken.length > 0) this.#process?.write(Buffer.concat(taken));
  }

  #mustChange(key: string): boolean {
    if (this.#process === undefined || this.#runs >= RUNS_MAX) return true;
    if (key === this.#processKey) return false;
    return this.#overtakes >= OVERTAKES_MAX || !this.#hasMoreOfApp();
  }

  #hasMoreOfApp(): boolean {
    return this.#ready.some(job => isOfKey(job, this.#processKey));
  }

  #mayOvertake(): boolean {
    this.#overtakes += 1;
    return this.#overtakes <= OVERTAKES_MAX;
  }

  #take(job: Job): readonly Uint8Array[] {
    if (this.#flight.length === 0 && !this.#isStarting) this.#headAt = performance.now();
    const no = (this.#headNo + this.#flight.length) >>> 0;
    this.#flight.push(job);
    this.#runs += 1;
    const {outputBytesMax, seed, args, state, input} = job;
    const run = encodeRun({no, outputBytesMax, seed, args, state, input});
    if (job.shared === this.#shared) return [run];
    this.#shared = job.shared;
    return [encodeShared(job.shared), run];
  }

  #start({kind, key, module, memoryMib}: InnerProgram): void {
    this.#processKey = key;
    this.#isStarting = true;
    this.#runs = 0;
    this.#overtakes = 0;
    this.#shared = EMPTY;
    this.#headNo = 0;
    this.#headAt = performance.now();
    const lengthMax = (kind: number): number => {
      const head = this.#flight[0];
      if (head === undefined) return STRAY_FRAME_BYTES_MAX;
      return kind === FRAME.state ? STATE_FRAME_BYTES_MAX : endedBytesMax(head.outputBytesMax);
    };
    const {dir, niceness, jail, isOptimized} = this.#options;
    const options = {kind, dir, niceness, jail, memoryMib, isOptimized, lengthMax};
    this.#process = new RunnerProcess(options, {
      onReady: () => this.#onReady(),
      onEnded: ended => this.#onEnded(ended),
      onState: state => this.#onState(state),
      onChunk: isWhole => this.#onChunk(isWhole),
      onEnd: end => this.#onEnd(end),
    });
    this.#process.write(encodeApp(module));
  }

  #endProcess(): void {
    const process = this.#process;
    if (process === undefined) return;
    this.#process = undefined;
    process.kill();
    this.#remember(process.ended);
  }

  #remember(ended: Promise<void>): void {
    const known = ended.then(() => {
      this.#ending.delete(known);
    });
    this.#ending.add(known);
  }

  #onReady(): void {
    // Said twice it would set the clock back.
    if (!this.#isStarting) return this.#onChunk(false);
    this.#isStarting = false;
    this.#headAt = performance.now();
  }

  #onEnded(ended: EndedFrame): void {
    const job = this.#flight[0];
    if (job === undefined || ended.no !== this.#headNo || this.#isStarting)
      return this.#onChunk(false);
    if (ended.status === 'done' && ended.body.length > job.outputBytesMax)
      return this.#onChunk(false);
    const now = performance.now();
    // What a process says of its time is a claim; it cannot be more than we saw pass.
    const cpuMs = job.spentMs + Math.min(ended.ms, now - this.#headAt);
    this.#shift();
    this.#headAt = now;
    if (ended.status === 'done')
      this.#finish(job, {kind: 'done', output: ended.body.slice(), cpuMs});
    else this.#finish(job, {...failureOf(ended.status, ended.body), cpuMs});
    if (ended.status !== 'done' && ended.status !== 'exited') this.#replace();
  }

  #onState({no, bytes}: StateFrame): void {
    const job = this.#flight[0];
    if (job === undefined || no !== this.#headNo || this.#isStarting) return this.#onChunk(false);
    if (job.isStopped || this.#isClosed) return;
    const spentMs = job.spentMs + performance.now() - this.#headAt;
    this.#options.onState(job, bytes.slice(), spentMs);
  }

  #onChunk(isWhole: boolean): void {
    if (!isWhole) this.#blame('runnerLost', 'the runner sent what is no frame');
    this.#schedule();
  }

  #onEnd(end: ProcessEnd): void {
    this.#process = undefined;
    if (this.#flight.length > 0) {
      if (/out of memory/i.test(end.stderr))
        this.#blame('outOfMemory', 'the runner ran out of memory');
      else this.#blame('runnerLost', storyOf(end));
    }
    this.#schedule();
  }

  /** The first in flight is at fault; the rest begins anew. */
  #blame(reason: FailReason, detail: string): void {
    const job = this.#flight[0];
    const cpuMs = performance.now() - this.#headAt;
    if (job !== undefined) {
      this.#shift();
      this.#finish(job, {kind: 'failed', reason, detail, cpuMs});
    }
    this.#replace();
  }

  #replace(): void {
    this.#endProcess();
    this.#ready = [...this.#flight, ...this.#ready];
    this.#flight = [];
    this.#schedule();
  }

  #shift(): void {
    const job = this.#flight.shift();
    assert(job !== undefined, 'an answer has an order');
    this.#headNo = (this.#headNo + 1) >>> 0;
    this.#bytes -= job.input.length;
  }

  #finish(job: Job, outcome: Outcome): void {
    if (job.isStopped || this.#isClosed) return;
    if (outcome.kind === 'failed' && job.state.length > 0 && outcome.reason !== 'timedOut')
      this.#beginAnew(job);
    else this.#options.finish(job, outcome);
  }

  /** It failed where an earlier run had left it: that may be the state's fault, and not the app's. */
  #beginAnew(job: Job): void {
    job.state = EMPTY;
    job.spentMs = 0;
    this.#options.onBadState(job);
    this.push(job);
  }

  #runExec(job: Job, program: ExecProgram): void {
    this.#ready.shift();
    this.#bytes -= job.input.length;
    const {input, shared, timeMs, memoryMib, outputBytesMax} = job;
    const {dir} = this.#options;
    const order = {program, input, shared, timeMs, memoryMib, outputBytesMax, dir};
    const run = begun(order, outcome => this.#finish(job, outcome));
    this.#exec = {job, run};
    this.#remember(
      run.ended.then(() => {
        this.#exec = undefined;
        this.#schedule();
      }),
    );
  }

  /** What the first in flight may hold: its memory, its input and output on their way, the engine. */
  #watchMemory(): void {
    const job = this.#flight[0];
    const pid = this.#process?.pid;
    const isStill = this.#stillSince !== undefined;
    if (job === undefined || pid === undefined || isStill) return this.#memory.stop();
    const buffers = 2 * (this.#bytes + job.shared.length) + 3 * job.outputBytesMax;
    this.#memory.watch(pid, job.memoryMib * MIB + buffers + ENGINE_BYTES);
  }

  #onTooMuch(): void {
    this.#blame('outOfMemory', `the runner holds far more than ${this.#flight[0]?.memoryMib} MiB`);
  }

  /** One timer, moved only when it would ring too late: answers come far more often than limits. */
  #arm(): void {
    const at = this.#dueAt();
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => this.#onTimer(), Math.max(1, at - performance.now()));
    if (this.#flight.length === 0) this.#timer.unref();
  }

  #dueAt(): number {
    const job = this.#flight[0];
    if (this.#process === undefined) return Number.POSITIVE_INFINITY;
    if (job === undefined) return this.#headAt + IDLE_MS_MAX;
    if (this.#stillSince !== undefined) return Number.POSITIVE_INFINITY;
    if (this.#isStarting) return this.#headAt + START_MS_MAX;
    return this.#headAt + (job.isStopped ? Math.min(STOP_GRACE_MS, job.timeMs) : leftMsOf(job));
  }

  #onTimer(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    if (this.#isClosed) return;
    if (performance.now() >= this.#dueAt()) {
      const job = this.#flight[0];
      if (job === undefined) this.#endProcess();
      else if (this.#isStarting) this.#blame('runnerLost', 'the runner did not start');
      else this.#blame('timedOut', `not done within ${job.timeMs} ms`);
    }
    this.#arm();
  }
}
