import {spawn, spawnSync} from 'node:child_process';
import process from 'node:process';
import test from 'ava';
import {raise} from '../../src/io/realtime.ts';

const mayRaise = spawnSync('chrt', ['--rr', '10', 'true']).status === 0;

const policyOf = (pid: number): string =>
  /policy: (.*)/.exec(String(spawnSync('chrt', ['-p', String(pid)]).stdout))?.[1] ?? '';

(mayRaise ? test : test.skip)(
  'a process is raised where chrt may, with what it starts or without',
  async t => {
    for (const [threads, policy] of [
      ['all', 'SCHED_RR'],
      ['main', 'SCHED_RR|SCHED_RESET_ON_FORK'],
    ] as const) {
      const child = spawn('sleep', ['60']);
      t.teardown(() => child.kill());
      t.deepEqual(await raise(child.pid ?? 0, threads), {ok: true});
      t.is(policyOf(child.pid ?? 0), policy);
    }
  },
);

test.serial('where it cannot be, it says why and nothing else happens', async t => {
  const gone = spawnSync(process.execPath, ['-e', '']).pid;
  const raised = await raise(gone, 'all');
  t.true(!raised.ok && raised.reason !== '');
  const path = process.env['PATH'];
  process.env['PATH'] = '/nowhere';
  const missing = await raise(process.pid, 'main');
  process.env['PATH'] = path;
  t.true(!missing.ok && /ENOENT/.test(missing.reason));
});
