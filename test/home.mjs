// Runs in each process of `npm test` before its test file: the folder of the repository is where it works, and with
// VOLLEY_COVERAGE=FOLDER it counts what tests of the floors that decide, and the first seeds, take of their code (coverage.mjs). Counting
// makes code slower, so nothing else is counted.

import {mkdirSync, writeFileSync} from 'node:fs';
import {Session} from 'node:inspector';
import {join} from 'node:path';
import process from 'node:process';
import {fileURLToPath} from 'node:url';
import test from 'ava';

const COUNTED = /\/\.tests\/test\/((base|wire|core|master|node|runtime)\/|sim\/swarm-first)/;

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const folder = process.env.VOLLEY_COVERAGE;
if (folder !== undefined && COUNTED.test(test.meta.file)) count(folder);

/** As NODE_V8_COVERAGE writes it, which is for whole processes and all that they start. */
function count(folder) {
  const session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.startPreciseCoverage', {callCount: true, detailed: true});
  process.on('exit', () => {
    session.post('Profiler.takePreciseCoverage', (error, {result}) => {
      if (error) throw new Error(error.message);
      const own = result.filter(({url}) => url.includes('/.tests/'));
      mkdirSync(folder, {recursive: true});
      const path = join(folder, `tests-${process.pid}.json`);
      writeFileSync(path, JSON.stringify({result: own}));
    });
  });
}
