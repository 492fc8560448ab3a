// When a bulk transfer asks its nodes what they lack, and how soon they are to answer.

import {addMono, type MonoMs} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';

const POLL_MS_MIN = 20;
const POLL_MS_MAX = 130;
/** At first, when the rate is a guess: what a link cannot carry is lost until somebody tells. */
const POLL_MS_EARLY = 40;
const POLLS_EARLY = 8;
/** Blocks from one poll to the next at most: far fewer than may be under way. */
const POLL_BLOCKS = 24;
/** The master opens one answer in much less than this. */
const POLL_MS_PER_NODE = 1;
const ENDING_POLL_MS_PER_NODE = 0.4;
/** Answers are spread over this part of the time to the next poll. */
const ANSWER_PART = 0.7;

export type PollRhythm = {
  /** Nodes that listen. */
  readonly nodes: number;
  /** Nothing new is sent: everybody waits for repairs. */
  readonly isBlocked: boolean;
  readonly symbolsPerBlock: number;
  readonly packetsPerSecond: number;
};

export class BulkPolls {
  /** 0 … 65,535, and round. */
  no = 0;
  answerMs = 0;
  #polls = 0;
  #polledAt: MonoMs;

  constructor(now: MonoMs) {
    this.#polledAt = now;
  }

  /** Polls again. */
  next(rhythm: PollRhythm, now: MonoMs): void {
    this.no = (this.no + 1) % 2 ** 16;
    this.#polls += 1;
    this.#polledAt = now;
    this.answerMs = this.#periodMs(rhythm) * ANSWER_PART;
  }

  dueAt(rhythm: PollRhythm): MonoMs {
    return addMono(this.#polledAt, this.#periodMs(rhythm));
  }

  /** Symbols begin to flow now. */
  begin(rhythm: PollRhythm, now: MonoMs): void {
    this.#polledAt = now;
    this.answerMs = this.#periodMs(rhythm) * ANSWER_PART;
  }

  #periodMs({nodes, isBlocked, symbolsPerBlock, packetsPerSecond}: PollRhythm): number {
    if (isBlocked) return Math.max(POLL_MS_MIN, nodes * ENDING_POLL_MS_PER_NODE);
    const most = this.#polls < POLLS_EARLY ? POLL_MS_EARLY : POLL_MS_MAX;
    const perBlock = symbolsPerBlock / packetsPerSecond;
    const ms = Math.min(most, POLL_BLOCKS * perBlock * SECOND_MS);
    return Math.max(POLL_MS_MIN, ms, nodes * POLL_MS_PER_NODE);
  }
}
