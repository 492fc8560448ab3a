import test from 'ava';
import fc from 'fast-check';
import {asAddress} from '../../src/base/types.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {decodeToken, encodeToken, pskOf, tokenIdOf} from '../../src/wire/token.ts';
import {bytes} from './samples.ts';

const TOKEN = {
  fingerprint: bytes(16, 1),
  secret: bytes(16, 100),
  address: asAddress('192.168.1.20:6273'),
};
const TEXT = encodeToken(TOKEN);
const block = fc.uint8Array({minLength: 16, maxLength: 16});

const reasonOf = (text: string): string => {
  const decoded = decodeToken(text);
  return decoded.kind === 'bad' ? decoded.reason : 'good';
};

test('a token is the letters of volley1 and base32, and comes back as it went', t => {
  t.regex(TEXT, /^volley1[a-z2-7]+$/);
  t.true(TEXT.length < 100);
  t.deepEqual(decodeToken(TEXT), {kind: 'token', ...TOKEN});
});

test('every token comes back as it went', t => {
  const host = fc.oneof(fc.ipV4(), fc.domain());
  fc.assert(
    fc.property(
      block,
      block,
      host,
      fc.integer({min: 1, max: 65_535}),
      (fingerprint, secret, name, port) => {
        const token = {fingerprint, secret, address: asAddress(`${name}:${port}`)};
        t.deepEqual(decodeToken(encodeToken(token)), {kind: 'token', ...token});
      },
    ),
  );
});

test('case, blanks, line ends and hyphens do not matter', t => {
  const typed = ` ${TEXT.slice(0, 20).toUpperCase()}-${TEXT.slice(20, 40)}\n  ${TEXT.slice(40)} `;
  t.is(reasonOf(typed), 'good');
});

test('each wrong letter, and each two letters changed over, are a typing error', t => {
  for (let i = 7; i < TEXT.length; i++) {
    const wrong = TEXT[i] === 'a' ? 'b' : 'a';
    t.regex(reasonOf(TEXT.slice(0, i) + wrong + TEXT.slice(i + 1)), /typing error|missing/);
    if (TEXT[i] === TEXT[i + 1] || i + 1 === TEXT.length) continue;
    const swapped = TEXT.slice(0, i) + TEXT[i + 1] + TEXT[i] + TEXT.slice(i + 2);
    t.regex(reasonOf(swapped), /typing error|missing/);
  }
});

test('a token whose address is none says so, be its checksum right', t => {
  for (const address of ['host:0', 'a b:1', `${'x'.repeat(300)}:1`, 'ä.example:1']) {
    const text = encodeToken({...TOKEN, address: asAddress(address)});
    t.regex(reasonOf(text), /address in it is not valid; make a new one/, address);
  }
});

test('a token that was cut short says so', t => {
  for (let length = 8; length < TEXT.length; length++) {
    t.regex(reasonOf(TEXT.slice(0, length)), /missing/);
  }
});

test('a sign that occurs in no token is named, with what it may be', t => {
  const typed = (letter: string) => reasonOf(`${TEXT.slice(0, 10)}${letter}${TEXT.slice(11)}`);
  t.is(typed('0'), 'it has a typing error: "0" occurs in no token; perhaps it is "o"');
  t.is(typed('1'), 'it has a typing error: "1" occurs in no token; perhaps it is "l"');
  t.is(typed('!'), 'it has a typing error: "!" occurs in no token');
});

test('what is no token says so', t => {
  t.is(reasonOf('  '), 'it is empty');
  t.is(reasonOf('ghp_abc'), 'it does not begin with "volley1"');
});

test('random text is never an exception', t => {
  fc.assert(fc.property(fc.string(), text => decodeToken(`volley1${text}`).kind === 'bad'));
  t.pass();
});

test('the psk and the number of a token come from its secret, and the number is never 0', t => {
  const crypto = new NodeCrypto();
  t.is(pskOf(crypto, TOKEN.secret).length, 32);
  t.notDeepEqual(pskOf(crypto, TOKEN.secret), pskOf(crypto, bytes(16)));
  t.true(tokenIdOf(crypto, TOKEN.secret) > 0);
  class ZeroHash extends NodeCrypto {
    override sha256(): Uint8Array {
      return new Uint8Array(32);
    }
  }
  t.is(tokenIdOf(new ZeroHash(), TOKEN.secret), 1);
});
