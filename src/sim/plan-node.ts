// A board of a plan: it asks, gathers and renews with the product's own Puller, Slots and Reporter, computes
// nothing, and has no session, no disk and no sensors.

import {concat, toHex} from '../base/bytes.ts';
import type {Prng} from '../base/prng.ts';
import {
  asAddress,
  asPeerId,
  type BatchId,
  type MonoMs,
  NEVER,
  type NodeId,
  type PeerId,
} from '../base/types.ts';
import type {MasterEvent, RunOrder} from '../core/core.ts';
import {BUFFER_MS, Puller} from '../node/puller.ts';
import {Reporter} from '../node/reporter.ts';
import {heldOf, refOf, Slots} from '../node/slots.ts';
import {encodeResults} from '../wire/codec.ts';
import type {Crypto} from '../wire/crypto.ts';
import {nodeIdOf} from '../wire/identity.ts';
import type {Assign, Guest, Message, Welcome} from '../wire/message.ts';
import {outputOf} from './plan-truth.ts';

/** Nothing holds it back. */
const GUEST: Guest = {
  heldSlots: 0,
  cpuPercent: 100,
  reason: '',
  draining: false,
  preferencesId: 0,
};
const MANNERS = {bufferMs: BUFFER_MS, news: () => ({guest: GUEST})};

export type Board = {
  readonly crypto: Crypto;
  readonly clusterId: Uint8Array;
  readonly prng: Prng;
  readonly slots: number;
};

/** What a run of a workunit came to. */
export type Ended = {
  readonly order: RunOrder;
  readonly cpuMs: number;
  readonly outcome: 'right' | 'wrong' | 'error';
};

export class PlanNode {
  /** From 1. */
  readonly no: number;
  readonly speed: number;
  /** Whether it returns wrong bytes always. */
  isWrong: boolean;
  isUp = false;
  /** Starts so far: what was due in an earlier one is not. */
  life = 0;
  /** When the world looks at it next. */
  dueAt = Number.POSITIVE_INFINITY;
  /** When each slot is free. */
  readonly freeAt: number[];
  nodeId!: NodeId;
  peer!: PeerId;
  #board: Board;
  #identity!: ReturnType<Crypto['ed25519KeyPair']>;
  #staticKey!: Uint8Array;
  #puller!: Puller;
  #slots!: Slots;
  #reporter!: Reporter;
  #isAsking = false;
  #reportNonce = 0;
  /** Reports that have no receipt. */
  unacknowledged = 0;

  constructor(no: number, board: Board, speed: number, isWrong: boolean) {
    this.no = no;
    this.#board = board;
    this.speed = speed;
    this.isWrong = isWrong;
    this.freeAt = new Array<number>(board.slots).fill(0);
    this.becomeNew();
  }

