// fast-check arbitraries of everything that travels, inside the limits of limits.ts.

import fc, {type Arbitrary} from 'fast-check';
import {toHex} from '../../src/base/bytes.ts';
import {asBatchId, asCaptureId, asNodeId} from '../../src/base/types.ts';
import type {
  AckStatement,
  AssignedBatch,
  Command,
  CommandWhat,
  Guest,
  Input,
  Lease,
  Message,
  Renewal,
  ResultItem,
  ShotStatement,
  TrustDocument,
} from '../../src/wire/message.ts';

import {
  args,
  blobId,
  exactly,
  finite,
  text,
  texts,
  uint32,
  upTo,
  wall,
  whole,
} from './arbitrary-parts.ts';
import {offer, transferMessage} from './arbitrary-transfers.ts';

const batchId = uint32.map(asBatchId);
const nodeId = exactly(16).map(it => asNodeId(toHex(it)));
const state = fc.record({generation: uint32, paused: fc.boolean()});
const replica = {batchId, index: uint32, replicaNo: uint32};
const upToPermille = fc.integer({min: 0, max: 1_000});

const input: Arbitrary<Input> = fc.oneof(
  fc.record({kind: fc.constant('inline' as const), bytes: upTo(512)}),
  fc.record({
    kind: fc.constant('slice' as const),
    blobId,
    offset: fc.integer({min: 0, max: 2 ** 50}),
    length: fc.integer({min: 0, max: 2 ** 50}),
  }),
  fc
    .tuple(whole, whole)
    .map(([a, b]) => ({kind: 'range' as const, start: Math.min(a, b), end: Math.max(a, b)})),
);

export const lease: Arbitrary<Lease> = fc.record({
  index: uint32,
  replicaNo: uint32,
  proof: uint32,
  input,
});

const withoutShared = (leases: number): Arbitrary<AssignedBatch> =>
  fc.record({
    batchId,
    appId: blobId,
    args,
    leaseMs: uint32,
    timeLimitMs: uint32,
    memoryLimitMib: fc.integer({min: 0, max: 1_024}),
    outputLimitBytes: fc.integer({min: 0, max: 64 * 2 ** 20}),
    leases: fc.array(lease, {maxLength: leases}),
  });

const shared = fc.record({blobId, size: fc.integer({min: 0, max: 256 * 2 ** 20})});

export const assignedBatch = (leases: number): Arbitrary<AssignedBatch> =>
  fc
    .tuple(withoutShared(leases), fc.option(shared, {nil: undefined}))
    .map(([batch, blob]) => ({...batch, ...(blob ? {shared: blob} : {})}));

const common = {...replica, proof: uint32, cpuMs: uint32};
export const resultItem: Arbitrary<ResultItem> = fc.oneof(
  fc.record({
    ...common,
    status: fc.constant('done' as const),
    output: fc.oneof(
      fc.record({kind: fc.constant('inline' as const), bytes: upTo(768)}),
      fc.record({
        kind: fc.constant('blob' as const),
        blobId,
        size: fc.integer({min: 0, max: 256 * 2 ** 20}),
      }),
    ),
  }),
  fc.record({
    ...common,
    status: fc.constantFrom(
      'trapped' as const,
      'timedOut' as const,
      'outOfMemory' as const,
      'outputTooLarge' as const,
      'refused' as const,
      'inputMissing' as const,
      'runnerLost' as const,
    ),
    reason: text(256),
  }),
);

const hello = fc.record({
  type: fc.constant('hello' as const),
  identityKey: exactly(32),
  binding: exactly(64),
  name: text(64),
  labels: texts,
  arch: text(64),
  engine: text(64),
  cores: uint32,
  slots: uint32,
  memoryMib: uint32,
  runtimes: texts,
  actions: texts,
  version: text(64),
  receiptHead: whole,
  epochSeen: uint32,
  instanceSeen: fc.constantFrom(0, 8).chain(exactly),
  epochProof: fc.constantFrom(0, 8).chain(exactly),
  bootId: exactly(8),
  sandboxLevel: fc.nat(3),
  speed: uint32,
});

