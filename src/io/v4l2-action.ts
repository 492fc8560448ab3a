// The built-in action `v4l2`: a USB camera through v4l2-ctl (Debian's v4l-utils), which streams MJPG all the time, so
// that neither its start nor the first dark frames are in a shot's path. A program of its own, started as
// `node v4l2-action.js [--device /dev/video2] [further options of v4l2-ctl]`.
//
// The picture of a shot is the second one that begins to arrive after the instant: the first one was exposed before it.

import {type ChildProcess, spawn} from 'node:child_process';
import {writeFile} from 'node:fs/promises';
import {MIB, SECOND_MS} from '../base/units.ts';
import type {ActionSettings} from '../core/action-settings.ts';
import {type Firing, type Shutter, say, sayInfo, speakFor} from './action-speaker.ts';
import {outputOf} from './helper-output.ts';
import {type CutPicture, JpegCutter} from './jpeg-cutter.ts';
import {medianStep} from './still-process.ts';
import {
  type Control,
  complaintOf,
  faultOfControls,
  readControls,
  SIZE_SETTINGS,
} from './v4l2-controls.ts';

const PROGRAM = 'v4l2-ctl';
const PICTURE_BYTES_MAX = 64 * MIB;
/** Until the first picture of a stream, and until that of a shot. */
const PICTURE_MS = 10 * SECOND_MS;
const FRAMES_MEASURED = 16;
const STDERR_CHARS_KEPT = 2_000;

type Waiting = {
  readonly count: number;
  readonly after: number;
  readonly resolve: (picture: CutPicture) => void;
  readonly reject: (error: Error) => void;
};

class Webcam implements Shutter {
  readonly #device: string;
  readonly #options: readonly string[];
  #settings: ActionSettings = {};
  #controls: readonly Control[] | undefined;
  #model = '';
  #stream: ChildProcess | undefined;
  #complaint = '';
  #seen = 0;
  #waiting: Waiting | undefined;
  #began: number[] = [];
  #warmUpMs = 0;

  constructor(args: readonly string[]) {
    const at = args.findIndex(arg => arg === '--device' || arg === '-d');
    this.#device = at < 0 ? '/dev/video0' : (args[at + 1] ?? '');
    this.#options = at < 0 ? args : args.filter((_, i) => i !== at && i !== at + 1);
  }

  async open() {
    return {settings: SIZE_SETTINGS};
  }

