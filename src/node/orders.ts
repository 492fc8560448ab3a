// Whether this node computes, as the master wants it: the state of the whole cluster, and its word about this
// node alone. While it rests it asks for no work and runs none. With the whole cluster it keeps what it holds, and
// begins it anew later; alone it lets go of it (work.ts).
//
// The state of the cluster has a generation: of two packets of one start of the master the one that was said later
// counts, in whatever order they come. What a later start says counts whatever its generation: a master that came
// back from an old backup knows fewer than we have seen, and is the master.

import {toHex} from '../base/bytes.ts';
import type {Command, DesiredState, Welcome} from '../wire/message.ts';

export class Orders {
  #state: DesiredState = {generation: 0, paused: false};
  /** The start of the master that said it. */
  #epoch = 0;
  #instance = '';
  /** Of the Welcome of this session, and so of all answers in it. */
  #session = 0;
  /** Suspended or quarantined, by the master's word: in Welcome, and in each answer to a Pull. */
  isSuspended = false;

  /** Of the state that this node obeys; its pulls tell it. */
  get generation(): number {
    return this.#state.generation;
  }

  get rests(): boolean {
    return this.#state.paused || this.isSuspended;
  }

  welcome({epoch, instanceId, state}: Welcome): void {
    const instance = toHex(instanceId);
    this.#session = epoch;
    if (epoch === this.#epoch && instance === this.#instance) this.#rise(state);
    else this.#take(state, epoch, instance);
  }

  /** true = it is news. */
  command({instanceId, state}: Command, epoch: number): boolean {
    if (epoch === this.#epoch) return this.#rise(state);
    if (epoch < this.#epoch) return false; // what a later start said counts
    const {generation} = this.#state;
    this.#take(state, epoch, toHex(instanceId));
    return state.generation !== generation;
  }

  /** What came with the answer to a Pull. */
  assign(state: DesiredState): void {
    if (this.#session === this.#epoch) this.#rise(state);
  }

  #rise(state: DesiredState): boolean {
    if (state.generation <= this.#state.generation) return false;
    this.#state = state;
    return true;
  }

  #take(state: DesiredState, epoch: number, instance: string): void {
    this.#state = state;
    this.#epoch = epoch;
    this.#instance = instance;
  }
}
