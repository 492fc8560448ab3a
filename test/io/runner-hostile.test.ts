// The runner as the enemy: what it writes into its pipe is made up. The node must not throw, must not
// grow, must end the process and go on with another, and must say whose workunit was lost.

import type {ChildProcess} from 'node:child_process';
import {EventEmitter} from 'node:events';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {PassThrough} from 'node:stream';
import test from 'ava';
import {Prng} from '../../src/base/prng.ts';
import {encodeEnded, encodeReady, type Status} from '../../src/io/runner-frames.ts';
import type {Job, Outcome} from '../../src/io/runner-job.ts';
import {RunnerSlot} from '../../src/io/runner-slot.ts';
import type {Jail} from '../../src/io/sandbox.ts';

/** A process that is none: the test writes what it says. */
class FakeProcess extends EventEmitter {
  readonly stdin = new PassThrough();
  readonly stdout = new EventEmitter();
  readonly stderr = new EventEmitter();
  readonly stdio = [this.stdin, this.stdout, this.stderr, new PassThrough()];
  readonly pid = undefined;
  isKilled = false;

  constructor() {
    super();
    // What it is told is of no interest.
    this.stdin.resume();
  }

  kill(): boolean {
    if (!this.isKilled) setImmediate(() => this.emit('close', null, 'SIGKILL'));
    this.isKilled = true;
    return true;
  }

  say(bytes: Uint8Array): void {
    if (!this.isKilled) this.stdout.emit('data', bytes);
  }
}

type World = {
  readonly slot: RunnerSlot;
  readonly outcomes: Outcome[];
  readonly processes: FakeProcess[];
  readonly dir: string;
};

function world(): World {
  const outcomes: Outcome[] = [];
  const processes: FakeProcess[] = [];
  const jail: Jail = {
    level: 0,
    about: 'a fake',
    start: () => {
      const child = new FakeProcess();
      processes.push(child);
      return child as unknown as ChildProcess;
    },
  };
  const dir = mkdtempSync(join(tmpdir(), 'volley-hostile-'));
  const slot = new RunnerSlot({
    dir,
    niceness: 0,
    jail,
    finish: (_job, outcome) => outcomes.push(outcome),
    onState: () => {},
    onBadState: () => {},
    onRoom: () => {},
  });
  return {slot, outcomes, processes, dir};
}

const OUTPUT_MAX = 200;
const module = new Uint8Array(8);
const job = (): Job => ({
  replicaId: 'x' as Job['replicaId'],
  program: {kind: 'wasm', key: 'app', module, memoryMib: 1},
  args: [],
  input: new Uint8Array(3),
  shared: new Uint8Array(0),
  seed: 1,
  timeMs: 60_000,
  memoryMib: 1,
  outputBytesMax: OUTPUT_MAX,
  state: new Uint8Array(0),
  spentMs: 0,
  isStopped: false,
});
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

const STATUSES: readonly Status[] = ['done', 'exited', 'trapped', 'outOfMemory'];

class Liar {
  readonly #dice: Prng;
  constructor(seed: number) {
    this.#dice = new Prng(seed);
  }

  roll(sides: number): number {
    return this.#dice.uint32() % sides;
  }

  /** A frame that may be right, and mostly is not any more. */
  frame(no: number): Uint8Array {
    const kind = this.roll(24);
    if (kind === 0) return encodeReady();
    if (kind === 1) return this.#noise(this.roll(64));
    const status = STATUSES[this.roll(STATUSES.length)] ?? 'done';
    const body = this.#noise(this.roll(this.roll(8) === 0 ? 2 * OUTPUT_MAX : OUTPUT_MAX));
    const ms = [-1, Number.NaN, Number.POSITIVE_INFINITY][this.roll(24)] ?? this.roll(9);
    const frame = encodeEnded({no: this.roll(16) === 0 ? this.roll(9) : no, status, ms, body});
    if (kind < 17) return frame;
    for (let left = 1 + this.roll(3); left > 0; left--) this.#change(frame);
    return kind < 21 ? frame : frame.slice(0, this.roll(frame.length + 1));
  }

  #change(frame: Uint8Array): void {
    // Mostly in the head, where it hurts.
    const at = this.roll(4) === 0 ? this.roll(frame.length) : this.roll(Math.min(18, frame.length));
    frame[at] = this.roll(3) === 0 ? 0xff : this.roll(256);
  }

  #noise(length: number): Uint8Array {
    return Uint8Array.from({length}, () => this.roll(256));
  }
}

