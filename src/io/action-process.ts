// A program that is kept running for its shots, so that starting is not in the path of one. It runs in
// the folder of the shots and speaks the lines of action-words.ts.
//
// It fired between our writing of `fire` and our reading of `fired` (some 0.1 ms, more on a busy board): its own
// word only says where between. A word far outside is no truth (a clock that was set): then the reading counts,
// late by at most that time.
//
// One that is `timed` is told its instant ahead: then neither our event loop nor a pipe is in the path of the shot.
//
// What it says outside of shots (`error`, its end) is its state, which the node tells the master: somebody
// can mend a camera before the shot. One that was armed and died is started again, after a pause that grows.

import {asMonoMs, type MonoMs} from '../base/types.ts';
import {MINUTE_MS, SECOND_MS} from '../base/units.ts';
import type {Applied} from '../core/action-events.ts';
import type {ActionSettings} from '../core/action-settings.ts';
import type {ActionPhase} from '../wire/message.ts';
import {ARM_LINE, readSaid, type Said, settingsLine, shotLine, timedLine} from './action-words.ts';
import {onLines, Program} from './program.ts';
import {
  type ActionState,
  OFF,
  type ProgramSpec,
  type Shooter,
  type ShotEnd,
  type ShotJob,
  STOPPING,
  seconds,
} from './shooter.ts';
import {KERNEL_AHEAD_MS} from './system-clock.ts';

/** An armed program that nobody asks for ends, so that a camera is free for others. */
export const IDLE_END_MS = 10 * MINUTE_MS;
/** From the end of its input to its forced end. */
const END_GRACE_MS = 2 * SECOND_MS;
/** One that is kept armed and is not ready is asked so often. */
const LOOK_AGAIN_MS = 30 * SECOND_MS;
/** One that dies while it is armed is started again after this; doubles until a shot is done. */
const RESTART_MS_MIN = SECOND_MS;
const RESTART_MS_MAX = MINUTE_MS;

/** Ahead of its instant, for what is timed: a busy board reads a line within it. */
const AHEAD_MS = 200;

/** Two processes' ideas of the wall clock, each of which runs evenly from its own start. */
const CLOCKS_APART_MS = 1;

type Underway = {
  readonly job: ShotJob;
  readonly end: (shot: ShotEnd) => void;
  readonly timer: NodeJS.Timeout;
  /** When `fire` was written; undefined = not armed yet. */
  toldAt: MonoMs | undefined;
  /** It was told to wait for the instant: whatever else it says until then, it says of the shot in the end. */
  isAhead: boolean;
  firedAt: MonoMs | undefined;
};

type Setting = {
  readonly settings: ActionSettings;
  readonly end: (applied: Applied) => void;
  readonly timer: NodeJS.Timeout;
  isTold: boolean;
};

export class PersistentProgram implements Shooter {
  readonly #spec: ProgramSpec;
  readonly #idleEndMs: number;
  readonly #running = new Set<Program>();
  #program: Program | undefined;
  /** It said `info` or `error`: it understands more than `fire`. */
  #knowsWords = false;
  #state: ActionState = OFF;
  /** What its `error` was, or its end. */
  #error = '';
  /** Why it did not take the settings of an earlier life. */
  #refusal = '';
  #wanted: ActionSettings;
  #underway: Underway | undefined;
  #setting: Setting | undefined;
  #idle: NodeJS.Timeout | undefined;
  #arming: NodeJS.Timeout | undefined;
  #restart: NodeJS.Timeout | undefined;
  #restartMs = RESTART_MS_MIN;
  #closed = false;

  constructor(spec: ProgramSpec, idleEndMs: number = IDLE_END_MS) {
    this.#spec = spec;
    this.#idleEndMs = idleEndMs;
    this.#wanted = spec.settings ?? {};
  }

  get aheadMs(): number {
    return this.#state.info.timed && this.isReady ? AHEAD_MS : 0;
  }

  get isReady(): boolean {
    return this.#state.phase === 'ready';
  }

