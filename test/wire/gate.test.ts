import test from 'ava';
import {type Address, asAddress, asMonoMs, type MonoMs} from '../../src/base/types.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {type Attempt, makeAttempt} from '../../src/wire/attempt.ts';
import {CookieJar} from '../../src/wire/cookie.ts';
import {Gate} from '../../src/wire/gate.ts';
import {
  ANSWERS_PER_SECOND,
  COOKIE_LOAD_MS,
  COOKIES_ABOVE_PER_SECOND,
  SOURCE_BURST,
  SOURCE_PER_SECOND,
  SOURCES_MAX,
  SPARE_ANSWERS_PER_SECOND,
} from '../../src/wire/limits.ts';
import {bytes} from './samples.ts';

const crypto = new NodeCrypto();
const master = crypto.x25519KeyPair();
const NOW = asMonoMs(5_000);
const HERE = asAddress('10.0.0.7:40000');
const host = (no: number): Address => asAddress(`10.9.${(no >> 8) & 255}.${no & 255}:40000`);

function attempt(): Attempt {
  const staticKey = crypto.x25519KeyPair();
  const keys = {staticKey, masterStatic: master.publicKey, bootId: bytes(8), token: undefined};
  const made = makeAttempt(crypto, keys, NOW);
  if (made === undefined) throw new Error('no attempt');
  return made;
}
const ONE = attempt();
const gateOf = (): Gate => new Gate(crypto, master.publicKey);
const storm = (gate: Gate, count: number, from: (i: number) => Address, now: MonoMs = NOW) => {
  const kinds: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const {kind} = gate.onInitiation(ONE.datagram, from(i), now);
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  return kinds;
};
const loaded = (now: MonoMs = NOW): Gate => {
  const gate = gateOf();
  storm(gate, COOKIES_ABOVE_PER_SECOND + 1, host, now);
  return gate;
};
/** The same initiation with the cookie of this address. */
function showing(gate: Gate, from: Address, now: MonoMs = NOW): Uint8Array {
  const one = attempt();
  const jar = new CookieJar(crypto);
  const verdict = gate.onInitiation(one.datagram, from, now);
  if (verdict.kind === 'cookie') jar.learn(verdict.reply, one, now);
  return jar.stamped(one, now);
}

test('handshakes at the stated rate are taken without a question', t => {
  const gate = gateOf();
  for (let i = 0; i < 10; i++) {
    const now = asMonoMs(NOW + i * 1_000);
    const kinds = storm(gate, COOKIES_ABOVE_PER_SECOND, () => HERE, now);
    t.deepEqual(kinds, {taken: COOKIES_ABOVE_PER_SECOND});
    t.false(gate.underLoad(now));
  }
});

test('above it cookies are asked for, for a second after', t => {
  const gate = gateOf();
  const kinds = storm(gate, COOKIES_ABOVE_PER_SECOND + 50, host);
  t.deepEqual(kinds, {taken: COOKIES_ABOVE_PER_SECOND, cookie: 50});
  t.true(gate.underLoad(asMonoMs(NOW + COOKIE_LOAD_MS - 1)));
  t.false(gate.underLoad(asMonoMs(NOW + COOKIE_LOAD_MS)));
  t.is(gate.onInitiation(ONE.datagram, HERE, asMonoMs(NOW + COOKIE_LOAD_MS)).kind, 'taken');
});

test('under load who shows the cookie of its address is taken, at the rate of one source', t => {
  const gate = loaded();
  const shown = showing(gate, HERE);
  const taken = (now: MonoMs, tries: number): number =>
    Array.from({length: tries}).filter(() => gate.onInitiation(shown, HERE, now).kind === 'taken')
      .length;
  t.is(taken(NOW, 20), SOURCE_BURST);
  const later = asMonoMs(NOW + 100);
  storm(gate, COOKIES_ABOVE_PER_SECOND, host, later);
  t.is(taken(later, 20), (SOURCE_PER_SECOND * 100) / 1_000);
});

test('a cookie that another address was given gets a cookie, and no handshake', t => {
  const gate = loaded();
  const shown = showing(gate, HERE);
  t.is(gate.onInitiation(shown, host(3), NOW).kind, 'cookie');
});

test('packets in the name of an address take nothing from it once it shows its cookie', t => {
  const gate = loaded();
  const shown = showing(gate, HERE);
  storm(gate, 3_000, () => HERE);
  t.is(gate.onInitiation(shown, HERE, NOW).kind, 'taken');
});

test('an address whose bucket others used up still gets its cookie from the spare budget', t => {
  const gate = loaded();
  const kinds = storm(gate, 500, () => HERE);
  t.deepEqual(kinds, {cookie: 500});
  const more = storm(gate, SPARE_ANSWERS_PER_SECOND, () => HERE);
  t.is(more['cookie'], SPARE_ANSWERS_PER_SECOND - 500 + SOURCE_BURST);
  t.is(gate.onInitiation(ONE.datagram, host(9_999), NOW).kind, 'cookie', 'others have their own');
});

test('65,536 sources get no more answers than the budget of a second', t => {
  const gate = loaded();
  const answers = Array.from({length: 65_536}).filter((_, i) => gate.mayAnswer(host(i), NOW));
  t.is(answers.length, ANSWERS_PER_SECOND - 1);
  t.true(gate.mayAnswer(HERE, asMonoMs(NOW + 10)), 'and a moment later again');
});

test('what is kept for strangers has one size, however many they are', t => {
  const gate = gateOf();
  const {bytes: before} = gate;
  for (let i = 0; i < 20_000; i++) gate.mayAnswer(host(i), asMonoMs(NOW + i));
  t.is(gate.bytes, before);
  t.is(before, 2 * SOURCES_MAX * 16);
});

test('under load, what nobody would be answered for is not looked at; one that shows a cookie is', t => {
  const gate = gateOf();
  t.false(gate.mayIgnore(ONE.datagram, HERE, NOW), 'calm');
  storm(gate, COOKIES_ABOVE_PER_SECOND + 1, host);
  t.false(gate.mayIgnore(ONE.datagram, HERE, NOW), 'it is owed a cookie');
  const shown = showing(gate, HERE);
  storm(gate, 2 * SPARE_ANSWERS_PER_SECOND, () => HERE);
  t.true(gate.mayIgnore(ONE.datagram, HERE, NOW));
  t.false(gate.mayIgnore(shown, HERE, NOW));
  t.false(gate.mayIgnore(ONE.datagram, host(9_999), NOW), 'another address has its own bucket');
  t.false(
    gate.mayIgnore(ONE.datagram, HERE, asMonoMs(NOW + 500)),
    'the spare budget is there again',
  );
  t.is(gate.onInitiation(shown, HERE, NOW).kind, 'taken');
});

test('asking whether an initiation may be ignored uses nothing up', t => {
  const gate = loaded();
  for (let i = 0; i < 100_000; i++) gate.mayIgnore(ONE.datagram, HERE, NOW);
  const {cookie = 0} = storm(gate, 2 * SPARE_ANSWERS_PER_SECOND, () => HERE);
  t.true(cookie >= SPARE_ANSWERS_PER_SECOND);
});
