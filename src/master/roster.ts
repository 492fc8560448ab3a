// The nodes the master knows: who they are, how to reach them, what they hold, what they earned. A revoked
// one stays known, so that its key stays revoked.

import {assert} from '../base/assert.ts';
import type {BlobId, MonoMs, NodeId, PeerId, WallMs} from '../base/types.ts';
import {asPeerId} from '../base/types.ts';
import type {Forgotten, NodeControl} from '../core/operator-rows.ts';
import {
  type CreditRow,
  encodeCredit,
  encodeJson,
  NO_CREDIT,
  type NodeRow,
  type Op,
  put,
} from '../core/tables.ts';
import type {ActionView, NodeView} from '../core/views.ts';
import {NODES_MAX} from '../wire/limits.ts';
import type {Assign, EarReport, Guest, Target} from '../wire/message.ts';
import type {Boot} from './boots.ts';
import type {Candidate} from './feasible.ts';
import type {Conduct, Standing} from './quarantine.ts';
import {Tokens} from './tokens.ts';
import type {Replica} from './workunit.ts';

type Credit = {-readonly [K in keyof CreditRow]: CreditRow[K]};

export type NodeState = {
  row: NodeRow;
  /** What operators and rules decided about it. */
  control: NodeControl;
  /** Apps with which it is not perfect, and those of them that it gets no work of, or little. */
  readonly conduct: Map<BlobId, Conduct>;
  readonly standing: Map<BlobId, Standing>;
  /** How slow it is with each app (pace.ts). In memory only: soon measured again. */
  readonly paces: Map<BlobId, number>;
  /** Of the state of the cluster, as its newest pull told. */
  stateGeneration: number;
  /** The newest that it told of pulses. */
  ear?: EarReport;
  readonly credit: Credit;
  /** Linked in this life of the master and heard within three heartbeats. */
  up: boolean;
  /** Hello was accepted on the present session. */
  welcomed: boolean;
  /** Epoch of its newest Welcome: commands of another one mean nothing to it. */
  epochTold: number;
  /** Starts of its daemon, the present one first. */
  readonly boots: Boot[];
  /** Two machines with its key, as last seen. */
  clone: NodeView['clone'];
  address: string;
  heardAt: MonoMs;
  heardWall: WallMs;
  load: number;
  /** What may run there, as its newest Pull said. */
  guest: Guest | undefined;
  /** What it told of its actions, and in which of its lives. */
  readonly actions: Map<string, {readonly boot: string; readonly view: ActionView}>;
  readonly blobKey: Uint8Array;
  /** The newest group key that it has named; -1 = none. */
  groupKeyId: number;
  readonly out: Set<Replica>;
  /** The answer to its newest pull, for repeats of it; none = it does not hold any more. */
  lastPull: {nonce: number; assigns: readonly Assign[]} | undefined;
  /** Value of the master's work counter when it was last told that there is nothing; -1 = not idle. */
  idleSince: number;
  /** Validated results that it still owes after a disagreement, before it is trusted as any other. */
  owes: number;
};

/** Credit of one validated workunit to each node that agreed on it. */
export const CREDIT = 1;
/** BOINC's CONS_VALID_RELIABLE (sched/sched_config.h). */
const OWED_AFTER_DISAGREEMENT = 10;

