// The highest command this node has taken up, as (epoch, seq): durable before anything is done that must not
// be done twice, also across a crash; but for a shot on hearing, which the next Welcome calls history.

import {toHex} from '../base/bytes.ts';
import type {MonoMs} from '../base/types.ts';
import type {NodeEffect} from '../core/core.ts';
import {encodeJson, type Op, put} from '../core/tables.ts';
import type {CommandWhat, Welcome} from '../wire/message.ts';
import {FLOOR_KEY, type NodeMemory} from './memory.ts';
import type {Outbox} from './outbox.ts';

export class Floor {
  readonly #memory: NodeMemory;
  readonly #outbox: Outbox;
  readonly #emit: (effect: NodeEffect) => void;

  constructor(memory: NodeMemory, outbox: Outbox, emit: (effect: NodeEffect) => void) {
    this.#memory = memory;
    this.#outbox = outbox;
    this.#emit = emit;
  }

  /** What a Welcome says is history. */
  welcome({epoch, seqFloor, instanceId, epochProof: proof}: Welcome): void {
    const memory = this.#memory;
    const seen = memory.epoch === epoch ? memory.seq : 0;
    const seq = Math.max(seen, seqFloor);
    const instance = toHex(instanceId);
    const epochProof = toHex(proof);
    const isProven = epochProof === memory.epochProof;
    const isSame = epoch === memory.epoch && seq === memory.seq && instance === memory.instance;
    if (isSame && isProven) return;
    Object.assign(memory, {epoch, seq, instance, epochProof});
    this.#save();
  }

  /**
   * Only what must not be done twice needs the floor on disk first (what is fired on hearing does not wait for it: see
   * the effect). For the rest it is a second line of
   * defence (the first is Welcome's floor), and waits for another save. Of a pulse nothing is written at all: a
   * card that is written to every 5 s wears out.
   */
  raise(epoch: number, seq: number, kind: CommandWhat['kind'], now: MonoMs): void {
    const memory = this.#memory;
    if (epoch > memory.epoch) Object.assign(memory, {seq: 0, epochProof: ''});
    memory.epoch = Math.max(epoch, memory.epoch);
    memory.seq = Math.max(seq, memory.seq);
    if (kind === 'fire' || kind === 'setAction') this.#save();
    else if (kind !== 'pulse') this.#outbox.addLate(this.#row(), now);
  }

  #save(): void {
    this.#outbox.supersede('meta', FLOOR_KEY);
    this.#emit({type: 'save', op: this.#row()});
  }

  #row(): Op {
    const {epoch, seq, instance, epochProof} = this.#memory;
    return put('meta', FLOOR_KEY, encodeJson({epoch, seq, instance, epochProof}));
  }
}
