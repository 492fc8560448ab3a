// The built-in action `camera`: rpicam-still (or libcamera-still, as it was called) kept running in signal
// mode, or started for each shot where it has no such mode. A program of its own, started in the folder of
// the shots as `node camera-action.js [options of rpicam-still]`; the options are the owner's, from node.json.

import {rename, rm} from 'node:fs/promises';
import {setTimeout as sleep} from 'node:timers/promises';
import {SECOND_MS} from '../base/units.ts';
import type {ActionSettings} from '../core/action-settings.ts';
import {type Firing, type Shutter, say, sayInfo, speakFor} from './action-speaker.ts';
import {outputOf} from './helper-output.ts';
import {
  faultOfStill,
  readHelp,
  readStillLine,
  type StillProgram,
  stillArguments,
} from './still-options.ts';
import {StillProcess} from './still-process.ts';
import {untilWhole, wholenessOf} from './whole-file.ts';

const NAMES: readonly string[] = ['rpicam-still', 'libcamera-still'];
/** From the signal to the file; the node's own limit is 30 s, and knows less of why. */
const FILE_MS = 20 * SECOND_MS;
const END_GRACE_MS = SECOND_MS;
/** Old versions may end after a picture: the next shot must not be asked of one that is ending. */
const OLD_LOOK_MS = 400;
const PREVIEW = ['--width=640', '--height=480', '--quality=75'];
async function findProgram(): Promise<StillProgram> {
  for (const name of NAMES) {
    const help = await outputOf(name, ['--help']);
    if (help !== undefined) return readHelp(name, help.text);
  }
  throw new Error(`${NAMES[0]} is not installed: \`apt install rpicam-apps\``);
}

class Camera implements Shutter {
  readonly #options: readonly string[];
  #program: StillProgram | undefined;
  #settings: ActionSettings = {};
  #still: StillProcess | undefined;
  /** A start that nobody asked for. */
  #again: Promise<void> | undefined;
  #info = {model: '', sensorPeriodMs: 0, warmUpMs: 0};

  constructor(options: readonly string[]) {
    this.#options = options;
  }

