// One rpicam-still that is kept running and fires on SIGUSR1.
//
// With --immediate it would end after its first picture (rpicam_still.cpp; issue 488 of rpicam-apps), so it runs its
// viewfinder without a window, with --zsl where it has it. Before its handler is set SIGUSR1 would end it: it is ready
// when it has shown its first frame. What it writes is `0-0-camera-<n>.jpg`, counted from 0: a name has room for 127
// letters there, so it is a bare one, and it is renamed when it is whole. SIGUSR2 ends it without a picture.

import {type ChildProcess, spawn} from 'node:child_process';
import {cutLines} from './program.ts';
import {readStillLine, type StillProgram} from './still-options.ts';

/** `0-0-`: what a crash left behind goes as pictures do. */
const PATTERN = '0-0-camera-%06d.jpg';
const fileNo = (no: number): string => PATTERN.replace('%06d', String(no).padStart(6, '0'));
/** The first frames come while the exposure settles. */
const FRAMES_SKIPPED = 5;
const FRAMES_MEASURED = 16;

export type StillEvents = {
  /** The sensor's model or its period became known. */
  readonly onInfo: (info: {model: string; sensorPeriodMs: number; warmUpMs: number}) => void;
  /** It ended, or its sensor sends nothing, while nobody waited for it. */
  readonly onFault: (reason: string) => void;
};

export class StillProcess {
  readonly #child: ChildProcess;
  readonly #events: StillEvents;
  readonly #startedAt = performance.now();
  readonly #frames: number[] = [];
  readonly #gone: Promise<void>;
  #isGone = false;
  #endedWell = false;
  #frameCount = 0;
  #warmUpMs = 0;
  #model = '';
  #fault = '';
  #isStuck = false;
  #lastLine = '';
  #nextNo = 0;
  #saved = '';
  #onReady: (() => void) | undefined;

  constructor(program: StillProgram, args: readonly string[], events: StillEvents) {
    this.#events = events;
    const zsl = program.hasZsl ? ['--zsl'] : [];
    const own = ['--nopreview', '--timeout', '0', '--signal', ...zsl, ...program.verbose];
    const argv = [...own, '--output', PATTERN, ...args];
    this.#child = spawn(program.path, argv, {stdio: ['ignore', 'ignore', 'pipe']});
    this.#child.stderr?.setEncoding('utf8').on(
      'data',
      cutLines(line => this.#onLine(line)),
    );
    this.#gone = new Promise(resolve => {
      const end = (why: string): void => {
        if (this.#isGone) return;
        this.#isGone = true;
        this.#fault ||= why;
        this.#onReady?.();
        resolve();
      };
      this.#child.once('error', error => end(`${program.path}: ${error.message}`));
      this.#child.once('close', code => {
        this.#endedWell = code === 0 && this.#nextNo > 0;
        end(`the camera program ended by itself (${code}): ${this.#lastLine}`);
      });
    });
  }

  get isGone(): boolean {
    return this.#isGone;
  }
  /** Of its own accord, after a picture. */
  get endedWell(): boolean {
    return this.#endedWell;
  }
  /** Why it ended, or what it complained of last. */
  get fault(): string {
    return this.#fault;
  }
  get isReady(): boolean {
    return !this.#isGone && !this.#isStuck && this.#frameCount > 0;
  }
  get gone(): Promise<void> {
    return this.#gone;
  }

  /** Until its first frame, or its end. */
  async ready(): Promise<void> {
    if (this.#frameCount === 0 && !this.#isGone)
      await new Promise<void>(resolve => {
        this.#onReady = resolve;
      });
    if (!this.isReady) throw new Error(this.#fault);
  }

  /** The next frame is the picture. @returns the file that it will be in */
  trigger(): string {
    const file = fileNo(this.#nextNo++);
    this.#child.kill('SIGUSR1');
    return file;
  }

  /** It says that this file is written; older versions do not say it. */
  hasSaved(file: string): boolean {
    return this.#saved === file;
  }

  /** Without a picture; at the latest after the grace. */
  async end(graceMs: number): Promise<void> {
    this.#child.kill(this.#frameCount > 0 ? 'SIGUSR2' : 'SIGTERM');
    const timer = setTimeout(() => this.kill(), graceMs);
    await this.#gone;
    clearTimeout(timer);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #onLine(text: string): void {
    const line = readStillLine(text);
    if (text.trim() !== '') this.#lastLine = text.trim();
    if (line?.kind === 'frame') this.#onFrame();
    else if (line?.kind === 'saved') this.#saved = line.file;
    else if (line?.kind === 'model') this.#model = line.model;
    else if (line?.kind === 'fault') this.#fault = line.reason;
    else if (line?.kind === 'stuck') {
      this.#isStuck = true;
      this.#fault = 'the sensor sends no picture: look at the cable of the camera';
      this.#events.onFault(this.#fault);
    }
  }

  #onFrame(): void {
    this.#frameCount += 1;
    this.#isStuck = false;
    if (this.#frameCount === 1) {
      this.#warmUpMs = Math.round(performance.now() - this.#startedAt);
      this.#onReady?.();
      this.#tell(0);
    }
    if (this.#frameCount <= FRAMES_SKIPPED || this.#frames.length > FRAMES_MEASURED) return;
    this.#frames.push(performance.now());
    if (this.#frames.length > FRAMES_MEASURED) this.#tell(medianStep(this.#frames));
  }

  #tell(sensorPeriodMs: number): void {
    this.#events.onInfo({model: this.#model, sensorPeriodMs, warmUpMs: this.#warmUpMs});
  }
}

/** Of the steps between instants: lines that were late together do not count. */
export function medianStep(instants: readonly number[]): number {
  const steps = instants.slice(1).map((at, i) => at - (instants[i] ?? at));
  steps.sort((a, b) => a - b);
  return Math.round((steps[Math.floor(steps.length / 2)] ?? 0) * 10) / 10;
}
