// Comparisons as the master's shell makes them: after a while. The comparison app of this world holds outputs
// equal that are the same, so that all checkers know what is right.

import type {Comparison} from '../core/compare.ts';
import type {CompareQuestion} from '../core/lookups.ts';
import {sameOutput} from '../master/validator.ts';
import type {Comparer} from '../runtime/ports.ts';
import type {SimClock} from './sim-clock.ts';
import {EVENT} from './timeline.ts';

export class SimComparer implements Comparer {
  readonly #clock: SimClock;
  readonly #takesMs: () => number;

  constructor(clock: SimClock, takesMs: () => number) {
    this.#clock = clock;
    this.#takesMs = takesMs;
  }

  compare({a, b}: CompareQuestion, done: (comparison: Comparison) => void): void {
    this.#clock.after(this.#takesMs(), EVENT.inputs, () =>
      done({kind: sameOutput(a, b) ? 'same' : 'different'}),
    );
  }
}
