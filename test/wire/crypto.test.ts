import {createPublicKey, verify as rawVerify} from 'node:crypto';
import {chacha20poly1305} from '@noble/ciphers/chacha.js';
import {ed25519, x25519} from '@noble/curves/ed25519.js';
import test from 'ava';
import fc from 'fast-check';
import {concat, toUtf8} from '../../src/base/bytes.ts';
import {isUnsafeEd25519, NodeCrypto} from '../../src/io/crypto.ts';
import type {SignPurpose} from '../../src/wire/crypto.ts';
import {bytes, hex} from './samples.ts';

const crypto = new NodeCrypto();
const EMPTY = new Uint8Array(0);
const block = (length: number) => fc.uint8Array({minLength: length, maxLength: length});
const secret = block(32);
const PURPOSES: readonly SignPurpose[] = [
  'app',
  'trust',
  'bind',
  'command',
  'results',
  'receipt',
  'ack',
  'shot',
];

test('X25519: the vectors of RFC 7748, section 5.2', t => {
  t.deepEqual(
    crypto.x25519(
      hex('a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4'),
      hex('e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c'),
    ),
    hex('c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552'),
  );
  t.deepEqual(
    crypto.x25519(
      hex('4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d'),
      hex('e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493'),
    ),
    hex('95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957'),
  );
});

test('ChaCha20-Poly1305: the vector of RFC 8439, section 2.8.2', t => {
  const key = bytes(32, 0x80);
  const nonce = hex('070000004041424344454647');
  const aad = hex('50515253c0c1c2c3c4c5c6c7');
  const plaintext = toUtf8(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, " +
      'sunscreen would be it.',
  );
  const sealed = hex(
    `d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6
     3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36
     92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
     3ff4def08e4b7a9de576d26586cec64b6116
     1ae10b594f09e26a7e902ecbd0600691`,
  );
  t.deepEqual(crypto.seal(key, nonce, aad, plaintext), sealed);
  t.deepEqual(crypto.open(key, nonce, aad, sealed), plaintext);
});

test('Ed25519: the oracle gives test 1 of RFC 8032, and we sign as it does', t => {
  const secretKey = hex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');
  const publicKey = hex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
  t.deepEqual(ed25519.getPublicKey(secretKey), publicKey);
  t.deepEqual(
    ed25519.sign(EMPTY, secretKey),
    hex(
      `e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970
       1cf9b46bd25bf5f0595bbe24655141438e7a100b`,
    ),
  );
  for (const purpose of PURPOSES) {
    const statement = concat(toUtf8(`volley/v1/${purpose}\0`), bytes(3), bytes(7));
    const signature = crypto.sign(secretKey, purpose, bytes(3), bytes(7));
    t.deepEqual(signature, ed25519.sign(statement, secretKey));
    t.true(crypto.verify(publicKey, purpose, signature, bytes(3), bytes(7)));
  }
});

test('a signature for one purpose says nothing for another', t => {
  const {publicKey, secretKey} = crypto.ed25519KeyPair();
  for (const made of PURPOSES) {
    const signature = crypto.sign(secretKey, made, bytes(9));
    const good = PURPOSES.filter(shown => crypto.verify(publicKey, shown, signature, bytes(9)));
    t.deepEqual(good, [made]);
  }
});

test('keys, secrets and seals are the same as those of the oracles', t => {
  fc.assert(
    fc.property(
      secret,
      secret,
      block(12),
      fc.uint8Array(),
      fc.uint8Array(),
      (a, b, nonce, aad, text) => {
        t.deepEqual(
          crypto.x25519(a, x25519.getPublicKey(b)),
          x25519.getSharedSecret(a, x25519.getPublicKey(b)),
        );
        const sealed = crypto.seal(a, nonce, aad, text);
        t.deepEqual(sealed, chacha20poly1305(a, nonce, aad).encrypt(text));
        t.deepEqual(crypto.open(a, nonce, aad, sealed), text);
        const signature = crypto.sign(a, 'ack', aad, text);
        t.true(crypto.verify(ed25519.getPublicKey(a), 'ack', signature, aad, text));
      },
    ),
    {numRuns: 50},
  );
});

test('new key pairs fit together', t => {
  const one = crypto.x25519KeyPair();
  t.deepEqual(x25519.getPublicKey(one.secretKey), one.publicKey);
  const two = crypto.ed25519KeyPair();
  t.deepEqual(ed25519.getPublicKey(two.secretKey), two.publicKey);
  t.deepEqual(
    crypto.sign(two.secretKey, 'ack', bytes(1)),
    crypto.sign(two.secretKey.slice(), 'ack', bytes(1)),
  );
});

const SMALL_ORDER = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].flatMap(text => {
  const key = hex(text);
  const signed = key.slice();
  signed[31] = (signed[31] ?? 0) | 0x80;
  return [key, signed];
});
/** R = the identity, S = 0: fits every message under a key of order 1, and one in 8 under the others. */
const TRIVIAL = Uint8Array.of(1, ...new Uint8Array(63));

