import {spawnSync} from 'node:child_process';
import {createHmac, randomBytes} from 'node:crypto';
import {fileURLToPath} from 'node:url';
import test from 'ava';
import {toHex, toUtf8} from '../../src/base/bytes.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';

const crypto = new NodeCrypto();

const MAKE_KEYS = fileURLToPath(new URL('./make-keys.ts', import.meta.url));

test('making keys does not hang when the collector runs', t => {
  const {status, signal, stderr} = spawnSync(
    process.execPath,
    ['--import=tsx', '--gc-interval=97', MAKE_KEYS],
    {timeout: 120_000, encoding: 'utf8'},
  );
  t.deepEqual({status, signal}, {status: 0, signal: null}, stderr);
});

test('HMAC-SHA256 is that of node:crypto for keys and texts of any length, in one part or many', t => {
  const lengths = [0, 1, 31, 32, 55, 56, 63, 64, 65, 1_428, 1_535, 1_536, 1_537, 5_000];
  for (const keyLength of [0, 1, 32, 63, 64, 65, 200])
    for (const length of lengths) {
      const [key, text] = [randomBytes(keyLength), randomBytes(length)];
      const expected = new Uint8Array(createHmac('sha256', key).update(text).digest());
      t.deepEqual(crypto.hmacSha256(key, text), expected, `${keyLength}, ${length}`);
      const [begin, end] = [text.subarray(0, length >> 1), text.subarray(length >> 1)];
      t.deepEqual(crypto.hmacSha256(key, begin, end), expected);
    }
});

test('HMAC-SHA256 has the values of RFC 4231', t => {
  const first = crypto.hmacSha256(new Uint8Array(20).fill(0x0b), toUtf8('Hi There'));
  t.is(toHex(first), 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7');
  const second = crypto.hmacSha256(toUtf8('Jefe'), toUtf8('what do ya want for nothing?'));
  t.is(toHex(second), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
});
