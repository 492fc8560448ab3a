// A node that is about to be killed: starts an endless workunit, says the runner's pid, waits.

import {readFileSync} from 'node:fs';
import {manifestOf, RunnerRig, until} from './runner-rig.ts';

const rig = new RunnerRig().add(
  manifestOf('hostile'),
  new Uint8Array(readFileSync(process.argv[2] ?? '')),
);
await rig.end(rig.run('hostile', 'hello'));
rig.run('hostile', process.argv[3] ?? 'loop', {timeLimitMs: 1_000_000});
await until(() => rig.runner.pids.length > 0);
setTimeout(() => console.log(rig.runner.pids[0]), 100);
setInterval(() => {}, 1_000);