const welcome = fc.record({
  type: fc.constant('welcome' as const),
  journalNo: whole,
  bootJournalNo: whole,
  lostEpoch: uint32,
  lostAfter: whole,
  instanceId: fc.constantFrom(0, 8).chain(exactly),
  clusterId: exactly(16),
  epoch: uint32,
  epochProof: fc.constantFrom(0, 8).chain(exactly),
  seqFloor: uint32,
  groupKey: exactly(32),
  groupKeyId: fc.integer({min: 0, max: 255}),
  heartbeatMs: uint32,
  blobPort: fc.integer({min: 0, max: 65_535}),
  blobKey: exactly(32),
  state,
  suspended: fc.boolean(),
  labels: fc.array(text(32), {maxLength: 8}),
  wallMs: wall,
  trust: upTo(480),
});

const renewals = (minLength: number): Arbitrary<Renewal[]> =>
  fc.array(fc.record({...replica, permille: upToPermille, proof: uint32}), {
    minLength,
    maxLength: 128,
  });

const guest: Arbitrary<Guest> = fc.record({
  heldSlots: uint32,
  cpuPercent: fc.integer({min: 1, max: 100}),
  reason: text(64),
  draining: fc.boolean(),
  preferencesId: uint32,
});

const pull = fc.record(
  {
    type: fc.constant('pull' as const),
    nonce: uint32,
    wanted: uint32,
    wantedMs: uint32,
    running: renewals(0),
    load: fc.float({noDefaultInfinity: true, noNaN: true}),
    groupKeyId: fc.integer({min: 0, max: 255}),
    stateGeneration: uint32,
    guest,
    returned: renewals(1),
    ear: fc.record({
      epoch: uint32,
      heard: uint32,
      missed: uint32,
      clockBoundMs: fc.float({noDefaultInfinity: true, noNaN: true}),
      pulses: fc.array(fc.record({no: uint32, heardWallMs: finite}), {maxLength: 8}),
    }),
  },
  {
    requiredKeys: [
      'type',
      'nonce',
      'wanted',
      'wantedMs',
      'running',
      'load',
      'groupKeyId',
      'stateGeneration',
    ],
  },
);

export const assign = fc
  .record({
    type: fc.constant('assign' as const),
    nonce: uint32,
    batches: fc.array(assignedBatch(8), {maxLength: 8}),
    waitMs: uint32,
    state,
    closed: fc.array(batchId, {maxLength: 256}),
    suspended: fc.boolean(),
    wallMs: wall,
    part: fc.integer({min: 0, max: 2 ** 32 - 2}),
  })
  .map(it => ({...it, parts: it.part + 1}));

const signed = {nonce: uint32, body: upTo(1_000), signature: exactly(64)};

export const message: Arbitrary<Message> = fc.oneof(
  hello,
  welcome,
  fc.record({type: fc.constant('refusal' as const), reason: text(256)}),
  pull,
  assign,
  fc.record({
    type: fc.constant('groupKey' as const),
    groupKey: exactly(32),
    groupKeyId: fc.integer({min: 0, max: 255}),
  }),
  fc.record({type: fc.constant('preferences' as const), id: uint32, json: text(900)}),
  fc.record({
    type: fc.constant('actionState' as const),
    action: text(64),
    serial: uint32,
    phase: fc.constantFrom('off' as const, 'arming' as const, 'ready' as const, 'unable' as const),
    error: text(256),
    model: text(64),
    warmUpMs: finite,
    sensorPeriodMs: finite,
    settings: text(512),
    settingsId: uint32,
    refusal: text(256),
  }),
  fc.record({type: fc.constant('actionHeard' as const), action: text(64), serial: uint32}),
  transferMessage,
  fc.record({type: fc.constant('report' as const), ...signed}),
  fc.record({
    type: fc.constant('receipt' as const),
    nonce: uint32,
    journalNo: whole,
    signature: exactly(64),
  }),
  fc.record({type: fc.constant('commandCopy' as const), datagram: upTo(1_232)}),
  fc.record({
    type: fc.constant('commandAck' as const),
    body: upTo(200),
    signature: exactly(64),
  }),
  fc.record({type: fc.constant('timeProbe' as const), nonce: uint32}),
  fc.record({
    type: fc.constant('timeReply' as const),
    nonce: uint32,
    receivedWallMs: wall,
    sentWallMs: wall,
  }),
  fc.record({type: fc.constant('shotReport' as const), ...signed}),
  fc.record({
    type: fc.constant('collect' as const),
    blobIds: fc.array(blobId, {maxLength: 16}),
  }),
  fc.record({type: fc.constant('trustUpdate' as const), trust: upTo(480)}),
);

