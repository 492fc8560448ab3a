import {readFileSync} from 'node:fs';
import test from 'ava';
import {toHex} from '../../src/base/bytes.ts';
import {asBatchId, asBlobId} from '../../src/base/types.ts';
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
import {volley} from '../../src/wire/generated/volley.js';
import type {Assign, Hello, Message, ResultItem} from '../../src/wire/message.ts';
import {COMMANDS} from './sample-commands.ts';
import {
  ACK,
  ACK_UNREADY,
  bytes,
  hex,
  MESSAGES,
  ODD_RESULTS,
  RESULTS,
  SHOT,
  SHOT_SALTED,
  SHOT_SENSOR,
  TRUST,
} from './samples.ts';

type Case = {
  readonly value: unknown;
  readonly encoded: Uint8Array;
  readonly decode: (bytes: Uint8Array) => unknown;
};

const SIGNED_TRUST = {document: bytes(150), signature: bytes(64, 30)};
const STEPPED_TRUST = {
  ...SIGNED_TRUST,
  previous: {rootKey: bytes(32, 7), signature: bytes(64, 90)},
};
const BEACON = {trust: bytes(250), port: 6_273};

const CASES: Readonly<Record<string, Case>> = {
  ...Object.fromEntries(
    Object.entries(MESSAGES).map(([name, value]) => [
      `message ${name}`,
      {value, encoded: encodeMessage(value), decode: decodeMessage},
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(COMMANDS).map(([name, value]) => [
      `command ${name}`,
      {value, encoded: encodeCommand(value), decode: decodeCommand},
    ]),
  ),
  oddResults: {value: ODD_RESULTS, encoded: encodeResults(ODD_RESULTS), decode: decodeResults},
  results: {value: RESULTS, encoded: encodeResults(RESULTS), decode: decodeResults},
  ack: {value: ACK, encoded: encodeAck(ACK), decode: decodeAck},
  ackUnready: {value: ACK_UNREADY, encoded: encodeAck(ACK_UNREADY), decode: decodeAck},
  shot: {value: SHOT, encoded: encodeShot(SHOT), decode: decodeShot},
  shotSalted: {value: SHOT_SALTED, encoded: encodeShot(SHOT_SALTED), decode: decodeShot},
  shotSensor: {value: SHOT_SENSOR, encoded: encodeShot(SHOT_SENSOR), decode: decodeShot},
  trust: {value: TRUST, encoded: encodeTrust(TRUST), decode: decodeTrust},
  signedTrust: {
    value: SIGNED_TRUST,
    encoded: encodeSignedTrust(SIGNED_TRUST),
    decode: decodeSignedTrust,
  },
  'signedTrust of a new root': {
    value: STEPPED_TRUST,
    encoded: encodeSignedTrust(STEPPED_TRUST),
    decode: decodeSignedTrust,
  },
  beacon: {value: BEACON, encoded: encodeBeacon(BEACON), decode: decodeBeacon},
};

// Made once by `encode` and kept: numbers on the wire are for ever. A changed line here is a new
// protocol version, an added field is a new line.
const GOLDEN: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(new URL('golden.json', import.meta.url), 'utf8'),
);

for (const [name, {value, encoded, decode}] of Object.entries(CASES)) {
  test(`${name}: the bytes are the golden ones`, t => {
    t.is(toHex(encoded), GOLDEN[name] ?? '');
  });

  test(`${name}: the golden bytes decode to the value`, t => {
    t.deepEqual(decode(hex(GOLDEN[name] ?? '')), value);
  });

  test(`${name}: every cut is refused or decodes to something else, without an exception`, t => {
    for (let length = 0; length < encoded.length; length++) {
      t.notDeepEqual(decode(encoded.slice(0, length)), value);
    }
  });

  test(`${name}: decoded bytes are copies, and plain`, t => {
    // As a driver would have it: a Buffer inside a larger pool.
    const datagram = Buffer.concat([Buffer.from('xx'), encoded]).subarray(2);
    const decoded = decode(datagram);
    datagram.fill(0xff);
    t.deepEqual(decoded, value);
    t.false(holdsBuffer(decoded));
  });

  test(`${name}: a field that we do not know is ignored`, t => {
    // Field 1,000, length-delimited, 3 bytes.
    t.deepEqual(decode(Uint8Array.of(...encoded, 0xc2, 0x3e, 3, 1, 2, 3)), value);
  });
}

test('the golden file has no line too many', t => {
  t.deepEqual(Object.keys(GOLDEN).sort(), Object.keys(CASES).sort());
});

function holdsBuffer(value: unknown): boolean {
  if (Buffer.isBuffer(value)) return true;
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return false;
  return Object.values(value).some(holdsBuffer);
}

const message = (properties: volley.Envelope.$Properties): unknown =>
  decodeMessage(volley.Envelope.encode(properties).finish());

const hello = MESSAGES['hello'] as Hello;
const assign = MESSAGES['assign'] as Assign;
const withHello = (change: Partial<volley.Hello.$Properties>): unknown =>
  message({hello: {...(hello as unknown as volley.Hello.$Properties), ...change}});

test('no bytes, and bytes without a body, are malformed', t => {
  t.is(decodeMessage(new Uint8Array(0)), 'malformed');
  t.is(decodeMessage(Uint8Array.of(0xc2, 0x3e, 0)), 'malformed');
});

test('a key, a signature or an id of the wrong length is malformed', t => {
  t.is(withHello({identityKey: bytes(31)}), 'malformed');
  t.is(withHello({identityKey: bytes(33)}), 'malformed');
  t.is(withHello({binding: bytes(63)}), 'malformed');
  t.is(withHello({bootId: bytes(0)}), 'malformed');
  t.is(message({report: {nonce: 1, body: bytes(3), signature: bytes(65)}}), 'malformed');
  t.is(message({collect: {blobs: [bytes(32), bytes(16)]}}), 'malformed');
});

test('a command that names a node by too few bytes is malformed', t => {
  const {target: _, ...rest} = COMMANDS['state'] as unknown as volley.Command.$Properties;
  const encoded = (nodes: Uint8Array[]) =>
    decodeCommand(volley.Command.encode({...rest, target: {nodes}, state: {}}).finish());
  t.is(encoded([bytes(16), bytes(15)]), 'malformed');
  t.not(encoded([bytes(16), bytes(16)]), 'malformed');
});

test('text that is too long is over the limits, in bytes and not in letters', t => {
  t.is(withHello({name: 'x'.repeat(65)}), 'limits');
  t.is(withHello({name: 'ä'.repeat(33)}), 'limits');
  t.notDeepEqual(withHello({name: 'ä'.repeat(32)}), 'limits');
  t.is(withHello({labels: Array.from({length: 17}, () => 'a')}), 'limits');
  t.is(withHello({labels: ['😀'.repeat(17)]}), 'limits');
});

test('text that is not UTF-8 is malformed', t => {
  const encoded = encodeMessage({type: 'refusal', reason: 'abc'});
  encoded[encoded.length - 1] = 0xff;
  t.is(decodeMessage(encoded), 'malformed');
});

test('numbers that are not finite, or not whole where they have to be, are malformed', t => {
  const signature = bytes(64);
  for (const journalNo of [Number.NaN, Number.POSITIVE_INFINITY, 1.5, -1, 2 ** 53]) {
    t.is(message({receipt: {nonce: 1, journalNo, signature}}), 'malformed');
  }
  t.is(message({timeReply: {nonce: 1, receivedWallMs: Number.NaN, sentWallMs: 1}}), 'malformed');
  t.is(message({pull: {nonce: 1, load: Number.NaN}}), 'malformed');
});

const withLease = (input: volley.Input.$Properties): unknown =>
  message({
    assign: {
      batches: [{batch: 1, app: bytes(32), leases: [{index: 0, replica: 1, proof: 1, input}]}],
      state: {},
      part: 0,
      parts: 1,
    },
  });

test('an input without a kind, or a range that runs backwards, is malformed', t => {
  t.is(withLease({}), 'malformed');
  t.is(withLease({range: {start: 2, end: 1}}), 'malformed');
  t.is(withLease({slice: {blob: bytes(32), offset: 2 ** 53 - 1, length: 1}}), 'malformed');
  t.is(withLease({inline: bytes(513)}), 'limits');
});

test('an empty inline input is an input', t => {
  const decoded = withLease({inline: bytes(0)}) as Assign;
  t.deepEqual(decoded.batches[0]?.leases[0]?.input, {kind: 'inline', bytes: bytes(0)});
});

test('a part beyond the parts of an answer is malformed', t => {
  t.is(decodeMessage(encodeMessage({...assign, part: 2, parts: 2})), 'malformed');
  t.is(decodeMessage(encodeMessage({...assign, part: 0, parts: 0})), 'malformed');
});

test('65 leases are over the limits, however they are spread over batches', t => {
  const lease = assign.batches[0]?.leases[2];
  const batch = assign.batches[0];
  if (lease === undefined || batch === undefined) return t.fail();
  const half = {...batch, args: [], leases: Array.from({length: 32}, () => lease)};
  const more = {...half, leases: [...half.leases, lease]};
  t.is(decodeMessage(encodeMessage({...assign, batches: [half, more]})), 'limits');
  const whole = {...assign, batches: [half, half]};
  t.deepEqual(decodeMessage(encodeMessage(whole)), whole);
});

test('a status that we do not know is no result', t => {
  const item = {batch: 1, index: 1, replica: 1, proof: 1, inline: bytes(1)};
  const list = (status: number) =>
    volley.ResultList.encode({
      results: [{...item, status: status as volley.ResultStatus}],
    }).finish();
  t.is(decodeResults(list(8)), undefined);
  t.is(decodeResults(list(-1)), undefined);
  t.is(decodeResults(list(0))?.length, 1);
});

test('a done result without an output is no result', t => {
  t.is(decodeResults(volley.ResultList.encode({results: [{batch: 1}]}).finish()), undefined);
});

test('65 results are not a report', t => {
  const item: ResultItem = {
    batchId: asBatchId(1),
    index: 1,
    replicaNo: 1,
    proof: 1,
    cpuMs: 1,
    status: 'refused',
    reason: '',
  };
  const many = (length: number) => encodeResults(Array.from({length}, () => item));
  t.is(decodeResults(many(65)), undefined);
  t.is(decodeResults(many(64))?.length, 64);
});

test('a verdict that we do not know is no statement', t => {
  const verdict = 9 as never;
  t.is(decodeAck(volley.AckStatement.encode({epoch: 1, verdict}).finish()), undefined);
  t.is(decodeShot(volley.ShotStatement.encode({shot: 1, verdict}).finish()), undefined);
});

test('a reason that is too long is clipped between characters', t => {
  const sent: Message = {type: 'refusal', reason: '😀'.repeat(65)};
  t.deepEqual(decodeMessage(encodeMessage(sent)), {type: 'refusal', reason: '😀'.repeat(64)});
});

test('half a surrogate pair travels as a replacement character', t => {
  const sent: Message = {type: 'refusal', reason: 'a\ud83d'};
  t.deepEqual(decodeMessage(encodeMessage(sent)), {type: 'refusal', reason: 'a\ufffd'});
});

test('an id that is no id of ours is a bug, not a packet', t => {
  const blobIds = [asBlobId('zz'.repeat(32))];
  t.throws(() => encodeMessage({type: 'collect', blobIds}), {name: 'AssertionError'});
});