export class Roster {
  readonly #nodes = new Map<NodeId, NodeState>();
  readonly #byPeer = new Map<PeerId, NodeState>();
  readonly tokens = new Tokens();
  readonly #dirtyCredit = new Set<NodeId>();
  /** What nodes earned whose own rows a damaged disk lost: it is theirs when they are let in again. */
  readonly #homeless = new Map<NodeId, Credit>();
  /** What was decided about nodes whose rows a recovery could not keep: it holds when they come again. */
  readonly #orders = new Map<NodeId, NodeControl>();

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
  place(row: NodeRow, blobKey: Uint8Array): NodeState {
    const known = this.#nodes.get(row.nodeId);
    if (known) {
      this.#byPeer.delete(asPeerId(known.row.peer));
      known.row = row;
      this.#byPeer.set(asPeerId(row.peer), known);
      return known;
    }
    const node: NodeState = {
      row,
      control: this.#orders.get(row.nodeId) ?? {},
      conduct: new Map(),
      standing: new Map(),
      paces: new Map(),
      stateGeneration: 0,
      credit: this.#homeless.get(row.nodeId) ?? {...NO_CREDIT},
      up: false,
      welcomed: false,
      epochTold: 0,
      boots: [],
      clone: undefined,
      address: '',
      heardAt: Number.NEGATIVE_INFINITY as MonoMs,
      heardWall: 0 as WallMs,
      load: 0,
      guest: undefined,
      actions: new Map(),
      blobKey,
      groupKeyId: -1,
      out: new Set(),
      lastPull: undefined,
      idleSince: -1,
      owes: 0,
    };
    this.#homeless.delete(row.nodeId);
    this.#orders.delete(row.nodeId);
    this.#nodes.set(row.nodeId, node);
    this.#byPeer.set(asPeerId(row.peer), node);
    return node;
  }

  /** It holds nothing. What it earned stays: it is its own again if it is let in again. */
  remove({row, credit}: NodeState): void {
    this.#nodes.delete(row.nodeId);
    this.#byPeer.delete(asPeerId(row.peer));
    this.#homeless.set(row.nodeId, credit);
  }

  /** What nodes earned that are not known any more. */
  get forgotten(): Forgotten {
    const sum = {nodes: 0, ...NO_CREDIT};
    for (const credit of this.#homeless.values()) {
      sum.nodes += 1;
      sum.validated += credit.validated;
      sum.disagreed += credit.disagreed;
      sum.errors += credit.errors;
      sum.credit += credit.credit;
    }
    return sum;
  }

  setControl(nodeId: NodeId, control: NodeControl): void {
    const node = this.#nodes.get(nodeId);
    if (node) node.control = control;
    else this.#orders.set(nodeId, control);
  }

  /** From its row. */
  setCredit(nodeId: NodeId, credit: CreditRow): void {
    Object.assign(this.#creditOf(nodeId), credit);
  }

  #creditOf(nodeId: NodeId): Credit {
    const credit = this.#nodes.get(nodeId)?.credit ?? this.#homeless.get(nodeId);
    if (credit) return credit;
    const fresh = {...NO_CREDIT};
    this.#homeless.set(nodeId, fresh);
    return fresh;
  }

  /** Adds to what a node earned; saved at the end of the turn. */
  addCredit(nodeId: NodeId, more: Partial<CreditRow>): void {
    const credit = this.#creditOf(nodeId);
    credit.validated += more.validated ?? 0;
    credit.disagreed += more.disagreed ?? 0;
    credit.errors += more.errors ?? 0;
    credit.credit += more.credit ?? 0;
    this.#dirtyCredit.add(nodeId);
    const node = this.#nodes.get(nodeId);
    if (node && more.disagreed) node.owes = OWED_AFTER_DISAGREEMENT;
    else if (node && node.owes > 0 && (more.validated ?? 0) > 0) node.owes -= 1;
  }

  /** Takes one grant back: a result that the node alone stood for is computed again. */
  withdraw(nodeId: NodeId): void {
    const credit = this.#nodes.get(nodeId)?.credit;
    if (!credit) return;
    assert(credit.validated > 0 && credit.credit >= CREDIT, `node ${nodeId} never earned that`);
    this.addCredit(nodeId, {validated: -1, credit: -CREDIT});
  }