const what: Arbitrary<CommandWhat> = fc.oneof(
  offer.map(fields => ({kind: 'transferOffer' as const, ...fields})),
  fc.record({kind: fc.constant('workAvailable' as const), batchId, spreadMs: uint32}),
  fc.record({
    kind: fc.constant('fire' as const),
    captureId: uint32.map(asCaptureId),
    shot: uint32,
    action: text(64),
    args,
    atWallMs: wall,
    salt: uint32,
  }),
  fc.record({
    kind: fc.constant('fire' as const),
    captureId: uint32.map(asCaptureId),
    shot: uint32,
    action: text(64),
    args,
    atWallMs: wall,
    salt: uint32,
    sweep: fc.record({
      stepMs: fc.integer({min: 1, max: 60_000}),
      from: uint32,
      nodes: fc.array(
        exactly(8).map(bytes => toHex(bytes)),
        {maxLength: 20},
      ),
    }),
  }),
  fc.record({kind: fc.constant('rollCall' as const), action: text(64)}),
  fc.record({
    kind: fc.constant('rollCall' as const),
    action: text(64),
    toleranceMs: fc.double({min: 0.001, max: 250, noNaN: true}),
  }),
  fc.record({kind: fc.constant('pulse' as const), no: uint32}),
  fc.record({
    kind: fc.constant('setAction' as const),
    action: text(64),
    settings: text(512),
    id: uint32,
  }),
  fc.record({kind: fc.constant('cancelBatch' as const), batchId}),
  fc.record({
    kind: fc.constant('cancelCapture' as const),
    captureId: uint32.map(asCaptureId),
    salt: uint32,
  }),
  fc.record({kind: fc.constant('state' as const)}),
);

export const command: Arbitrary<Command> = fc.record({
  clusterId: exactly(16),
  instanceId: exactly(8),
  issuedWallMs: wall,
  ttlMs: fc.integer({min: 0, max: 60_000}),
  ackWindowMs: uint32,
  target: fc.record({labels: texts, nodes: fc.array(nodeId, {maxLength: 60})}),
  state,
  what,
});

export const ack: Arbitrary<AckStatement> = fc.record(
  {
    epoch: uint32,
    seq: uint32,
    heardWallMs: wall,
    clockBoundMs: finite,
    verdict: fc.constantFrom('accepted' as const, 'expired' as const, 'notAllowed' as const),
    unready: text(256).filter(it => it !== ''),
    freeMib: uint32.filter(it => it > 0),
    shotMs: uint32.filter(it => it > 0),
  },
  {requiredKeys: ['epoch', 'seq', 'heardWallMs', 'clockBoundMs', 'verdict']},
);

export const shot: Arbitrary<ShotStatement> = fc.record({
  captureId: uint32.map(asCaptureId),
  shot: uint32,
  epoch: uint32,
  seq: uint32,
  heardWallMs: wall,
  firedWallMs: wall,
  doneWallMs: wall,
  clockBoundMs: finite,
  verdict: fc.constantFrom(
    'fired' as const,
    'failed' as const,
    'missed' as const,
    'forbidden' as const,
    'cancelled' as const,
  ),
  reason: text(256),
  files: fc.array(fc.record({name: text(64), blobId, size: whole}), {maxLength: 8}),
  salt: uint32,
});

export const trust: Arbitrary<TrustDocument> = fc.record({
  rootKey: exactly(32),
  clusterId: exactly(16),
  version: uint32,
  commandKey: exactly(32),
  masterStatic: exactly(32),
  appKeys: fc.array(exactly(32), {maxLength: 4}),
});
