// A node that signs with real keys and does only what a test tells it to do.

import {toHex, toUtf8} from '../../src/base/bytes.ts';
import {
  asBlobId,
  asPeerId,
  type BatchId,
  type BlobId,
  type NodeId,
  type PeerId,
} from '../../src/base/types.ts';
import type {AppRow} from '../../src/core/tables.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {nodeIdOf} from '../../src/wire/identity.ts';
import type {Hello, Lease, OutputRef} from '../../src/wire/message.ts';

export const crypto = new NodeCrypto();
/** WallMs of a rig's mono 0. */
export const EPOCH_WALL = 1_700_000_000_000;
export const TOKEN_ID = 7;

export const APP: AppRow = {
  appId: asBlobId('a1'.repeat(32)),
  name: 'primes',
  version: '1.0.0',
  runtime: 'wasm',
  action: '',
  publishedAt: 1,
  timeLimitSeconds: 60,
  memoryLimitMib: 64,
  outputLimitBytes: 1_048_576,
};
export const EXEC_APP: AppRow = {...APP, name: 'convert', runtime: 'exec', action: 'camera'};

export type Work = Lease & {readonly batchId: BatchId};

export const inline = (text: string): OutputRef => ({kind: 'inline', bytes: toUtf8(text)});
export const blobOf = (text: string): {blobId: BlobId; size: number} => {
  const bytes = toUtf8(text);
  return {blobId: asBlobId(toHex(crypto.sha256(bytes))), size: bytes.length};
};

/** A node of flesh and keys that does only what a test tells it to do. */
export class TestNode {
  readonly name: string;
  readonly identity = crypto.ed25519KeyPair();
  staticKey = crypto.x25519KeyPair();
  bootId = crypto.random(8);
  handshakeHash = crypto.random(32);
  nonce = 100;
  reportNonce = 1;

  constructor(name: string) {
    this.name = name;
  }

  get peer(): PeerId {
    return asPeerId(toHex(this.staticKey.publicKey));
  }

  get id(): NodeId {
    return nodeIdOf(crypto, this.identity.publicKey);
  }

  hello(changes: Partial<Hello> = {}): Hello {
    const bound = new Uint8Array([...this.handshakeHash, ...this.staticKey.publicKey]);
    return {
      type: 'hello',
      identityKey: this.identity.publicKey,
      binding: crypto.sign(this.identity.secretKey, 'bind', bound),
      name: this.name,
      labels: [],
      arch: 'x64',
      engine: 'node',
      cores: 4,
      slots: 4,
      memoryMib: 1_024,
      sandboxLevel: 2,
      speed: 0,
      runtimes: ['wasm'],
      actions: [],
      version: '0.1.0',
      receiptHead: 0,
      epochSeen: 0,
      instanceSeen: new Uint8Array(0),
      epochProof: new Uint8Array(0),
      bootId: this.bootId,
      ...changes,
    };
  }
}
