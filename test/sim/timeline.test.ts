import test from 'ava';
import {Prng} from '../../src/base/prng.ts';
import {exponential} from '../../src/sim/dice.ts';
import {SimCrypto} from '../../src/sim/sim-crypto.ts';
import {EVENT, Timeline} from '../../src/sim/timeline.ts';

const key = new Uint8Array(32).fill(7);
const nonce = (no: number): Uint8Array => {
  const bytes = new Uint8Array(12);
  bytes[4] = no;
  return bytes;
};
const text = (length: number): Uint8Array => new Uint8Array(length).fill(3);

test('events run in the order of their time, equal ones in the order they were asked for', t => {
  const timeline = new Timeline();
  const seen: string[] = [];
  timeline.after(2, EVENT.other, 0, () => seen.push('c'));
  timeline.after(1, EVENT.other, 0, () => seen.push('a'));
  timeline.after(1, EVENT.other, 0, () => seen.push('b'));
  while (timeline.step(10)) t.true(timeline.now <= 2);
  t.deepEqual(seen, ['a', 'b', 'c']);
});

test('the digest tells the order of two events', t => {
  const digestOf = (...details: number[]): string => {
    const timeline = new Timeline();
    for (const detail of details) timeline.after(1, EVENT.other, detail, () => undefined);
    while (timeline.step(10));
    return timeline.digest;
  };
  t.is(digestOf(1, 2), digestOf(1, 2));
  t.not(digestOf(1, 2), digestOf(2, 1));
});

test('exponential dice have a mean of 1 and a tail', t => {
  const prng = new Prng(1);
  const draws = Array.from({length: 100_000}, () => exponential(prng));
  const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
  t.true(Math.abs(mean - 1) < 0.02);
  const beyond = draws.filter(draw => draw > 3).length / draws.length;
  t.true(Math.abs(beyond - 0.0498) < 0.005);
});

test('what was sealed opens, what was changed does not', t => {
  const crypto = new SimCrypto(new Prng(1));
  const sealed = crypto.seal(key, nonce(1), text(5), text(9));
  t.deepEqual(crypto.open(key, nonce(1), text(5), sealed), text(9));
  t.is(crypto.open(key, nonce(2), text(5), sealed), undefined);
  t.is(crypto.open(key, nonce(1), text(4), sealed), undefined);
  for (let i = 0; i < sealed.length; i++) {
    const changed = sealed.slice();
    changed[i] = (changed[i] ?? 0) ^ 1;
    t.is(crypto.open(key, nonce(1), text(5), changed), undefined);
  }
});

test('a nonce that seals a second text is found', t => {
  const crypto = new SimCrypto(new Prng(1));
  crypto.seal(key, nonce(1), text(0), text(9));
  t.throws(() => crypto.seal(key, nonce(1), text(0), text(8)), {message: /S10/});
});

test('two ends share a secret, a third end has another', t => {
  const crypto = new SimCrypto(new Prng(1));
  const [a, b, c] = [crypto.x25519KeyPair(), crypto.x25519KeyPair(), crypto.x25519KeyPair()];
  const shared = crypto.x25519(a.secretKey, b.publicKey);
  t.deepEqual(crypto.x25519(b.secretKey, a.publicKey), shared);
  t.notDeepEqual(crypto.x25519(c.secretKey, a.publicKey), shared);
  t.is(crypto.x25519(a.secretKey, new Uint8Array(32)), undefined);
});

test('a signature holds for its purpose, its text and its signer', t => {
  const crypto = new SimCrypto(new Prng(1));
  const [a, b] = [crypto.ed25519KeyPair(), crypto.ed25519KeyPair()];
  const signature = crypto.sign(a.secretKey, 'results', text(3), text(4));
  t.is(signature.length, 64);
  t.true(crypto.verify(a.publicKey, 'results', signature, text(7)));
  t.false(crypto.verify(a.publicKey, 'shot', signature, text(7)));
  t.false(crypto.verify(a.publicKey, 'results', signature, text(8)));
  t.false(crypto.verify(b.publicKey, 'results', signature, text(7)));
});
