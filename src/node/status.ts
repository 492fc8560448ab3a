// What a node says of itself to whoever sits at it, and which replica they mean: pure views of its core.

import type {ReplicaId, WorkunitId} from '../base/types.ts';
import type {Preferences} from '../core/preferences.ts';
import type {NodeCore} from './node.ts';
import type {Reason} from './rules.ts';
import type {Held, Slots} from './slots.ts';

/** Replicas that an answer names: what is in hand may be thousands. */
const NAMED_MAX = 16;

export type NodeStatus = {
  readonly state: 'working' | 'idle' | 'suspended' | 'draining';
  /** Why not all of it works. */
  readonly reasons: readonly Reason[];
  readonly slots: number;
  readonly allowed: number;
  readonly cpuPercent: number;
  readonly running: readonly {
    readonly replica: ReplicaId;
    readonly permille: number;
    readonly standsStill: boolean;
  }[];
  readonly waiting: number;
  /** The first of them. */
  readonly waits: readonly ReplicaId[];
  /** Reports and statements that wait for their receipts. */
  readonly spooled: number;
  readonly session: {readonly welcomed: boolean; readonly epoch: number};
  readonly preferences: {readonly owner: Preferences; readonly operator: Preferences};
  readonly sensors: {
    readonly celsius?: number;
    readonly othersLoad?: number;
    readonly freeMib?: number;
    readonly battery?: {readonly discharging: boolean; readonly percent?: number};
    readonly doubted: readonly string[];
  };
};

export function viewNodeStatus(core: NodeCore): NodeStatus {
  const {work, slots, spool} = core;
  const {guest} = work;
  const {allowed} = guest;
  const {running, waiting} = inHand(slots);
  return {
    state: stateOf(core, running.length > 0),
    reasons: allowed.reasons,
    slots: slots.count,
    allowed: allowed.slots,
    cpuPercent: allowed.cpuPercent,
    running: running.map(({id, permille, restingSince}) => ({
      replica: id,
      permille,
      standsStill: restingSince !== undefined,
    })),
    waiting: slots.waiting,
    waits: waiting.slice(0, NAMED_MAX).map(({id}) => id),
    spooled: spool.size,
    session: {welcomed: core.welcomed, epoch: core.epoch},
    preferences: {
      owner: guest.preferencesOf('owner'),
      operator: guest.preferencesOf('operator'),
    },
    sensors: sensorsOf(core),
  };
}

function inHand(slots: Slots): {
  readonly running: readonly Held[];
  readonly waiting: readonly Held[];
} {
  const held = [...slots.held()];
  return {
    running: held.filter(({slot}) => slot >= 0),
    waiting: held.filter(({slot}) => slot < 0),
  };
}

export type Meant =
  | {readonly kind: 'one'; readonly replicaId: ReplicaId}
  /** For people. */
  | {readonly kind: 'none'; readonly why: string};

/** The replica in hand that somebody names, or why it is none. */
export function meantOf(slots: Slots, name: ReplicaId | WorkunitId): Meant {
  const [one, ...more] = slots.named(name);
  if (one && more.length === 0) return {kind: 'one', replicaId: one.id};
  // A batch that was tried again may have come while an older replica is still here.
  if (one) return {kind: 'none', why: `"${name}" may be ${listOf([one, ...more])}: say which`};
  const {running, waiting} = inHand(slots);
  const all = [...running, ...waiting];
  const there = all.length === 0 ? 'nothing is' : `in hand are ${listOf(all)}`;
  return {kind: 'none', why: `"${name}" is not in hand at this node; ${there}`};
}

function listOf(all: readonly Held[]): string {
  const named = all.slice(0, NAMED_MAX).map(({id, slot}) => (slot < 0 ? `${id} (waits)` : id));
  const more = all.length - named.length;
  return `${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function stateOf({work}: NodeCore, runs: boolean): NodeStatus['state'] {
  if (work.guest.isSuspended) return 'suspended';
  if (work.guest.isDraining) return 'draining';
  return runs ? 'working' : 'idle';
}

function sensorsOf({work}: NodeCore): NodeStatus['sensors'] {
  const {celsius, sampled, doubted} = work.guest;
  const {othersLoad, freeMib, battery} = sampled ?? {};
  return {
    ...(celsius === undefined ? {} : {celsius}),
    ...(othersLoad === undefined ? {} : {othersLoad}),
    ...(freeMib === undefined ? {} : {freeMib}),
    ...(battery === undefined ? {} : {battery}),
    doubted,
  };
}
