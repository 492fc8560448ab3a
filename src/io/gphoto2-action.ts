// The built-in action `gphoto2`: a camera on USB through gphoto2, which stays connected and captures on SIGUSR1
// (`--interval -1`). A program of its own: `node gphoto2-action.js [options of gphoto2, such as --port usb:001,004]`.
//
// Read for this: capture_generic and save_captured_file of gphoto2/main.c (2.5). It takes a first picture at its start,
// to warm up the driver; that one is thrown away. It looks for the signal between events of the camera, every 200 ms at
// the latest. What it says on its output stays in a buffer until the next capture, so its files are looked
// for; it writes them under another name first. Its shell (--shell) has no word to capture. A program that begins anew for
// each picture claims the camera for a second or more.

import {type ChildProcess, spawn} from 'node:child_process';
import {readdir, rename, rm} from 'node:fs/promises';
import {extname} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {SECOND_MS} from '../base/units.ts';
import type {ActionSettings} from '../core/action-settings.ts';
import {type Firing, type Shutter, say, speakFor} from './action-speaker.ts';
import {outputOf} from './helper-output.ts';
import {untilWhole} from './whole-file.ts';

const PROGRAM = 'gphoto2';
/** What most cameras have; any other name of `gphoto2 --list-config` is taken too. */
const SETTINGS: readonly string[] = [
  'iso',
  'shutterspeed',
  'aperture',
  'whitebalance',
  'exposurecompensation',
  'imageformat',
  'focusmode',
  'capturetarget',
];
const LOOK_MS = 20;
const FILE_MS = 20 * SECOND_MS;
const END_GRACE_MS = 2 * SECOND_MS;
/** Of a signal: gphoto2 looks for it so seldom. */
const LATE_MS = 200;
/** `0-0-`: what a crash left behind goes as pictures do. */
const PREFIX = `0-0-${process.pid}-`;

/** Wording of libgphoto2; its issues 297, 617 and 902 on the busy camera. */
export function complaintOf(text: string): string {
  if (/Could not claim|resource busy|I\/O in progress|already in use/i.test(text))
    return 'the camera is busy: another program has it, often the desktop (`gio mount -s gphoto2`, then plug it in again)';
  if (
    /No camera found|Could not detect any camera|No such device|Could not find the requested device/i.test(
      text,
    )
  )
    return 'no camera: is it on, is its cable in? `gphoto2 --auto-detect`';
  const lines = text.split('\n').map(line => line.replace(/\*\*\* ?(Error)?:?/g, '').trim());
  const told = lines.filter(
    line => line !== '' && !/debug|developer mailing list|env LANG=C|quoting/i.test(line),
  );
  return told.find(line => /not found|ERROR/i.test(line)) ?? told.at(-1) ?? '';
}

class Dslr implements Shutter {
  readonly #options: readonly string[];
  #settings: ActionSettings = {};
  #child: ChildProcess | undefined;
  #said = '';

  constructor(options: readonly string[]) {
    this.#options = options;
  }

  async open() {
    return {settings: SETTINGS, sensorPeriodMs: LATE_MS};
  }

  async arm(): Promise<void> {
    if (this.#child === undefined) await this.#start();
  }

  /** Proven by a start with them; what held before holds if it fails. */
  async set(settings: ActionSettings): Promise<ActionSettings> {
    const before = this.#settings;
    this.#settings = settings;
    if (this.#child === undefined) return settings;
    try {
      await this.#start();
    } catch (error) {
      this.#settings = before;
      await this.#start();
      throw error;
    }
    return {...settings, ...(await this.#readBack())};
  }

  async fire({shot, file, fired}: Firing): Promise<readonly string[]> {
    const child = this.#child;
    if (child === undefined)
      throw new Error(complaintOf(this.#said) || 'the camera is not connected');
    await this.#clear(); // a raw picture that came after the one before
    this.#said = '';
    child.kill('SIGUSR1');
    fired();
    const made = await this.#made(child);
    const extension = extname(made).toLowerCase();
    const name = extension === '' || extension === '.jpg' ? file : `${shot}${extension}`;
    await rename(made, name);
    return [name];
  }

  end(): void {
    void this.#stop().then(() => process.exit(0));
  }

  async #start(): Promise<void> {
    await this.#stop();
    await this.#clear();
    const settings = Object.entries(this.#settings).flatMap(([name, value]) => [
      '--set-config',
      `${name}=${value}`,
    ]);
    const capture = ['--capture-image-and-download', '--interval', '-1', '--force-overwrite'];
    const args = [...this.#options, ...settings, ...capture, '--filename', `${PREFIX}%f.%C`];
    const child = spawn(PROGRAM, args, {stdio: ['ignore', 'ignore', 'pipe']});
    this.#child = child;
    this.#said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-4_000);
    });
    let isWarm = false;
    const gone = (why: string): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#said += why;
      if (isWarm) say(`error ${complaintOf(this.#said) || 'gphoto2 ended by itself'}`);
    };
    child.once('error', error =>
      gone(
        'code' in error && error.code === 'ENOENT'
          ? 'gphoto2 is not installed: `apt install gphoto2`'
          : error.message,
      ),
    );
    child.once('close', () => gone(''));
    await rm(await this.#made(child), {force: true});
    isWarm = true;
  }

  /** The file of the capture under way, whole. */
  async #made(child: ChildProcess): Promise<string> {
    const until = performance.now() + FILE_MS;
    const isOver = (): boolean => this.#child !== child || performance.now() > until;
    for (;;) {
      const over = isOver();
      const [found] = await this.#files();
      if (found !== undefined && (await untilWhole(found, isOver))) return found;
      const failed = /Could not capture/.test(this.#said);
      if (over || failed) {
        const why = complaintOf(this.#said);
        throw new Error(why || `the camera gave no picture within ${FILE_MS / SECOND_MS} s`);
      }
      await sleep(LOOK_MS);
    }
  }

  async #files(): Promise<string[]> {
    return (await readdir('.')).filter(name => name.startsWith(PREFIX)).sort();
  }

  async #clear(): Promise<void> {
    for (const name of await this.#files()) await rm(name, {force: true});
  }

  /** A camera may take another value than it was given. While it is connected nobody else can ask it. */
  async #readBack(): Promise<ActionSettings> {
    await this.#stop();
    const held: Record<string, string> = {};
    for (const name of Object.keys(this.#settings)) {
      const said = await outputOf(PROGRAM, [...this.#options, '--get-config', name]);
      const current = /^Current: (.*)$/m.exec(said?.text ?? '')?.[1];
      if (current !== undefined) held[name] = current.slice(0, 64);
    }
    await this.#start();
    return held;
  }

  /** SIGUSR2 ends it after what it does. */
  async #stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const gone = new Promise<void>(resolve => child.once('close', () => resolve()));
    child.kill('SIGUSR2');
    const timer = setTimeout(() => child.kill('SIGKILL'), END_GRACE_MS);
    await gone;
    clearTimeout(timer);
  }
}

speakFor(new Dslr(process.argv.slice(2)));
