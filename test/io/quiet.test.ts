import {readFileSync} from 'node:fs';
import test, {type ExecutionContext} from 'ava';
import {addMono, type MonoMs} from '../../src/base/types.ts';
import {QuietTimes} from '../../src/io/quiet.ts';
import {SystemClock} from '../../src/io/system-clock.ts';
import {compile, manifestOf, RunnerRig, until} from './runner-rig.ts';

const clock = new SystemClock();
const soon = (ms: number): MonoMs => addMono(clock.now().mono, ms);

type Heard = {readonly isQuiet: boolean; readonly at: MonoMs};

function quietTimes(t: ExecutionContext): {readonly quiet: QuietTimes; readonly heard: Heard[]} {
  const heard: Heard[] = [];
  const quiet = new QuietTimes(clock, isQuiet => heard.push({isQuiet, at: clock.now().mono}));
  t.teardown(() => quiet.close());
  return {quiet, heard};
}

test('it is quiet from shortly before an instant until shortly after', async t => {
  const {quiet, heard} = quietTimes(t);
  const at = soon(200);
  quiet.expect(at);
  t.deepEqual(heard, []);
  t.true(await until(() => heard.length === 2));
  const [begun, over] = heard;
  t.deepEqual([begun?.isQuiet, over?.isQuiet], [true, false]);
  t.true((begun?.at ?? 0) >= at - 51);
  t.true((over?.at ?? 0) >= at + 99);
});

test('a row of instants is one quiet time; what is now or over is none', async t => {
  const {quiet, heard} = quietTimes(t);
  for (const ms of [-1_000, 0, 20]) quiet.expect(soon(ms));
  t.deepEqual(heard, []);
  const last = soon(400);
  for (const ms of [100, 200, 300]) quiet.expect(soon(ms));
  quiet.expect(last);
  t.true(await until(() => heard.length === 2));
  t.deepEqual(
    heard.map(({isQuiet}) => isQuiet),
    [true, false],
  );
  t.true((heard[1]?.at ?? 0) >= last + 99);
});

test('an instant whose shot was cancelled is not quiet, unless another shot has it', t => {
  const {quiet, heard} = quietTimes(t);
  const [alone, shared] = [soon(40), soon(45)];
  quiet.expect(alone);
  quiet.expect(shared);
  quiet.expect(shared);
  quiet.forget(alone);
  quiet.forget(shared);
  quiet.forget(soon(1_000));
  t.deepEqual(
    heard.map(({isQuiet}) => isQuiet),
    [true],
  );
  quiet.forget(shared);
  t.deepEqual(
    heard.map(({isQuiet}) => isQuiet),
    [true, false],
  );
});

test('whoever closes it lets the work go on', t => {
  const {quiet, heard} = quietTimes(t);
  quiet.expect(soon(40));
  quiet.close();
  t.deepEqual(
    heard.map(({isQuiet}) => isQuiet),
    [true, false],
  );
});

const ENDLESS = 'export function _start(): void { for (;;) {} }';

/** R = it runs, S = it sleeps, T = it was stopped. */
const stateOf = (pid: number): string =>
  /\) (\w) /.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1] ?? '';

(process.platform === 'linux' ? test : test.skip)(
  'what computes stands still while it is quiet, and not longer',
  async t => {
    t.timeout(60_000);
    const rig = new RunnerRig().add(manifestOf('endless'), await compile(ENDLESS));
    t.teardown(() => rig.runner.close());
    rig.run('endless', '', {timeLimitMs: 600_000});
    t.true(await until(() => rig.runner.pids.length === 1));
    const [pid = 0] = rig.runner.pids;
    const quiet = new QuietTimes(clock, isQuiet => rig.runner.hush(isQuiet));
    t.teardown(() => quiet.close());
    quiet.expect(soon(100));
    t.true(await until(() => stateOf(pid) === 'T'));
    t.true(await until(() => stateOf(pid) !== 'T'));
    rig.runner.pace([0], 100);
    rig.runner.hush(true);
    rig.runner.hush(false);
    t.true(await until(() => stateOf(pid) === 'T'), 'it is held for another reason');
  },
);
