// One value of each message with every field set, for golden bytes and mutations.

import {fromHex, toHex} from '../../src/base/bytes.ts';
import {asBatchId, asBlobId, asCaptureId, asWallMs, type WallMs} from '../../src/base/types.ts';
import {plainReport} from '../../src/core/transfer-events.ts';
import type {TransferOffer} from '../../src/wire/bulk-message.ts';
import type {
  AckStatement,
  Assign,
  Hello,
  Message,
  Pull,
  ResultItem,
  ShotStatement,
  TrustDocument,
  Welcome,
} from '../../src/wire/message.ts';

/** `length` bytes that begin with `first` and count up. */
export const bytes = (length: number, first = 0): Uint8Array =>
  Uint8Array.from({length}, (_, i) => (first + i) & 0xff);
export const hex = (text: string): Uint8Array => {
  const found = fromHex(text.replace(/\s/g, ''));
  if (found === undefined) throw new Error(`not hex: ${text}`);
  return found;
};
export const blob = (first: number) => asBlobId(toHex(bytes(32, first)));
export const wall: WallMs = asWallMs(1_790_000_000_123.25);

export const OFFER: TransferOffer = {
  transferId: 300,
  salt: 0,
  blobId: blob(7),
  size: 2 ** 33 + 1,
  symbolBytes: 1_400,
  symbolsPerBlock: 64,
  listHash: bytes(32, 40),
  key: bytes(32, 80),
  group: '239.86.79.77',
  port: 6_274,
  fileName: 'model.bin',
};

export const RESULTS: readonly ResultItem[] = [
  {
    batchId: asBatchId(7),
    index: 300,
    replicaNo: 1,
    proof: 0xdeadbeef,
    cpuMs: 1234,
    status: 'done',
    output: {kind: 'inline', bytes: bytes(5, 9)},
  },
  {
    batchId: asBatchId(7),
    index: 0,
    replicaNo: 2,
    proof: 0,
    cpuMs: 0,
    status: 'done',
    output: {kind: 'blob', blobId: blob(3), size: 123_456},
  },
  {
    batchId: asBatchId(2 ** 32 - 1),
    index: 2 ** 32 - 1,
    replicaNo: 3,
    proof: 1,
    cpuMs: 5,
    status: 'timedOut',
    reason: 'longer than 60 s – stopped',
  },
];

/** Results that their node itself finds odd. */
export const ODD_RESULTS: readonly ResultItem[] = RESULTS.map(item =>
  item.status === 'done' ? {...item, suspicion: 1} : item,
);