  /** Nodes a command is meant for. */
  *targeted(target: Target): Generator<NodeState> {
    const {labels, nodes} = target;
    const all = labels.length === 0 && nodes.length === 0;
    for (const node of this.#nodes.values())
      if (
        node.row.revokedAt === 0 &&
        (all ||
          nodes.includes(node.row.nodeId) ||
          labels.some(label => labelsOf(node).includes(label)))
      )
        yield node;
  }

  saves(): Op[] {
    const ops: Op[] = [];
    for (const nodeId of this.#dirtyCredit)
      ops.push(put('credit', nodeId, encodeCredit(this.#creditOf(nodeId))));
    this.#dirtyCredit.clear();
    return ops;
  }
}

/** The node's own and those that operators gave it. */
export const labelsOf = ({row, control}: NodeState): readonly string[] =>
  control.labels ? [...row.labels, ...control.labels] : row.labels;

/** What counts of the node when a batch asks whether it could ever run. */
export const candidateOf = (node: NodeState): Candidate => ({
  nodeId: node.row.nodeId,
  labels: labelsOf(node),
  arch: node.row.arch,
  memoryMib: node.row.memoryMib,
  cores: node.row.cores,
  engine: node.row.engine,
  runtimes: node.row.runtimes,
  actions: node.row.actions,
  isMember: node.row.revokedAt === 0,
  up: node.up,
  isHeld: node.control.hold !== undefined,
});

export function* candidates({roster}: {readonly roster: Roster}): Generator<Candidate> {
  for (const node of roster.all()) yield candidateOf(node);
}

/** Slots of a node that may run now. */
export const allowedAt = ({row, guest}: NodeState): number =>
  Math.max(0, row.slots - (guest?.heldSlots ?? 0));

/** Whether it could begin something now. */
export const mayWork = (node: NodeState): boolean =>
  node.up && allowedAt(node) > 0 && node.guest?.draining !== true;

/** It holds no leases and is given none: it is told, and lets go of what it has. */
export const isStopped = ({control: {hold}}: Pick<NodeState, 'control'>): boolean =>
  hold?.kind === 'suspended' || hold?.kind === 'quarantined';

/** A repeat of its newest pull is answered anew: what was said has been taken back. */
export function forgetAnswer(node: NodeState): void {
  if (node.lastPull) node.lastPull = {...node.lastPull, assigns: []};
}

export const saveNode = (row: NodeRow): Op => put('node', row.nodeId, encodeJson(row));

export const peerOf = (node: NodeState): PeerId => asPeerId(node.row.peer);

export function viewNode(node: NodeState): NodeView {
  const {row, credit} = node;
  return {
    nodeId: row.nodeId,
    identityKey: row.identityKey,
    name: row.name,
    labels: labelsOf(node),
    state: row.revokedAt > 0 ? 'revoked' : node.up ? 'up' : 'silent',
    address: node.address,
    heardAt: node.heardWall,
    arch: row.arch,
    engine: row.engine,
    cores: row.cores,
    slots: row.slots,
    memoryMib: row.memoryMib,
    sandboxLevel: row.sandboxLevel ?? 0,
    actions: row.actions,
    version: row.version,
    out: node.out.size,
    ...credit,
    load: node.load,
    allowed: allowedAt(node),
    cpuPercent: node.guest?.cpuPercent ?? 100,
    draining: node.guest?.draining ?? false,
    heldBy: node.guest?.reason ?? '',
    preferences: row.wishes?.preferences ?? {},
    speed: row.speed ?? 0,
    revokedAt: row.revokedAt,
    doubts: row.doubts,
    ...(node.clone ? {clone: node.clone} : {}),
    ...(node.control.labels ? {givenLabels: node.control.labels} : {}),
    ...(node.control.hold ? {hold: node.control.hold} : {}),
    ...(node.control.benches ? {benches: node.control.benches} : {}),
    stateGeneration: node.stateGeneration,
    ...(node.actions.size > 0
      ? {actionStates: Array.from(node.actions.values(), ({view}) => view)}
      : {}),
  };
}
