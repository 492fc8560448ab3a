// What is said of bulk transfers, for fast-check.

import fc from 'fast-check';
import {blobId, exactly, text, uint32, upTo} from './arbitrary-parts.ts';

export const offer = fc.record(
  {
    transferId: fc.integer({min: 1, max: 2 ** 32 - 1}),
    salt: uint32,
    blobId,
    size: fc.integer({min: 0, max: 2 ** 35}),
    symbolBytes: fc.integer({min: 16, max: 1_400}),
    symbolsPerBlock: fc.integer({min: 1, max: 128}),
    listHash: exactly(32),
    key: exactly(32),
    group: fc
      .tuple(fc.integer({min: 224, max: 239}), fc.nat(255), fc.nat(255), fc.nat(255))
      .map(parts => parts.join('.')),
    port: fc.integer({min: 1, max: 65_535}),
    fileName: text(64).filter(name => name !== ''),
  },
  {
    requiredKeys: [
      ...(['transferId', 'salt', 'blobId', 'size', 'symbolBytes'] as const),
      ...(['symbolsPerBlock', 'listHash', 'key', 'group', 'port'] as const),
    ],
  },
);

export const transferMessage = fc.oneof(
  offer.map(fields => ({type: 'transferOffer' as const, ...fields})),
  fc.record({
    type: fc.constant('transferReport' as const),
    transferId: uint32,
    salt: uint32,
    state: fc.constantFrom(
      'listening' as const,
      'whole' as const,
      'declined' as const,
      'aside' as const,
      'gaveUp' as const,
    ),
    poll: fc.nat(65_535),
    ...{sequence: uint32, heard: uint32, blocks: uint32, room: uint32, from: uint32},
    deficits: upTo(800),
    reason: text(256),
  }),
  fc.record({
    type: fc.constant('transferOrder' as const),
    transferId: uint32,
    salt: uint32,
    step: fc.constantFrom('heard' as const, 'fetch' as const, 'cancel' as const),
  }),
);
