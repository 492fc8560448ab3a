// Vectors: haskell-cryptography/cacophony, vectors/cacophony.txt at commit
// 36c1e5c3a799342b226547ce9fdb3579ab60ccd3, the entries named below (payloads and ciphertexts as they are).

import test from 'ava';
import {NodeCrypto} from '../../src/io/crypto.ts';
import type {KeyPair} from '../../src/wire/crypto.ts';
import {NoiseInitiator, type NoisePattern, NoiseResponder, nonceOf} from '../../src/wire/noise.ts';
import {hex} from './samples.ts';

const crypto = new NodeCrypto();
const BASE_POINT = Uint8Array.of(9, ...new Uint8Array(31));
const pair = (secret: string): KeyPair => {
  const secretKey = hex(secret);
  const publicKey = crypto.x25519(secretKey, BASE_POINT);
  if (publicKey === undefined) throw new Error('no key');
  return {secretKey, publicKey};
};

const PROLOGUE = hex('4a6f686e2047616c74');
const PSK = hex('54686973206973206d7920417573747269616e20706572737065637469766521');
const INIT_STATIC = pair('e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1');
const INIT_EPHEMERAL = pair('893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a');
const INIT_REMOTE_STATIC = hex('31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62');
const RESP_STATIC = pair('4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893');
const RESP_EPHEMERAL = pair('bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b');

const PAYLOADS = [
  '4c756477696720766f6e204d69736573',
  '4d757272617920526f746862617264',
  '462e20412e20486179656b',
  '4361726c204d656e676572',
  '4a65616e2d426170746973746520536179',
  '457567656e2042f6686d20766f6e2042617765726b',
].map(hex);

const VECTORS: Readonly<Record<NoisePattern, readonly Uint8Array[]>> = {
  // Noise_IK_25519_ChaChaPoly_SHA256
  IK: [
    `ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944
     718da798efbcd91528520204f904b9bd6c7413dccdc214d951e15253e39987f1
     8146e8cd0873654207148333479d4d16c289f0294b29960a72f48e0b7bba2e89
     083169825e59642148d492020664ccf7`,
    `95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843
     5361e70b2ed446e6c9ec387d1d6b3b840f194e373979d241b203c4acafccf5`,
    '050e9f3c8fac16b68dbce8f8c4bfbf6617c897f9ada4aa29aa19c8',
    '344233a6cabb7141d80f3da2fedc311d9646bbb0f505afe403a667',
    '62cdeeb172ad7ade7aa7d9e069da5790f12331bfa00177787a1d0810c67dc3b2b4',
    '029bead1b40992327044d409d9a1f3ad8f36c3c452775d557e18bbeb2e8dfcead32d514024',
  ].map(hex),
  // Noise_IKpsk2_25519_ChaChaPoly_SHA256
  IKpsk2: [
    `ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944
     2ec9b09893d0f510791784c10cbc959f25b1766e0def6e301d14fbca1c7790ac
     829b8b3674f5f649a5f0e98479662cbfbf2b2c47cd4b09fcd266cd29d7cb675f
     1808849707847840f6d178ec4d3733aa`,
    `95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843
     9a1b3cebf680b2c74217fcb5eba4ff58a9468cd90c4aca6194f57479b379a7`,
    'a8fde7a0accec190cd306c5950d4fd8e04a205ec288aa747d8b347',
    '59caddd9984a3bbe24c4fb31a2bd455b7eba3fa0980674b1a3a5f9',
    '3b9bfebd210c22ba0cff9de79b4007d7a552fffbf92616881faa8a883e25b80258',
    'f37512df1043d564d7c46ac85c53d3b6a9a05724bc297e7142808f217561651217fe85b782',
  ].map(hex),
};

const EMPTY = new Uint8Array(0);
const at = <T>(list: readonly T[], index: number): T => {
  const item = list[index];
  if (item === undefined) throw new Error(`nothing at ${index}`);
  return item;
};

