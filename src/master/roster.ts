// The nodes the master knows: who they are, how to reach them, what they hold, what they earned; and the
// join tokens that let new ones in.

import type {MonoMs, NodeId, PeerId, WallMs} from '../base/types.ts';
import {asPeerId} from '../base/types.ts';
import {
  type CreditRow,
  encodeCredit,
  encodeJson,
  type NodeRow,
  type Op,
  put,
  type TokenRow,
} from '../core/tables.ts';
import type {NodeView} from '../core/views.ts';
import {NODES_MAX} from '../wire/limits.ts';
import type {Assign, Target} from '../wire/message.ts';
import type {Replica} from './workunit.ts';

export type NodeState = {
  row: NodeRow;
  readonly credit: {-readonly [K in keyof CreditRow]: CreditRow[K]};
  /** Linked in this life of the master and heard within three heartbeats. */
  up: boolean;
  /** Hello was accepted on the present session. */
  welcomed: boolean;
  /** Epoch of its newest Welcome: commands of another one mean nothing to it. */
  epochTold: number;
  bootId: string;
  address: string;
  heardAt: MonoMs;
  heardWall: WallMs;
  load: number;
  readonly blobKey: Uint8Array;
  readonly out: Set<Replica>;
  /** The answer to its newest pull, for repeats of it. */
  lastPull: {nonce: number; assigns: readonly Assign[]} | undefined;
  /** Value of the master's work counter when it was last told that there is nothing; -1 = not idle. */
  idleSince: number;
};

export class Roster {
  readonly #nodes = new Map<NodeId, NodeState>();
  readonly #byPeer = new Map<PeerId, NodeState>();
  readonly #tokens = new Map<number, TokenRow>();
  readonly #dirtyCredit = new Set<NodeState>();

  get size(): number {
    return this.#nodes.size;
  }

  get full(): boolean {
    return this.#nodes.size >= NODES_MAX;
  }

  all(): IterableIterator<NodeState> {
    return this.#nodes.values();
  }

  node(nodeId: NodeId): NodeState | undefined {
    return this.#nodes.get(nodeId);
  }

  byPeer(peer: PeerId): NodeState | undefined {
    return this.#byPeer.get(peer);
  }

  /** Adds a node, or gives it its new row (name, labels, slots may change with each start of it). */
  place(row: NodeRow, blobKey: Uint8Array, credit?: CreditRow): NodeState {
    const known = this.#nodes.get(row.nodeId);
    if (known) {
      this.#byPeer.delete(asPeerId(known.row.peer));
      known.row = row;
      this.#byPeer.set(asPeerId(row.peer), known);
      return known;
    }
    const node: NodeState = {
      row,
      credit: {...(credit ?? {validated: 0, disagreed: 0, errors: 0, credit: 0})},
      up: false,
      welcomed: false,
      epochTold: 0,
      bootId: '',
      address: '',
      heardAt: Number.NEGATIVE_INFINITY as MonoMs,
      heardWall: 0 as WallMs,
      load: 0,
      blobKey,
      out: new Set(),
      lastPull: undefined,
      idleSince: -1,
    };
    this.#nodes.set(row.nodeId, node);
    this.#byPeer.set(asPeerId(row.peer), node);
    return node;
  }

  setCredit(nodeId: NodeId, credit: CreditRow): void {
    Object.assign(this.#nodes.get(nodeId)?.credit ?? {}, credit);
  }

  /** Adds to what a node earned; saved at the end of the turn. */
  addCredit(nodeId: NodeId, more: Partial<CreditRow>): void {
    const node = this.#nodes.get(nodeId);
    if (!node) return;
    node.credit.validated += more.validated ?? 0;
    node.credit.disagreed += more.disagreed ?? 0;
    node.credit.errors += more.errors ?? 0;
    node.credit.credit += more.credit ?? 0;
    this.#dirtyCredit.add(node);
  }

  placeToken(token: TokenRow): void {
    this.#tokens.set(token.tokenId, token);
  }

  /** The token while it may still be used. */
  token(tokenId: number, wall: WallMs): TokenRow | undefined {
    const token = this.#tokens.get(tokenId);
    return token && token.usesLeft > 0 && token.expiresAt > wall ? token : undefined;
  }

  /**
   * The psk (hex) of a token, also of one that is used up: the node whose Welcome was lost comes back with
   * the token it has spent. Whether a token still lets a new node in is decided at its Hello.
   */
  pskOf(tokenId: number): string | undefined {
    return this.#tokens.get(tokenId)?.psk;
  }

  /** Takes one use; the row to save. */
  spendToken(token: TokenRow): Op {
    const spent = {...token, usesLeft: token.usesLeft - 1};
    this.#tokens.set(token.tokenId, spent);
    return saveToken(spent);
  }

  /** Nodes a command is meant for. */
  *targeted(target: Target): Generator<NodeState> {
    const {labels, nodes} = target;
    const all = labels.length === 0 && nodes.length === 0;
    for (const node of this.#nodes.values())
      if (
        all ||
        nodes.includes(node.row.nodeId) ||
        labels.some(label => node.row.labels.includes(label))
      )
        yield node;
  }

  saves(): Op[] {
    const ops: Op[] = [];
    for (const node of this.#dirtyCredit)
      ops.push(put('credit', node.row.nodeId, encodeCredit(node.credit)));
    this.#dirtyCredit.clear();
    return ops;
  }
}

export const saveNode = (row: NodeRow): Op => put('node', row.nodeId, encodeJson(row));
export const saveToken = (token: TokenRow): Op =>
  put('token', String(token.tokenId), encodeJson(token));

export const peerOf = (node: NodeState): PeerId => asPeerId(node.row.peer);

export function viewNode(node: NodeState): NodeView {
  const {row, credit} = node;
  return {
    nodeId: row.nodeId,
    identityKey: row.identityKey,
    name: row.name,
    labels: row.labels,
    state: node.up ? 'up' : 'silent',
    address: node.address,
    heardAt: node.heardWall,
    arch: row.arch,
    engine: row.engine,
    cores: row.cores,
    slots: row.slots,
    memoryMib: row.memoryMib,
    actions: row.actions,
    version: row.version,
    out: node.out.size,
    ...credit,
    load: node.load,
  };
}
