import {spawn} from 'node:child_process';
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import test from 'ava';
import {asBlobId} from '../../src/base/types.ts';
import {admitModule} from '../../src/io/app-source.ts';
import {fillArgv, surplusOf} from '../../src/io/runner-exec.ts';
import {encodeEnded, FrameReader} from '../../src/io/runner-frames.ts';
import {temporaryFolder} from '../rig/folders.ts';
import {compile, HOSTILE, isAlive, manifestOf, RunnerRig, until} from './runner-rig.ts';

let hostile: Uint8Array;
test.before(async () => {
  hostile = await compile(HOSTILE);
});

const rigs: RunnerRig[] = [];
const openRig = (options: ConstructorParameters<typeof RunnerRig>[0] = {}): RunnerRig => {
  const rig = new RunnerRig(options).add(manifestOf('hostile'), hostile);
  rigs.push(rig);
  return rig;
};
test.after.always(() => Promise.all(rigs.map(rig => rig.runner.close())));

test.serial('input goes in, output comes out, one process for all of an app', async t => {
  const rig = openRig();
  const ids = Array.from({length: 300}, (_, i) => rig.run('hostile', `Hello ${i}`));
  for (const [i, id] of ids.entries()) t.is(await rig.story(id), `done Hello ${i}`);
  const pids = rig.runner.pids;
  t.is(pids.length, 1);
  t.is(await rig.story(rig.run('hostile', '')), 'done ');
  t.deepEqual(rig.runner.pids, pids);
  t.is(rig.ended.length, 301);
});

test.serial('each workunit finds clean memory, clean globals and the first size', async t => {
  const rig = openRig();
  const seen = new Set<number>();
  for (let i = 0; i < 5; i++) {
    seen.add((await rig.bytes(rig.run('hostile', 'dirty?'))).readUInt32LE());
    await rig.end(rig.run('hostile', 'Hello'));
  }
  t.is(seen.size, 1);
});

test.serial(
  'there is no clock, no environment and no file, and randomness is the seed',
  async t => {
    const rig = openRig();
    const world = (seed: number) => rig.run('hostile', 'world', {seed});
    const a = await rig.bytes(world(1));
    const b = await rig.bytes(world(1));
    const c = await rig.bytes(world(2));
    t.deepEqual(a, b);
    t.notDeepEqual(a.subarray(16, 32), c.subarray(16, 32));
    t.deepEqual(a.subarray(0, 16), Buffer.alloc(16), 'both clocks stand at 0');
    t.deepEqual(a.subarray(32, 40), Buffer.alloc(8), 'no environment');
    t.is(a.readUInt32LE(40), 76, 'not capable');
  },
);

test.serial('args arrive as given, UTF-8 and all', async t => {
  const rig = openRig();
  const id = rig.run('hostile', 'args', {args: ['1', '', 'Füße λ', '--x=y']});
  t.is(await rig.story(id), 'done app\x001\x00\x00Füße λ\x00--x=y\x00');
});

test.serial(
  'an endless loop is stopped at its limit, and those behind it run in a new process',
  async t => {
    const rig = openRig();
    await rig.end(rig.run('hostile', 'warm'));
    const pid = rig.runner.pids[0];
    const before = rig.run('hostile', 'before');
    const startedAt = performance.now();
    const loop = rig.run('hostile', 'loop', {timeLimitMs: 300});
    const behind = Array.from({length: 20}, (_, i) => rig.run('hostile', `Behind ${i}`));
    t.is(await rig.story(before), 'done before');
    t.is(await rig.story(loop), 'timedOut: not done within 300 ms');
    t.true(performance.now() - startedAt < 2_000);
    for (const [i, id] of behind.entries()) t.is(await rig.story(id), `done Behind ${i}`);
    t.not(rig.runner.pids[0], pid);
    t.is(rig.ended.length, 23);
  },
);

const FAULTS: readonly [string, string, RegExp][] = [
  ['a trap', 'trap', /^trapped: unreachable$/],
  ['an exit code', 'x', /^trapped: exit code 2: it is broken$/],
  ['an output flood', 'flood', /^outputTooLarge: more output than allowed$/],
  ['endless recursion', 'recursion', /^outOfMemory: stack overflow$/],
  ['a bad pointer', 'pointer', /^trapped: a WASI call got a bad pointer$/],
];
for (const [what, input, expected] of FAULTS) {
  test.serial(`${what} fails that workunit alone`, async t => {
    const rig = openRig();
    const before = rig.run('hostile', 'Before');
    const bad = rig.run('hostile', input);
    const behind = rig.run('hostile', 'Behind');
    t.is(await rig.story(before), 'done Before');
    t.regex(await rig.story(bad), expected);
    t.is(await rig.story(behind), 'done Behind');
    t.is(rig.ended.length, 3);
  });
}

