// What a bulk transfer has sent of each block, and what the nodes still need of it.
//
// A report says what its node lacked after a certain datagram. What was sent of a block later than that is on its way
// and is taken off, as are the sources that are still to come. What then remains is needed, and of all nodes the one
// that needs most decides: parity that one of them can use, all can. So no round is waited for: the first report that
// says a block needs two is answered by two, and another that says three by one more.

import {assert} from '../base/assert.ts';
import type {BulkLayout} from './bulk-layout.ts';
import {SYMBOLS_MAX} from './reed-solomon.ts';

export type SymbolPick = {readonly block: number; readonly no: number};

type BlockState = {
  readonly sources: number;
  /** Source symbol to send next in a pass; `sources` = no pass is under way. */
  next: number;
  /** Its first pass is under way: the sender goes through it by itself. */
  isFresh: boolean;
  /** Parity to send along with the first pass. */
  along: number;
  parity: number;
  /** Numbers of the datagrams that carried it, ascending. */
  sent: number[];
  /** Symbols that somebody needs and that are not sent yet. */
  need: number;
  /** Reports that needed some, since nobody did: what most nodes wait for goes first. */
  askers: number;
};

export class BulkLedger {
  readonly #layout: BulkLayout;
  readonly #blocks = new Map<number, BlockState>();
  /** Blocks of which some is needed. */
  readonly #needed = new Set<number>();
  #order: number[] = [];
  #at = 0;
  #isStale = false;

  constructor(layout: BulkLayout) {
    this.#layout = layout;
  }

  get needs(): number {
    return this.#needed.size;
  }

  /** Begins the first pass over a block: all its sources, and so much parity. */
  begin(block: number, along: number): void {
    const state = this.#state(block);
    state.isFresh = true;
    state.next = 0;
    state.along = along;
    this.#settle(block, state, 0);
  }

  /** The next symbol of the first pass; undefined = it is through. */
  nextFresh(block: number, sequence: number): SymbolPick | undefined {
    const state = this.#state(block);
    if (state.next < state.sources) return this.#sent(block, state, state.next++, sequence);
    if (state.along === 0) {
      state.isFresh = false;
      return undefined;
    }
    state.along -= 1;
    return this.#sent(block, state, this.#nextParity(state), sequence);
  }

  /** The next symbol that somebody asked for, of the block that most wait for; undefined = nobody waits. */
  nextNeeded(sequence: number): SymbolPick | undefined {
    for (;;) {
      if (this.#at >= this.#order.length) this.#line();
      const block = this.#order[this.#at++];
      if (block === undefined) return undefined;
      const state = this.#state(block);
      if (!this.#needed.has(block)) continue;
      if (state.next < state.sources && !state.isFresh) {
        const no = state.next++;
        if (state.next === state.sources) this.#settle(block, state, state.need);
        return this.#sent(block, state, no, sequence);
      }
      this.#settle(block, state, state.need - 1);
      return this.#sent(block, state, this.#nextParity(state), sequence);
    }
  }

  /**
   * @param deficit symbols that a node needs of this block, after it heard the datagram of this number
   * @returns what is to be sent for it beyond all that is on its way
   */
  lacks(block: number, deficit: number, heard: number): number {
    const state = this.#state(block);
    const coming = state.sources - state.next + state.along + sentAfter(state.sent, heard);
    return Math.max(0, Math.min(deficit, state.sources) - coming);
  }

  /** @param need of a node, more than 0; of all such the greatest is sent */
  ask(block: number, need: number): void {
    const state = this.#state(block);
    state.askers += 1;
    if (need <= state.need) return;
    // Whoever lacks more than half of a block is better served by the sources once more: no sums to solve.
    if (need > state.sources / 2) {
      state.next = 0;
      this.#settle(block, state, 0);
    } else this.#settle(block, state, need);
  }

  /** Who asked for most is waited for no more: the others ask again. */
  forgetNeeds(): void {
    for (const block of [...this.#needed]) {
      const state = this.#state(block);
      if (state.next < state.sources && !state.isFresh) state.next = state.sources;
      this.#settle(block, state, 0);
    }
  }

  /** Every node has it: nothing more is said of it. */
  forget(block: number): void {
    this.#blocks.delete(block);
    this.#needed.delete(block);
  }

  #state(block: number): BlockState {
    const known = this.#blocks.get(block);
    if (known !== undefined) return known;
    const sources = this.#layout.sourcesOf(block);
    const counts = {along: 0, parity: 0, need: 0, askers: 0};
    const fresh = {...counts, sources, next: sources, isFresh: false, sent: []};
    this.#blocks.set(block, fresh);
    return fresh;
  }

  /** @param need of parity; a block whose sources go out once more is needed, too */
  #settle(block: number, state: BlockState, need: number): void {
    state.need = need;
    if (need === 0 && (state.next === state.sources || state.isFresh)) {
      state.askers = 0;
      this.#needed.delete(block);
    } else if (!this.#needed.has(block)) {
      this.#needed.add(block);
      this.#isStale = true;
    }
  }

  /** One symbol of each block that is needed, and then from the front again: a burst of losses hits many a little. */
  #line(): void {
    if (this.#isStale || this.#order.length !== this.#needed.size) {
      this.#order = [...this.#needed].sort((a, b) => this.#askers(b) - this.#askers(a) || a - b);
      this.#isStale = false;
    }
    this.#at = 0;
  }

  #askers(block: number): number {
    return this.#blocks.get(block)?.askers ?? 0;
  }

  /** Parity that was never sent; when there is no more, from the sources on again. */
  #nextParity(state: BlockState): number {
    const kinds = SYMBOLS_MAX - state.sources;
    const turn = state.parity++ % (kinds + state.sources);
    return turn < kinds ? state.sources + turn : turn - kinds;
  }

  #sent(block: number, state: BlockState, no: number, sequence: number): SymbolPick {
    assert(no >= 0 && no < SYMBOLS_MAX, `symbol ${no} of block ${block}`);
    state.sent.push(sequence);
    return {block, no};
  }
}

/** How many of these ascending numbers are above `heard`. */
function sentAfter(sent: readonly number[], heard: number): number {
  let count = 0;
  for (let i = sent.length - 1; i >= 0 && (sent[i] ?? 0) > heard; i--) count += 1;
  return count;
}
