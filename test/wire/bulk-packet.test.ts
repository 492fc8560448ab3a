import test from 'ava';
import fc from 'fast-check';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {
  BULK_OVERHEAD_BYTES,
  type BulkPacket,
  provesBulk,
  readBulk,
  sealBulk,
} from '../../src/wire/bulk-packet.ts';

const crypto = new NodeCrypto();
const KEY = new Uint8Array(32).fill(9);
const SYMBOL = 24;

const uint32 = fc.integer({min: 0, max: 2 ** 32 - 1});
const packets: fc.Arbitrary<BulkPacket> = fc.record({
  transferId: uint32,
  sequence: uint32,
  poll: fc.integer({min: 0, max: 65_535}),
  isEnding: fc.boolean(),
  answerMs: fc.integer({min: 0, max: 255}).map(unit => unit * 4),
  symbol: fc.option(
    fc.record({
      block: uint32,
      no: fc.integer({min: 0, max: 255}),
      bytes: fc.uint8Array({minLength: SYMBOL, maxLength: SYMBOL}),
    }),
    {nil: undefined},
  ),
});

test('what is sealed is read again, and proven', t => {
  fc.assert(
    fc.property(packets, packet => {
      const datagram = sealBulk(crypto, KEY, packet);
      t.is(datagram.length, (packet.symbol ? SYMBOL : 0) + BULK_OVERHEAD_BYTES);
      t.deepEqual(readBulk(datagram, SYMBOL), packet);
      t.true(provesBulk(crypto, KEY, datagram));
      t.false(provesBulk(crypto, new Uint8Array(32), datagram));
    }),
  );
});

test('a changed bit is either no packet, or not proven', t => {
  fc.assert(
    fc.property(packets, fc.nat(), fc.integer({min: 0, max: 7}), (packet, at, bit) => {
      const datagram = sealBulk(crypto, KEY, packet);
      const i = at % datagram.length;
      datagram[i] = (datagram[i] ?? 0) ^ (1 << bit);
      t.true(readBulk(datagram, SYMBOL) === undefined || !provesBulk(crypto, KEY, datagram));
    }),
  );
});

test('bytes of strangers are read without a throw', t => {
  fc.assert(
    fc.property(fc.uint8Array({maxLength: 80}), bytes => {
      bytes[0] = 8;
      bytes[1] = 1;
      const packet = readBulk(bytes, SYMBOL);
      t.true(packet === undefined || packet.sequence >= 0);
    }),
  );
  const whole = sealBulk(crypto, KEY, {
    transferId: 1,
    sequence: 2,
    poll: 3,
    isEnding: false,
    answerMs: 4,
    symbol: undefined,
  });
  for (const [at, value] of [
    [0, 7],
    [1, 2],
    [2, 2],
  ] as const) {
    const other = whole.slice();
    other[at] = value;
    t.is(readBulk(other, SYMBOL), undefined);
  }
  // A symbol without bytes, bytes without a symbol, and bytes of another length.
  const odd = whole.slice();
  odd[12] = 0;
  t.is(readBulk(odd, SYMBOL), undefined);
  t.is(readBulk(new Uint8Array(BULK_OVERHEAD_BYTES + SYMBOL + 1).fill(8), SYMBOL), undefined);
});
