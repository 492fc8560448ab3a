import test from 'ava';
import {asBatchId, asBlobId, asNodeId} from '../../src/base/types.ts';
import {
  type Check,
  checkKey,
  decodeChecks,
  encodeChecks,
  hashOfOutput,
  nodeOfCheckKey,
} from '../../src/core/checks.ts';
import {decodePageKey, pageKey} from '../../src/core/tables.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';

const NODE = asNodeId('0f'.repeat(16));
const check = (state: Check['state'], reportNo: number): Check => ({
  state,
  reportNo,
  item: 63,
  hash: new Uint8Array(32).fill(reportNo & 0xff),
});

test('rows of checks come back as they were, and stand beside their page', t => {
  const checks = new Map([
    [0, check('open', 0)],
    [5, check('confirmed', 2 ** 40)],
    [62, check('replaced', 7)],
    [63, check('failed', 8)],
  ]);
  t.deepEqual(decodeChecks(encodeChecks(checks)), checks);
  const key = checkKey(asBatchId(7), 300, NODE);
  t.true(key.startsWith(pageKey(asBatchId(7), 300)));
  t.deepEqual(decodePageKey(key), {batchId: asBatchId(7), pageNo: 300});
  t.is(nodeOfCheckKey(key), NODE);
});

test('the bytes of a row of checks are for ever', t => {
  const row = encodeChecks(new Map([[5, {...check('replaced', 300), hash: Uint8Array.of(1, 2)}]]));
  t.deepEqual([...row], [5, 2, 0xac, 2, 63, 2, 1, 2]);
});

test('a row that is cut short, or of an unknown state, is refused', t => {
  const row = encodeChecks(new Map([[5, check('open', 1)]]));
  for (let length = 1; length < row.length; length++)
    t.throws(() => decodeChecks(row.slice(0, length)), {instanceOf: RangeError});
  t.throws(() => decodeChecks(Uint8Array.of(5, 4, 1, 1, 0)), {message: /unknown state/});
});

test('the hash of an output is of its bytes, wherever they are', t => {
  const crypto = new NodeCrypto();
  const bytes = Uint8Array.of(1, 2, 3);
  const hash = crypto.sha256(bytes);
  const blobId = asBlobId(Buffer.from(hash).toString('hex'));
  t.deepEqual(hashOfOutput(crypto, {kind: 'inline', bytes}), hash);
  t.deepEqual(hashOfOutput(crypto, {kind: 'blob', blobId, size: 3}), hash);
  t.throws(() => hashOfOutput(crypto, {kind: 'blob', blobId: 'xy' as never, size: 3}));
});