test.serial('a call that fills the heap of the runner is out of memory, not a vote', async t => {
  const limits = {timeSeconds: 60, memoryMib: 256, outputBytes: 2 ** 20};
  const rig = openRig().add(manifestOf('large', {limits}), hostile);
  const bad = rig.run('large', 'vectors');
  const behind = rig.run('large', 'Behind');
  t.is(await rig.story(bad), 'outOfMemory: the runner ran out of memory');
  t.is(await rig.story(behind), 'done Behind');
});

test.serial('exit code 0 by proc_exit is success', async t => {
  const rig = openRig();
  t.is(await rig.story(rig.run('hostile', 'z')), 'done ');
});

test.serial('memory cannot grow above the limit of the app, nor of the batch', async t => {
  const rig = openRig();
  const grown = async (memoryLimitMib: number): Promise<number> =>
    (await rig.bytes(rig.run('hostile', 'memory', {memoryLimitMib}))).readUInt32LE();
  const whole = await grown(1_024);
  t.is(whole, await grown(4));
  t.is(whole - (await grown(2)), 32);
});

test.serial(
  'an output above the inline limit becomes a blob, one at the limit does not',
  async t => {
    const rig = openRig();
    t.is(await rig.story(rig.run('hostile', 'A'.repeat(768))), `done ${'A'.repeat(768)}`);
    const large = 'A'.repeat(300_000);
    t.is(await rig.story(rig.run('hostile', large)), 'done blob of 300000');
    t.is(Buffer.from(rig.blobs[0] ?? []).toString(), large);
  },
);

test.serial('the output limit holds to the byte', async t => {
  const rig = openRig();
  const change = {outputLimitBytes: 100};
  t.is(await rig.story(rig.run('hostile', 'A'.repeat(100), change)), `done ${'A'.repeat(100)}`);
  t.regex(await rig.story(rig.run('hostile', 'A'.repeat(101), change)), /^outputTooLarge/);
});

test.serial('a stopped order brings no event, whether it runs or waits', async t => {
  const rig = openRig();
  await rig.end(rig.run('hostile', 'warm'));
  const running = rig.run('hostile', 'loop');
  const waiting = Array.from({length: 10}, () => rig.run('hostile', 'loop'));
  const last = rig.run('hostile', 'Last');
  await new Promise(resolve => setTimeout(resolve, 50));
  for (const id of [running, ...waiting]) rig.runner.stop(id);
  t.is(await rig.story(last), 'done Last');
  t.is(rig.ended.length, 2);
});

test.serial('a runner that is killed fails what ran as lost, and the rest runs on', async t => {
  const rig = openRig();
  await rig.end(rig.run('hostile', 'warm'));
  const running = rig.run('hostile', 'loop');
  const behind = rig.run('hostile', 'Behind');
  await new Promise(resolve => setTimeout(resolve, 100));
  process.kill(rig.runner.pids[0] ?? 0, 'SIGKILL');
  t.regex(await rig.story(running), /^runnerLost: the runner ended \(SIGKILL\)$/);
  t.is(await rig.story(behind), 'done Behind');
});

test.serial('two apps take turns in one slot', async t => {
  const rig = openRig().add(manifestOf('other'), hostile);
  const ids = Array.from({length: 20}, (_, i) =>
    rig.run(i % 2 === 0 ? 'hostile' : 'other', `Hello ${i}`),
  );
  for (const [i, id] of ids.entries()) t.is(await rig.story(id), `done Hello ${i}`);
});

test.serial('what cannot be had or may not run is said', async t => {
  const rig = openRig();
  const imports = await compile(
    'declare function f(): void; export function _start(): void {f();}',
  );
  rig.add(manifestOf('imports'), imports);
  const large = await compile('export function _start(): void {}', '--initialMemory', '200');
  rig.add(manifestOf('large'), large);
  rig.add(
    manifestOf('broken'),
    hostile.slice().fill(0xff, hostile.length >> 1, (hostile.length >> 1) + 20),
  );
  t.is(await rig.story(rig.run('nothing', '')), 'inputMissing: no such app');
  t.regex(await rig.story(rig.run('imports', '')), /^refused: imports test\.f, which no node/);
  t.regex(await rig.story(rig.run('large', '')), /^refused: .*12\.5 MiB, the limit is 4 MiB$/);
  t.regex(await rig.story(rig.run('broken', '')), /^refused: /);
  const slice = {kind: 'slice', blobId: asBlobId('00'.repeat(32)), offset: 0, length: 9} as const;
  t.is(await rig.story(rig.run('hostile', '', {input: slice})), 'inputMissing: no such input');
  t.is(await rig.story(rig.run('hostile', 'Still here')), 'done Still here');
});