  arm(): void {
    if (this.#program === undefined) this.#start();
    else if (this.#underway === undefined && this.#state.phase !== 'arming') {
      // one that was ready is so until it says that it is not
      if (this.#state.phase === 'unable') this.#become('arming', '');
      if (this.#knowsWords) this.#write(ARM_LINE);
      this.#restartIdle();
    }
  }

  shoot(job: ShotJob): Promise<ShotEnd> {
    return new Promise(end => {
      const {timeoutMs, clock} = this.#spec;
      const waitMs = Math.max(0, job.fireAt - clock.now().mono);
      const timer = setTimeout(() => this.#onTimeout(), waitMs + timeoutMs);
      this.#underway = {job, end, timer, toldAt: undefined, isAhead: false, firedAt: undefined};
      clearTimeout(this.#idle);
      this.#start();
      this.#tell();
    });
  }

  set(settings: ActionSettings): Promise<Applied>;
  set(settings: ActionSettings, isKept: boolean): Promise<Applied | undefined>;
  set(settings: ActionSettings, isKept = false): Promise<Applied | undefined> {
    if (isKept && this.#program === undefined) {
      this.#wanted = settings;
      return Promise.resolve(undefined);
    }
    this.#endSetting({ok: false, reason: 'other settings came meanwhile'});
    return new Promise(end => {
      const late = `the action did not say within ${seconds(this.#spec.timeoutMs)} what holds`;
      const timer = setTimeout(
        () => this.#endSetting({ok: false, reason: late}),
        this.#spec.timeoutMs,
      );
      this.#setting = {settings, end, timer, isTold: false};
      if (this.#closed) this.#endSetting({ok: false, reason: STOPPING});
      this.#start();
      this.#tellSettings();
    });
  }

  abort(reason: string): void {
    if (this.#underway !== undefined) this.#abandon(reason);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of [this.#idle, this.#arming, this.#restart]) clearTimeout(timer);
    this.#end(STOPPING, undefined);
    this.#endSetting({ok: false, reason: STOPPING});
    this.#program = undefined;
    const running = [...this.#running];
    for (const program of running) program.kill();
    await Promise.all(running.map(program => program.gone));
  }

  #start(): void {
    if (this.#program !== undefined || this.#closed) return;
    clearTimeout(this.#restart);
    const program = new Program(this.#spec.argv, this.#spec.dir, 'pipe');
    this.#program = program;
    this.#running.add(program);
    this.#become('arming', '');
    if (program.child?.pid !== undefined) this.#spec.onStart?.(program.child.pid);
    onLines(program.child, line => {
      if (this.#program === program) this.#onLine(line);
    });
    void program.gone.then(reason => this.#onGone(program, reason));
    this.#knowsWords = false;
    this.#restartIdle();
  }

  /** Its first word that is younger than `fire`: before it, it is told nothing else. */
  #onYoungWord(): void {
    if (this.#knowsWords) return;
    this.#knowsWords = true;
    if (Object.keys(this.#wanted).length > 0) this.#write(settingsLine(this.#wanted));
    this.#write(ARM_LINE);
  }

  #write(line: string): void {
    this.#program?.child?.stdin?.write(line);
  }

  /** To a program that is ready; one that says it is not ends the shot before it began. */
  #tell(): void {
    const shot = this.#underway;
    if (shot === undefined || shot.toldAt !== undefined) return;
    const {phase, info} = this.#state;
    if (phase === 'unable') return this.#end(`the action is not ready: ${this.#error}`, undefined);
    if (phase !== 'ready') return;
    if (shot.job.isPreview && !info.preview)
      return this.#end(
        'the action makes no previews: its info does not say that it can',
        undefined,
      );
    const {job} = shot;
    const {mono, wall} = this.#spec.clock.now();
    shot.toldAt = mono;
    shot.isAhead = info.timed && job.fireAt > mono && !job.isPreview;
    const instant = {wall: wall + (job.fireAt - mono), kernel: job.fireAt + KERNEL_AHEAD_MS};
    this.#write(
      shot.isAhead ? timedLine(job, instant) : shotLine(job.isPreview ? 'preview' : 'fire', job),
    );
  }

  #tellSettings(): void {
    const setting = this.#setting;
    const {phase, info} = this.#state;
    if (setting === undefined || setting.isTold || phase === 'arming' || phase === 'off') return;
    if (info.settings.length === 0) {
      const why = phase === 'unable' ? `the action is not ready: ${this.#error}` : '';
      const reason = why || 'the action takes no settings: its info names none';
      return this.#endSetting({ok: false, reason});
    }
    setting.isTold = true;
    this.#write(settingsLine(setting.settings));
  }

  #onLine(line: string): void {
    const said = readSaid(line);
    switch (said?.word) {
      case 'ready':
        this.#become('ready', '');
        this.#tell();
        return this.#tellSettings();
      case 'error':
        this.#become('unable', said.reason);
        this.#knowsWords = true;
        if (this.#underway?.toldAt !== undefined && !this.#underway.isAhead)
          this.#end(said.reason, undefined);
        this.#tell();
        return this.#tellSettings();
      case 'info':
        this.#change({info: said.info});
        return this.#onYoungWord();
      case 'settings':
        this.#refusal = '';
        this.#change({settings: said.settings});
        return this.#onSettings({ok: true, settings: said.settings});
      case 'fired':
      case 'done':
      case 'failed':
        if (said.word === 'failed' && said.shot === 'settings')
          return this.#onSettings({ok: false, reason: said.reason});
        return this.#onShotLine(said);
      default:
        return;
    }
  }

  #onShotLine(said: Extract<Said, {word: 'fired' | 'done' | 'failed'}>): void {
    const shot = this.#underway;
    // a late line of an earlier shot says nothing about this one
    if (shot === undefined || shot.toldAt === undefined || said.shot !== shot.job.shot) return;
    if (said.word === 'fired') shot.firedAt ??= this.#instantOf(said, shot.toldAt);
    else if (said.word === 'failed') this.#end(said.reason, undefined);
    else if (shot.firedAt === undefined)
      this.#end('the action was done without having fired', undefined);
    else {
      this.#restartMs = RESTART_MS_MIN;
      this.#end(undefined, said.files);
    }
  }

  #onSettings(applied: Applied): void {
    if (this.#setting?.isTold) return this.#endSetting(applied);
    if (applied.ok) return;
    this.#refusal = `the settings that were kept are refused: ${applied.reason}`;
    this.#change({});
  }

  #endSetting(applied: Applied): void {
    const setting = this.#setting;
    if (setting === undefined) return;
    this.#setting = undefined;
    clearTimeout(setting.timer);
    if (applied.ok) this.#wanted = setting.settings;
    setting.end(applied);
  }

  /** The program's instant on our monotonic clock. */
  #instantOf({atWall, atKernel}: Extract<Said, {word: 'fired'}>, toldAt: MonoMs): MonoMs {
    const {mono, wall} = this.#spec.clock.now();
    const instant = Number.isNaN(atKernel) ? mono - (wall - atWall) : atKernel - KERNEL_AHEAD_MS;
    const isNear = instant > toldAt - CLOCKS_APART_MS && instant < mono + CLOCKS_APART_MS;
    return isNear ? asMonoMs(Math.min(Math.max(instant, toldAt), mono)) : mono;
  }

  #onTimeout(): void {
    const what = this.#state.phase === 'ready' ? 'the action took' : 'starting the action took';
    this.#abandon(`${what} longer than ${seconds(this.#spec.timeoutMs)}`);
  }

  /** It hangs. */
  #abandon(reason: string): void {
    this.#program?.kill();
    this.#program = undefined;
    this.#lost(reason);
  }

  #onGone(program: Program, reason: string): void {
    this.#running.delete(program);
    if (this.#program !== program) return;
    this.#program = undefined;
    program.kill(); // what it left running holds the camera
    clearTimeout(this.#idle);
    const {toldAt} = this.#underway ?? {};
    const byItself = toldAt === undefined ? 'the action ended by itself' : '';
    this.#lost(reason || byItself || 'the action ended before the shot was done');
  }

  #lost(reason: string): void {
    const wasReady = this.#state.phase === 'ready';
    this.#become('unable', reason);
    this.#end(reason, undefined);
    this.#endSetting({ok: false, reason});
    if ((!wasReady && !this.#spec.staysArmed) || this.#closed) return;
    this.#restart = setTimeout(() => this.#start(), this.#restartMs);
    this.#restart.unref();
    this.#restartMs = Math.min(2 * this.#restartMs, RESTART_MS_MAX);
  }

  #end(failure: string | undefined, files: readonly string[] | undefined): void {
    const shot = this.#underway;
    if (shot === undefined) return;
    this.#underway = undefined;
    clearTimeout(shot.timer);
    this.#restartIdle();
    shot.end({
      firedAt: shot.firedAt,
      doneAt: this.#spec.clock.now().mono,
      files: files ?? [],
      failure,
    });
  }

  #become(phase: ActionPhase, error: string): void {
    this.#error = error;
    clearTimeout(this.#arming);
    if (phase === 'arming') {
      const late = `starting the action took longer than ${seconds(this.#spec.timeoutMs)}`;
      this.#arming = setTimeout(() => this.#abandon(late), this.#spec.timeoutMs);
      this.#arming.unref();
    }
    this.#change({phase});
  }

  #change(change: Partial<ActionState>): void {
    const before = this.#state;
    this.#state = {...before, ...change, error: this.#error || this.#refusal};
    if (JSON.stringify(before) !== JSON.stringify(this.#state)) this.#spec.onState?.(this.#state);
  }

  #restartIdle(): void {
    clearTimeout(this.#idle);
    if (this.#program === undefined) return;
    const [what, afterMs] = this.#spec.staysArmed
      ? [() => this.#lookAgain(), LOOK_AGAIN_MS]
      : [() => this.#endIdle(), this.#idleEndMs];
    this.#idle = setTimeout(what, afterMs);
    this.#idle.unref();
  }

  /** A camera that was busy may be free by now. */
  #lookAgain(): void {
    if (this.#state.phase === 'unable') this.arm();
    this.#restartIdle();
  }

  #endIdle(): void {
    const program = this.#program;
    if (program === undefined || this.#underway !== undefined) return;
    this.#program = undefined;
    this.#become('off', '');
    program.child?.stdin?.end();
    setTimeout(() => {
      if (this.#running.has(program)) program.kill();
    }, END_GRACE_MS).unref();
  }
}
