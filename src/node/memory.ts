// Who a node is and what it remembers of earlier lives.

import type {PeerId} from '../base/types.ts';
import type {NodeEffect} from '../core/core.ts';
import type {Preferences} from '../core/preferences.ts';
import type {KeyPair} from '../wire/crypto.ts';
import type {Welcome} from '../wire/message.ts';

export type NodeConfig = {
  readonly name: string;
  readonly labels: readonly string[];
  readonly arch: string;
  readonly engine: string;
  readonly cores: number;
  readonly slots: number;
  readonly memoryMib: number;
  /** What holds a workunit here: 0 … SANDBOX_LEVEL_MAX. */
  readonly sandboxLevel: number;
  /** By io/benchmark.ts; undefined = not measured. */
  readonly speed?: number;
  readonly runtimes: readonly string[];
  readonly actions: readonly string[];
  /** Of files of shots that the master has, so much is kept. */
  readonly keepShotsMib?: number;
  /** That pushed files may take in all; absent = FILES_MIB of node/transfers.ts, 0 = it takes none. */
  readonly filesMib?: number;
  readonly version: string;
  readonly identity: KeyPair;
  /** X25519 public key of the session. */
  readonly staticKey: Uint8Array;
  /** 16 bytes of SHA-256 of the root key; undefined = any root (trust on first use). */
  readonly rootFingerprint: Uint8Array | undefined;
  /** SignedTrust that an earlier run stored: nothing older is believed. */
  readonly trust?: Uint8Array | undefined;
  /** 8 random bytes of this start. */
  readonly bootId: Uint8Array;
};

/** What the rows of an earlier life say; see restore.ts. */
export type NodeMemory = {
  epoch: number;
  seq: number;
  receiptHead: number;
  /** Hex of the master's instance that welcomed this node into `epoch`; '' = none did. */
  instance: string;
  /** Hex: shows a master on an old backup that there was this epoch; '' = nothing does. */
  epochProof: string;
  /** Its owner said that it is to rest, and has not said otherwise. */
  suspended: boolean;
  /** The newest wishes of the operator, and the number that names them; 0 = none ever. */
  wishes: {readonly id: number; readonly preferences: Preferences};
};

export const emptyMemory = (): NodeMemory => ({
  epoch: 0,
  seq: 0,
  receiptHead: 0,
  instance: '',
  epochProof: '',
  suspended: false,
  wishes: {id: 0, preferences: {}},
});

/** What a Welcome told: whose member this node is. */
export type Membership = {
  readonly peer: PeerId;
  readonly clusterId: Uint8Array;
  readonly commandKey: Uint8Array;
};

/** What the runtime needs to hear the group. @param seqFloor commands up to this are history */
export const joinGroupBy = (
  {clusterId, groupKey, groupKeyId, epoch}: Welcome,
  commandKey: Uint8Array,
  seqFloor: number,
): NodeEffect => ({
  type: 'joinGroup',
  clusterId,
  commandKey,
  groupKey,
  groupKeyId,
  epoch,
  seqFloor,
});

/** Rows of `meta`. */
export const FLOOR_KEY = 'floor';
export const RECEIPT_KEY = 'receipt';
export const ENROLLED_KEY = 'enrolled';
export const SUSPENDED_KEY = 'suspended';
export const WISHES_KEY = 'wishes';
