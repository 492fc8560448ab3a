// Bytes of the hot messages: pulls, leases and results. At 100,000 results a second every object made
// here counts, so each value is built once, straight from what protobufjs read.

import {assertNever} from '../base/assert.ts';
import {asBatchId, asWallMs} from '../base/types.ts';
import {
  args,
  atMost,
  blobIdOf,
  finite,
  malformed,
  present,
  text,
  whole,
  within,
} from './codec-check.ts';
import {clipped, idBytes, wellFormed} from './codec-text.ts';
import {volley} from './generated/volley.js';
import {
  BLOB_BYTES_MAX,
  HELD_REASON_BYTES_MAX,
  INLINE_INPUT_BYTES_MAX,
  INLINE_OUTPUT_BYTES_MAX,
  LEASES_PER_ASSIGN_MAX,
  MEMORY_LIMIT_MIB_MAX,
  OUTPUT_LIMIT_BYTES_MAX,
  PULSES_MAX,
  REASON_BYTES_MAX,
  RENEWALS_MAX,
  RESULTS_PER_REPORT_MAX,
} from './limits.ts';
import type {
  Assign,
  AssignedBatch,
  BlobRef,
  DesiredState,
  EarReport,
  FailReason,
  Guest,
  Input,
  Lease,
  Pull,
  Renewal,
  ResultItem,
} from './message.ts';

/** Numbers are for ever: the index is the number on the wire. */
const FAIL_REASONS: readonly (FailReason | undefined)[] = [
  undefined,
  'trapped',
  'timedOut',
  'outOfMemory',
  'outputTooLarge',
  'refused',
  'inputMissing',
  'runnerLost',
];

export function readState(state: volley.DesiredState.$Properties): DesiredState {
  return {generation: state.generation ?? 0, paused: state.paused ?? false};
}

export function pullProperties(message: Pull): volley.Pull.$Properties {
  return {
    nonce: message.nonce,
    wanted: message.wanted,
    wantedMs: message.wantedMs,
    running: message.running.map(renewalProperties),
    load: message.load,
    groupKeyId: message.groupKeyId,
    stateGeneration: message.stateGeneration,
    ...(message.guest ? {guest: guestProperties(message.guest)} : {}),
    ...(message.returned ? {returned: message.returned.map(renewalProperties)} : {}),
    ...(message.ear ? {ear: earProperties(message.ear)} : {}),
  };
}

const guestProperties = (guest: Guest): volley.Guest.$Properties => ({
  heldSlots: guest.heldSlots,
  cpuPercent: guest.cpuPercent === 100 ? 0 : guest.cpuPercent,
  reason: clipped(guest.reason, HELD_REASON_BYTES_MAX),
  draining: guest.draining,
  preferences: guest.preferencesId,
});

const renewalProperties = ({batchId, index, replicaNo, permille, proof}: Renewal) => ({
  batch: batchId,
  index,
  replica: replicaNo,
  permille,
  proof,
});

export function readPull(pull: volley.Pull.$Properties): Pull {
  const running = pull.running ?? [];
  const returned = pull.returned ?? [];
  within(running.length + returned.length, RENEWALS_MAX);
  return {
    type: 'pull',
    nonce: pull.nonce ?? 0,
    wanted: pull.wanted ?? 0,
    wantedMs: pull.wantedMs ?? 0,
    running: running.map(readRenewal),
    load: finite(pull.load ?? 0),
    groupKeyId: within(pull.groupKeyId ?? 0, 255),
    stateGeneration: pull.stateGeneration ?? 0,
    ...(pull.guest ? {guest: readGuest(pull.guest)} : {}),
    ...(returned.length > 0 ? {returned: returned.map(readRenewal)} : {}),
    ...(pull.ear ? {ear: readEar(pull.ear)} : {}),
  };
}

const earProperties = ({pulses, ...ear}: EarReport): volley.Ear.$Properties => ({
  ...ear,
  nos: pulses.map(({no}) => no),
  heardWallMs: pulses.map(({heardWallMs}) => heardWallMs),
});

