// What a node knows of its machine and of who holds it back: it is a guest there.

import type {ReplicaId} from '../base/types.ts';
import type {Preferences} from './preferences.ts';

/** One reading of a thermometer; what could not be read is NaN. */
export type Reading = {readonly name: string; readonly celsius: number};

/** What the machine looks like now. What cannot be measured, or is not there, is left out. */
export type Sample = {
  /** Minutes since Monday 00:00, local time. */
  readonly minuteOfWeek: number;
  /** Cores that other programs keep busy. */
  readonly othersLoad?: number;
  readonly freeMib?: number;
  readonly thermometers?: readonly Reading[];
  readonly battery?: {readonly discharging: boolean; readonly percent?: number};
};

/** Who may hold a node: who sits at it, and who runs the cluster. Both must let it go. */
export type Holder = 'owner' | 'operator';

export type GuestEvent =
  /** How far a replica says it is, 0 … 1000. */
  | {readonly type: 'progress'; readonly replicaId: ReplicaId; readonly permille: number}
  | {readonly type: 'sampled'; readonly sample: Sample}
  /** Preferences were read, or came from the master. */
  | {readonly type: 'preferred'; readonly by: Holder; readonly preferences: Preferences}
  /** Somebody holds this node, or lets it go: all of its work, or only what is new. */
  | {
      readonly type: 'ordered';
      readonly by: Holder;
      readonly suspended?: boolean;
      readonly draining?: boolean;
    }
  /** Who sits at this node wants a replica out of hand for good. */
  | {readonly type: 'aborted'; readonly replicaId: ReplicaId};
