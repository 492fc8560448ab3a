// Real-time priority for what fires: on a busy board one shot in a hundred is else 2 to 5 ms late, and being nice to
// oneself does not help; with SCHED_RR it is 0.2 ms. Node cannot ask for it, so chrt (util-linux) does, where it is
// there and allowed: as root, or with LimitRTPRIO= of the unit. Where it is not, shots are fired as ever.

import {spawn} from 'node:child_process';

/** Above all that is not real-time, below the kernel's own threads (50); what fires above what tells it to. */
const PRIORITY = {main: '9', all: '10'} as const;

export type Raised = {readonly ok: true} | {readonly ok: false; readonly reason: string};

/**
 * @param threads 'main' = the main thread alone, and nothing that it starts: what computes must not be real-time
 * @param threads 'all' = all that the process starts from now on as well
 */
export function raise(pid: number, threads: 'main' | 'all'): Promise<Raised> {
  const args = [
    ...(threads === 'main' ? ['--reset-on-fork'] : []),
    '--rr',
    '-p',
    PRIORITY[threads],
  ];
  return new Promise(resolve => {
    const fail = (reason: string): void => resolve({ok: false, reason});
    const child = spawn('chrt', [...args, String(pid)], {stdio: ['ignore', 'ignore', 'pipe']});
    let said = '';
    child.stderr.on('data', part => {
      said += String(part);
    });
    child.once('error', error => fail(error.message));
    child.once('close', code => {
      if (code === 0) resolve({ok: true});
      else fail(said.trim().split('\n').at(-1) ?? `chrt ended with ${code}`);
    });
  });
}
