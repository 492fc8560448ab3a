import test from 'ava';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {
  fingerprintOf,
  openTrust,
  previousRootOf,
  signTrust,
  TrustPin,
} from '../../src/wire/trust.ts';
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

test('a pin takes no other document of a version it has, and none of another cluster', t => {
  const pin = new TrustPin(crypto, FINGERPRINT);
  t.true(pin.learn(signTrust(crypto, ROOT.secretKey, {...DOCUMENT, version: 3})));
  const twin = {...DOCUMENT, version: 3, commandKey: bytes(32, 77)};
  t.false(pin.learn(signTrust(crypto, ROOT.secretKey, twin)));
  const foreign = {...DOCUMENT, version: 4, clusterId: bytes(16, 99)};
  t.false(pin.learn(signTrust(crypto, ROOT.secretKey, foreign)));
  t.is(pin.document?.version, 3);
});

const NEXT = crypto.ed25519KeyPair();
const LAST = crypto.ed25519KeyPair();
const STEPPED = signTrust(
  crypto,
  NEXT.secretKey,
  {...DOCUMENT, version: DOCUMENT.version + 1, rootKey: NEXT.publicKey},
  ROOT,
);

test('a new root is believed when the root before signed its document too', t => {
  const pin = new TrustPin(crypto, FINGERPRINT);
  t.true(pin.learn(signTrust(crypto, ROOT.secretKey, DOCUMENT)));
  t.true(pin.learn(STEPPED));
  t.deepEqual(pin.fingerprint, fingerprintOf(crypto, NEXT.publicKey));
  t.deepEqual(previousRootOf(crypto, STEPPED), FINGERPRINT);
  // The old root alone says nothing any more.
  const version = DOCUMENT.version + 2;
  t.false(pin.learn(signTrust(crypto, ROOT.secretKey, {...DOCUMENT, version})));
  t.true(
    pin.learn(signTrust(crypto, NEXT.secretKey, {...DOCUMENT, rootKey: NEXT.publicKey, version})),
  );
});

test('a new root that signs alone, or whom another than our root introduces, is refused', t => {
  const document = {...DOCUMENT, version: 9, rootKey: NEXT.publicKey};
  const pin = new TrustPin(crypto, FINGERPRINT);
  t.true(pin.learn(signTrust(crypto, ROOT.secretKey, DOCUMENT)));
  t.false(pin.learn(signTrust(crypto, NEXT.secretKey, document)));
  t.false(pin.learn(signTrust(crypto, NEXT.secretKey, document, LAST)));
  // Our root is named as the one before, and did not sign.
  const posing = {publicKey: ROOT.publicKey, secretKey: LAST.secretKey};
  t.false(pin.learn(signTrust(crypto, NEXT.secretKey, document, posing)));
  // Our root signed, and the new one did not.
  t.false(pin.learn(signTrust(crypto, LAST.secretKey, document, ROOT)));
  t.deepEqual(pin.fingerprint, FINGERPRINT);
});

test('each changed byte of a document with two signatures is refused', t => {
  for (let i = 0; i < STEPPED.length; i++) {
    const changed = STEPPED.slice();
    changed[i] = (changed[i] ?? 0) ^ 1;
    t.false(new TrustPin(crypto, FINGERPRINT).learn(changed));
  }
});

test('who slept through two new roots follows step by step, and not over a gap', t => {
  const last = signTrust(
    crypto,
    LAST.secretKey,
    {...DOCUMENT, version: DOCUMENT.version + 2, rootKey: LAST.publicKey},
    NEXT,
  );
  const pin = new TrustPin(crypto, FINGERPRINT);
  t.false(pin.learn(last));
  t.true(pin.learn(STEPPED));
  t.true(pin.learn(last));
  t.deepEqual(pin.fingerprint, fingerprintOf(crypto, LAST.publicKey));
});
