// The node's Runner: takes orders of the core, finds app and input, hands each to the slot it names, and
// tells the core how it ended. An order has exactly one end, or none when it was stopped before.

import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {assertNever} from '../base/assert.ts';
import {EMPTY} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import type {BlobId, ReplicaId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {AppManifest} from '../core/app.ts';
import type {RunOrder} from '../core/core.ts';
import {boundMemory, PAGES_PER_MIB} from '../core/wasm.ts';
import type {FetchedApp} from '../node/app-shelf.ts';
import type {Runner, Tell} from '../runtime/ports.ts';
import {BLOB_BYTES_MAX, INLINE_OUTPUT_BYTES_MAX, REASON_BYTES_MAX} from '../wire/limits.ts';
import type {Input} from '../wire/message.ts';
import {BundleFolders} from './app-bundle.ts';
import {DutyCycle} from './duty-cycle.ts';
import {RunStates} from './run-states.ts';
import type {Containers} from './runner-container.ts';
import {permilleOf} from './runner-frames.ts';
import type {Job, Outcome} from './runner-job.ts';
import {type Allowed, ownersProgram, type Refusal} from './runner-program.ts';
import {RunnerSlot} from './runner-slot.ts';
import {type Jail, NO_JAIL} from './sandbox.ts';
import {SharedInputs} from './shared-inputs.ts';
import type {StateOf, StateStore} from './state-store.ts';

const NICENESS = 10;
/** Modules with a lower memory limit than their app's that are kept. */
const REBOUND_MAX = 8;

export type RunnerOptions = {
  /** Orders that run at once; each slot has a process of its own. */
  readonly slots: number;
  readonly tell: Tell;
  /** Asked for every order: it keeps what it has fetched, and knows which keys may sign today. */
  readonly fetchApp: (appId: BlobId) => Promise<FetchedApp>;
  /** The bytes that stdin gives; of a range "start end\n". Rejects when they cannot be had. */
  readonly readInput: (input: Input) => Promise<Uint8Array>;
  /** Keeps an output that is too large to travel inside its result. */
  readonly putBlob: (bytes: Uint8Array) => Promise<BlobId>;
  /** Actions that the owner allows: the program and its arguments, with places for args (fillArgv). */
  readonly actions: ReadonlyMap<string, readonly string[]>;
  /** The engine and the images that the owner allows. Default: none. */
  readonly containers?: Containers;
  /** Working directories of the slots are made in it, and folders of apps' files. */
  readonly dir: string;
  /** What the system puts around each runner. Default: nothing. */
  readonly jail?: Jail;
  /** Whether scripts are made fast. Default true. */
  readonly isOptimized?: boolean;
  /** Priority of the processes, 0 (as the node) … 19 (only what is left over). Default 10. */
  readonly niceness?: number;
  /** What apps save of workunits that are not done. Default: it is lost with the process. */
  readonly states?: StateStore;
  /** What becomes of outputs (spoil.ts). Default: nothing. */
  readonly spoil?: (output: Uint8Array) => Uint8Array;
};

type Waiting = {readonly order: RunOrder; isStopped: boolean; job: Job | undefined};
type Lane = {readonly slot: RunnerSlot; readonly waiting: Waiting[]; isPumping: boolean};

export class ProcessRunner implements Runner {
  readonly #options: RunnerOptions;
  readonly #jail: Jail;
  readonly #lanes: readonly Lane[];
  readonly #entries = new Map<ReplicaId, Waiting>();
  readonly #rebound = new Map<string, Uint8Array>();
  readonly #states: RunStates;
  readonly #shared: SharedInputs;
  readonly #bundles: BundleFolders;
  readonly #allowed: Allowed;
  readonly #duty = new DutyCycle(
    () => this.#holdAll(),
    () => this.#runsSomething,
  );
  #held: readonly number[] = [];
  #isQuiet = false;
  #isClosed = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#jail = options.jail ?? NO_JAIL;
    this.#states = new RunStates(options.states);
    this.#shared = new SharedInputs(options.readInput);
    this.#bundles = new BundleFolders(join(options.dir, 'bundles'), folder => this.#isUsed(folder));
    this.#allowed = {
      actions: options.actions,
      containers: options.containers,
      folderOf: (blobId, files) => this.#bundles.folderOf(blobId, files),
    };
    this.#lanes = Array.from({length: options.slots}, (_, no) => this.#makeLane(no));
  }

  /** Process of each slot that has one. */
  get pids(): readonly number[] {
    return this.#lanes.flatMap(lane => lane.slot.pid ?? []);
  }

  run(order: RunOrder): void {
    const lane = this.#lanes[order.slot % this.#lanes.length];
    if (lane === undefined || this.#isClosed) return;
    const entry: Waiting = {order, isStopped: false, job: undefined};
    this.#entries.set(order.replicaId, entry);
    this.#duty.wake();
    lane.waiting.push(entry);
    this.#pump(lane);
  }

  pace(held: readonly number[], cpuPercent: number): void {
    if (held.length > 0) this.#states.flush();
    this.#held = held;
    this.#duty.change(cpuPercent);
    this.#holdAll();
  }

  /** Work goes on and off only while there is some. */
  get #runsSomething(): boolean {
    return this.#entries.size > 0 && this.#held.length < this.#lanes.length;
  }

  #holdAll(): void {
    this.#lanes.forEach((lane, no) => {
      lane.slot.hold(this.#isQuiet || !this.#duty.isOn || this.#held.includes(no));
    });
  }

  /** Nothing computes while it is quiet: an instant is near. */
  hush(isQuiet: boolean): void {
    this.#isQuiet = isQuiet;
    this.#holdAll();
  }

  stop(replicaId: ReplicaId, keepsState = false): void {
    this.#states.over(replicaId, keepsState);
    const entry = this.#entries.get(replicaId);
    if (entry === undefined) return;
    this.#entries.delete(replicaId);
    entry.isStopped = true;
    if (entry.job === undefined) return;
    entry.job.isStopped = true;
    this.#lanes[entry.order.slot % this.#lanes.length]?.slot.onStop();
  }

  /** Ends all processes and waits for them; nothing is told any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#entries.clear();
    this.#duty.stop();
    await Promise.all(this.#lanes.map(lane => lane.slot.close()));
    await this.#states.close();
    this.#bundles.close();
  }

  #isUsed(folder: string): boolean {
    for (const {job} of this.#entries.values())
      if (job?.program.kind === 'exec' && job.program.folder === folder) return true;
    return false;
  }

  #makeLane(no: number): Lane {
    const dir = join(this.#options.dir, `slot-${no}`);
    mkdirSync(dir, {recursive: true});
    const slot = new RunnerSlot({
      dir,
      niceness: this.#options.niceness ?? NICENESS,
      jail: this.#jail,
      isOptimized: this.#options.isOptimized,
      finish: (job, outcome) => this.#finish(job.replicaId, outcome),
      onState: (job, bytes, spentMs) => this.#onState(job, bytes, spentMs),
      onBadState: job => this.#states.over(job.replicaId, false),
      onRoom: () => this.#pump(lane),
    });
    const lane: Lane = {slot, waiting: [], isPumping: false};
    return lane;
  }

  /** Reads inputs ahead of the slot, one after the other, while it has room for them. */
  #pump(lane: Lane): void {
    if (lane.isPumping || lane.waiting.length === 0) return;
    lane.isPumping = true;
    void this.#prepareAll(lane).finally(() => {
      lane.isPumping = false;
      // An order may have come after the last look.
      if (lane.slot.hasRoom && !this.#isClosed) this.#pump(lane);
    });
  }

  async #prepareAll(lane: Lane): Promise<void> {
    while (lane.slot.hasRoom && !this.#isClosed) {
      const entry = lane.waiting.shift();
      if (entry === undefined) return;
      if (entry.isStopped) continue;
      const job = await this.#prepare(entry.order);
      if (entry.isStopped || this.#isClosed) continue;
      if (job === 'noRoom') this.#noRoom(entry.order.replicaId);
      else if ('reason' in job) this.#fail(entry.order.replicaId, job, 0);
      else {
        entry.job = job;
        lane.slot.push(job);
      }
    }
  }

  async #prepare(order: RunOrder): Promise<Job | Refusal | 'noRoom'> {
    try {
      let ready = await this.#programFor(order);
      if ('reason' in ready) return ready;
      const {input} = order;
      const bytes = input.kind === 'inline' ? input.bytes : await this.#options.readInput(input);
      const shared = order.shared ? await this.#shared.get(order.shared) : EMPTY;
      if (bytes.length > BLOB_BYTES_MAX)
        return {reason: 'inputMissing', detail: `the input of ${bytes.length} bytes is too large`};
      const {replicaId, appId, args} = order;
      const saved = await this.#states.load({replicaId, appId, args, input: bytes});
      // An input may take minutes: the key that signed the app may be named no longer.
      if (input.kind !== 'inline' || order.shared) ready = await this.#programFor(order);
      if ('reason' in ready) return ready;
      const {program, manifest} = ready;
      const {limits} = manifest;
      return {
        replicaId: order.replicaId,
        program,
        args: order.args,
        input: bytes,
        shared,
        seed: order.seed,
        memoryMib: memoryOf(order, manifest),
        timeMs: Math.min(order.timeLimitMs, limits.timeSeconds * SECOND_MS),
        outputBytesMax: Math.min(order.outputLimitBytes, limits.outputBytes),
        state: saved?.bytes ?? EMPTY,
        spentMs: saved?.spentMs ?? 0,
        isStopped: false,
      };
    } catch (error) {
      if (isFull(error)) return 'noRoom';
      return {reason: 'inputMissing', detail: messageOf(error)};
    }
  }

  /** The app as it may run now. */
  async #programFor(
    order: RunOrder,
  ): Promise<{readonly program: Job['program']; readonly manifest: AppManifest} | Refusal> {
    const app = await this.#options.fetchApp(order.appId);
    if (app.kind === 'refused') return {reason: 'refused', detail: app.reason};
    if (app.kind === 'missing') return {reason: 'inputMissing', detail: app.reason};
    const {manifest} = app;
    const program = await this.#programOf(order, manifest, app.module);
    return 'reason' in program ? program : {program, manifest};
  }

  async #programOf(
    order: RunOrder,
    manifest: AppManifest,
    module: Uint8Array,
  ): Promise<Job['program'] | Refusal> {
    switch (manifest.runtime) {
      case 'exec':
      case 'container': {
        const memoryMib = memoryOf(order, manifest);
        return ownersProgram({...order, memoryMib}, manifest, module, this.#allowed);
      }
      case 'js':
        return this.#levelFault(manifest) ?? {kind: 'js', module, ...shareOf(order, manifest)};
      case 'wasm': {
        const fault = this.#levelFault(manifest);
        if (fault) return fault;
        const {memoryMib, key} = shareOf(order, manifest);
        if (memoryMib === manifest.limits.memoryMib) return {kind: 'wasm', key, module, memoryMib};
        return {kind: 'wasm', key, module: this.#rebind(key, module, memoryMib), memoryMib};
      }
      default:
        return assertNever(manifest.runtime);
    }
  }

  #levelFault({sandboxLevel = 0}: AppManifest): Refusal | undefined {
    const {level} = this.#jail;
    if (sandboxLevel <= level) return undefined;
    const detail = `the app demands a sandbox of level ${sandboxLevel}, this node has ${level}`;
    return {reason: 'refused', detail};
  }

  /** The batch allows less memory than the app: the module gets that as its maximum. */
  #rebind(key: string, module: Uint8Array, memoryMib: number): Uint8Array {
    const known = this.#rebound.get(key);
    if (known !== undefined) return known;
    // Where even the start does not fit, the engine refuses to compile, and says so.
    const bound = boundMemory(module, memoryMib * PAGES_PER_MIB) ?? module;
    const [oldest] = this.#rebound.keys();
    if (oldest !== undefined && this.#rebound.size >= REBOUND_MAX) this.#rebound.delete(oldest);
    this.#rebound.set(key, bound);
    return bound;
  }

  #onState({replicaId, args, input}: Job, bytes: Uint8Array, spentMs: number): void {
    const appId = this.#entries.get(replicaId)?.order.appId;
    if (appId === undefined) return;
    const of: StateOf = {replicaId, appId, args, input};
    this.#states.saved(of, {bytes, spentMs}, performance.now());
    this.#options.tell({type: 'progress', replicaId, permille: permilleOf(bytes)});
  }

  #finish(replicaId: ReplicaId, outcome: Outcome): void {
    this.#states.over(replicaId, false);
    if (outcome.kind === 'failed') {
      this.#fail(replicaId, outcome, outcome.cpuMs);
      return;
    }
    const {cpuMs} = outcome;
    const output = this.#options.spoil?.(outcome.output) ?? outcome.output;
    if (output.length <= INLINE_OUTPUT_BYTES_MAX) {
      this.#entries.delete(replicaId);
      this.#options.tell({
        type: 'computed',
        replicaId,
        output: {kind: 'inline', bytes: output},
        cpuMs,
      });
    } else void this.#keep(replicaId, output, cpuMs);
  }

  async #keep(replicaId: ReplicaId, bytes: Uint8Array, cpuMs: number): Promise<void> {
    const entry = this.#entries.get(replicaId);
    try {
      const blobId = await this.#options.putBlob(bytes);
      if (entry === undefined || this.#entries.get(replicaId) !== entry) return;
      this.#entries.delete(replicaId);
      const output = {kind: 'blob', blobId, size: bytes.length} as const;
      this.#options.tell({type: 'computed', replicaId, output, cpuMs});
    } catch (error) {
      if (entry === undefined || this.#entries.get(replicaId) !== entry) return;
      if (isFull(error)) return this.#noRoom(replicaId);
      const detail = `the output cannot be kept: ${messageOf(error)}`;
      this.#fail(replicaId, {reason: 'runnerLost', detail}, cpuMs);
    }
  }

  #noRoom(replicaId: ReplicaId): void {
    this.#entries.delete(replicaId);
    this.#options.tell({type: 'noRoom', replicaId});
  }

  #fail(replicaId: ReplicaId, {reason, detail}: Refusal, cpuMs: number): void {
    this.#entries.delete(replicaId);
    this.#options.tell({type: 'failed', replicaId, reason, detail: printable(detail), cpuMs});
  }
}

/** What batch and app both allow. */
const memoryOf = (order: RunOrder, {limits}: AppManifest): number =>
  Math.min(order.memoryLimitMib, limits.memoryMib);

/** Jobs of one app with one memory limit share a process. */
function shareOf(order: RunOrder, manifest: AppManifest): {memoryMib: number; key: string} {
  const memoryMib = memoryOf(order, manifest);
  return {memoryMib, key: `${order.appId}/${memoryMib}`};
}

/** The disk has no room: that is no fault of the workunit. */
const isFull = (error: unknown): boolean =>
  error instanceof VolleyError && error.code === 'VOLLEY_NO_SPACE';

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** What an app or a peer worded, cut to what travels: ASCII, so that a character is a byte. */
const printable = (text: string): string =>
  text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, REASON_BYTES_MAX);