test('node:crypto takes a key of small order: the trap is real', t => {
  const x = Buffer.from(SMALL_ORDER[2] ?? EMPTY).toString('base64url');
  const key = createPublicKey({key: {kty: 'OKP', crv: 'Ed25519', x}, format: 'jwk'});
  t.true(rawVerify(null, bytes(5), key, TRIVIAL));
});

test('under a key of small order, in all its encodings, nothing is authentic', t => {
  for (const key of SMALL_ORDER) {
    t.true(isUnsafeEd25519(key));
    for (let i = 0; i < 32; i++) t.false(crypto.verify(key, 'ack', TRIVIAL, Uint8Array.of(i)));
  }
});

test('the list of small orders is the one of the oracle', t => {
  const isSmall = (key: Uint8Array): boolean => {
    try {
      return ed25519.Point.fromBytes(key, true).isSmallOrder();
    } catch {
      return false;
    }
  };
  t.true(SMALL_ORDER.filter(isSmall).length >= 8);
  fc.assert(
    fc.property(secret, key => isUnsafeEd25519(key) || !isSmall(key)),
    {numRuns: 200},
  );
});

test('a public key with y of p and above is refused, one below is taken', t => {
  const y = (first: number) => Uint8Array.of(first, ...new Uint8Array(30).fill(0xff), 0x7f);
  for (let first = 0xed; first <= 0xff; first++) t.true(isUnsafeEd25519(y(first)));
  t.false(isUnsafeEd25519(y(0xeb)));
});

test('a public key of low order shares no secret', t => {
  const {secretKey} = crypto.x25519KeyPair();
  for (const key of SMALL_ORDER.slice(0, 4))
    t.is(crypto.x25519(secretKey, key.fill(0, 1)), undefined);
  const order8 = hex('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800');
  t.is(crypto.x25519(secretKey, order8), undefined);
});

test('wrong lengths from the network are refused and never thrown', t => {
  const {publicKey, secretKey} = crypto.ed25519KeyPair();
  const signature = crypto.sign(secretKey, 'ack', bytes(1));
  for (const length of [0, 1, 31, 33, 64, 1_000]) {
    t.false(crypto.verify(bytes(length), 'ack', signature, bytes(1)));
    t.is(crypto.x25519(secretKey, bytes(length)), undefined);
    t.is(crypto.open(bytes(length), bytes(12), EMPTY, bytes(40)), undefined);
  }
  for (const length of [0, 63, 65])
    t.false(crypto.verify(publicKey, 'ack', bytes(length), bytes(1)));
  for (const length of [0, 11, 13])
    t.is(crypto.open(bytes(32), bytes(length), EMPTY, bytes(40)), undefined);
  for (const length of [0, 4, 15])
    t.is(crypto.open(bytes(32), bytes(12), EMPTY, bytes(length)), undefined);
});

test('a tag that is cut short does not open', t => {
  const key = bytes(32);
  const nonce = bytes(12);
  const sealed = crypto.seal(key, nonce, EMPTY, bytes(20));
  for (let cut = 1; cut <= 16; cut++) {
    t.is(crypto.open(key, nonce, EMPTY, sealed.slice(0, -cut)), undefined);
  }
  t.deepEqual(crypto.open(key, nonce, EMPTY, crypto.seal(key, nonce, EMPTY, EMPTY)), EMPTY);
});

test('a signature with S + L is refused', t => {
  const {publicKey, secretKey} = crypto.ed25519KeyPair();
  const signature = crypto.sign(secretKey, 'ack', bytes(1));
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  let s = order;
  for (let i = 0; i < 32; i++) s += BigInt(signature[32 + i] ?? 0) << BigInt(8 * i);
  const other = signature.slice();
  for (let i = 0; i < 32; i++) other[32 + i] = Number((s >> BigInt(8 * i)) & 255n);
  t.true(crypto.verify(publicKey, 'ack', signature, bytes(1)));
  t.false(crypto.verify(publicKey, 'ack', other, bytes(1)));
});

test('what it gives is plain bytes that own their memory', t => {
  const {publicKey, secretKey} = crypto.ed25519KeyPair();
  const key = crypto.random(32);
  const sealed = crypto.seal(key, bytes(12), EMPTY, bytes(5));
  const all = [
    publicKey,
    secretKey,
    key,
    sealed,
    crypto.open(key, bytes(12), EMPTY, sealed),
    crypto.sha256(bytes(3)),
    crypto.hmacSha256(key, bytes(3)),
    crypto.sign(secretKey, 'ack', bytes(3)),
  ];
  for (const one of all) {
    t.is(one?.constructor, Uint8Array);
    t.is(one?.buffer.byteLength, one?.length);
  }
});

test('hashes of parts are hashes of the whole', t => {
  t.deepEqual(crypto.sha256(bytes(3), bytes(4)), crypto.sha256(concat(bytes(3), bytes(4))));
  t.deepEqual(
    crypto.sha256(toUtf8('abc')),
    hex('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'),
  );
  // RFC 4231, test case 2.
  t.deepEqual(
    crypto.hmacSha256(toUtf8('Jefe'), toUtf8('what do ya want '), toUtf8('for nothing?')),
    hex('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'),
  );
});