  async open() {
    this.#program = await findProgram();
    return {...this.#info, settings: this.#program.settings, preview: true};
  }

  async arm(): Promise<void> {
    await this.#again;
    this.#program ??= await this.#found();
    if (!this.#program.hasSignal) return this.#look(this.#program);
    if (this.#still?.isReady) return;
    await this.#start(this.#program);
  }

  /** Proven by a start with them; what held before holds if it fails. */
  async set(settings: ActionSettings): Promise<ActionSettings> {
    this.#program ??= await this.#found();
    const fault = faultOfStill(this.#program, settings);
    if (fault !== undefined) throw new Error(fault);
    const before = this.#settings;
    this.#settings = settings;
    if (this.#still === undefined) return settings; // the next arm proves them
    try {
      await this.#start(this.#program);
    } catch (error) {
      this.#settings = before;
      await this.#start(this.#program);
      throw error;
    }
    return settings;
  }

  async fire(firing: Firing): Promise<readonly string[]> {
    await this.#again;
    this.#program ??= await this.#found();
    if (!this.#program.hasSignal) return this.#once(this.#program, firing, []);
    const still = this.#still;
    if (!still?.isReady) throw new Error(still?.fault || 'the camera is not running');
    const file = still.trigger();
    firing.fired();
    const until = performance.now() + FILE_MS;
    const isOver = (): boolean => still.isGone || still.hasSaved(file) || performance.now() > until;
    const isWhole = await untilWhole(file, isOver);
    if (isWhole) return this.#take(still, file, firing, until);
    const why = still.isGone
      ? still.fault
      : `it wrote no whole picture within ${FILE_MS / SECOND_MS} s`;
    await rm(file, {force: true});
    await this.#restart(); // what it writes late would be the next shot's
    throw new Error(why);
  }

  /** Not at any instant: the camera is stopped for it, and started again. */
  async preview(firing: Firing): Promise<readonly string[]> {
    this.#program ??= await this.#found();
    await this.#stop();
    try {
      return await this.#once(this.#program, firing, PREVIEW);
    } finally {
      await this.#restart();
    }
  }

  end(): void {
    void this.#stop().then(() => process.exit(0));
  }

  get #wantsRaw(): boolean {
    const args = [...this.#options, ...stillArguments(this.#settings)];
    return args.some(arg => /^(-r|--raw(=(1|true))?)$/.test(arg));
  }

  async #found(): Promise<StillProgram> {
    const program = await findProgram();
    sayInfo({...this.#info, settings: program.settings, preview: true});
    return program;
  }

  /** The picture gets the name of its shot; the raw one beside it, too. */
  async #take(
    still: StillProcess,
    file: string,
    {shot, file: name}: Firing,
    until: number,
  ): Promise<readonly string[]> {
    await rename(file, name);
    const files = [name];
    if (this.#wantsRaw) {
      const raw = file.replace(/jpg$/, 'dng'); // written after the other
      const isOver = (): boolean =>
        still.isGone || still.hasSaved(raw) || performance.now() > until;
      if (!(await untilWhole(raw, isOver))) throw new Error('it wrote no raw picture');
      await rename(raw, `${shot}-raw.dng`);
      files.push(`${shot}-raw.dng`);
    }
    if (this.#program?.path !== NAMES[0]) {
      await Promise.race([still.gone, sleep(OLD_LOOK_MS)]);
      await this.#again;
    }
    return files;
  }

  async #start(program: StillProgram): Promise<void> {
    await this.#stop();
    const still = new StillProcess(program, [...this.#options, ...stillArguments(this.#settings)], {
      onInfo: info => {
        this.#info = info;
        sayInfo({...info, settings: program.settings, preview: true});
      },
      onFault: reason => say(`error ${reason}`),
    });
    this.#still = still;
    try {
      await still.ready();
    } catch (error) {
      this.#still = undefined;
      throw error;
    }
    void still.gone.then(() => {
      if (this.#still !== still) return;
      // some versions end after each picture (issue 488 of rpicam-apps)
      if (still.endedWell) this.#again = this.#restart();
      else say(`error ${still.fault}`);
    });
  }

  /** Of what the node believes to be armed: it hears what has changed. */
  async #restart(): Promise<void> {
    if (this.#program === undefined || !this.#program.hasSignal) return;
    try {
      await this.#start(this.#program);
      say('ready');
    } catch (error) {
      say(`error ${error instanceof Error ? error.message : error}`);
    }
  }

  async #stop(): Promise<void> {
    const still = this.#still;
    this.#still = undefined;
    await still?.end(END_GRACE_MS);
  }

  /** Without signal mode nothing can be armed; but whether there is a camera can be seen. */
  async #look({path, listsCameras}: StillProgram): Promise<void> {
    if (!listsCameras) return;
    const said = await outputOf(path, ['--list-cameras']);
    for (const text of (said?.text ?? '').split('\n')) {
      const line = readStillLine(text);
      if (line?.kind === 'fault') throw new Error(line.reason);
    }
  }

  /** A process for this picture. */
  async #once(
    {path, verbose}: StillProgram,
    firing: Firing,
    more: readonly string[],
  ): Promise<readonly string[]> {
    const own = ['--nopreview', '--immediate', ...verbose, '--output', firing.file];
    const args = [...own, ...this.#options, ...stillArguments(this.#settings), ...more];
    const said = outputOf(path, args);
    firing.fired();
    const lines = ((await said)?.text ?? '').split('\n').map(readStillLine);
    if (
      (await wholenessOf(firing.file)) !== 'missing' &&
      (await untilWhole(firing.file, () => true))
    )
      return [firing.file];
    const fault = lines.find(line => line?.kind === 'fault');
    throw new Error(fault?.kind === 'fault' ? fault.reason : `${path} wrote no whole picture`);
  }
}

speakFor(new Camera(process.argv.slice(2)));
