// The group key and its successors: a new one at each start of the master, after a revocation, and every
// 24 hours. A new key goes to each node inside its session, again after each Pull that does not name it. The
// master multicasts under the old one until every node that is up has named the new one, for three
// heartbeats at most; nodes take both for a minute. Who was left out hears commands by unicast, under the
// new key, so that no capture is lost while keys change.

import {addMono, type MonoMs, NEVER, type NodeId, type Now} from '../base/types.ts';
import {HOUR_MS} from '../base/units.ts';
import type {MasterContext} from './context.ts';
import {heartbeatMs} from './liveness.ts';
import {type NodeState, peerOf} from './roster.ts';

export type HeldKey = {readonly id: number; readonly key: Uint8Array};

const ROTATE_MS = 24 * HOUR_MS;
const HEARTBEATS_MAX = 3;
/** In a cluster of up to so many the new key is pushed; else each node learns it with its next Pull. */
const PUSHED_MAX = 256;

export class GroupKeys {
  readonly #context: MasterContext;
  #newest: HeldKey;
  #sending: HeldKey;
  /** Nodes that were up when the key changed, and have not named the new one. */
  readonly #lacking = new Set<NodeId>();
  #switchAt: MonoMs = NEVER;
  #rotateAt: MonoMs = NEVER;

  constructor(context: MasterContext, first: HeldKey) {
    this.#context = context;
    this.#newest = first;
    this.#sending = first;
  }

  /** What Welcome, GroupKey and unicast copies of commands carry. */
  get newest(): HeldKey {
    return this.#newest;
  }

  /** What commands are multicast under. */
  get sending(): HeldKey {
    return this.#sending;
  }

  /** The first node is welcomed: from now on somebody holds the key. */
  begin(now: Now): void {
    if (this.#rotateAt === NEVER) this.#rotateAt = addMono(now.mono, ROTATE_MS);
  }

  rotate(now: Now): void {
    const {roster, crypto} = this.#context;
    // Whoever has the newest key by now still takes the one before it: two changes in a row skip the oldest.
    this.#sending = this.#newest;
    this.#newest = {id: (this.#newest.id + 1) & 0xff, key: crypto.random(32)};
    this.#rotateAt = addMono(now.mono, ROTATE_MS);
    this.#switchAt = addMono(now.mono, HEARTBEATS_MAX * heartbeatMs(roster.size));
    this.#lacking.clear();
    for (const node of roster.all()) {
      if (!node.up || !node.welcomed) continue;
      this.#lacking.add(node.row.nodeId);
      if (roster.size <= PUSHED_MAX) this.tell(node);
    }
    this.#switchIfAll();
    this.#context.note('info', 'group key changed', {key: this.#newest.id});
  }

  /** A Pull names the newest key that its node has. */
  pulled(node: NodeState, groupKeyId: number): void {
    if (groupKeyId !== this.#newest.id) {
      this.tell(node);
      return;
    }
    node.groupKeyId = groupKeyId;
    if (this.#lacking.delete(node.row.nodeId)) this.#switchIfAll();
  }

  /** Before a unicast copy: it is sealed under the newest key. */
  tellIfLacking(node: NodeState): void {
    if (node.groupKeyId !== this.#newest.id) this.tell(node);
  }

  tell(node: NodeState): void {
    const {id: groupKeyId, key: groupKey} = this.#newest;
    const message = {type: 'groupKey', groupKey, groupKeyId} as const;
    this.#context.emit({type: 'send', to: peerOf(node), message});
  }

  /** A node that is silent or revoked is not waited for. */
  gone(nodeId: NodeId): void {
    if (this.#lacking.delete(nodeId)) this.#switchIfAll();
  }

  #switchIfAll(): void {
    if (this.#lacking.size === 0) this.#switch();
  }

  #switch(): void {
    this.#sending = this.#newest;
    this.#switchAt = NEVER;
    this.#lacking.clear();
  }

  tick(now: Now): void {
    if (now.mono >= this.#switchAt) this.#switch();
    if (now.mono >= this.#rotateAt) this.rotate(now);
  }

  wakeAt(): MonoMs {
    return Math.min(this.#switchAt, this.#rotateAt) as MonoMs;
  }
}
