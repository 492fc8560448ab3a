import test from 'ava';
import {asAddress} from '../../src/base/types.ts';
import {OtherRoot} from '../../src/cli/other-root.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {encodeBeacon} from '../../src/wire/codec.ts';
import {fingerprintOf, signTrust} from '../../src/wire/trust.ts';

const crypto = new NodeCrypto();
const root = crypto.ed25519KeyPair();
const MASTER = asAddress('10.0.0.1:6273');

function beaconOf(key = crypto.ed25519KeyPair(), signer = key): Uint8Array {
  const trust = signTrust(crypto, signer.secretKey, {
    rootKey: key.publicKey,
    clusterId: crypto.random(16),
    version: 1,
    commandKey: crypto.random(32),
    masterStatic: crypto.random(32),
    appKeys: [],
  });
  return new Uint8Array([6, 0, 0, 0, ...encodeBeacon({trust, port: 6273})]);
}

function ear() {
  const told: string[] = [];
  const ours = fingerprintOf(crypto, root.publicKey);
  const options = {crypto, ours, master: MASTER, data: '/srv/node'};
  const other = new OtherRoot({...options, tell: text => told.push(text)});
  return {told, other};
}

test('a changed root of the known master is told once, with both fingerprints and what to do', t => {
  const {told, other} = ear();
  const beacon = beaconOf();
  for (let i = 0; i < 3; i++) other.heard(beacon, asAddress('10.0.0.1:7000'));
  t.is(told.length, 1);
  t.regex(
    told[0] ?? '',
    /^the master at 10\.0\.0\.1 has another root than before, and is not believed/,
  );
  t.is(told[0]?.match(/([0-9a-f]{4} ){7}[0-9a-f]{4}/g)?.length, 2);
  t.regex(told[0] ?? '', /remove \/srv\/node\/membership\.json and join again$/);
});

test('the master of another cluster is told as what it is', t => {
  const {told, other} = ear();
  other.heard(beaconOf(), asAddress('10.0.0.2:6273'));
  t.regex(told[0] ?? '', /^a master of another cluster answers from 10\.0\.0\.2/);
});

test('our own root, forged beacons and junk are no news', t => {
  const {told, other} = ear();
  other.heard(beaconOf(root), MASTER);
  other.heard(beaconOf(crypto.ed25519KeyPair(), root), MASTER);
  other.heard(new Uint8Array(4), MASTER);
  other.heard(crypto.random(200), MASTER);
  t.deepEqual(told, []);
});

test('a flood of made-up masters fills no log', t => {
  const {told, other} = ear();
  for (let i = 0; i < 100; i++) other.heard(beaconOf(), MASTER);
  t.true(told.length <= 8);
});
