// Sliding window against replays after RFC 6479: a ring of bits with one word to spare, so that moving
// on clears whole words. `check` asks, `mark` remembers, and they are two calls because a number may only
// be marked once its packet proved authentic: else a stranger could use up the numbers of a peer.

import {REPLAY_WINDOW} from './limits.ts';

const WORD_BITS = 32;

export class ReplayWindow {
  readonly #size: number;
  readonly #words: Uint32Array;
  #highest: number;
  readonly #floor: number;

  /**
   * @param floor numbers up to and including this are history; -1 = none
   * @param size numbers below the highest one that are still told apart; a multiple of 32
   */
  constructor(floor = -1, size: number = REPLAY_WINDOW) {
    this.#size = size;
    this.#words = new Uint32Array(size / WORD_BITS + 1);
    this.#floor = floor;
    this.#highest = floor;
  }

  /** The highest number marked, or the floor. */
  get highest(): number {
    return this.#highest;
  }

  /** May this number still come? Integer 0 … 2^53-1. */
  check(number: number): boolean {
    if (number <= this.#floor) return false;
    if (number > this.#highest) return true;
    return number > this.#highest - this.#size && !this.#bit(number);
  }

  /** Was this number marked, and is that still known? */
  marked(number: number): boolean {
    return number <= this.#highest && number > this.#highest - this.#size && this.#bit(number);
  }

  /** To be called for a fresh number whose packet is authentic. */
  mark(number: number): void {
    const words = this.#words.length;
    const word = Math.floor(number / WORD_BITS);
    const last = Math.floor(Math.max(this.#highest, 0) / WORD_BITS);
    const stale = Math.min(word - last, words);
    for (let i = 0; i < stale; i++) this.#words[(word - i) % words] = 0;
    this.#words[word % words] = (this.#words[word % words] ?? 0) | (1 << (number % WORD_BITS));
    if (number > this.#highest) this.#highest = number;
  }

  #bit(number: number): boolean {
    const word = this.#words[Math.floor(number / WORD_BITS) % this.#words.length] ?? 0;
    return (word & (1 << (number % WORD_BITS))) !== 0;
  }
}
