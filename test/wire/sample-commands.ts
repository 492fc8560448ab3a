// One value of each command with every field set, for golden bytes and mutations.

import {toHex} from '../../src/base/bytes.ts';
import {asBatchId, asCaptureId, asNodeId, asWallMs} from '../../src/base/types.ts';
import type {Command} from '../../src/wire/message.ts';
import {bytes, OFFER, wall} from './samples.ts';

const commandWith = (what: Command['what']): Command => ({
  clusterId: bytes(16, 4),
  instanceId: bytes(8, 12),
  issuedWallMs: wall,
  ttlMs: 10_000,
  ackWindowMs: 250,
  target: {labels: ['ring1'], nodes: [asNodeId(toHex(bytes(16, 13)))]},
  state: {generation: 5, paused: false},
  what,
});

export const COMMANDS: Readonly<Record<string, Command>> = {
  workAvailable: commandWith({kind: 'workAvailable', batchId: asBatchId(7), spreadMs: 2_000}),
  fire: commandWith({
    kind: 'fire',
    captureId: asCaptureId(2),
    shot: 3,
    action: 'camera',
    args: ['--iso', '100'],
    atWallMs: asWallMs(wall + 500),
    salt: 0,
  }),
  fireSalted: commandWith({
    kind: 'fire',
    captureId: asCaptureId(2),
    shot: 3,
    action: 'camera',
    args: [],
    atWallMs: asWallMs(wall + 500),
    salt: 0x89abcdef,
  }),
  firePreview: commandWith({
    kind: 'fire',
    captureId: asCaptureId(2),
    shot: 1,
    action: 'camera',
    args: [],
    atWallMs: asWallMs(0),
    salt: 0x89abcdef,
    preview: true,
  }),
  fireSweep: commandWith({
    kind: 'fire',
    captureId: asCaptureId(2),
    shot: 3,
    action: 'camera',
    args: [],
    atWallMs: wall,
    salt: 0x89abcdef,
    sweep: {stepMs: 12.5, from: 60, nodes: ['00112233445566ff', 'ffeeddccbbaa9900']},
  }),
  fireTolerance: commandWith({
    kind: 'fire',
    captureId: asCaptureId(2),
    shot: 3,
    action: 'camera',
    args: [],
    atWallMs: wall,
    salt: 0x89abcdef,
    toleranceMs: 1.5,
  }),
  rollCall: commandWith({kind: 'rollCall', action: 'camera'}),
  rollCallTolerance: commandWith({kind: 'rollCall', action: 'camera', toleranceMs: 1.5}),
  pulse: commandWith({kind: 'pulse', no: 77}),
  setAction: commandWith({
    kind: 'setAction',
    action: 'camera',
    settings: '{"shutter":"500","gain":""}',
    id: 0xfedcba98,
  }),
  cancelCapture: commandWith({
    kind: 'cancelCapture',
    captureId: asCaptureId(2),
    salt: 0x89abcdef,
  }),
  transferOffer: commandWith({kind: 'transferOffer', ...OFFER}),
  transferOfferSalt: commandWith({kind: 'transferOffer', ...OFFER, salt: 0xfedcba98}),
  cancelBatch: commandWith({kind: 'cancelBatch', batchId: asBatchId(7)}),
  state: {...commandWith({kind: 'state'}), target: {labels: [], nodes: []}},
};
