import test from 'ava';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {fingerprintOf, openTrust, signTrust, TrustPin} from '../../src/wire/trust.ts';
import {bytes, TRUST} from './samples.ts';

const crypto = new NodeCrypto();
const ROOT = crypto.ed25519KeyPair();
const DOCUMENT = {...TRUST, rootKey: ROOT.publicKey};
const FINGERPRINT = fingerprintOf(crypto, ROOT.publicKey);

test('a signed document opens under its root and its fingerprint', t => {
  const signed = signTrust(crypto, ROOT.secretKey, DOCUMENT);
  t.is(FINGERPRINT.length, 16);
  t.deepEqual(openTrust(crypto, signed, FINGERPRINT), DOCUMENT);
  t.deepEqual(openTrust(crypto, signed), DOCUMENT);
});

test('another fingerprint, another signer and each changed byte are refused', t => {
  const signed = signTrust(crypto, ROOT.secretKey, DOCUMENT);
  t.is(openTrust(crypto, signed, bytes(16)), undefined);
  const other = crypto.ed25519KeyPair();
  t.is(openTrust(crypto, signTrust(crypto, other.secretKey, DOCUMENT)), undefined);
  for (let i = 0; i < signed.length; i++) {
    const changed = signed.slice();
    changed[i] = (changed[i] ?? 0) ^ 1;
    t.is(openTrust(crypto, changed), undefined);
  }
});

test('a root key of small order signs nothing', t => {
  const rootKey = Uint8Array.of(1, ...new Uint8Array(31));
  const forged = signTrust(crypto, ROOT.secretKey, {...TRUST, rootKey});
  t.is(openTrust(crypto, forged, fingerprintOf(crypto, rootKey)), undefined);
});

test('a pin takes newer documents and never an older one', t => {
  const signed = (version: number) => signTrust(crypto, ROOT.secretKey, {...DOCUMENT, version});
  const pin = new TrustPin(crypto, FINGERPRINT);
  t.is(pin.document, undefined);
  t.true(pin.learn(signed(3)));
  t.false(pin.learn(signed(2)));
  t.is(pin.document?.version, 3);
  t.true(pin.learn(signed(3)));
  t.true(pin.learn(signed(4)));
  t.deepEqual(pin.bytes, signed(4));
});
