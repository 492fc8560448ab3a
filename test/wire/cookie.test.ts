import test from 'ava';
import {asAddress, asMonoMs} from '../../src/base/types.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {type Attempt, makeAttempt} from '../../src/wire/attempt.ts';
import {CookieBaker, CookieJar} from '../../src/wire/cookie.ts';
import {COOKIE_LIFE_MS, COOKIE_REPLY_BYTES, INITIATION_BYTES} from '../../src/wire/limits.ts';
import {bytes} from './samples.ts';

const crypto = new NodeCrypto();
const master = crypto.x25519KeyPair();
const NOW = asMonoMs(5_000);
const HERE = asAddress('10.0.0.7:40000');

function attemptTo(masterStatic = master.publicKey): Attempt {
  const staticKey = crypto.x25519KeyPair();
  const keys = {staticKey, masterStatic, bootId: bytes(8), token: undefined};
  const attempt = makeAttempt(crypto, keys, NOW);
  if (attempt === undefined) throw new Error('no attempt');
  return attempt;
}

const bakerOf = (): CookieBaker => new CookieBaker(crypto, master.publicKey);

test('an initiation that shows its cookie is accepted, and without it it is not', t => {
  const baker = bakerOf();
  const jar = new CookieJar(crypto);
  const attempt = attemptTo();
  t.false(baker.accepts(attempt.datagram, HERE, NOW));
  t.is(jar.learn(baker.reply(attempt.datagram, HERE, NOW), attempt, NOW), undefined);
  const shown = jar.stamped(attempt, NOW);
  t.is(shown.length, INITIATION_BYTES);
  t.deepEqual(shown.slice(0, -16), attempt.datagram.slice(0, -16));
  t.true(baker.accepts(shown, HERE, NOW));
  const next = attemptTo();
  t.true(baker.accepts(jar.stamped(next, NOW), HERE, NOW), 'the next handshake shows it at once');
});

test('a cookie reply has 64 bytes in the layout of the manual', t => {
  const {datagram, localIndex} = attemptTo();
  const frame = bakerOf().reply(datagram, HERE, NOW);
  t.is(frame.length, COOKIE_REPLY_BYTES);
  t.deepEqual([...frame.subarray(0, 4)], [3, 0, 0, 0]);
  t.is(new DataView(frame.buffer).getUint32(4), localIndex);
});

test('a cookie is good for one address and port', t => {
  const baker = bakerOf();
  const jar = new CookieJar(crypto);
  const attempt = attemptTo();
  jar.learn(baker.reply(attempt.datagram, HERE, NOW), attempt, NOW);
  const shown = jar.stamped(attempt, NOW);
  t.false(baker.accepts(shown, asAddress('10.0.0.8:40000'), NOW));
  t.false(baker.accepts(shown, asAddress('10.0.0.7:40001'), NOW));
});

test('mac2 of one initiation does not serve for another', t => {
  const baker = bakerOf();
  const jar = new CookieJar(crypto);
  const attempt = attemptTo();
  jar.learn(baker.reply(attempt.datagram, HERE, NOW), attempt, NOW);
  const mac2 = jar.stamped(attempt, NOW).slice(-16);
  const other = attemptTo().datagram.slice();
  other.set(mac2, INITIATION_BYTES - 16);
  t.false(baker.accepts(other, HERE, NOW));
});

test('a secret makes cookies for 120 s, and the node shows one for no longer', t => {
  const baker = bakerOf();
  const jar = new CookieJar(crypto);
  const attempt = attemptTo();
  jar.learn(baker.reply(attempt.datagram, HERE, NOW), attempt, NOW);
  const shown = jar.stamped(attempt, NOW);
  const last = asMonoMs(NOW + COOKIE_LIFE_MS - 1);
  const over = asMonoMs(NOW + COOKIE_LIFE_MS);
  t.true(baker.accepts(shown, HERE, last));
  t.false(baker.accepts(shown, HERE, over));
  t.deepEqual(jar.stamped(attempt, last), shown);
  t.deepEqual(jar.stamped(attempt, over), attempt.datagram);
});

test('a cookie reply with any byte changed teaches the node nothing', t => {
  const attempt = attemptTo();
  const reply = bakerOf().reply(attempt.datagram, HERE, NOW);
  const jar = new CookieJar(crypto);
  const faults = new Set<string | undefined>();
  for (let i = 0; i < reply.length; i++) {
    const changed = reply.slice();
    changed[i] = (changed[i] ?? 0) ^ 1;
    if (i > 0) faults.add(jar.learn(changed, attempt, NOW));
  }
  t.deepEqual([...faults].sort(), ['badCookie', 'malformed', 'unknownSession']);
  t.is(jar.stamped(attempt, NOW), attempt.datagram);
});

test('a cookie for another initiation, or of another master, is none', t => {
  const attempt = attemptTo();
  const jar = new CookieJar(crypto);
  const sameIndex = attemptTo().datagram.slice();
  sameIndex.set(attempt.datagram.subarray(4, 8), 4);
  t.is(jar.learn(bakerOf().reply(sameIndex, HERE, NOW), attempt, NOW), 'badCookie');
  const rogue = new CookieBaker(crypto, crypto.x25519KeyPair().publicKey);
  t.is(jar.learn(rogue.reply(attempt.datagram, HERE, NOW), attempt, NOW), 'badCookie');
});

test('no two replies have the same nonce, and a new secret brings a new salt', t => {
  const baker = bakerOf();
  const {datagram} = attemptTo();
  const nonces = new Set<string>();
  for (let i = 0; i < 300; i++) {
    const now = asMonoMs(NOW + (i % 3) * COOKIE_LIFE_MS);
    nonces.add(Buffer.from(baker.reply(datagram, HERE, now).subarray(8, 32)).toString('hex'));
  }
  t.is(nonces.size, 300);
});
