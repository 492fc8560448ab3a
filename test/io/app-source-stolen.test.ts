// Promise P8: a thief has every file of a master's folder but the vault, answers the node in the master's
// place and serves its blobs. The runner, the app source and the node's session are the real ones.

import {createHash} from 'node:crypto';
import {existsSync, mkdtempSync, rmSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {concat, toHex, toUtf8} from '../../src/base/bytes.ts';
import {Prng} from '../../src/base/prng.ts';
import {
  asAddress,
  asBlobId,
  asMonoMs,
  asPeerId,
  asWallMs,
  type BlobId,
} from '../../src/base/types.ts';
import {encodeManifest, signApp, splitSignedApp} from '../../src/core/app.ts';
import {AppSource} from '../../src/io/app-source.ts';
import {type Cluster, initCluster, openCluster, vaultPath} from '../../src/io/cluster-files.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {decodeSignedTrust, encodeSignedTrust, encodeTrust} from '../../src/wire/codec.ts';
import type {TrustDocument, Welcome} from '../../src/wire/message.ts';
import {MasterLink} from '../../src/wire/session-master.ts';
import {NodeLink} from '../../src/wire/session-node.ts';
import {openTrust, signTrust} from '../../src/wire/trust.ts';
import {compile, manifestOf, RunnerRig} from './runner-rig.ts';

const crypto = new NodeCrypto();
const idOf = (bytes: Uint8Array): BlobId =>
  asBlobId(createHash('sha256').update(bytes).digest('hex'));
const NOW = asMonoMs(1_000);
const MASTER_AT = asAddress('10.0.0.1:6273');
const NODE_AT = asAddress('10.0.0.2:4000');

const writing = (letter: number): string => `
import {write} from "./lib/wasi";
const at = memory.data(4);
export function _start(): void { store<u8>(at, ${letter}); write(at, 1); }
`;
let good: Uint8Array;
let evil: Uint8Array;
test.before(async () => {
  good = await compile(writing(0x67));
  evil = await compile(writing(0x65));
});

const manifestFor = (module: Uint8Array) =>
  manifestOf('tool', {wasm: {blobId: idOf(module), size: module.length}});

/** A cluster with one published app, and what is left of its folder when the vault is elsewhere. */
async function theft(t: ExecutionContext) {
  const home = mkdtempSync(join(tmpdir(), 'volley-stolen-'));
  t.teardown(() => rm(home, {recursive: true, force: true}));
  const dir = join(home, 'master');
  const {appKey} = await initCluster(dir, crypto, {passphrase: 'kept elsewhere'});
  const published = signApp(crypto, appKey.secretKey, manifestFor(good));
  rmSync(vaultPath(dir));
  t.false(existsSync(vaultPath(dir)));
  const stolen = openCluster(dir);
  const trust = openTrust(crypto, stolen.signedTrust);
  if (trust === undefined) throw new Error('no trust');
  return {stolen, trust, published};
}

/** A node that is linked with whoever holds the master's static key. */
function linkedNode({staticKey, signedTrust, rootFingerprint}: Cluster) {
  const nodeKey = crypto.x25519KeyPair();
  const node = new NodeLink({
    crypto,
    prng: new Prng(1),
    staticKey: nodeKey,
    bootId: crypto.random(8),
    rootFingerprint,
    trust: signedTrust,
    address: MASTER_AT,
  });
  const master = new MasterLink({
    crypto,
    staticKey,
    signedTrust,
    port: 6_273,
    knows: () => true,
    pskOf: () => undefined,
  });
  const toMaster = (datagram: Uint8Array) => master.receive(datagram, NODE_AT, NOW);
  node.tick(NOW);
  for (const {datagram} of node.takeOutgoing()) toMaster(datagram);
  for (const {datagram} of master.takeOutgoing()) node.receive(datagram, MASTER_AT, NOW);
  const hello = node.seal(asPeerId(toHex(staticKey.publicKey)), {type: 'timeProbe', nonce: 1}, NOW);
  if (hello === undefined) throw new Error('no session');
  toMaster(hello.datagram);
  const says = (trust: Uint8Array): readonly string[] => {
    const message = welcomeWith(trust);
    const sealed = master.seal(asPeerId(toHex(nodeKey.publicKey)), message, NOW);
    if (sealed === undefined) throw new Error('no session');
    return node
      .receive(sealed.datagram, MASTER_AT, NOW)
      .map(one => (one.kind === 'drop' ? one.reason : one.kind));
  };
  return {node, says};
}

const welcomeWith = (trust: Uint8Array): Welcome => ({
  type: 'welcome',
  instanceId: crypto.random(8),
  clusterId: crypto.random(16),
  epoch: 1,
  epochProof: new Uint8Array(),
  seqFloor: 0,
  groupKey: crypto.random(32),
  groupKeyId: 1,
  heartbeatMs: 1_000,
  blobPort: 1,
  blobKey: crypto.random(32),
  state: {generation: 0, paused: false},
  suspended: false,
  labels: [],
  wallMs: asWallMs(1),
  trust,
  journalNo: 0,
  bootJournalNo: 0,
  lostEpoch: 0,
  lostAfter: 0,
});

/** Every trust document that names the thief's app key, with every key that the thief has. */
function forgedTrusts(stolen: Cluster, trust: TrustDocument, appKey: Uint8Array): Uint8Array[] {
  const own = crypto.ed25519KeyPair();
  const {commandKey, signedTrust} = stolen;
  const wanted: TrustDocument = {...trust, version: trust.version + 1, appKeys: [appKey]};
  const genuine = decodeSignedTrust(signedTrust);
  if (genuine === undefined) throw new Error('no trust');
  const posing = {publicKey: trust.rootKey, secretKey: commandKey.secretKey};
  return [
    signTrust(crypto, own.secretKey, wanted),
    signTrust(crypto, commandKey.secretKey, wanted),
    signTrust(crypto, own.secretKey, {...wanted, rootKey: own.publicKey}),
    signTrust(crypto, own.secretKey, {...wanted, rootKey: own.publicKey}, posing),
    signTrust(crypto, commandKey.secretKey, {...wanted, rootKey: commandKey.publicKey}, commandKey),
    // The root's own signature, on another document.
    encodeSignedTrust({document: encodeTrust(wanted), signature: genuine.signature}),
    encodeSignedTrust({
      document: encodeTrust({...wanted, rootKey: own.publicKey}),
      signature: crypto.sign(own.secretKey, 'trust', encodeTrust(wanted)),
      previous: {rootKey: trust.rootKey, signature: genuine.signature},
    }),
    // The genuine one with a key added behind it.
    concat(
      signedTrust,
      encodeSignedTrust({document: encodeTrust(wanted), signature: genuine.signature}),
    ),
  ];
}

test('with every file of the master but the vault a thief makes no node run a module of his', async t => {
  t.timeout(170_000);
  const {stolen, trust, published} = await theft(t);
  const {node, says} = linkedNode(stolen);
  t.is(node.state, 'linked');
  const thief = crypto.ed25519KeyPair();
  for (const forged of forgedTrusts(stolen, trust, thief.publicKey))
    t.deepEqual(says(forged), ['badTrust']);
  t.deepEqual(node.trustDocument()?.appKeys, trust.appKeys);

  // The thief serves the blobs: what he likes under any name.
  const blobs = new Map<BlobId, Uint8Array>([
    [idOf(published), published],
    [idOf(good), good],
    [idOf(evil), evil],
  ]);
  const source = new AppSource({
    crypto,
    appKeys: () => node.trustDocument()?.appKeys ?? [],
    fetchBlob: async blobId => blobs.get(blobId),
  });
  const rig = new RunnerRig({fetchApp: appId => source.fetchApp(appId)});
  t.teardown(() => rig.runner.close());

  const manifest = encodeManifest(manifestFor(evil));
  const genuine = splitSignedApp(published)?.signatureBase64 ?? '';
  const attempts = [
    signApp(crypto, thief.secretKey, manifestFor(evil)),
    signApp(crypto, stolen.commandKey.secretKey, manifestFor(evil)),
    signApp(crypto, stolen.staticKey.secretKey, manifestFor(evil)),
    signApp(crypto, stolen.leaseSecret, manifestFor(evil)),
    concat(toUtf8(`${genuine}\n`), manifest),
    concat(toUtf8(`${genuine}\n`), manifest, splitSignedApp(published)?.manifest ?? manifest),
    concat(toUtf8('\n'), manifest),
    manifest,
    evil,
  ];
  for (const blob of attempts) {
    blobs.set(idOf(blob), blob);
    t.regex(await rig.story(rig.run('', '', {appId: idOf(blob)})), /^refused: /);
  }
  // The published app with another module behind its name.
  blobs.set(idOf(good), evil);
  t.regex(await rig.story(rig.run('', '', {appId: idOf(published)})), /^inputMissing: /);
  // A blob that was never asked for in place of the published app.
  blobs.set(idOf(published), signApp(crypto, thief.secretKey, manifestFor(evil)));
  t.regex(await rig.story(rig.run('', '', {appId: idOf(published)})), /^inputMissing: /);
  // What the owner of the vault published runs.
  blobs.set(idOf(published), published).set(idOf(good), good);
  t.is(await rig.story(rig.run('', '', {appId: idOf(published)})), 'done g');
});
