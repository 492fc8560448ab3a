// Runs that are cut off and go on from what they saved. The result is the same bytes as without any of it.

import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {asBatchId, replicaId} from '../../src/base/types.ts';
import type {NodeEvent} from '../../src/core/core.ts';
import {StateStore} from '../../src/io/state-store.ts';
import {STATE_BYTES_MAX} from '../../src/wire/limits.ts';
import {appIdOf, compile, manifestOf, RunnerRig, until} from './runner-rig.ts';

/**
 * Input: how many millions of rounds. Rounds done and their sum are saved after each million; stderr says
 * whether a run begins at the beginning. The letter x in place of a number saves far too much.
 */
const ROUNDS = `
import {read, readState, saveState, write, fail} from "./lib/wasi";
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: u32, iovecs: usize, n: u32, count: usize): u32;
const text: usize = memory.data(64), state: usize = memory.data(24), io: usize = memory.data(16);
export function _start(): void {
  const length = read(text, 60);
  if (load<u8>(text) == 120) {
    memory.grow(40);
    store<u32>(io, 65536); store<u32>(io, ${STATE_BYTES_MAX} + 1, 4);
    store<u32>(text, fd_write(3, io, 1, io + 8));
    store<u32>(io, ${STATE_BYTES_MAX}, 4);
    store<u32>(text, fd_write(3, io, 1, io + 8), 4);
    return write(text, 8);
  }
  let rounds: u64 = 0;
  for (let i: u32 = 0; i < length && load<u8>(text + i) >= 48; i++) rounds = rounds * 10 + load<u8>(text + i) - 48;
  rounds *= 1_000_000;
  let done: u64 = 0, sum: u64 = 0x9e3779b97f4a7c15;
  if (readState(state, 24)) {
    done = load<u64>(state, 8);
    sum = load<u64>(state, 16);
    if (done > rounds) fail("of another input");
  }
  for (; done < rounds; done++) {
    if (done % 1_000_000 == 0) {
      store<u16>(state, <u16>(done * 1000 / rounds));
      store<u64>(state, done, 8);
      store<u64>(state, sum, 16);
      saveState(state, 24);
    }
    sum ^= sum << 13; sum ^= sum >> 7; sum ^= sum << 17;
  }
  store<u64>(text, sum);
  write(text, 8);
}
`;
const SHORT = '40';
/** Something is saved of it on any machine; what follows it is stopped by hand. */
const ENDLESS = '100000000';
/** A second or two of work, if that is enough to be saved of. */
const SOME_MILLIONS = 600;

let module: Uint8Array;
test.before(async () => {
  module = await compile(ROUNDS);
});

function folder(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'volley-states-'));
  t.teardown(() => rmSync(dir, {recursive: true, force: true}));
  return dir;
}

type Rig = {readonly rig: RunnerRig; readonly progress: number[]; readonly states: StateStore};

function open(dir: string): Rig {
  const progress: number[] = [];
  const states = new StateStore(dir, Date.now());
  const rig = new RunnerRig({states});
  rig.onEvent = (event: NodeEvent) => {
    if (event.type === 'progress') progress.push(event.permille);
  };
  rig.add(
    manifestOf('rounds', {limits: {timeSeconds: 600, memoryMib: 4, outputBytes: 64}}),
    module,
  );
  return {rig, progress, states};
}

/** The same workunit, another replica of it. */
const replica = (no: number) => replicaId(asBatchId(7), 3, no);

/** What a run without any interruption gives. */
async function straight(input: string): Promise<string> {
  const rig = new RunnerRig();
  rig.add(
    manifestOf('rounds', {limits: {timeSeconds: 600, memoryMib: 4, outputBytes: 64}}),
    module,
  );
  const bytes = await rig.bytes(rig.run('rounds', input, {timeLimitMs: 600_000}));
  await rig.runner.close();
  return bytes.toString('hex');
}

/** Runs until something is saved, then the node ends as it does by SIGTERM. */
async function cutOff(t: ExecutionContext, dir: string, input: string): Promise<boolean> {
  const {rig, progress} = open(dir);
  rig.run('rounds', input, {replicaId: replica(0), timeLimitMs: 600_000});
  t.true(await until(() => progress.length > 0 || rig.ended.length > 0));
  await rig.runner.close();
  return readdirSync(dir).length > 0;
}

/** Answers its input. How fast a machine is at the moment nobody knows: what ended too early is tried with more. */
async function cutOffSoon(t: ExecutionContext, dir: string): Promise<string> {
  for (let millions = SOME_MILLIONS; ; millions *= 2)
    if (await cutOff(t, dir, String(millions))) return String(millions);
}