const MESSAGES_AT_FIRST: Readonly<Record<string, Message>> = {
  hello: {
    type: 'hello',
    identityKey: bytes(32, 1),
    binding: bytes(64, 2),
    name: 'pi-küche',
    labels: ['ring1', 'room=12'],
    arch: 'arm64',
    engine: 'node-20.20.2/v8-11.3',
    cores: 4,
    slots: 3,
    memoryMib: 7_900,
    runtimes: ['wasm', 'exec'],
    actions: ['camera'],
    version: '0.1.0',
    receiptHead: 2 ** 53 - 1,
    epochSeen: 12,
    instanceSeen: bytes(0, 0),
    epochProof: bytes(0, 0),
    bootId: bytes(8, 3),
    sandboxLevel: 0,
    speed: 0,
  },
  welcome: {
    type: 'welcome',
    journalNo: 0,
    bootJournalNo: 0,
    lostEpoch: 0,
    lostAfter: 0,
    clusterId: bytes(16, 4),
    epoch: 13,
    seqFloor: 99,
    groupKey: bytes(32, 5),
    groupKeyId: 255,
    heartbeatMs: 5_000,
    blobPort: 6_271,
    blobKey: bytes(32, 6),
    state: {generation: 3, paused: true},
    suspended: false,
    labels: [],
    wallMs: wall,
    trust: bytes(200, 7),
    instanceId: bytes(0, 0),
    epochProof: bytes(0, 0),
  },
  refusal: {type: 'refusal', reason: 'revoked'},
  pull: {
    type: 'pull',
    nonce: 1,
    wanted: 8,
    wantedMs: 60_000,
    running: [
      {batchId: asBatchId(7), index: 0, replicaNo: 1, permille: 0, proof: 0},
      {batchId: asBatchId(7), index: 70_000, replicaNo: 2, permille: 1_000, proof: 0},
    ],
    load: 0.5,
    groupKeyId: 0,
    stateGeneration: 0,
  },
  pullEar: {
    type: 'pull',
    nonce: 1,
    wanted: 0,
    wantedMs: 0,
    running: [],
    load: 0.5,
    groupKeyId: 0,
    stateGeneration: 0,
    ear: {
      epoch: 13,
      heard: 40,
      missed: 2,
      clockBoundMs: 0.25,
      pulses: [
        {no: 41, heardWallMs: wall},
        {no: 42, heardWallMs: wall + 5_000.125},
      ],
    },
  },
  assign: {
    type: 'assign',
    nonce: 1,
    batches: [
      {
        batchId: asBatchId(7),
        appId: blob(1),
        args: ['--from', 'ä'],
        leaseMs: 60_000,
        timeLimitMs: 30_000,
        memoryLimitMib: 64,
        outputLimitBytes: 1_024,
        leases: [
          {index: 0, replicaNo: 1, proof: 5, input: {kind: 'inline', bytes: bytes(3)}},
          {
            index: 1,
            replicaNo: 1,
            proof: 6,
            input: {kind: 'slice', blobId: blob(2), offset: 4_096, length: 1},
          },
          {index: 2, replicaNo: 1, proof: 7, input: {kind: 'range', start: 0, end: 2 ** 53 - 1}},
        ],
      },
    ],
    waitMs: 0,
    state: {generation: 4, paused: false},
    suspended: false,
    closed: [asBatchId(3), asBatchId(400)],
    wallMs: wall,
    part: 1,
    parts: 2,
  },
  groupKey: {type: 'groupKey', groupKey: bytes(32, 14), groupKeyId: 201},
  report: {type: 'report', nonce: 2, body: bytes(50), signature: bytes(64, 8)},
  receipt: {type: 'receipt', nonce: 2, journalNo: 12_345, signature: bytes(64, 9)},
  commandCopy: {type: 'commandCopy', datagram: bytes(150)},
  commandAck: {type: 'commandAck', body: bytes(20), signature: bytes(64, 10)},
  timeProbe: {type: 'timeProbe', nonce: 77},
  timeReply: {type: 'timeReply', nonce: 77, receivedWallMs: wall, sentWallMs: asWallMs(wall + 1)},
  shotReport: {type: 'shotReport', nonce: 3, body: bytes(30), signature: bytes(64, 11)},
  collect: {type: 'collect', blobIds: [blob(4), blob(5)]},
  trustUpdate: {type: 'trustUpdate', trust: bytes(120)},
};

