import test from 'ava';
import {toHex, toUtf8} from '../../src/base/bytes.ts';
import {asBlobId, type BlobId} from '../../src/base/types.ts';
import {type AppManifest, signApp} from '../../src/core/app.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {AppShelf, type FetchedBlob, type ShelfAnswer} from '../../src/node/app-shelf.ts';

const crypto = new NodeCrypto();
const key = crypto.ed25519KeyPair();
const other = crypto.ed25519KeyPair();
const idOf = (bytes: Uint8Array): BlobId => asBlobId(toHex(crypto.sha256(bytes)));
const module = toUtf8('a module');

const manifest: AppManifest = {
  format: 1,
  name: 'app',
  version: '1.0.0',
  description: '',
  runtime: 'wasm',
  wasm: {blobId: idOf(module), size: module.length},
  limits: {timeSeconds: 1, memoryMib: 1, outputBytes: 1},
};
const signed = signApp(crypto, key.secretKey, manifest);

/** A shelf, the transfers that it waits for, and what it answered. */
function rig() {
  const state = {keys: [key.publicKey] as readonly Uint8Array[]};
  const asked: {readonly blobId: BlobId; readonly done: (blob: FetchedBlob) => void}[] = [];
  const found: ShelfAnswer[] = [];
  const shelf = new AppShelf({
    crypto,
    appKeys: () => state.keys,
    fetchBlob: (blobId, _maxBytes, done) => asked.push({blobId, done}),
    admit: (app, bytes) => ({kind: 'app', manifest: app, module: bytes}),
  });
  const get = (appId = idOf(signed)): void => shelf.get(appId, answer => found.push(answer));
  const bring = (...blobs: readonly Uint8Array[]): void => {
    for (const bytes of blobs) asked.shift()?.done({kind: 'bytes', bytes});
  };
  return {state, asked, found, get, bring};
}

const kinds = (found: readonly ShelfAnswer[]): string[] => found.map(({kind}) => kind);

test('an app is fetched once for all who wait, and kept', t => {
  const {asked, found, get, bring} = rig();
  get();
  get();
  t.is(asked.length, 1);
  bring(signed, module);
  get();
  t.deepEqual(kinds(found), ['app', 'app', 'app']);
  t.is(found[0], found[2]);
  t.is(asked.length, 0);
});

test('files of an exec app are fetched as a module is; one without has nothing more to fetch', t => {
  const {wasm, ...rest} = manifest;
  const exec = {...rest, runtime: 'exec', action: 'python'} as const;
  for (const [app, bodies] of [
    [{...exec, ...(wasm ? {bundle: wasm} : {})}, [module]],
    [exec, []],
  ] as const) {
    const {asked, found, get, bring} = rig();
    const blob = signApp(crypto, key.secretKey, app);
    get(idOf(blob));
    bring(blob, ...bodies);
    t.is(asked.length, 0);
    t.like(found[0], {kind: 'app', module: bodies[0] ?? new Uint8Array()});
  }
  const {found, get, bring} = rig();
  const blob = signApp(crypto, key.secretKey, {...exec, ...(wasm ? {bundle: wasm} : {})});
  get(idOf(blob));
  bring(blob, toUtf8('other'));
  t.like(found[0], {kind: 'missing', reason: `the bundle ${idOf(module)} of app cannot be had`});
});

test('an app that is kept is looked at anew when the keys change', t => {
  const {state, found, get, bring} = rig();
  get();
  bring(signed, module);
  state.keys = [other.publicKey, key.publicKey];
  get();
  bring(signed, module);
  state.keys = [other.publicKey];
  get();
  bring(signed);
  state.keys = [key.publicKey];
  get();
  bring(signed, module);
  t.deepEqual(kinds(found), ['app', 'app', 'refused', 'app']);
});

test('an app on its way is not handed out under keys that went meanwhile', t => {
  for (const late of ['the manifest', 'the module']) {
    const {state, found, get, bring} = rig();
    get();
    if (late === 'the module') bring(signed);
    state.keys = [other.publicKey];
    if (late === 'the manifest') bring(signed);
    bring(module);
    t.deepEqual(kinds(found), [], late);
    bring(signed);
    t.deepEqual(kinds(found), ['refused'], late);
  }
});

test('who asks under new keys does not wait for what was begun under the old ones', t => {
  const {state, asked, found, get} = rig();
  get();
  state.keys = [other.publicKey];
  get();
  t.is(asked.length, 2);
  asked[1]?.done({kind: 'bytes', bytes: signed});
  asked[0]?.done({kind: 'missing'});
  t.deepEqual(kinds(found), ['refused', 'refused']);
});

test('bytes that are not what their name says are missing, and fetched again', t => {
  const {found, get, bring} = rig();
  const older = signApp(crypto, key.secretKey, {...manifest, version: '0.9.0'});
  get();
  bring(older);
  get();
  bring(signed, toUtf8('another!'));
  get();
  bring(signed, module);
  t.deepEqual(kinds(found), ['missing', 'missing', 'app']);
});

test('an app without a signature of ours is refused, whoever names it', t => {
  const strange = signApp(crypto, other.secretKey, manifest);
  for (const blob of [strange, toUtf8(JSON.stringify(manifest)), toUtf8(`\n${'x'.repeat(99)}`)]) {
    const {found, get, bring} = rig();
    get(idOf(blob));
    bring(blob);
    t.deepEqual(kinds(found), ['refused']);
  }
});

test('a transfer that fails says why, and nothing of it is kept', t => {
  const {asked, found, get} = rig();
  get();
  asked.shift()?.done({kind: 'missing', reason: 'connection lost'});
  get();
  asked.shift()?.done({kind: 'failed', error: 'no space'});
  get();
  t.is(asked.length, 1);
  t.deepEqual(found, [
    {kind: 'missing', reason: 'connection lost'},
    {kind: 'failed', error: 'no space'},
  ]);
});

test('the app that was used longest ago goes first', t => {
  const {asked, get} = rig();
  const answer = (blob: Uint8Array): void => asked.pop()?.done({kind: 'bytes', bytes: blob});
  const blobs = Array.from({length: 9}, (_, i) => toUtf8(`no app ${i}`));
  for (const blob of blobs) {
    get(idOf(blob));
    answer(blob);
    get(idOf(blobs[0] ?? blob));
  }
  t.is(asked.length, 0, 'the first is kept as long as it is used');
  get(idOf(blobs[1] ?? signed));
  t.is(asked.length, 1, 'the second had to go');
});
