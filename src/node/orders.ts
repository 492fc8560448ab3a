// Whether this node computes, as the master wants it: the state of the whole cluster, and its word about this
// node alone. While it rests it asks for no work, runs none, and keeps what it holds: that begins anew later.
//
// The state of the cluster has a generation: of two packets the one that was said later counts, in whatever
// order they come. The first Welcome of a session counts whatever it says: a master that came back from an old
// backup knows fewer generations than we have seen, and is the master.

import type {DesiredState} from '../wire/message.ts';

export class Orders {
  #state: DesiredState = {generation: 0, paused: false};
  /** The master's word about this node: in Welcome, and in each answer to a Pull. */
  isSuspended = false;

  /** Of the state that this node obeys; its pulls tell it. */
  get generation(): number {
    return this.#state.generation;
  }

  get rests(): boolean {
    return this.#state.paused || this.isSuspended;
  }

  /** A session begins. */
  begin(state: DesiredState): void {
    this.#state = state;
  }

  /** true = it is news. */
  adopt(state: DesiredState): boolean {
    if (state.generation <= this.#state.generation) return false;
    this.#state = state;
    return true;
  }
}
