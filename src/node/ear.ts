// What this node hears of pulses: how many did not come, and when the newest came, on the master's clock.

import type {WallMs} from '../base/types.ts';
import {PULSES_MAX} from '../wire/limits.ts';
import type {EarReport} from '../wire/message.ts';

type Pulse = EarReport['pulses'][number];

export class Ear {
  #epoch = 0;
  #last = 0;
  #heard = 0;
  #missed = 0;
  /** Not told yet. */
  #pulses: Pulse[] = [];

  /** @param heardWallMs undefined = the clock is not known */
  heardPulse(epoch: number, no: number, heardWallMs: WallMs | undefined): void {
    if (epoch !== this.#epoch) this.#begin(epoch, no);
    if (no <= this.#last) return; // overtaken: it counts as missed
    this.#heard += 1;
    this.#missed += no - this.#last - 1;
    this.#last = no;
    if (heardWallMs === undefined) return;
    this.#pulses.push({no, heardWallMs});
    if (this.#pulses.length > PULSES_MAX) this.#pulses.shift();
  }

  #begin(epoch: number, no: number): void {
    this.#epoch = epoch;
    this.#last = no - 1;
    this.#heard = 0;
    this.#missed = 0;
    this.#pulses = [];
  }

  /** What is new, once; undefined = nothing is. */
  take(clockBoundMs: number): EarReport | undefined {
    const pulses = this.#pulses;
    if (pulses.length === 0) return undefined;
    this.#pulses = [];
    const [epoch, heard, missed] = [this.#epoch, this.#heard, this.#missed];
    return {epoch, heard, missed, clockBoundMs, pulses};
  }
}