  async arm(): Promise<void> {
    if (this.#stream === undefined) await this.#start();
  }

  async set(settings: ActionSettings): Promise<ActionSettings> {
    const fault = faultOfControls(await this.#know(), settings);
    if (fault !== undefined) throw new Error(fault);
    const sizeOf = (of: ActionSettings): string => SIZE_SETTINGS.map(name => of[name]).join('x');
    const isResized = sizeOf(settings) !== sizeOf(this.#settings);
    const before = this.#settings;
    this.#settings = settings;
    try {
      await this.#apply();
      if (isResized && this.#stream) await this.#start();
    } catch (error) {
      this.#settings = before;
      throw error;
    }
    return {...settings, ...(await this.#readBack())};
  }

  async fire({file, fired}: Firing): Promise<readonly string[]> {
    if (this.#stream === undefined) throw new Error(this.#complaint || 'the camera is not running');
    const picture = this.#picture(2);
    fired();
    const {bytes} = await picture;
    await writeFile(file, bytes);
    return [file];
  }

  end(): void {
    this.#stop();
    process.exit(0);
  }

  /** Its controls, asked of it once. */
  async #know(): Promise<readonly Control[]> {
    if (this.#controls) return this.#controls;
    const said = await this.#ask(['--info', '--list-ctrls']);
    this.#controls = readControls(said);
    this.#model = /Card type\s*:\s*(.+)/.exec(said)?.[1]?.trim() ?? '';
    this.#tell(0);
    return this.#controls;
  }

  async #ask(args: readonly string[]): Promise<string> {
    const said = await outputOf(PROGRAM, ['--device', this.#device, ...args]);
    if (said === undefined)
      throw new Error(`${PROGRAM} is not installed: \`apt install v4l-utils\``);
    if (!said.isOk) throw new Error(complaintOf(said.text, this.#device));
    return said.text;
  }

  get #controlSettings(): readonly (readonly [string, string])[] {
    return Object.entries(this.#settings).filter(([name]) => !SIZE_SETTINGS.includes(name));
  }

  async #apply(): Promise<void> {
    const words = this.#controlSettings.map(([name, value]) => `${name}=${value}`);
    if (words.length > 0) await this.#ask([`--set-ctrl=${words.join(',')}`]);
  }

  /** A camera may take another value than it was given. */
  async #readBack(): Promise<ActionSettings> {
    const names = this.#controlSettings.map(([name]) => name);
    if (names.length === 0) return {};
    const said = await this.#ask([`--get-ctrl=${names.join(',')}`]);
    const lines = said.split('\n').flatMap(line => {
      const [, name, value] = /^([a-z0-9_]+): (-?\d+)/.exec(line) ?? [];
      return name !== undefined && value !== undefined ? [[name, value] as const] : [];
    });
    return Object.fromEntries(lines);
  }

  async #start(): Promise<void> {
    this.#stop();
    await this.#know();
    await this.#apply();
    const {width, height} = this.#settings;
    const size = width && height ? `width=${width},height=${height},` : '';
    const format = `--set-fmt-video=${size}pixelformat=MJPG`;
    const args = [
      '--device',
      this.#device,
      format,
      ...this.#options,
      '--stream-mmap',
      '--stream-to=-',
    ];
    const startedAt = performance.now();
    const stream = spawn(PROGRAM, args, {stdio: ['ignore', 'pipe', 'pipe']});
    this.#stream = stream;
    this.#complaint = '';
    this.#seen = 0;
    this.#began = [];
    const cutter = new JpegCutter(PICTURE_BYTES_MAX);
    stream.stdout.on('data', (piece: Uint8Array) => {
      if (this.#stream !== stream) return;
      for (const picture of cutter.take(piece, performance.now())) this.#onPicture(picture);
    });
    stream.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-STDERR_CHARS_KEPT);
    });
    stream.once('error', error => this.#onGone(stream, error.message));
    stream.once('close', () => this.#onGone(stream, ''));
    await this.#picture(1);
    this.#warmUpMs = Math.round(performance.now() - startedAt);
    this.#tell(0);
  }

  #onGone(stream: ChildProcess, why: string): void {
    if (this.#stream !== stream) return;
    const wasRunning = this.#seen > 0;
    this.#stream = undefined;
    const complaint = complaintOf(why || this.#complaint, this.#device);
    this.#complaint = complaint || `${PROGRAM} ended by itself`;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(new Error(this.#complaint));
    if (wasRunning && waiting === undefined) say(`error ${this.#complaint}`);
  }

  #onPicture(picture: CutPicture): void {
    this.#seen += 1;
    if (this.#began.length <= FRAMES_MEASURED) {
      this.#began.push(picture.beganAt);
      if (this.#began.length > FRAMES_MEASURED) this.#tell(medianStep(this.#began));
    }
    const waiting = this.#waiting;
    if (waiting === undefined || picture.beganAt <= waiting.after) return;
    if (waiting.count > 1) this.#waiting = {...waiting, count: waiting.count - 1};
    else {
      this.#waiting = undefined;
      waiting.resolve(picture);
    }
  }

  /** The next but so many pictures that begin from now on. */
  #picture(count: number): Promise<CutPicture> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting = undefined;
        const hasMade = this.#seen > 0 ? 'no more pictures' : 'no picture as MJPG';
        reject(
          new Error(
            `the camera at ${this.#device} gives ${hasMade} within ${PICTURE_MS / SECOND_MS} s`,
          ),
        );
        this.#stop();
      }, PICTURE_MS);
      this.#waiting = {
        count,
        after: performance.now(),
        resolve: picture => {
          clearTimeout(timer);
          resolve(picture);
        },
        reject: error => {
          clearTimeout(timer);
          reject(error);
        },
      };
    });
  }

  #tell(sensorPeriodMs: number): void {
    const names = (this.#controls ?? []).map(({name}) => name);
    const info = {model: this.#model, warmUpMs: this.#warmUpMs, sensorPeriodMs};
    sayInfo({...info, settings: [...SIZE_SETTINGS, ...names]});
  }

  #stop(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.kill('SIGKILL');
  }
}

speakFor(new Webcam(process.argv.slice(2)));