function readEar(ear: volley.Ear.$Properties): EarReport {
  const [nos, walls] = [ear.nos ?? [], ear.heardWallMs ?? []];
  if (nos.length !== walls.length) malformed();
  within(nos.length, PULSES_MAX);
  return {
    epoch: ear.epoch ?? 0,
    heard: ear.heard ?? 0,
    missed: ear.missed ?? 0,
    clockBoundMs: finite(ear.clockBoundMs ?? 0),
    pulses: nos.map((no, i) => ({no, heardWallMs: finite(walls[i] ?? 0)})),
  };
}

const readGuest = (guest: volley.Guest.$Properties): Guest => ({
  heldSlots: guest.heldSlots ?? 0,
  cpuPercent: within(guest.cpuPercent ?? 0, 100) || 100,
  reason: text(guest.reason ?? '', HELD_REASON_BYTES_MAX),
  draining: guest.draining ?? false,
  preferencesId: guest.preferences ?? 0,
});

function readRenewal(renewal: volley.Renewal.$Properties): Renewal {
  return {
    batchId: asBatchId(renewal.batch ?? 0),
    index: renewal.index ?? 0,
    replicaNo: renewal.replica ?? 0,
    permille: within(renewal.permille ?? 0, 1_000),
    proof: renewal.proof ?? 0,
  };
}

export function assignProperties(message: Assign): volley.Assign.$Properties {
  return {
    nonce: message.nonce,
    batches: message.batches.map(batch => ({
      batch: batch.batchId,
      app: idBytes(batch.appId, 32),
      args: batch.args.map(wellFormed),
      leaseMs: batch.leaseMs,
      timeLimitMs: batch.timeLimitMs,
      memoryLimitMib: batch.memoryLimitMib,
      outputLimitBytes: batch.outputLimitBytes,
      ...(batch.shared ? {shared: blobProperties(batch.shared)} : {}),
      leases: batch.leases.map(leaseProperties),
    })),
    waitMs: message.waitMs,
    state: message.state,
    suspended: message.suspended,
    closed: message.closed as unknown as number[],
    wallMs: message.wallMs,
    part: message.part,
    parts: message.parts,
  };
}

const blobProperties = ({blobId, size}: BlobRef): volley.BlobRef.$Properties => ({
  blob: idBytes(blobId, 32),
  size,
});

const readBlob = (blob: volley.BlobRef.$Properties): BlobRef => ({
  blobId: blobIdOf(blob.blob),
  size: within(whole(blob.size ?? 0), BLOB_BYTES_MAX),
});

function leaseProperties(lease: Lease): volley.Lease.$Properties {
  return {
    index: lease.index,
    replica: lease.replicaNo,
    proof: lease.proof,
    input: inputProperties(lease.input),
  };
}

function inputProperties(input: Input): volley.Input.$Properties {
  switch (input.kind) {
    case 'inline':
      return {inline: input.bytes};
    case 'slice':
      return {
        slice: {blob: idBytes(input.blobId, 32), offset: input.offset, length: input.length},
      };
    case 'range':
      return {range: {start: input.start, end: input.end}};
    default:
      return assertNever(input);
  }
}

export function readAssign(assign: volley.Assign.$Properties): Assign {
  const batches = assign.batches ?? [];
  const closed = assign.closed ?? [];
  within(batches.length, LEASES_PER_ASSIGN_MAX);
  within(closed.length, RENEWALS_MAX);
  let leases = 0;
  for (const batch of batches) leases += batch.leases?.length ?? 0;
  within(leases, LEASES_PER_ASSIGN_MAX);
  const part = assign.part ?? 0;
  const parts = assign.parts ?? 0;
  if (part >= parts) malformed();
  return {
    type: 'assign',
    nonce: assign.nonce ?? 0,
    batches: batches.map(readBatch),
    waitMs: assign.waitMs ?? 0,
    state: readState(present(assign.state)),
    closed: closed.map(asBatchId),
    suspended: assign.suspended ?? false,
    wallMs: asWallMs(finite(assign.wallMs ?? 0)),
    part,
    parts,
  };
}

