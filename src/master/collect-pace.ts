// How many nodes may send files at once, and how many bytes may be on their way (pure): as many as the link
// gives something for. A few at first; one more while throughput grows, which is taken back when it brought
// nothing; fewer, by a part, when throughput falls, and half when uploads break (additive increase, multiplicative decrease, as TCP does it). All at once would
// overrun the switch, and a fixed number is too few for small files and too many for a slow link.

import {addMono, type MonoMs} from '../base/types.ts';
import {MIB, SECOND_MS} from '../base/units.ts';

const NODES_START = 4;
export const COLLECTING_MAX = 32;
/** On their way at once, for each node that may send: the next node begins while the last files still come. */
const BYTES_PER_NODE = 8 * MIB;
/** A rate is measured over so long and so many files at least: one file says nothing. */
const MEASURE_MS = SECOND_MS / 2;
const MEASURE_FILES = 4;
/** Between two measures these are no change. */
const GROWN = 1.05;
const FALLEN = 0.8;
const FEWER = 0.75;
/** So many measures without a change, and one more node is tried: the link may have got better. */
const STILL_MAX = 8;
/** Uploads that break together have one cause. */
const BREAK_MS = SECOND_MS;

export class CollectPace {
  #nodes = NODES_START;
  #sinceAt: MonoMs | undefined;
  #bytes = 0;
  #files = 0;
  /** Bytes a ms of the measure before; 0 = none yet. */
  #rate = 0;
  #still = 0;
  /** The measure before added a node. */
  #isMore = false;
  #brokeAt = Number.NEGATIVE_INFINITY as MonoMs;

  /** Nodes at once now, 1 … 32. */
  get nodes(): number {
    return Math.floor(this.#nodes);
  }

  /** May one more node be asked? @param bytes on their way from those that were */
  hasRoom(asked: number, bytes: number): boolean {
    return asked === 0 || (asked < this.nodes && bytes < this.#nodes * BYTES_PER_NODE);
  }

  /** A file is here. @param isFilled whether as many nodes were asked as may be: else the rate says nothing of the link */
  arrived(bytes: number, isFilled: boolean, now: MonoMs): void {
    if (!isFilled || this.#sinceAt === undefined) return this.#begin(isFilled ? now : undefined);
    this.#bytes += bytes;
    this.#files += 1;
    const tookMs = now - this.#sinceAt;
    if (tookMs < MEASURE_MS || this.#files < MEASURE_FILES) return;
    this.#decide(this.#bytes / tookMs);
    this.#begin(now);
  }

  /** An upload broke, or a node went away in the middle of it. */
  broke(now: MonoMs): void {
    if (now < addMono(this.#brokeAt, BREAK_MS)) return;
    this.#brokeAt = now;
    this.#set(this.#nodes / 2);
    this.#begin(now);
  }

  #begin(now: MonoMs | undefined): void {
    this.#sinceAt = now;
    this.#bytes = 0;
    this.#files = 0;
  }

  #decide(rate: number): void {
    const [before, wasMore] = [this.#rate, this.#isMore];
    this.#rate = rate;
    this.#isMore = false;
    const hasGrown = rate > before * GROWN;
    this.#still = hasGrown ? 0 : this.#still + 1;
    if (rate < before * FALLEN) this.#set(this.#nodes * FEWER);
    else if (hasGrown || this.#still >= STILL_MAX) this.#addOne();
    else if (wasMore) this.#set(this.#nodes - 1); // it brought nothing
  }

  #addOne(): void {
    this.#still = 0;
    this.#isMore = true;
    this.#set(this.#nodes + 1);
  }

  #set(nodes: number): void {
    this.#nodes = Math.min(COLLECTING_MAX, Math.max(1, nodes));
  }
}
