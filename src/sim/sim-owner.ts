// The owner of a simulated node, who holds it back at times.

import type {NodeEvent} from '../core/core.ts';
import type {HoldPlan} from './plan.ts';

export class SimOwner {
  readonly #tell: (said: () => NodeEvent) => void;
  /** What was said last, also to a process that is not there yet. */
  readonly #said = new Map<HoldPlan['how'], NodeEvent>();

  /** @param tell when the process takes it: what was said last by then, as orders never overtake each other */
  constructor(tell: (said: () => NodeEvent) => void) {
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

  /** Nothing is held back any more. */
  letGo(): void {
    for (const how of [...this.#said.keys()]) this.hold(how, false);
  }
}
