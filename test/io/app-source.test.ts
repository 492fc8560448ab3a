import {createHash} from 'node:crypto';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {asBlobId, type BlobId} from '../../src/base/types.ts';
import {type AppManifest, signApp} from '../../src/core/app.ts';
import {inspectWasm} from '../../src/core/wasm.ts';
import {readAppFolder} from '../../src/io/app-folder.ts';
import {AppSource} from '../../src/io/app-source.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {temporaryFolder} from '../rig/folders.ts';
import {compile, manifestOf} from './runner-rig.ts';

const crypto = new NodeCrypto();
const keys = crypto.ed25519KeyPair();
const idOf = (bytes: Uint8Array): BlobId =>
  asBlobId(createHash('sha256').update(bytes).digest('hex'));

let wasm: Uint8Array;
test.before(async () => {
  wasm = await compile('export function _start(): void {}');
});

/** A master's blobs, and a count of what was asked of it. */
function blobsOf(...all: Uint8Array[]) {
  const blobs = new Map(all.map(bytes => [idOf(bytes), bytes]));
  const asked: BlobId[] = [];
  const fetchBlob = async (blobId: BlobId, maxBytes: number) => {
    asked.push(blobId);
    const bytes = blobs.get(blobId);
    return bytes !== undefined && bytes.length <= maxBytes ? bytes : undefined;
  };
  return {blobs, asked, fetchBlob};
}

const signed = (change: Partial<AppManifest> = {}): Uint8Array =>
  signApp(
    crypto,
    keys.secretKey,
    manifestOf('empty', {wasm: {blobId: idOf(wasm), size: wasm.length}, ...change}),
  );

test('an app is fetched once, checked and its memory bounded', async t => {
  const blob = signed();
  const {asked, fetchBlob} = blobsOf(blob, wasm);
  // A new array each time: what counts is what is in it.
  const appKeys = () => [keys.publicKey];
  const source = new AppSource({crypto, appKeys, fetchBlob});
  const [app, again] = await Promise.all([
    source.fetchApp(idOf(blob)),
    source.fetchApp(idOf(blob)),
  ]);
  t.is(app, again);
  t.is(app.kind, 'app');
  if (app.kind !== 'app') return;
  t.is(app.manifest.name, 'empty');
  const seen = inspectWasm(app.module, 64);
  t.is(seen.kind === 'wasm' ? seen.maximumPages : 0, 64);
  t.deepEqual(asked, [idOf(blob), idOf(wasm)]);
});

test('an app whose key is taken away is refused at the next order', async t => {
  const blob = signed();
  let appKeys = [keys.publicKey];
  const source = new AppSource({crypto, appKeys: () => appKeys, ...blobsOf(blob, wasm)});
  t.is((await source.fetchApp(idOf(blob))).kind, 'app');
  appKeys = [crypto.ed25519KeyPair().publicKey];
  t.is((await source.fetchApp(idOf(blob))).kind, 'refused');
});

test('what is missing is asked for again, and wrong bytes are missing', async t => {
  const blob = signed();
  const appKeys = [keys.publicKey];
  const {blobs, fetchBlob} = blobsOf(blob);
  const source = new AppSource({crypto, appKeys: () => appKeys, fetchBlob});
  t.is((await source.fetchApp(idOf(blob))).kind, 'missing');
  blobs.set(idOf(wasm), wasm.slice().fill(0, 8));
  t.is((await source.fetchApp(idOf(blob))).kind, 'missing');
  blobs.set(idOf(wasm), wasm);
  t.is((await source.fetchApp(idOf(blob))).kind, 'app');
});

test('a fetch that fails is a missing app, not a crash', async t => {
  const fetchBlob = async (): Promise<undefined> => {
    throw new Error('connection lost');
  };
  const source = new AppSource({crypto, appKeys: () => [], fetchBlob});
  t.deepEqual(await source.fetchApp(idOf(wasm)), {kind: 'missing', reason: 'connection lost'});
});

// ---- folders ------------------------------------------------------------------------------------

const APP = {
  name: 'empty',
  version: '1.0.0',
  description: 'does nothing',
  runtime: 'wasm',
  module: 'app.wasm',
  limits: {timeSeconds: 1, memoryMib: 4, outputBytes: 100},
};
function folderOf(app: unknown, module?: Uint8Array): string {
  const folder = temporaryFolder('app');
  writeFileSync(join(folder, 'app.json'), typeof app === 'string' ? app : JSON.stringify(app));
  if (module !== undefined) writeFileSync(join(folder, 'app.wasm'), module);
  return folder;
}

test('a folder becomes a manifest that names its module', async t => {
  const {manifest, module} = await readAppFolder(folderOf(APP, wasm));
  t.deepEqual(module, wasm);
  t.deepEqual(manifest, {
    format: 1,
    name: 'empty',
    version: '1.0.0',
    description: 'does nothing',
    runtime: 'wasm',
    wasm: {blobId: idOf(wasm), size: wasm.length},
    limits: APP.limits,
  });
});

test('an exec app has an action and no module', async t => {
  const {module: _, ...rest} = APP;
  const exec = await readAppFolder(folderOf({...rest, runtime: 'exec', action: 'convert'}));
  t.is(exec.module, undefined);
  t.is(exec.manifest.action, 'convert');
});

test('a folder that will not do says what is wrong with it', async t => {
  const refused = async (folder: string, code: string, reason: RegExp): Promise<void> => {
    const error = await t.throwsAsync(readAppFolder(folder), {code});
    t.regex(String(error), reason);
  };
  await refused('/no/such/folder', 'VOLLEY_INPUT_MISSING', /app\.json/);
  await refused(folderOf(APP), 'VOLLEY_INPUT_MISSING', /app\.wasm/);
  await refused(folderOf('{'), 'VOLLEY_BAD_APP', /not a JSON object/);
  await refused(folderOf({...APP, limit: 1}, wasm), 'VOLLEY_BAD_APP', /"limit"/);
  await refused(folderOf({...APP, version: '1'}, wasm), 'VOLLEY_BAD_APP', /version/);
  await refused(folderOf({...APP, module: '../app.wasm'}, wasm), 'VOLLEY_BAD_APP', /"module"/);
  await refused(folderOf(APP, wasm.slice(0, 20)), 'VOLLEY_BAD_APP', /app\.wasm: /);
});
