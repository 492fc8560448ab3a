// The master's clock as a node knows it: offset of the master's wall clock from the node's monotonic one,
// taken from the sample with the smallest round trip of the last ones (NTP's clock filter, RFC 5905 §10:
// the shortest path has the least queueing, so its midpoint errs least). The bound is half that round trip
// plus the drift since.

import {addMono, asWallMs, type MonoMs, type WallMs} from '../base/types.ts';

type Sample = {readonly offsetMs: number; readonly roundTripMs: number; readonly at: MonoMs};

/** Samples looked at; at one every few seconds these are about a minute. */
const SAMPLES_MAX = 16;
/** Crystal oscillators of small boards: up to 50 ppm each side. */
const DRIFT = 1e-4;

export class ClockSync {
  readonly #samples: Sample[] = [];

  get known(): boolean {
    return this.#samples.length > 0;
  }

  get sampleCount(): number {
    return this.#samples.length;
  }

  /**
   * One exchange: sent and heard on our monotonic clock, received and answered on the master's wall clock.
   * Samples that contradict time (answer before question) are ignored.
   */
  sample(sentAt: MonoMs, receivedWall: WallMs, answeredWall: WallMs, heardAt: MonoMs): void {
    const roundTripMs = heardAt - sentAt - (answeredWall - receivedWall);
    if (!(roundTripMs >= 0) || answeredWall < receivedWall) return;
    const offsetMs = (receivedWall + answeredWall) / 2 - (sentAt + heardAt) / 2;
    this.#samples.push({offsetMs, roundTripMs, at: heardAt});
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
  }

  /** A new session may be with a master on another machine: its clock is another one. */
  reset(): void {
    this.#samples.length = 0;
  }

  #best(now: MonoMs): {offsetMs: number; boundMs: number} | undefined {
    let best: {offsetMs: number; boundMs: number} | undefined;
    for (const {offsetMs, roundTripMs, at} of this.#samples) {
      const boundMs = roundTripMs / 2 + (now - at) * DRIFT;
      if (!best || boundMs < best.boundMs) best = {offsetMs, boundMs};
    }
    return best;
  }

  /** The master's wall clock at a monotonic instant of ours; undefined while it is not known. */
  toWall(at: MonoMs): WallMs | undefined {
    const best = this.#best(at);
    return best && asWallMs(at + best.offsetMs);
  }

  /** Our monotonic clock at an instant of the master's wall clock. */
  toMono(wall: WallMs, now: MonoMs): MonoMs | undefined {
    const best = this.#best(now);
    return best && addMono(0 as MonoMs, wall - best.offsetMs);
  }

  /** Half the round trip of the sample in use plus drift since; -1 while the clock is not known. */
  boundMs(now: MonoMs): number {
    return this.#best(now)?.boundMs ?? -1;
  }
}
