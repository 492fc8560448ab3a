import {chmod} from 'node:fs/promises';
import test from 'ava';
import {VolleyError} from '../../src/base/errors.ts';
import {asCaptureId} from '../../src/base/types.ts';
import {adviceAfter} from '../../src/cli/capture.ts';
import {lookAtPlace} from '../../src/cli/capture-files.ts';
import {temporaryFolder} from './rig.ts';

test('a folder that cannot be written is refused before anything fires', async t => {
  if (process.getuid?.() === 0) {
    t.pass('skipped: root may write everywhere');
    return;
  }
  const folder = await temporaryFolder(t);
  await chmod(folder, 0o555);
  await t.throwsAsync(lookAtPlace(folder), {code: 'VOLLEY_NO_PERMISSION'});
});

test('who cannot write what was fired is told how to bring it elsewhere', t => {
  const adviceOf = (code: 'VOLLEY_CANNOT_WRITE' | 'VOLLEY_NO_PERMISSION' | 'VOLLEY_NO_NODES') =>
    adviceAfter(new VolleyError(code, {path: 'x', reason: 'y'}), asCaptureId(7));
  for (const code of ['VOLLEY_CANNOT_WRITE', 'VOLLEY_NO_PERMISSION'] as const)
    t.regex(adviceOf(code) ?? '', /`volley capture fetch 7 --out FOLDER` brings them elsewhere/);
  t.is(adviceOf('VOLLEY_NO_NODES'), undefined);
});