test.serial('an app that is refused since its order came does not run', async t => {
  let isNamed = true;
  const app = admitModule(manifestOf('hostile'), hostile);
  const rig = openRig({
    fetchApp: async () => (isNamed ? app : {kind: 'refused', reason: 'its key is dropped'}),
    readInput: async () => {
      isNamed = false;
      return new Uint8Array();
    },
  });
  const slice = {kind: 'slice', blobId: asBlobId('00'.repeat(32)), offset: 0, length: 9} as const;
  const story = await rig.story(rig.run('hostile', '', {input: slice}));
  t.is(story, 'refused: its key is dropped');
});

test.serial('slots run at the same time', async t => {
  const rig = openRig({slots: 2});
  // For a minute: a busy machine takes seconds to start the second one.
  const loop = rig.run('hostile', 'loop', {slot: 0, timeLimitMs: 60_000});
  t.is(await rig.story(rig.run('hostile', 'Hello', {slot: 1})), 'done Hello');
  t.is(rig.ended.length, 1);
  rig.runner.stop(loop, false);
});

test.serial('close ends all processes and tells nothing more', async t => {
  const rig = openRig();
  await rig.end(rig.run('hostile', 'warm'));
  const pid = rig.runner.pids[0] ?? 0;
  rig.run('hostile', 'loop');
  t.true(isAlive(pid));
  await rig.runner.close();
  t.false(isAlive(pid));
  t.is(rig.ended.length, 1);
  await rig.runner.close();
});

for (const what of ['loop', 'Hello']) {
  test.serial(`a runner ends when its node is killed (${what})`, async t => {
    if (process.platform !== 'linux') return t.pass('needs /proc');
    const folder = temporaryFolder('wasm');
    const file = join(folder, 'hostile.wasm');
    writeFileSync(file, hostile);
    const script = fileURLToPath(new URL('runner-parent.ts', import.meta.url));
    const parent = spawn(process.execPath, ['--import=tsx', script, file, what], {
      env: {...process.env, TMPDIR: folder},
    });
    const pid = Number(await new Promise(say => parent.stdout.once('data', say)));
    t.true(isAlive(pid));
    parent.kill('SIGKILL');
    t.true(await until(() => !isAlive(pid)), `runner ${pid} lives on`);
  });
}

// ---- exec ---------------------------------------------------------------------------------------

const node = process.execPath;
const ACTIONS = new Map([
  [
    'upper',
    [node, '-e', 'process.stdin.on("data",d=>process.stdout.write(String(d).toUpperCase()))'],
  ],
  ['args', [node, '-p', 'JSON.stringify(process.argv.slice(1))', '--', 'x{2}', '{args}']],
  ['broken', [node, '-e', 'console.error("no luck");process.exit(3)']],
  ['missing', ['/no/such/program']],
  ['sleep', ['sh', '-c', 'sleep 100 & echo $! > pid; wait']],
  ['flood', [node, '-e', 'for(;;)require("fs").writeSync(1,"x".repeat(9999))']],
]);
const EXEC_LIMITS = {timeSeconds: 60, memoryMib: 256, outputBytes: 2 ** 20};
const openExec = (): RunnerRig => {
  const rig = openRig({actions: ACTIONS});
  for (const action of [...ACTIONS.keys(), 'forbidden'])
    rig.add(manifestOf(action, {runtime: 'exec', action, limits: EXEC_LIMITS}));
  return rig;
};

test.serial('an action that the owner allowed gets input and args, never a shell', async t => {
  const rig = openExec();
  t.is(await rig.story(rig.run('upper', 'hello')), 'done HELLO');
  const args = ['$(id)', 'b;c', '"'];
  t.is(await rig.story(rig.run('args', '', {args})), 'done ["xb;c","$(id)","b;c","\\""]\n');
});

test.serial('an action that the owner did not allow is refused', async t => {
  const rig = openExec();
  t.regex(await rig.story(rig.run('forbidden', '')), /^refused: the owner .*"forbidden"$/);
});

test.serial('a program that fails, is missing or floods is told apart', async t => {
  const rig = openExec();
  t.is(await rig.story(rig.run('broken', '')), 'trapped: exit code 3: no luck');
  t.regex(await rig.story(rig.run('missing', '')), /^refused: spawn .*ENOENT/);
  t.regex(await rig.story(rig.run('flood', '')), /^outputTooLarge/);
  t.is(await rig.story(rig.run('upper', 'still here')), 'done STILL HERE');
});

