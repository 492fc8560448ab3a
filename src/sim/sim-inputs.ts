// Inputs as the master's shell reads them: after a while, all at once, now and then not at all.

import type {InputSource} from '../core/input-source.ts';
import type {Inputs, InputsRead} from '../runtime/ports.ts';
import type {SimClock} from './sim-clock.ts';
import {EVENT} from './timeline.ts';
import {inputOf} from './truth.ts';

export class SimInputs implements Inputs {
  readonly #clock: SimClock;
  readonly #readMs: () => number;

  constructor(clock: SimClock, readMs: () => number) {
    this.#clock = clock;
    this.#readMs = readMs;
  }

  read(source: InputSource, from: number, count: number, done: (read: InputsRead) => void): void {
    this.#clock.after(this.#readMs(), EVENT.inputs, () => {
      const inputs = Array.from({length: count}, (_, i) => inputOf(source, from + i));
      done({kind: 'inputs', inputs});
    });
  }
}
