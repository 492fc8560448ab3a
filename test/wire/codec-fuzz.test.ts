// Every decoder against changed bytes of real traffic. What is asserted of each input: no exception, a value
// that is stable under encoding, and no more work than the input has bytes. Replay a failure with
// VOLLEY_FUZZ_SEED=<seed> npx ava test/wire/codec-fuzz.test.ts

import test, {type ExecutionContext} from 'ava';
import {planOf} from '../../src/sim/draw.ts';
import {
  decodeAck,
  decodeBeacon,
  decodeCommand,
  decodeMessage,
  decodeResults,
  decodeShot,
  decodeSignedTrust,
  decodeTrust,
  encodeAck,
  encodeBeacon,
  encodeCommand,
  encodeMessage,
  encodeResults,
  encodeShot,
  encodeSignedTrust,
  encodeTrust,
} from '../../src/wire/codec.ts';
import {FRAME} from '../../src/wire/session.ts';
import {recordedWorld} from '../sim/traffic.ts';
import {fuzzSeed, Mutator} from './mutator.ts';
import {COMMANDS} from './sample-commands.ts';
import {ACK, MESSAGES, RESULTS, SHOT, TRUST} from './samples.ts';

const INPUTS = 1_500_000;
const SEED = fuzzSeed();

type Codec = {
  readonly name: string;
  readonly decode: (bytes: Uint8Array) => unknown;
  readonly encode: (value: never) => Uint8Array;
};
const codec = <T>(
  name: string,
  decode: (bytes: Uint8Array) => T | string | undefined,
  encode: (value: T) => Uint8Array,
): Codec => ({
  name,
  decode,
  encode: encode as (value: never) => Uint8Array,
});

const CODECS: readonly Codec[] = [
  codec('message', decodeMessage, encodeMessage),
  codec('command', decodeCommand, encodeCommand),
  codec('results', decodeResults, encodeResults),
  codec('ack', decodeAck, encodeAck),
  codec('shot', decodeShot, encodeShot),
  codec('trust', decodeTrust, encodeTrust),
  codec('signedTrust', decodeSignedTrust, encodeSignedTrust),
  codec('beacon', decodeBeacon, encodeBeacon),
];

/** Plaintexts that a cluster said (the ideal cryptography hides nothing), and one sample of each message. */
function corpus(): Uint8Array[] {
  const texts = [
    ...Object.values(MESSAGES).map(encodeMessage),
    ...Object.values(COMMANDS).map(encodeCommand),
    encodeResults(RESULTS),
    encodeAck(ACK),
    encodeShot(SHOT),
    encodeTrust(TRUST),
  ];
  for (const seed of [3, 8]) {
    const {world, heard} = recordedWorld(planOf(seed, {nodes: 5}));
    world.start();
    world.runUntil(8_000);
    for (const {bytes} of heard.slice(0, 3_000)) {
      if (bytes[0] === FRAME.data) texts.push(...withBodies(bytes.slice(16, -16)));
      if (bytes[0] === FRAME.command) texts.push(bytes.slice(24, -80));
      if (bytes[0] === FRAME.beacon) texts.push(bytes.slice(4));
    }
  }
  return texts;
}

/** A message, and what is signed inside it. */
function withBodies(plaintext: Uint8Array): Uint8Array[] {
  const message = decodeMessage(plaintext);
  const hasBody = typeof message === 'object' && 'body' in message;
  return hasBody ? [plaintext, message.body] : [plaintext];
}

/** Entries, characters and bytes in a value: what a loop over it could do. */
function weightOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (value instanceof Uint8Array) return value.length;
  if (typeof value !== 'object' || value === null) return 1;
  let weight = 1;
  for (const part of Object.values(value)) weight += weightOf(part);
  return weight;
}

/** Ids are hex, twice as long; a lease of few bytes has a dozen fields with their defaults. */
const weightMax = (bytes: number): number => 300 + 20 * bytes;

function check(t: ExecutionContext, {name, decode, encode}: Codec, input: Uint8Array): boolean {
  const story = (): string =>
    `${name} of ${Buffer.from(input).toString('hex')}, VOLLEY_FUZZ_SEED=${SEED}`;
  let value: unknown;
  try {
    value = decode(input);
    if (typeof value !== 'object') return false;
    const again = encode(value as never);
    const second = decode(again);
    if (typeof second !== 'object' || !Buffer.from(encode(second as never)).equals(again))
      t.fail(`not stable: ${story()}`);
  } catch (error) {
    t.fail(`${String(error)}: ${story()}`);
  }
  const weight = weightOf(value);
  if (weight > weightMax(input.length)) t.fail(`weight ${weight}: ${story()}`);
  return true;
}

test('1,500,000 changed messages: no exception, stable values, work bounded by size', t => {
  const mutator = new Mutator(SEED, corpus());
  const before = process.memoryUsage().heapUsed;
  const since = process.cpuUsage();
  let good = 0;
  for (let i = 0; i < INPUTS; i++) {
    const input = mutator.next();
    // Mostly the decoder that most traffic goes to.
    const which = i % 3 === 0 ? mutator.prng.pick(CODECS) : CODECS[i % 2 === 0 ? 0 : 2];
    if (which && check(t, which, input)) good += 1;
  }
  const {user} = process.cpuUsage(since);
  const grown = (process.memoryUsage().heapUsed - before) / 2 ** 20;
  t.log(
    `seed ${SEED}: ${INPUTS} inputs, ${good} decoded, ${Math.round((INPUTS * 1e6) / user)} inputs/s of cpu, ` +
      `heap ${grown.toFixed(0)} MiB`,
  );
  t.true(good > INPUTS / 100, 'some still decode: the changes are not all the same');
  t.true(good < INPUTS, 'and some do not');
});
