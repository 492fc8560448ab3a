import {mkdirSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {VolleyError} from '../../src/base/errors.ts';
import {openLevelStore} from '../../src/io/level-store.ts';
import {freeName, withCopy} from '../../src/io/store-copy.ts';
import {temporaryFolder} from '../rig/folders.ts';

const LOOK = {room: 1, isBeside: true, what: 'a test'};

async function emptyStore(): Promise<{folder: string; store: string}> {
  const folder = temporaryFolder('copy');
  const store = join(folder, 'store');
  await (await openLevelStore(store)).close();
  return {folder, store};
}

const codeOf = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'done',
    error => (error instanceof VolleyError ? error.code : String(error)),
  );

test('a copy may be opened and spoilt, and is gone afterwards, however that went', async t => {
  const {folder, store} = await emptyStore();
  const before = readdirSync(store);
  await withCopy(store, LOOK, async ({copy, checkStill}) => {
    await (await openLevelStore(copy)).close();
    rmSync(copy, {recursive: true});
    await checkStill();
  });
  const failed = withCopy(store, LOOK, () => Promise.reject(new Error('it went wrong')));
  await t.throwsAsync(failed, {message: 'it went wrong'});
  t.deepEqual(readdirSync(folder), ['store']);
  t.deepEqual(readdirSync(store), before);
});

test('a store that was opened, or is open, since it was copied is not taken for the same', async t => {
  const {store} = await emptyStore();
  const opened = withCopy(store, LOOK, async ({checkStill}) => {
    await (await openLevelStore(store)).close();
    await checkStill();
  });
  t.is(await codeOf(opened), 'VOLLEY_STORE_LOCKED');
  const open = withCopy(store, LOOK, async ({checkStill}) => {
    const level = await openLevelStore(store);
    await checkStill().finally(() => level.close());
  });
  t.is(await codeOf(open), 'VOLLEY_STORE_LOCKED');
});

test('a name that is taken is not taken again', t => {
  const path = join(temporaryFolder('name'), 'store.damaged');
  t.is(freeName(path), path);
  mkdirSync(path);
  t.is(freeName(path), `${path}-2`);
  writeFileSync(`${path}-2`, '');
  t.is(freeName(path), `${path}-3`);
});
