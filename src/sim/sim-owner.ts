// The owner of a simulated node, who holds it back at times, and aborts a replica.

import {asBatchId, type ReplicaId, replicaId} from '../base/types.ts';
import type {NodeEvent} from '../core/core.ts';
import type {NodeCore} from '../node/node.ts';
import type {HoldPlan} from './plan.ts';

/** What is said depends on the node as it is when it hears it. */
type Said = (core: NodeCore) => NodeEvent;

/** A node that has nothing may hear of any. */
const ELSEWHERE: ReplicaId = replicaId(asBatchId(1), 0, 0);

export class SimOwner {
  readonly #tell: (said: Said) => void;
  /** What was said last, also to a process that is not there yet. */
  readonly #said = new Map<HoldPlan['how'], NodeEvent>();

  /** @param tell when the process takes it: what was said last by then, as orders never overtake each other */
  constructor(tell: (said: Said) => void) {
    this.#tell = tell;
  }

  get said(): IterableIterator<NodeEvent> {
    return this.#said.values();
  }

  hold(how: HoldPlan['how'], isHeld: boolean): void {
    const by = 'owner' as const;
    const events: Record<HoldPlan['how'], NodeEvent> = {
      suspend: {type: 'ordered', by, suspended: isHeld},
      drain: {type: 'ordered', by, draining: isHeld},
      cores: {type: 'preferred', by, preferences: isHeld ? {cores: 1} : {}},
    };
    const event = events[how];
    this.#said.set(how, event);
    this.#tell(() => this.#said.get(how) ?? event);
  }

  /** @param share which of what is in hand, 0 … 1 */
  abort(share: number): void {
    this.#tell(({slots}) => {
      const inHand = [...slots.held()].map(({id}) => id);
      return {type: 'aborted', replicaId: inHand[Math.floor(share * inHand.length)] ?? ELSEWHERE};
    });
  }

  /** Nothing is held back any more. */
  letGo(): void {
    for (const how of [...this.#said.keys()]) this.hold(how, false);
  }
}