/** With the fields that came later: what was written down before stays as it was. */
export const MESSAGES: Readonly<Record<string, Message>> = {
  ...MESSAGES_AT_FIRST,
  pullGroupKey: {...(MESSAGES_AT_FIRST['pull'] as Pull), groupKeyId: 200},
  pullProofs: {
    ...(MESSAGES_AT_FIRST['pull'] as Pull),
    running: [
      {batchId: asBatchId(7), index: 1, replicaNo: 1, permille: 0, proof: 0xdeadbeef},
      {batchId: asBatchId(7), index: 2, replicaNo: 0, permille: 5, proof: 1},
    ],
  },
  pullGuest: {
    ...(MESSAGES_AT_FIRST['pull'] as Pull),
    guest: {
      heldSlots: 3,
      cpuPercent: 40,
      reason: 'temperature: 82.5 °C, above 80',
      draining: true,
      preferencesId: 0xfedcba98,
    },
    returned: [{batchId: asBatchId(7), index: 9, replicaNo: 1, permille: 500, proof: 2}],
  },
  preferences: {type: 'preferences', id: 7, json: '{"cores":2}'},
  actionState: {
    type: 'actionState',
    action: 'camera',
    serial: 300,
    phase: 'unable',
    error: 'the camera is busy',
    model: 'imx708',
    warmUpMs: 900,
    sensorPeriodMs: 33.3,
    settings: '{"shutter":"500"}',
    settingsId: 0xfedcba98,
    refusal: 'no setting "iso"',
  },
  actionHeard: {type: 'actionHeard', action: 'camera', serial: 300},
  transferOffer: {type: 'transferOffer', ...OFFER},
  transferReport: {
    type: 'transferReport',
    transferId: 300,
    salt: 0,
    state: 'gaveUp',
    poll: 65_535,
    sequence: 70_000,
    heard: 69_999,
    blocks: 299,
    room: 192,
    from: 298,
    deficits: bytes(9, 5),
    reason: 'no space left on device',
  },
  transferOrder: {type: 'transferOrder', transferId: 300, salt: 0, step: 'cancel'},
  transferOfferSalt: {type: 'transferOffer', ...OFFER, salt: 0xfedcba98},
  transferReportSalt: plainReport({transferId: 300, salt: 0xfedcba98}, 'whole', {blocks: 299}),
  transferOrderSalt: {type: 'transferOrder', transferId: 300, salt: 0xfedcba98, step: 'heard'},
  helloSpeed: {...(MESSAGES_AT_FIRST['hello'] as Hello), speed: 123_456},
  helloInstance: {
    ...(MESSAGES_AT_FIRST['hello'] as Hello),
    instanceSeen: bytes(8, 9),
    sandboxLevel: 2,
  },
  welcomeInstance: {
    ...(MESSAGES_AT_FIRST['welcome'] as Welcome),
    instanceId: bytes(8, 10),
    journalNo: 4_711,
  },
  welcomeRecovered: {
    ...(MESSAGES_AT_FIRST['welcome'] as Welcome),
    instanceId: bytes(8, 10),
    journalNo: 4_711,
    bootJournalNo: 4_700,
    lostEpoch: 1_014,
    lostAfter: 4_600,
  },
  helloEpochProof: {...(MESSAGES_AT_FIRST['hello'] as Hello), epochProof: bytes(8, 14)},
  welcomeEpochProof: {...(MESSAGES_AT_FIRST['welcome'] as Welcome), epochProof: bytes(8, 15)},
  welcomeSuspended: {
    ...(MESSAGES_AT_FIRST['welcome'] as Welcome),
    suspended: true,
    labels: ['ring2', 'küche'],
  },
  pullState: {...(MESSAGES_AT_FIRST['pull'] as Pull), stateGeneration: 70_000},
  assignSuspended: {...(MESSAGES_AT_FIRST['assign'] as Assign), suspended: true},
  assignShared: {
    ...(MESSAGES_AT_FIRST['assign'] as Assign),
    batches: [
      {
        batchId: asBatchId(8),
        appId: blob(1),
        args: [],
        leaseMs: 60_000,
        timeLimitMs: 30_000,
        memoryLimitMib: 64,
        outputLimitBytes: 1_024,
        shared: {blobId: blob(3), size: 70_000},
        leases: [{index: 0, replicaNo: 1, proof: 5, input: {kind: 'range', start: 0, end: 9}}],
      },
    ],
  },
};

export const ACK: AckStatement = {
  epoch: 13,
  seq: 100,
  heardWallMs: wall,
  clockBoundMs: -1,
  verdict: 'notAllowed',
};

/** To a roll call. */
export const ACK_UNREADY: AckStatement = {
  ...ACK,
  verdict: 'accepted',
  unready: 'its clock may be 300 ms off',
  freeMib: 65_000,
};

export const SHOT: ShotStatement = {
  captureId: asCaptureId(2),
  shot: 3,
  epoch: 13,
  seq: 101,
  heardWallMs: wall,
  firedWallMs: asWallMs(wall + 500.5),
  doneWallMs: asWallMs(wall + 900),
  clockBoundMs: 0.75,
  verdict: 'failed',
  reason: 'no camera',
  files: [{name: 'shot.jpg', blobId: blob(6), size: 2_000_000}],
  salt: 0,
};

export const SHOT_SALTED: ShotStatement = {...SHOT, salt: 0x89abcdef};

/** With a sensor that runs by itself. */
export const SHOT_SENSOR: ShotStatement = {...SHOT_SALTED, sensorPeriodMs: 33.3};

export const TRUST: TrustDocument = {
  rootKey: bytes(32, 20),
  clusterId: bytes(16, 4),
  version: 2,
  commandKey: bytes(32, 21),
  masterStatic: bytes(32, 22),
  appKeys: [bytes(32, 23), bytes(32, 24)],
};
