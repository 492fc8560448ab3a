// A node need not be root, and has another set of jails then: the tests of the sandbox once more, as nobody.

import {spawnSync} from 'node:child_process';
import {chownSync, mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import process from 'node:process';
import {fileURLToPath} from 'node:url';
import test from 'ava';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NOBODY = 65_534;
const AS_NOBODY = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];

/** Why this cannot be done here; undefined = it can. */
function obstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root: the tests of the sandbox ran as this user';
  const node = [process.execPath, '-e', `require('fs').readdirSync(${JSON.stringify(ROOT)})`];
  const {status, error} = spawnSync('setpriv', [...AS_NOBODY, ...node]);
  if (error) return 'setpriv is not here';
  return status === 0 ? undefined : 'nobody may not read this folder or run this node';
}

test('the sandbox holds for a node that is not root', t => {
  const why = obstacle();
  if (why !== undefined) {
    t.log(`skipped: ${why}`);
    return t.pass();
  }
  const home = mkdtempSync(join(tmpdir(), 'volley-nobody-'));
  t.teardown(() => rmSync(home, {recursive: true, force: true}));
  chownSync(home, NOBODY, NOBODY);
  const ava = join(ROOT, 'node_modules/ava/entrypoints/cli.mjs');
  const {status, stdout, stderr} = spawnSync(
    'setpriv',
    [...AS_NOBODY, process.execPath, ava, 'test/io/sandbox.test.ts'],
    {
      cwd: ROOT,
      env: {PATH: process.env['PATH'], HOME: home, TMPDIR: home},
      encoding: 'utf8',
      timeout: 150_000,
    },
  );
  t.is(status, 0, `${stdout}\n${stderr}`);
  t.regex(stdout, /level 2: what code outside of the engine can do is what is written/);
  t.log(/\d+ tests? passed/.exec(stdout)?.[0] ?? '');
});
