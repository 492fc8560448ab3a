// How fast a bulk transfer sends: a token bucket whose rate follows what the middle one of the nodes hears.
//
// On one's own LAN there is nobody to be fair to, and losses are mostly noise, of which going slower does not heal any:
// the rate of TCP, or of TFMCC, would collapse under it. So a loss is taken for congestion only if it goes away: the
// rate steps down to what arrived, and if as much is lost there, the loss is the link's own and the rate goes back up.
//
//   loss above what is the link's own + 2 %  → try what arrived
//     as much is lost there                  → it is the link's own: back to where it was
//     less is lost                           → that was the room there is; grow slowly from here
//   loss below what is the link's own + 0.5 %→ grow: by a quarter until the first step down, by 2 % after it,
//                                              if we sent as fast as we may: else nobody has tried this rate
//
// A timer that comes late must not pay the time back in one burst: switches with small buffers drop it. What is more
// than the burst is forgotten.

import {addMono, type MonoMs} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';

/** Preamble, Ethernet, gap, IPv4 and UDP: what each datagram costs on a wire beside its bytes. */
export const WIRE_OVERHEAD_BYTES = 66;

const LOSS_NOTED = 0.02;
const LOSS_NONE = 0.005;
/** A step down helped if no more than this part of the loss above the link's own is left. */
const HELPED = 0.5;
const GROWTH_FIRST = 1.25;
const GROWTH_LATER = 1.02;
/** Of the rate that was allowed: who sends less, for want of symbols or of a processor, learns nothing about more. */
const USED_PART = 0.85;
/** A node whose memory is full: half the rate for so long. */
const SLOW_MS = 500;
const LEAST_PART = 0.1;
/** Packets sent in one wake-up: of 100 Mbit/s 2 ms. */
const BURST_MIN = 16;
const BURST_MAX = 128;
const BURST_MS = 1.5;

export type BulkRateOptions = {
  /** Bits per second on the wire: to begin with, and never to go beyond. */
  readonly first: number;
  readonly most: number;
  /** Bytes of a whole datagram. */
  readonly datagramBytes: number;
};

export class BulkRate {
  readonly #most: number;
  readonly #least: number;
  readonly #bitsEach: number;
  #rate: number;
  #credit = 0;
  #refilledAt: MonoMs | undefined;
  #slowUntil: MonoMs | undefined;
  /** What gets lost however slowly we go. */
  #own = 0;
  /** A step down under trial: from where, and what was lost there. */
  #trial: {readonly rate: number; readonly loss: number} | undefined;
  #stepped = false;
  /** What was sent at the rate before is still being told of. */
  #isSettling = false;
  /** Datagrams that left since the last judgement, and since when. */
  #left = 0;
  #leftSince: MonoMs | undefined;

  constructor({first, most, datagramBytes}: BulkRateOptions) {
    this.#most = most;
    this.#least = Math.min(first, most) * LEAST_PART;
    this.#rate = Math.min(first, most);
    this.#bitsEach = (datagramBytes + WIRE_OVERHEAD_BYTES) * 8;
  }

  /** Bits per second on the wire. */
  get bitsPerSecond(): number {
    return this.#rate;
  }

  /** The same in datagrams. */
  packetsPerSecond(now: MonoMs): number {
    const part = this.#slowUntil !== undefined && now < this.#slowUntil ? 0.5 : 1;
    return (this.#rate / this.#bitsEach) * part;
  }

  /** Datagrams that may leave now, as many as there are to send. */
  take(wanted: number, now: MonoMs): number {
    this.#refill(now);
    const taken = Math.min(wanted, Math.floor(this.#credit));
    this.#credit -= taken;
    this.#left += taken;
    this.#leftSince ??= now;
    return taken;
  }

  /** When there is credit for the next one. */
  readyAt(now: MonoMs): MonoMs {
    this.#refill(now);
    const lacking = 1 - this.#credit;
    return lacking <= 0 ? now : addMono(now, (lacking / this.packetsPerSecond(now)) * SECOND_MS);
  }

  /** Somebody has no memory left. */
  slow(now: MonoMs): void {
    this.#slowUntil = addMono(now, SLOW_MS);
  }

  /** Once for each poll that enough nodes have answered. @param loss of the middle one, 0 … 1 of what was sent */
  delivered(loss: number, now: MonoMs): void {
    const isUsed = this.#wasUsed(now);
    if (this.#isSettling) {
      this.#isSettling = false;
      return;
    }
    if (this.#trial) return this.#judge(this.#trial, loss);
    const above = loss - this.#own;
    if (above > LOSS_NOTED) {
      this.#trial = {rate: this.#rate, loss};
      this.#set(this.#rate * (1 - above));
    } else if (above < LOSS_NONE && isUsed) {
      this.#own = Math.min(this.#own, Math.max(loss, 0));
      this.#set(this.#rate * (this.#stepped ? GROWTH_LATER : GROWTH_FIRST));
    }
  }

  #wasUsed(now: MonoMs): boolean {
    const elapsed = this.#leftSince === undefined ? 0 : now - this.#leftSince;
    const could = (this.packetsPerSecond(now) * elapsed) / SECOND_MS;
    const isUsed = elapsed > 0 && this.#left >= could * USED_PART;
    this.#left = 0;
    this.#leftSince = now;
    return isUsed;
  }

  #judge(trial: {readonly rate: number; readonly loss: number}, loss: number): void {
    this.#trial = undefined;
    const helped = loss - this.#own <= (trial.loss - this.#own) * HELPED;
    if (helped) {
      this.#stepped = true;
      return;
    }
    this.#own = Math.min(loss, trial.loss);
    this.#set(trial.rate);
  }

  #set(rate: number): void {
    this.#isSettling = true;
    this.#rate = Math.max(this.#least, Math.min(this.#most, rate));
  }

  #refill(now: MonoMs): void {
    const perMs = this.packetsPerSecond(now) / SECOND_MS;
    const burst = Math.max(BURST_MIN, Math.min(BURST_MAX, perMs * BURST_MS));
    const elapsed = this.#refilledAt === undefined ? 0 : now - this.#refilledAt;
    this.#credit = Math.min(burst, this.#credit + elapsed * perMs);
    this.#refilledAt = now;
  }
}