const initiatorFor = (pattern: NoisePattern, psk = PSK): NoiseInitiator =>
  new NoiseInitiator(crypto, {
    pattern,
    prologue: PROLOGUE,
    staticKey: INIT_STATIC,
    remoteStatic: INIT_REMOTE_STATIC,
    ephemeral: INIT_EPHEMERAL,
    ...(pattern === 'IKpsk2' ? {psk} : {}),
  });
const responderFor = (pattern: NoisePattern): NoiseResponder =>
  new NoiseResponder(crypto, {
    pattern,
    prologue: PROLOGUE,
    staticKey: RESP_STATIC,
    ephemeral: RESP_EPHEMERAL,
  });
const pskOf = (pattern: NoisePattern) => (pattern === 'IKpsk2' ? PSK : undefined);

for (const pattern of ['IK', 'IKpsk2'] as const) {
  test(`${pattern}: both roles write the published vectors, message by message`, t => {
    const ciphertexts = VECTORS[pattern];
    const initiator = initiatorFor(pattern);
    const responder = responderFor(pattern);
    t.deepEqual(RESP_STATIC.publicKey, INIT_REMOTE_STATIC);

    const first = initiator.writeFirst(at(PAYLOADS, 0));
    t.deepEqual(first, at(ciphertexts, 0));
    const read = responder.readFirst(at(ciphertexts, 0));
    t.deepEqual(read, {remoteStatic: INIT_STATIC.publicKey, payload: at(PAYLOADS, 0)});
    const second = responder.writeSecond(at(PAYLOADS, 1), pskOf(pattern));
    t.deepEqual(second?.message, at(ciphertexts, 1));
    const done = initiator.readSecond(at(ciphertexts, 1));
    t.deepEqual(done?.payload, at(PAYLOADS, 1));

    const here = done?.keys;
    const there = second?.keys;
    if (here === undefined || there === undefined) return t.fail();
    t.deepEqual(here.handshakeHash, there.handshakeHash);
    t.deepEqual(here.sendKey, there.receiveKey);
    for (let i = 2; i < PAYLOADS.length; i++) {
      const {sendKey} = i % 2 === 0 ? here : there;
      const nonce = nonceOf(Math.floor(i / 2) - 1);
      t.deepEqual(crypto.seal(sendKey, nonce, EMPTY, at(PAYLOADS, i)), at(ciphertexts, i));
    }
  });

  test(`${pattern}: a changed byte anywhere is refused, and the true message still opens`, t => {
    const first = at(VECTORS[pattern], 0);
    for (let i = 0; i < first.length; i++) {
      const changed = first.slice();
      changed[i] = (changed[i] ?? 0) ^ 1;
      t.is(responderFor(pattern).readFirst(changed), undefined);
    }
    const initiator = initiatorFor(pattern);
    initiator.writeFirst(at(PAYLOADS, 0));
    const second = at(VECTORS[pattern], 1);
    for (let i = 0; i < second.length; i++) {
      const changed = second.slice();
      changed[i] = (changed[i] ?? 0) ^ 1;
      t.is(initiator.readSecond(changed), undefined);
    }
    t.deepEqual(initiator.readSecond(second)?.payload, at(PAYLOADS, 1));
  });
}

test('a wrong psk is refused', t => {
  const initiator = initiatorFor('IKpsk2', new Uint8Array(32));
  initiator.writeFirst(at(PAYLOADS, 0));
  t.is(initiator.readSecond(at(VECTORS.IKpsk2, 1)), undefined);
});

test('messages that are too short are refused', t => {
  t.is(responderFor('IK').readFirst(new Uint8Array(95)), undefined);
  t.is(initiatorFor('IK').readSecond(new Uint8Array(47)), undefined);
});

test('a responder key of low order is refused', t => {
  const initiator = new NoiseInitiator(crypto, {
    pattern: 'IK',
    prologue: PROLOGUE,
    staticKey: INIT_STATIC,
    remoteStatic: new Uint8Array(32),
  });
  t.is(initiator.writeFirst(EMPTY), undefined);
});

test('the nonce counts from the fifth byte on, little end first', t => {
  t.deepEqual(nonceOf(255), hex('00000000 ff00000000000000'));
  t.deepEqual(nonceOf(2 ** 32 + 258), hex('00000000 0201000001000000'));
});
