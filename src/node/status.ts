// What a node says of itself to whoever sits at it: a pure view of its core.

import type {ReplicaId} from '../base/types.ts';
import type {Preferences} from '../core/preferences.ts';
import type {NodeCore} from './node.ts';
import type {Reason} from './rules.ts';

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
  const running = [...slots.held()].filter(({slot}) => slot >= 0);
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
    spooled: spool.size,
    session: {welcomed: core.welcomed, epoch: core.epoch},
    preferences: {
      owner: guest.preferencesOf('owner'),
      operator: guest.preferencesOf('operator'),
    },
    sensors: sensorsOf(core),
  };
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
