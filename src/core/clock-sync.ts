// The master's clock as a node knows it: how far its wall clock is ahead of the node's monotonic one, and how that
// changes. Nothing is averaged. Each exchange of four timestamps says for certain between which two values the offset
// was (the question did not arrive before it left, nor the answer leave after it arrived), whatever the ways were
// like. Offset and rate lie in the polygon that all exchanges leave; the shortest round trips cut it down most (NTP's
// clock filter, RFC 5905 §10, does the same with one sample), and those far apart in time bound the rate (Moon,
// Skelly and Towsley, "Estimation and removal of clock skew from network delay measurements", INFOCOM 1999, fit by
// such half-planes too). The clock is the middle of what is possible, and the bound is the rest: as long as the
// crystals keep what RATE_MAX and WANDER say, the true time is inside.

import {addMono, asMonoMs, asWallMs, type MonoMs, type WallMs} from '../base/types.ts';

/** At `at` the offset was between the two. */
type Sample = {readonly at: MonoMs; readonly leastMs: number; readonly mostMs: number};
/** Offset less that of the base at the reference instant, and its change per millisecond. */
type Corner = readonly [offsetMs: number, rate: number];

const SAMPLES_MAX = 32;
/** Crystal oscillators: 100 ppm each side, twice what those of small boards are sold with. */
const RATE_MAX = 2e-4;
/** How fast the rate may change, per millisecond: 0.2 ppm in a second, a board that warms up by 20 °C in a minute. */
const WANDER = 2e-10;
/** A double of today's date in milliseconds has steps of 0.00024; a few of them add up. */
const ROUNDING_MS = 0.001;

export class ClockSync {
  readonly #samples: Sample[] = [];
  /** What is possible at #at. Convex, in order; empty = nothing is known. */
  #corners: readonly Corner[] = [];
  #at: MonoMs = asMonoMs(0);
  #baseMs = 0;

  get known(): boolean {
    return this.#samples.length > 0;
  }

  get sampleCount(): number {
    return this.#samples.length;
  }

  /**
   * One exchange: sent and heard on our monotonic clock, received and answered on the master's wall clock.
   * Samples that contradict time (answer before question) are ignored. One that contradicts those before it says
   * that a clock jumped: they are forgotten.
   */
  sample(sentAt: MonoMs, receivedWall: WallMs, answeredWall: WallMs, heardAt: MonoMs): void {
    const tookMs = heardAt - sentAt;
    const roundTripMs = tookMs - (answeredWall - receivedWall);
    if (!(roundTripMs >= 0) || answeredWall < receivedWall) return;
    const slackMs = (tookMs / 2) * RATE_MAX;
    this.#samples.push({
      at: asMonoMs((sentAt + heardAt) / 2),
      leastMs: answeredWall - heardAt - slackMs,
      mostMs: receivedWall - sentAt + slackMs,
    });
    this.#update(heardAt);
  }

  /** A new session may be with a master on another machine: its clock is another one. */
  reset(): void {
    this.#samples.length = 0;
    this.#corners = [];
  }

  /** The master's wall clock at a monotonic instant of ours; undefined while it is not known. */
  toWall(at: MonoMs): WallMs | undefined {
    const offset = this.#offset(at);
    return offset && asWallMs(at + offset.ms);
  }

  /** Our monotonic clock at an instant of the master's wall clock. */
  toMono(wall: WallMs, now: MonoMs): MonoMs | undefined {
    const near = this.#offset(now);
    // The offset there and the one now differ by the rate: once more is enough, 1e-4 of 1e-4 of the way is left.
    const there = near && this.#offset(asMonoMs(wall - near.ms));
    return there && addMono(0 as MonoMs, wall - there.ms);
  }

  /** How far toWall may be off at that instant, either way; -1 while the clock is not known. */
  boundMs(at: MonoMs): number {
    const offset = this.#offset(at);
    return offset ? offset.boundMs : -1;
  }

  /** By how much the master's clock runs faster than ours, in parts of one; undefined while it is not known. */
  rate(): {readonly mid: number; readonly bound: number} | undefined {
    if (this.#corners.length === 0) return undefined;
    const rates = this.#corners.map(([, rate]) => rate);
    const [least, most] = [Math.min(...rates), Math.max(...rates)];
    return {mid: (least + most) / 2, bound: (most - least) / 2};
  }

  #offset(at: MonoMs): {readonly ms: number; readonly boundMs: number} | undefined {
    if (this.#corners.length === 0) return undefined;
    const aheadMs = at - this.#at;
    let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const [offsetMs, rate] of this.#corners) {
      const ms = offsetMs + rate * aheadMs;
      least = Math.min(least, ms);
      most = Math.max(most, ms);
    }
    const boundMs = (most - least) / 2 + wanderMs(aheadMs) + ROUNDING_MS;
    return {ms: this.#baseMs + (least + most) / 2, boundMs};
  }

  #update(now: MonoMs): void {
    const samples = this.#samples;
    if (samples.length > SAMPLES_MAX) samples.splice(leastUseful(samples, now), 1);
    const newest = samples[samples.length - 1] as Sample;
    this.#at = newest.at;
    this.#baseMs = (newest.leastMs + newest.mostMs) / 2;
    const half = (newest.mostMs - newest.leastMs) / 2;
    let corners: readonly Corner[] = [
      [-half, -RATE_MAX],
      [half, -RATE_MAX],
      [half, RATE_MAX],
      [-half, RATE_MAX],
    ];
    for (let i = samples.length - 2; i >= 0; i--) {
      const left = this.#cut(corners, samples[i] as Sample);
      if (left.length === 0) samples.splice(0, i + 1);
      if (left.length === 0) break;
      corners = left;
    }
    this.#corners = corners;
  }

  #cut(corners: readonly Corner[], {at, leastMs, mostMs}: Sample): readonly Corner[] {
    const aheadMs = at - this.#at;
    const slackMs = wanderMs(aheadMs) + ROUNDING_MS;
    const [least, most] = [leastMs - this.#baseMs - slackMs, mostMs - this.#baseMs + slackMs];
    const below = clip(corners, ([offsetMs, rate]) => most - (offsetMs + rate * aheadMs));
    return clip(below, ([offsetMs, rate]) => offsetMs + rate * aheadMs - least);
  }
}

/** What a changing rate adds to an offset in so long. */
const wanderMs = (ms: number): number => (WANDER * ms * ms) / 2;

/** The one that says least of now: a long way there and back, or long ago. The newest stays. */
function leastUseful(samples: readonly Sample[], now: MonoMs): number {
  let [worst, found] = [-1, 0];
  for (let i = 0; i < samples.length - 1; i++) {
    const {at, leastMs, mostMs} = samples[i] as Sample;
    const width = (mostMs - leastMs) / 2 + wanderMs(now - at);
    if (width > worst) [worst, found] = [width, i];
  }
  return found;
}

/** The part of a convex polygon where `inside` (linear) is 0 or more: Sutherland and Hodgman's clipping. */
function clip(corners: readonly Corner[], inside: (corner: Corner) => number): Corner[] {
  const left: Corner[] = [];
  corners.forEach((corner, i) => {
    const before = corners[(i + corners.length - 1) % corners.length] as Corner;
    const [was, is] = [inside(before), inside(corner)];
    if (was < 0 !== is < 0) {
      const part = was / (was - is);
      left.push([
        before[0] + part * (corner[0] - before[0]),
        before[1] + part * (corner[1] - before[1]),
      ]);
    }
    if (is >= 0) left.push(corner);
  });
  return left;
}