test('a run that was cut off goes on where it was, with the same bytes in the end', async t => {
  const dir = folder(t);
  const input = await cutOffSoon(t, dir);
  t.deepEqual(readdirSync(dir), ['7-3']);
  const first = JSON.parse(readFileSync(join(dir, '7-3'), 'latin1').split('\n')[0] ?? '') as {
    spentMs: number;
  };
  t.true(first.spentMs > 0);
  // The rest is made short by what was saved, not by another input: it is part of what binds a state.
  const {rig, states} = open(dir);
  rig.run('rounds', input, {replicaId: replica(1), timeLimitMs: 600_000});
  const bytes = await rig.bytes(replica(1));
  t.is(bytes.toString('hex'), await straight(input));
  await rig.runner.close();
  t.is(states.size, 0, 'what is done leaves nothing behind');
  t.deepEqual(readdirSync(dir), []);
});

test('a state that is damaged, or of another input, is taken away and the run starts anew', async t => {
  const wrong: Record<string, (dir: string) => void> = {
    'a flipped bit': dir => flip(join(dir, '7-3'), -1),
    'a flipped bit in its head': dir => flip(join(dir, '7-3'), 20),
    'cut short': dir => cut(join(dir, '7-3'), -5),
    empty: dir => writeFileSync(join(dir, '7-3'), ''),
    'no head': dir => writeFileSync(join(dir, '7-3'), 'x'.repeat(100_000)),
    'another input': () => {},
  };
  const right = await straight(SHORT);
  for (const [what, spoil] of Object.entries(wrong)) {
    const dir = folder(t);
    t.true(await cutOff(t, dir, ENDLESS));
    spoil(dir);
    const {rig} = open(dir);
    rig.run('rounds', SHORT, {replicaId: replica(1)});
    t.is((await rig.bytes(replica(1))).toString('hex'), right, what);
    await rig.runner.close();
    t.false(existsSync(join(dir, '7-3')), what);
  }
});

test('a state with which the app fails is dropped, and the run starts anew', async t => {
  const dir = folder(t);
  const states = new StateStore(dir, Date.now());
  const input = new Uint8Array(Buffer.from(SHORT));
  const of = {replicaId: replica(0), appId: appIdOf('rounds'), args: [], input};
  await states.save(of, {bytes: new Uint8Array(24).fill(0xff), spentMs: 5});
  const {rig} = open(dir);
  rig.run('rounds', SHORT, {replicaId: replica(1)});
  t.is((await rig.bytes(replica(1))).toString('hex'), await straight(SHORT));
  await rig.runner.close();
});

test('a state that is given up with its replica is kept, or goes', async t => {
  for (const keeps of [true, false]) {
    const dir = folder(t);
    const {rig, progress} = open(dir);
    rig.run('rounds', ENDLESS, {replicaId: replica(0), timeLimitMs: 600_000});
    t.true(await until(() => progress.length > 0));
    rig.runner.stop(replica(0), keeps);
    await rig.runner.close();
    t.is(existsSync(join(dir, '7-3')), keeps);
  }
});

test('time that earlier runs spent counts against the limit', async t => {
  const dir = folder(t);
  const states = new StateStore(dir, Date.now());
  const input = new Uint8Array(Buffer.from(ENDLESS));
  const of = {replicaId: replica(0), appId: appIdOf('rounds'), args: [], input};
  await states.save(of, {bytes: new Uint8Array(24), spentMs: 60_000});
  const {rig} = open(dir);
  rig.run('rounds', ENDLESS, {replicaId: replica(1), timeLimitMs: 60_000});
  t.is(await rig.story(replica(1)), 'timedOut: not done within 60000 ms');
  await rig.runner.close();
});

test('more than a state may hold is refused to the app, all of that is taken', async t => {
  const {rig} = open(folder(t));
  const bytes = await rig.bytes(rig.run('rounds', 'x'));
  const [tooMuch, allowed] = [bytes.readUInt32LE(0), bytes.readUInt32LE(4)];
  t.deepEqual([tooMuch, allowed], [22, 0], 'EFBIG, and success');
  await rig.runner.close();
});

test('files beyond the limits and of long ago go, the newest stay', async t => {
  const dir = folder(t);
  const states = new StateStore(dir, Date.now());
  const saved = {bytes: new Uint8Array(10), spentMs: 1};
  const of = (index: number) => ({
    replicaId: replicaId(asBatchId(1), index, 0),
    appId: appIdOf('a'),
    args: [],
    input: new Uint8Array(1),
  });
  for (let index = 0; index < 300; index++) await states.save(of(index), saved);
  t.is(readdirSync(dir).length, 256);
  t.is((await states.load(of(299)))?.spentMs, 1);
  t.is(await states.load(of(0)), undefined);
  writeFileSync(join(dir, 'stranger'), 'x');
  t.is(new StateStore(dir, Date.now()).size, 256);
  t.false(existsSync(join(dir, 'stranger')));
  t.is(new StateStore(dir, Date.now() + 15 * 86_400_000).size, 0);
});

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  const index = at < 0 ? bytes.length + at : at;
  bytes[index] = (bytes[index] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

const cut = (path: string, to: number): void =>
  writeFileSync(path, readFileSync(path).subarray(0, to));
