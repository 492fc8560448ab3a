import {createHash} from 'node:crypto';
import test from 'ava';
import {type AppRig, openApp} from './app-rig.ts';

let app: AppRig;
test.before(async () => {
  app = await openApp('nonce');
});
test.after.always(() => app.close());

// Header of the genesis block of Bitcoin, without its nonce: https://en.bitcoin.it/wiki/Genesis_block
const GENESIS =
  `01000000${'00'.repeat(32)}` +
  '3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d';
const GENESIS_NONCE = 2_083_236_893;
const GENESIS_HASH = '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f';

// Block 125552, the example of https://en.bitcoin.it/wiki/Block_hashing_algorithm
const BLOCK =
  '0100000081cd02ab7e569e8bcd9317e2fe99f2de44d49ab2b8851ba4a308000000000000' +
  'e320b6c2fffc8d750423db8b1eb942ae710e951ed797f7affc8892b0f1fc122bc7f5d74df2b9441a';
const BLOCK_NONCE = 0x9546a142;
const BLOCK_HASH = '00000000000000001e8d6829a8a21adc5d38d0a473b144b6765798e61f98bd1d';

const search = async (start: number, end: number, header: string, bits: number): Promise<string> =>
  String(await app.run(`${start} ${end}\n`, [header, String(bits)]));

function hashOf(header: string, nonce: number): Buffer {
  const bytes = Buffer.concat([Buffer.from(header, 'hex'), Buffer.alloc(4)]);
  bytes.writeUInt32LE(nonce, 76);
  const once = createHash('sha256').update(bytes).digest();
  return createHash('sha256').update(once).digest().reverse();
}

/** The smallest nonce from `start` on, and its hash, by another implementation. */
function naive(start: number, header: string, bits: number): string {
  for (let nonce = start; ; nonce++) {
    const hash = hashOf(header, nonce);
    if (BigInt(`0x${hash.toString('hex')}`) < 1n << BigInt(256 - bits))
      return `${nonce} ${hash.toString('hex')}\n`;
  }
}

test.serial('the nonce of the first block of Bitcoin is found', async t => {
  const found = await search(GENESIS_NONCE - 20_000, GENESIS_NONCE + 20_000, GENESIS, 43);
  t.is(found, `${GENESIS_NONCE} ${GENESIS_HASH}\n`);
});

test.serial('its hash has 43 zero bits and no more', async t => {
  t.is(await search(GENESIS_NONCE, GENESIS_NONCE + 1, GENESIS, 44), '');
  t.is(await search(GENESIS_NONCE, GENESIS_NONCE, GENESIS, 0), '', 'nothing in an empty range');
});

test.serial('the nonce of another block is found', async t => {
  const found = await search(BLOCK_NONCE - 5_000, BLOCK_NONCE + 1, BLOCK, 64);
  t.is(found, `${BLOCK_NONCE} ${BLOCK_HASH}\n`);
});

for (const bits of [0, 1, 7, 8, 9, 12])
  test.serial(
    `the smallest nonce with ${bits} zero bits is that of another implementation`,
    async t => {
      for (const start of [0, 1_000, 123_456])
        t.is(await search(start, start + 1_000_000, GENESIS, bits), naive(start, GENESIS, bits));
    },
  );

test.serial('the end of a range is not in it, the last nonce of all is', async t => {
  t.is(await search(GENESIS_NONCE - 10, GENESIS_NONCE, GENESIS, 43), '');
  const last = 2 ** 32 - 1;
  t.is(
    await search(last, last + 1, GENESIS, 0),
    `${last} ${hashOf(GENESIS, last).toString('hex')}\n`,
  );
});

test.serial('what makes no sense is refused with a reason', async t => {
  for (const [input, args, reason] of [
    ['0 4294967297\n', [GENESIS, '1'], /4294967296/],
    ['0 1\n', [], /152 hex digits/],
    ['0 1\n', [GENESIS.slice(2), '1'], /152 hex digits/],
    ['0 1\n', [`${GENESIS.slice(2)}xx`, '1'], /152 hex digits/],
    ['0 1\n', [GENESIS], /zero bits/],
    ['0 1\n', [GENESIS, '256'], /zero bits/],
    ['0 1\n', [GENESIS, 'many'], /decimal number/],
  ] as const)
    t.regex(String(await t.throwsAsync(app.run(input, args))), reason, args.join(' '));
});