test('200,000 mutated frames of a runner: none throws, each workunit has one end', async t => {
  const {slot, outcomes, processes, dir} = world();
  t.teardown(() => rmSync(dir, {recursive: true, force: true}));
  const liar = new Liar(3);
  let pushed = 0;
  let frames = 0;
  while (frames < 200_000) {
    while (pushed - outcomes.length < 8) {
      slot.push(job());
      pushed++;
    }
    await turn();
    const child = processes.at(-1);
    if (child === undefined) continue;
    let no = 0;
    if (liar.roll(16) > 0) child.say(encodeReady());
    while (!child.isKilled && frames < 200_000 && pushed > outcomes.length) {
      const before = outcomes.length;
      const frame = liar.frame(no);
      const cut = liar.roll(frame.length + 1);
      child.say(frame.subarray(0, cut));
      child.say(frame.subarray(cut));
      no += outcomes.length - before;
      frames++;
    }
  }
  await slot.close();
  t.true(outcomes.length <= pushed);
  const lost = outcomes.filter(one => one.kind === 'failed' && one.reason === 'runnerLost');
  const done = outcomes.filter(one => one.kind === 'done');
  t.log(
    `${frames} frames, ${processes.length} processes: ${done.length} done, ${lost.length} lost, ` +
      `${outcomes.length - done.length - lost.length} other ends`,
  );
  t.true(lost.length > 1_000 && done.length > 1_000);
  t.true(done.every(one => one.kind === 'done' && one.output.length <= OUTPUT_MAX));
  t.true(outcomes.every(one => one.cpuMs >= 0 && Number.isFinite(one.cpuMs)));
  t.true(processes.every(one => one.isKilled));
});

const LIES: readonly [string, (head: number) => Uint8Array][] = [
  ['a frame of 4 GiB', () => Uint8Array.of(0xff, 0xff, 0xff, 0xff)],
  ['a frame above the output limit', () => Uint8Array.of(0, 0, 1, 0, 4)],
  ['an empty frame', () => Uint8Array.of(0, 0, 0, 0)],
  ['an unknown kind', () => Uint8Array.of(1, 0, 0, 0, 9)],
  ['a kind for the other direction', () => Uint8Array.of(2, 0, 0, 0, 1, 1)],
  ['ready a second time', () => encodeReady()],
  [
    'the number of another order',
    head => encodeEnded({no: head + 1, status: 'done', ms: 1, body: new Uint8Array()}),
  ],
  [
    'a time that is no number',
    head => encodeEnded({no: head, status: 'done', ms: Number.NaN, body: new Uint8Array()}),
  ],
  [
    'an output of one byte more than allowed',
    head => encodeEnded({no: head, status: 'done', ms: 1, body: new Uint8Array(OUTPUT_MAX + 1)}),
  ],
];
for (const [what, lie] of LIES)
  test(`a runner that sends ${what} is ended, and its workunit lost`, async t => {
    const {slot, outcomes, processes, dir} = world();
    t.teardown(() => rmSync(dir, {recursive: true, force: true}));
    slot.push(job());
    slot.push(job());
    await turn();
    const first = processes[0];
    first?.say(encodeReady());
    first?.say(lie(0));
    t.true(first?.isKilled);
    const [lost] = outcomes;
    t.is(lost?.kind === 'failed' && lost.reason, 'runnerLost');
    t.is(outcomes.length, 1, 'the one behind it has not begun');
    await turn();
    const second = processes[1];
    second?.say(encodeReady());
    second?.say(encodeEnded({no: 0, status: 'done', ms: 1, body: Uint8Array.of(7)}));
    t.deepEqual(outcomes[1]?.kind === 'done' && outcomes[1].output, Uint8Array.of(7));
    await slot.close();
  });

test('names in what a runner says reach no object of ours', async t => {
  const {slot, outcomes, processes, dir} = world();
  t.teardown(() => rmSync(dir, {recursive: true, force: true}));
  slot.push(job());
  await turn();
  const text =
    '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}';
  processes[0]?.say(encodeReady());
  processes[0]?.say(
    encodeEnded({no: 0, status: 'trapped', ms: 1, body: new TextEncoder().encode(text)}),
  );
  const [end] = outcomes;
  t.is(end?.kind === 'failed' && end.detail, text);
  t.is(({} as {polluted?: boolean}).polluted, undefined);
  await slot.close();
});

test('a runner that floods its standard error costs a few kilobytes', async t => {
  const {slot, outcomes, processes, dir} = world();
  t.teardown(() => rmSync(dir, {recursive: true, force: true}));
  slot.push(job());
  await turn();
  const [child] = processes;
  for (let i = 0; i < 10_000; i++) child?.stderr.emit('data', Buffer.alloc(4_096, 65));
  child?.emit('close', 1, null);
  const [end] = outcomes;
  t.true(end?.kind === 'failed' && end.detail.length < 300);
  await slot.close();
});
