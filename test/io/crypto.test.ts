import {spawnSync} from 'node:child_process';
import {fileURLToPath} from 'node:url';
import test from 'ava';

const MAKE_KEYS = fileURLToPath(new URL('./make-keys.ts', import.meta.url));

test('making keys does not hang when the collector runs', t => {
  const {status, signal, stderr} = spawnSync(
    process.execPath,
    ['--import=tsx', '--gc-interval=97', MAKE_KEYS],
    {timeout: 120_000, encoding: 'utf8'},
  );
  t.deepEqual({status, signal}, {status: 0, signal: null}, stderr);
});
