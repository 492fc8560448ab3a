import test from 'ava';
import fc from 'fast-check';
import {asBatchId} from '../../src/base/types.ts';
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
import {SIGNED_TRUST_BYTES_MAX} from '../../src/wire/codec-hello.ts';
import {
  ASSIGN_OVERHEAD_BYTES,
  assignedBatchBytesMax,
  CLOSED_BATCH_BYTES_MAX,
  CLOSED_OVERHEAD_BYTES,
  COMMAND_COPY_OVERHEAD_BYTES,
  leaseBytesMax,
  PULL_OVERHEAD_BYTES,
  RENEWAL_BYTES_MAX,
  RENEWALS_PER_PULL,
  REPORT_OVERHEAD_BYTES,
  resultBytesMax,
} from '../../src/wire/codec-sizes.ts';
import {PLAINTEXT_BYTES_MAX} from '../../src/wire/limits.ts';
import type {Message, Renewal} from '../../src/wire/message.ts';
import {
  ack,
  assign,
  assignedBatch,
  command,
  lease,
  message,
  resultItem,
  shot,
  trust,
} from './arbitraries.ts';
import {COMMANDS} from './sample-commands.ts';
import {ACK, bytes, MESSAGES, RESULTS, SHOT, TRUST} from './samples.ts';

test('every message comes back as it went', t => {
  fc.assert(
    fc.property(message, sent => {
      t.deepEqual(decodeMessage(encodeMessage(sent)), sent);
    }),
    {numRuns: 1_000},
  );
});

test('every command, statement and document comes back as it went', t => {
  fc.assert(
    fc.property(command, ack, shot, trust, (aCommand, anAck, aShot, aTrust) => {
      t.deepEqual(decodeCommand(encodeCommand(aCommand)), aCommand);
      t.deepEqual(decodeAck(encodeAck(anAck)), anAck);
      t.deepEqual(decodeShot(encodeShot(aShot)), aShot);
      t.deepEqual(decodeTrust(encodeTrust(aTrust)), aTrust);
    }),
    {numRuns: 300},
  );
});

test('every list of results comes back as it went', t => {
  fc.assert(
    fc.property(fc.array(resultItem, {maxLength: 64}), sent => {
      t.deepEqual(decodeResults(encodeResults(sent)), sent);
    }),
    {numRuns: 300},
  );
});

test('what is decoded is encoded to the same bytes', t => {
  fc.assert(
    fc.property(message, sent => {
      const encoded = encodeMessage(sent);
      const decoded = decodeMessage(encoded);
      if (typeof decoded === 'string') return t.fail(decoded);
      t.deepEqual(encodeMessage(decoded), encoded);
    }),
  );
});

const SLACK_BYTES = 32;

/** The bound holds, and is not so far above the truth that datagrams go half empty. */
const bounds = (bound: number, truth: number): boolean =>
  bound >= truth && bound <= truth + SLACK_BYTES;

test('the bound on a lease is never below its size, and close to it', t => {
  fc.assert(
    fc.property(assignedBatch(0), lease, (batch, one) => {
      const base = {...MESSAGES['assign'], batches: [batch]} as never;
      const more = {...MESSAGES['assign'], batches: [{...batch, leases: [one]}]} as never;
      const grown = encodeMessage(more).length - encodeMessage(base).length;
      // Lengths of the messages around it may grow by a byte each; the overheads hold that.
      return leaseBytesMax(one) + 2 >= grown && leaseBytesMax(one) <= grown + SLACK_BYTES;
    }),
    {numRuns: 2_000},
  );
  t.pass();
});

test('the bounds on an assign add up to no less than its size', t => {
  fc.assert(
    fc.property(assign, whole => {
      let bound = ASSIGN_OVERHEAD_BYTES;
      if (whole.closed.length > 0) bound += CLOSED_OVERHEAD_BYTES;
      bound += CLOSED_BATCH_BYTES_MAX * whole.closed.length;
      for (const batch of whole.batches) {
        bound += assignedBatchBytesMax(batch);
        for (const one of batch.leases) bound += leaseBytesMax(one);
      }
      return bound >= encodeMessage(whole).length;
    }),
    {numRuns: 2_000},
  );
  t.pass();
});