  /** Another board in its place: nobody knows its keys. */
  becomeNew(): void {
    const {crypto} = this.#board;
    this.#identity = crypto.ed25519KeyPair();
    this.#staticKey = crypto.x25519KeyPair().publicKey;
    this.nodeId = nodeIdOf(crypto, this.#identity.publicKey);
    this.peer = asPeerId(toHex(this.#staticKey));
  }

  /** @param tokenId a join token, for a board that is new */
  start(tokenId: number, heardAt: MonoMs): MasterEvent[] {
    const {prng, slots, crypto} = this.#board;
    this.life += 1;
    this.isUp = true;
    this.dueAt = Number.POSITIVE_INFINITY;
    this.freeAt.fill(0);
    this.#puller = new Puller(prng);
    this.#slots = new Slots(slots);
    this.#reporter = new Reporter();
    this.#isAsking = false;
    this.unacknowledged = 0;
    const handshakeHash = crypto.random(32);
    const {peer} = this;
    const from = asAddress(`10.${this.no >> 16}.${(this.no >> 8) & 255}.${this.no & 255}:6272`);
    return [
      {type: 'linked', peer, handshakeHash, tokenId, from},
      {type: 'message', peer, message: this.#hello(handshakeHash), heardAt},
    ];
  }

  #hello(handshakeHash: Uint8Array): Message {
    const {crypto, slots} = this.#board;
    const {publicKey, secretKey} = this.#identity;
    return {
      type: 'hello',
      identityKey: publicKey,
      binding: crypto.sign(secretKey, 'bind', concat(handshakeHash, this.#staticKey)),
      name: `board-${this.no}`,
      labels: [],
      arch: 'arm64',
      engine: 'model',
      cores: slots,
      slots,
      memoryMib: 1_024,
      sandboxLevel: 2,
      speed: Math.round(1_000 * this.speed),
      runtimes: ['wasm'],
      actions: [],
      version: '0.1.0',
      receiptHead: 0,
      epochSeen: 0,
      instanceSeen: new Uint8Array(0),
      epochProof: new Uint8Array(0),
      bootId: crypto.random(8),
    };
  }

  die(): void {
    this.isUp = false;
    this.life += 1;
  }

  hear(message: Message, now: MonoMs): void {
    this.#puller.heard();
    if (message.type === 'welcome') this.#onWelcome(message, now);
    else if (message.type === 'groupKey') this.#puller.groupKeyId = message.groupKeyId;
    else if (message.type === 'assign') this.#onAssign(message, now);
  }

  #onWelcome(welcome: Welcome, now: MonoMs): void {
    this.#puller.groupKeyId = welcome.groupKeyId;
    this.#puller.begin(welcome.heartbeatMs, welcome.epoch, now);
  }

  #onAssign(assign: Assign, now: MonoMs): void {
    if (!this.#puller.onAssign(assign, now)) return;
    if (assign.part === assign.parts - 1) this.#isAsking = false;
    for (const batch of assign.batches)
      for (const lease of batch.leases) this.#slots.add(heldOf(batch, lease, now));
    for (const batchId of assign.closed) this.drop(batchId);
  }

  /** A call for work. */
  called(spreadMs: number, now: MonoMs): void {
    this.#puller.called(now, spreadMs);
  }

  drop(batchId: BatchId): void {
    for (const held of this.#slots.ofBatch(batchId)) this.#slots.remove(held.id);
    this.#reporter.drop(item => item.batchId === batchId);
  }

  /** false = it was stopped meanwhile. */
  ended({order, cpuMs, outcome}: Ended, now: MonoMs): boolean {
    const held = this.#slots.remove(order.replicaId);
    if (!held) return false;
    const head = {...refOf(held), cpuMs};
    if (outcome === 'error') {
      this.#reporter.add({...head, status: 'runnerLost', reason: 'the model says so'}, now);
      return true;
    }
    this.#slots.noteRunMs(held.appId, cpuMs);
    const output = outputOf(held.index, outcome === 'wrong' ? this.no : undefined);
    this.#reporter.add({...head, status: 'done', output}, now);
    return true;
  }

  /** What it says now; answers what it begins to run. */
  turn(now: MonoMs, say: (message: Message) => void): RunOrder[] {
    const {crypto, clusterId, slots} = this.#board;
    for (const items of this.#reporter.take(now, this.#slots.size === 0)) {
      const body = encodeResults(items);
      const signature = crypto.sign(this.#identity.secretKey, 'results', clusterId, body);
      this.unacknowledged += 1;
      this.#reportNonce += 1;
      say({type: 'report', nonce: this.#reportNonce, body, signature});
    }
    const orders = this.#slots.start();
    const pull = this.#puller.next(this.#slots, slots, false, 0, now, MANNERS);
    if (pull) {
      this.#isAsking = true;
      say(pull);
    }
    return orders;
  }

  /** Every question is answered here: none is repeated. */
  wakeAt(): MonoMs {
    const pullAt = this.#isAsking ? NEVER : this.#puller.wakeAt();
    return Math.min(pullAt, this.#reporter.wakeAt()) as MonoMs;
  }
}