function readBatch(batch: volley.AssignedBatch.$Properties): AssignedBatch {
  return {
    batchId: asBatchId(batch.batch ?? 0),
    appId: blobIdOf(batch.app),
    args: args(batch.args ?? []),
    leaseMs: batch.leaseMs ?? 0,
    timeLimitMs: batch.timeLimitMs ?? 0,
    memoryLimitMib: within(batch.memoryLimitMib ?? 0, MEMORY_LIMIT_MIB_MAX),
    outputLimitBytes: within(batch.outputLimitBytes ?? 0, OUTPUT_LIMIT_BYTES_MAX),
    ...(batch.shared ? {shared: readBlob(batch.shared)} : {}),
    leases: (batch.leases ?? []).map(readLease),
  };
}

function readLease(lease: volley.Lease.$Properties): Lease {
  return {
    index: lease.index ?? 0,
    replicaNo: lease.replica ?? 0,
    proof: lease.proof ?? 0,
    input: readInput(present(lease.input)),
  };
}

function readInput(input: volley.Input.$Properties): Input {
  switch (input.kind) {
    case 'inline':
      return {kind: 'inline', bytes: atMost(input.inline, INLINE_INPUT_BYTES_MAX)};
    case 'slice': {
      const slice = present(input.slice);
      const offset = whole(slice.offset ?? 0);
      const length = whole(slice.length ?? 0);
      whole(offset + length);
      return {kind: 'slice', blobId: blobIdOf(slice.blob), offset, length};
    }
    case 'range': {
      const range = present(input.range);
      const start = whole(range.start ?? 0);
      const end = whole(range.end ?? 0);
      return start <= end ? {kind: 'range', start, end} : malformed();
    }
    case undefined:
      return malformed();
    default:
      return assertNever(input.kind);
  }
}

export function resultProperties(item: ResultItem): volley.ResultItem.$Properties {
  const properties: volley.ResultItem.$Properties = {
    batch: item.batchId,
    index: item.index,
    replica: item.replicaNo,
    proof: item.proof,
    cpuMs: item.cpuMs,
  };
  if (item.status !== 'done') {
    properties.status = FAIL_REASONS.indexOf(item.status);
    properties.reason = clipped(item.reason, REASON_BYTES_MAX);
    return properties;
  }
  if (item.suspicion) properties.suspicion = item.suspicion;
  const output = item.output;
  switch (output.kind) {
    case 'inline':
      properties.inline = output.bytes;
      return properties;
    case 'blob':
      properties.blob = blobProperties(output);
      return properties;
    default:
      return assertNever(output);
  }
}

function readResult(item: volley.ResultItem.$Properties): ResultItem {
  const batchId = asBatchId(item.batch ?? 0);
  const index = item.index ?? 0;
  const replicaNo = item.replica ?? 0;
  const proof = item.proof ?? 0;
  const cpuMs = item.cpuMs ?? 0;
  const number: number = item.status ?? 0;
  if (number !== 0) {
    const status = FAIL_REASONS[number] ?? malformed();
    const reason = text(item.reason ?? '', REASON_BYTES_MAX);
    return {batchId, index, replicaNo, proof, cpuMs, status, reason};
  }
  if (item.output === 'inline') {
    const bytes = atMost(item.inline, INLINE_OUTPUT_BYTES_MAX);
    const output = {kind: 'inline', bytes} as const;
    return {batchId, index, replicaNo, proof, cpuMs, status: 'done', output, ...suspicionIn(item)};
  }
  const blob = item.output === 'blob' ? present(item.blob) : malformed();
  const output = {kind: 'blob', ...readBlob(blob)} as const;
  return {batchId, index, replicaNo, proof, cpuMs, status: 'done', output, ...suspicionIn(item)};
}

const suspicionIn = ({suspicion}: volley.ResultItem.$Properties): {suspicion?: number} =>
  suspicion ? {suspicion} : {};

export function readResults(body: Uint8Array): readonly ResultItem[] {
  const results = volley.ResultList.decode(body).results ?? [];
  within(results.length, RESULTS_PER_REPORT_MAX);
  return results.map(readResult);
}