test('the bound on a result is never below its size, and close to it', t => {
  fc.assert(
    fc.property(resultItem, item => bounds(resultBytesMax(item), encodeResults([item]).length)),
    {numRuns: 2_000},
  );
  t.pass();
});

test('results of one report, added up to the bound, fit into a datagram', t => {
  fc.assert(
    fc.property(fc.array(resultItem, {maxLength: 64}), items => {
      let bound = REPORT_OVERHEAD_BYTES;
      const fitting = items.filter(item => {
        if (bound + resultBytesMax(item) > PLAINTEXT_BYTES_MAX) return false;
        bound += resultBytesMax(item);
        return true;
      });
      const body = encodeResults(fitting);
      const nonce = 2 ** 32 - 1;
      const report = encodeMessage({type: 'report', nonce, body, signature: new Uint8Array(64)});
      return report.length <= bound && bound <= PLAINTEXT_BYTES_MAX;
    }),
  );
  t.pass();
});

test('the overheads of Pull and CommandCopy hold for the largest numbers', t => {
  const most = 2 ** 32 - 1;
  const renewal = {
    batchId: asBatchId(most),
    index: most,
    replicaNo: most,
    permille: 1_000,
    proof: most,
  };
  t.true(RENEWALS_PER_PULL >= 35);
  const running: readonly Renewal[] = Array.from({length: RENEWALS_PER_PULL - 3}, () => renewal);
  const pull: Message = {
    type: 'pull',
    nonce: most,
    wanted: most,
    wantedMs: most,
    running,
    load: 1.5,
    groupKeyId: 255,
    stateGeneration: most,
    guest: {
      heldSlots: most,
      cpuPercent: 99,
      reason: 'ä'.repeat(32),
      draining: true,
      preferencesId: most,
    },
    returned: [renewal, renewal, renewal],
  };
  const bound = PULL_OVERHEAD_BYTES + RENEWALS_PER_PULL * RENEWAL_BYTES_MAX;
  t.true(encodeMessage(pull).length <= bound);
  t.true(bound <= PLAINTEXT_BYTES_MAX);
  const datagram = bytes(1_000);
  const copy = encodeMessage({type: 'commandCopy', datagram});
  t.true(copy.length <= datagram.length + COMMAND_COPY_OVERHEAD_BYTES);
});

test('a beacon with a trust document of four app keys fits into a discover', t => {
  const most = 2 ** 32 - 1;
  const appKeys = Array.from({length: 4}, () => bytes(32));
  const document = encodeTrust({...TRUST, version: most, appKeys});
  const signed = encodeSignedTrust({document, signature: bytes(64)});
  t.true(signed.length <= SIGNED_TRUST_BYTES_MAX);
  const largest = encodeBeacon({trust: bytes(SIGNED_TRUST_BYTES_MAX), port: 65_535});
  t.true(4 + largest.length <= 512);
});

const DECODERS = [
  decodeMessage,
  decodeCommand,
  decodeResults,
  decodeAck,
  decodeShot,
  decodeTrust,
  decodeSignedTrust,
  decodeBeacon,
];

test('random bytes are never an exception', t => {
  fc.assert(
    fc.property(fc.uint8Array({maxLength: 1_300}), junk => {
      for (const decode of DECODERS) decode(junk);
    }),
    {numRuns: 3_000},
  );
  t.pass();
});

test('changed bytes of good encodings are never an exception', t => {
  const encodings = [
    ...Object.values(MESSAGES).map(encodeMessage),
    ...Object.values(COMMANDS).map(encodeCommand),
    encodeResults(RESULTS),
    encodeAck(ACK),
    encodeShot(SHOT),
    encodeTrust(TRUST),
  ];
  const change = fc.record({at: fc.nat(), value: fc.integer({min: 0, max: 255})});
  const changes = fc.array(change, {minLength: 1, maxLength: 4});
  fc.assert(
    fc.property(fc.constantFrom(...encodings), changes, fc.nat(), (encoded, edits, cut) => {
      const copy = encoded.slice(0, encoded.length - (cut % 3));
      for (const {at, value} of edits) copy[at % copy.length] = value;
      for (const decode of DECODERS) decode(copy);
    }),
    {numRuns: 5_000},
  );
  t.pass();
});