test.serial('a program over its time ends with all that it started', async t => {
  const rig = openExec();
  t.is(
    await rig.story(rig.run('sleep', '', {timeLimitMs: 300})),
    'timedOut: not done within 300 ms',
  );
  const child = Number(readFileSync(join(rig.dir, 'slot-0', 'pid'), 'utf8'));
  t.true(await until(() => !isAlive(child)), `${child} lives on`);
});

test.serial('a program that leaves a daemon with its pipes ends all the same', async t => {
  const rig = openRig({
    actions: new Map([['daemon', ['setsid', '-f', 'sh', '-c', 'echo $$ > pid; exec sleep 60']]]),
  });
  rig.add(manifestOf('daemon', {runtime: 'exec', action: 'daemon', limits: EXEC_LIMITS}));
  t.is(await rig.story(rig.run('daemon', '')), 'done ');
  process.kill(Number(readFileSync(join(rig.dir, 'slot-0', 'pid'), 'utf8')), 'SIGKILL');
});

test.serial('a stopped program brings no event', async t => {
  const rig = openExec();
  const id = rig.run('sleep', '');
  await new Promise(resolve => setTimeout(resolve, 100));
  rig.runner.stop(id);
  t.is(await rig.story(rig.run('upper', 'next')), 'done NEXT');
  t.is(rig.ended.length, 1);
});

test.serial('a program that takes more memory than the app may have is ended', async t => {
  if (process.platform !== 'linux') return t.pass('needs /proc');
  const hog = 'const a=[];setInterval(()=>a.push(Buffer.alloc(2**24,1)),5)';
  const rig = openRig({
    actions: new Map([
      ['hog', [node, '-e', hog]],
      ['child', ['sh', '-c', '"$0" -e "$1"; true', node, hog]],
    ]),
  });
  for (const action of ['hog', 'child'])
    rig.add(manifestOf(action, {runtime: 'exec', action, limits: EXEC_LIMITS}));
  t.is(await rig.story(rig.run('hog', '')), 'outOfMemory: more than 256 MiB of memory');
  t.is(await rig.story(rig.run('child', '')), 'outOfMemory: more than 256 MiB of memory');
});

test.serial('args that no place asks for are refused, as for captures', async t => {
  const rig = openExec();
  const surplus = rig.run('upper', '', {args: ['a']});
  t.is(await rig.story(surplus), 'refused: the action takes no arguments');
  t.is(surplusOf(['cp', '{1}', 'x{3}'], ['a', 'b', 'c']), undefined);
  const reason = surplusOf(['cp', '{1}'], ['a', 'b']);
  t.is(reason, 'the action takes at most 1 arguments, the batch gives 2');
  t.is(surplusOf(['cp', '{args}', '{1}'], ['a', 'b']), undefined);
});

test('places in an argv are filled', t => {
  t.deepEqual(fillArgv(['cp', '{1}', 'to-{2}', '{3}'], ['a', 'b']), ['cp', 'a', 'to-b', '']);
  t.deepEqual(fillArgv(['cp', '{args}', 'x'], ['{1}', 'b']), ['cp', '{1}', 'b', 'x']);
});

// ---- frames -------------------------------------------------------------------------------------

test('frames come out whole however the stream is cut', t => {
  const frames = [0, 1, 500, 70_000].map((size, no) =>
    encodeEnded({no, status: 'done', ms: 1.5, body: new Uint8Array(size).fill(no)}),
  );
  const stream = Buffer.concat(frames);
  for (const step of [1, 3, 7, 64, 1_000, stream.length]) {
    const seen: Buffer[] = [];
    const reader = new FrameReader(() => 100_000);
    for (let at = 0; at < stream.length; at += step)
      t.true(reader.push(stream.subarray(at, at + step), frame => seen.push(Buffer.from(frame))));
    t.deepEqual(
      seen,
      frames.map(frame => Buffer.from(frame.subarray(4))),
      `step ${step}`,
    );
  }
});

test('a frame that is too long, empty or of an unknown kind ends the stream', t => {
  for (const bad of [
    [0xff, 0xff, 0xff, 0xff],
    [0, 0, 0, 0],
    [1, 0, 0, 0, 77],
  ]) {
    for (const step of [1, 5]) {
      const reader = new FrameReader(() => 1_000);
      let isGood = true;
      for (let at = 0; at < bad.length; at += step)
        isGood &&= reader.push(new Uint8Array(bad.slice(at, at + step)), () => t.fail());
      t.false(isGood);
    }
  }
});
