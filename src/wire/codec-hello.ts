// Bytes of Hello and Welcome.

import {asWallMs} from '../base/types.ts';
import {atMost, exactly, finite, present, text, texts, whole, within} from './codec-check.ts';
import {clipped, wellFormed} from './codec-text.ts';
import {readState} from './codec-work.ts';
import type {volley} from './generated/volley.js';
import {
  ACTION_BYTES_MAX,
  ACTIONS_MAX,
  GIVEN_LABELS_MAX,
  LABELS_MAX,
  NAME_BYTES_MAX,
  SANDBOX_LEVEL_MAX,
} from './limits.ts';
import type {Hello, Welcome} from './message.ts';

/** With four app keys and two signatures 435; a Beacon with it fits into the 512 of a Discover. */
export const SIGNED_TRUST_BYTES_MAX = 480;

export const helloProperties = (hello: Hello): volley.Hello.$Properties => ({
  ...hello,
  name: clipped(hello.name, NAME_BYTES_MAX),
  labels: hello.labels.map(wellFormed),
  arch: clipped(hello.arch, NAME_BYTES_MAX),
  engine: clipped(hello.engine, NAME_BYTES_MAX),
  runtimes: hello.runtimes.map(wellFormed),
  actions: hello.actions.map(wellFormed),
  version: clipped(hello.version, NAME_BYTES_MAX),
});

const INSTANCE_BYTES = 8;
const EPOCH_PROOF_BYTES = 8;

export function readHello(hello: volley.Hello.$Properties): Hello {
  return {
    type: 'hello',
    identityKey: exactly(hello.identityKey, 32),
    binding: exactly(hello.binding, 64),
    name: text(hello.name ?? '', NAME_BYTES_MAX),
    labels: texts(hello.labels ?? [], LABELS_MAX, NAME_BYTES_MAX),
    arch: text(hello.arch ?? '', NAME_BYTES_MAX),
    engine: text(hello.engine ?? '', NAME_BYTES_MAX),
    cores: hello.cores ?? 0,
    slots: hello.slots ?? 0,
    memoryMib: hello.memoryMib ?? 0,
    runtimes: texts(hello.runtimes ?? [], LABELS_MAX, NAME_BYTES_MAX),
    actions: texts(hello.actions ?? [], ACTIONS_MAX, ACTION_BYTES_MAX),
    version: text(hello.version ?? '', NAME_BYTES_MAX),
    receiptHead: whole(hello.receiptHead ?? 0),
    epochSeen: hello.epochSeen ?? 0,
    instanceSeen: atMost(hello.instanceSeen, INSTANCE_BYTES),
    epochProof: atMost(hello.epochProof, EPOCH_PROOF_BYTES),
    bootId: exactly(hello.bootId, 8),
    sandboxLevel: within(hello.sandboxLevel ?? 0, SANDBOX_LEVEL_MAX),
    speed: hello.speed ?? 0,
  };
}

export function readWelcome(welcome: volley.Welcome.$Properties): Welcome {
  return {
    type: 'welcome',
    instanceId: atMost(welcome.instanceId, INSTANCE_BYTES),
    clusterId: exactly(welcome.clusterId, 16),
    epoch: welcome.epoch ?? 0,
    epochProof: atMost(welcome.epochProof, EPOCH_PROOF_BYTES),
    seqFloor: welcome.seqFloor ?? 0,
    groupKey: exactly(welcome.groupKey, 32),
    groupKeyId: within(welcome.groupKeyId ?? 0, 255),
    heartbeatMs: welcome.heartbeatMs ?? 0,
    blobPort: within(welcome.blobPort ?? 0, 65_535),
    blobKey: exactly(welcome.blobKey, 32),
    state: readState(present(welcome.state)),
    suspended: welcome.suspended ?? false,
    labels: texts(welcome.labels ?? [], GIVEN_LABELS_MAX, NAME_BYTES_MAX),
    wallMs: asWallMs(finite(welcome.wallMs ?? 0)),
    trust: atMost(welcome.trust, SIGNED_TRUST_BYTES_MAX),
    journalNo: whole(welcome.journalNo ?? 0),
    bootJournalNo: whole(welcome.bootJournalNo ?? 0),
    lostEpoch: welcome.lostEpoch ?? 0,
    lostAfter: whole(welcome.lostAfter ?? 0),
  };
}
