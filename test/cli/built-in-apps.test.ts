import {mkdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import type {BlobId} from '../../src/base/types.ts';
import {publishPrepared} from '../../src/cli/built-in-apps.ts';
import {type AppManifest, signApp} from '../../src/core/app.ts';
import type {OperatorRequest} from '../../src/core/operator-request.ts';
import type {AppRow} from '../../src/core/tables.ts';
import {openBlobStore} from '../../src/io/blob-store.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {temporaryFolder} from '../rig/folders.ts';

const crypto = new NodeCrypto();
const [old, now] = [crypto.ed25519KeyPair(), crypto.ed25519KeyPair()];

const manifest = (version: string): AppManifest => ({
  format: 1,
  name: 'primes',
  version,
  description: '',
  runtime: 'exec',
  action: 'primes',
  limits: {timeSeconds: 1, memoryMib: 1, outputBytes: 1},
});

/** A folder with this app prepared in it, and a master that knows what it was told. */
async function rig() {
  const data = temporaryFolder('prepared');
  mkdirSync(join(data, 'apps'));
  const prepare = (version: string, {secretKey} = now): void =>
    writeFileSync(join(data, 'apps', 'primes.app'), signApp(crypto, secretKey, manifest(version)));
  const published: AppRow[] = [];
  const blobs = await openBlobStore(join(data, 'blobs'), () => undefined);
  const start = async (): Promise<readonly string[]> => {
    await publishPrepared(data, {
      handle: {
        apps: () => published.slice(-1),
        operator: async (request: OperatorRequest) => {
          if (request.kind === 'addApp') published.push(request.app);
          return {ok: true};
        },
      },
      blobs,
      crypto,
      appKeys: [now.publicKey, old.publicKey],
      wall: 1,
    });
    return published.map(({version}) => version);
  };
  const publish = (version: string): void => {
    const [first] = published;
    if (first) published.push({...first, version, appId: 'ee'.repeat(32) as BlobId});
  };
  return {prepare, start, publish, published, data, blobs};
}

test('what is prepared is published once', async t => {
  const {prepare, start} = await rig();
  prepare('1.0.0');
  t.deepEqual(await start(), ['1.0.0']);
  t.deepEqual(await start(), ['1.0.0']);
  prepare('1.0.1');
  t.deepEqual(await start(), ['1.0.0', '1.0.1']);
});

test('a start of the master does not go back behind a newer app that was published', async t => {
  const {prepare, start, publish} = await rig();
  prepare('1.9.0');
  await start();
  publish('1.10.0');
  t.deepEqual(await start(), ['1.9.0', '1.10.0']);
});

test('what was signed anew under another key is published again', async t => {
  const {prepare, start, published} = await rig();
  prepare('1.0.0', old);
  await start();
  prepare('1.0.0', now);
  t.is((await start()).length, 2);
  t.not(published[0]?.appId, published[1]?.appId);
});

test('files of a published app that are gone are stored again at the next start', async t => {
  const {prepare, start, published, data, blobs} = await rig();
  prepare('1.0.0');
  writeFileSync(join(data, 'apps', 'primes.wasm'), 'module');
  await start();
  const module = await blobs.put(new TextEncoder().encode('module'));
  const ids = [published[0]?.appId ?? module, module];
  for (const id of ids) {
    rmSync(join(data, 'blobs', id.slice(0, 2), id));
    t.is(await blobs.size(id), undefined);
  }
  t.deepEqual(await start(), ['1.0.0']);
  for (const id of ids) t.not(await blobs.size(id), undefined);
});
