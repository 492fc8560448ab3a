// Cameras that make no picture. Each firing is told to the world, which counts them.

import type {Prng} from '../base/prng.ts';
import type {BlobId} from '../base/types.ts';
import {CANCELLED, type SetActionEffect} from '../core/action-events.ts';
import type {Actions, FireOrder, Tell} from '../runtime/ports.ts';
import type {ShotFile} from '../wire/message.ts';
import {exponential} from './dice.ts';
import type {SimClock} from './sim-clock.ts';
import {EVENT} from './timeline.ts';
import {blobIdOf} from './truth.ts';

/** From the instant to the file. */
const EXPOSURE_MS = 30;

export type SimActionsOptions = {
  readonly clock: SimClock;
  readonly prng: Prng;
  readonly tell: Tell;
  readonly files: Map<BlobId, number>;
  /** Who fires, for the names of files. */
  readonly no: number;
  readonly onOrder: (order: FireOrder) => void;
  readonly onFired: (order: FireOrder) => void;
};

export class SimActions implements Actions {
  readonly #options: SimActionsOptions;
  /** Not fired yet. */
  readonly #waiting = new Set<FireOrder>();

  constructor(options: SimActionsOptions) {
    this.#options = options;
  }

  fire(order: FireOrder): void {
    const {clock, onOrder} = this.#options;
    onOrder(order);
    this.#waiting.add(order);
    clock.after(order.fireAt - clock.now().mono, EVENT.action, () => {
      if (this.#waiting.delete(order)) this.#fired(order);
    });
  }

  cancel({captureId, shot}: Parameters<Actions['cancel']>[0]): void {
    const {clock, tell} = this.#options;
    for (const order of this.#waiting) {
      if (order.captureId !== captureId || order.shot !== shot) continue;
      this.#waiting.delete(order);
      const why = {failure: CANCELLED, unfired: 'cancelled'} as const;
      const doneAt = clock.now().mono;
      tell({type: 'shotDone', captureId, shot, firedAt: undefined, doneAt, files: [], ...why});
    }
  }

  /** An action that takes every other value. */
  set({action, id, settings, isKept}: SetActionEffect): void {
    const {clock, prng, tell} = this.#options;
    if (isKept) return;
    clock.after(EXPOSURE_MS * exponential(prng), EVENT.action, () => {
      const ok = prng.chance(0.7);
      const applied = ok ? {ok, settings} : {ok, reason: 'the lens does not go there'};
      tell({type: 'actionSet', action, id, settings, applied});
    });
  }

  #fired(order: FireOrder): void {
    const {clock, prng, tell, onFired} = this.#options;
    const firedAt = clock.now().mono;
    onFired(order);
    clock.after(EXPOSURE_MS * exponential(prng), EVENT.action, () => {
      const {captureId, shot} = order;
      const failure = prng.chance(0.1) ? 'the lens is dirty' : undefined;
      const files = failure === undefined ? this.#files(order) : [];
      const doneAt = clock.now().mono;
      tell({type: 'shotDone', captureId, shot, firedAt, doneAt, files, failure});
    });
  }

  #files({captureId, shot}: FireOrder): ShotFile[] {
    const {prng, files, no} = this.#options;
    return Array.from({length: prng.below(3)}, (_, i) => {
      const blobId = blobIdOf(`shot ${captureId} ${shot} ${no} ${i}`);
      const size = 1_000 + prng.below(100_000);
      files.set(blobId, size);
      return {name: `${i}.jpg`, blobId, size};
    });
  }
}
