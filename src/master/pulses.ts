// One packet now and then that nobody repeats: which part of them a node hears is its loss, and the times at which
// nodes say that they heard the same one differ by how their clocks do. What the probes of the clock say is checked
// so by something that has no round trip in it (reference broadcasts: Elson, Girod, Estrin, OSDI 2002).

import {addMono, type MonoMs, NEVER, type NodeId, type Now} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {EarView} from '../core/views.ts';
import {PULSES_MAX} from '../wire/limits.ts';
import type {EarReport} from '../wire/message.ts';
import type {Commands} from './commands.ts';
import type {MasterContext} from './context.ts';
import type {NodeState} from './roster.ts';

const PULSE_MS = 5 * SECOND_MS;
/** Of fewer nobody can say who is off. */
const COMPARED_MIN = 3;

export class Pulses {
  readonly #context: MasterContext;
  readonly #commands: Commands;
  #no = 0;
  #nextAt: MonoMs = NEVER;
  /** By pulse: when each node heard it, on our clock as the node knows it. */
  readonly #heardAt = new Map<number, Map<NodeId, number>>();
  #skews: {readonly no: number; readonly of: ReadonlyMap<NodeId, number>} = {no: 0, of: new Map()};

  constructor(context: MasterContext, commands: Commands) {
    this.#context = context;
    this.#commands = commands;
  }

  /** A node asks: it is there to hear. */
  onPull(node: NodeState, ear: EarReport | undefined, now: Now): void {
    if (this.#nextAt === NEVER && node.row.actions.length > 0)
      this.#nextAt = addMono(now.mono, PULSE_MS);
    if (!ear || ear.epoch !== this.#context.epoch) return;
    node.ear = ear;
    for (const {no, heardWallMs} of ear.pulses)
      this.#heardAt.get(no)?.set(node.row.nodeId, heardWallMs);
  }

  wakeAt(): MonoMs {
    return this.#nextAt;
  }

  /** While nobody fires actions, nobody has to wake up for it. */
  tick(now: Now): void {
    if (now.mono < this.#nextAt) return;
    const isHeard = [...this.#context.roster.all()].some(
      ({up, row}) => up && row.actions.length > 0,
    );
    this.#nextAt = isHeard ? addMono(now.mono, PULSE_MS) : NEVER;
    if (!isHeard) return;
    this.#no += 1;
    this.#heardAt.set(this.#no, new Map());
    this.#heardAt.delete(this.#no - PULSES_MAX);
    this.#commands.issue({kind: 'pulse', no: this.#no}, now, {isOnce: true, ttlMs: PULSE_MS});
  }

  /** How well a node hears, and how far its clock is from the others'; undefined = it has not told. */
  view({row, ear}: NodeState): EarView | undefined {
    if (!ear) return undefined;
    if (this.#skews.no !== this.#no)
      this.#skews = {no: this.#no, of: skewsOf(this.#heardAt.values())};
    const {heard, missed, clockBoundMs} = ear;
    const skewMs = this.#skews.of.get(row.nodeId);
    return {heard, missed, clockBoundMs, ...(skewMs === undefined ? {} : {skewMs})};
  }
}

/** Of each node the median of how much later than the median node it says it heard a pulse. */
export function skewsOf(pulses: Iterable<ReadonlyMap<NodeId, number>>): Map<NodeId, number> {
  const apart = new Map<NodeId, number[]>();
  for (const pulse of pulses) {
    if (pulse.size < COMPARED_MIN) continue;
    const middle = medianOf([...pulse.values()]);
    for (const [nodeId, heardAt] of pulse) {
      const list = apart.get(nodeId);
      if (list) list.push(heardAt - middle);
      else apart.set(nodeId, [heardAt - middle]);
    }
  }
  return new Map([...apart].map(([nodeId, list]) => [nodeId, medianOf(list)]));
}

function medianOf(values: number[]): number {
  values.sort((a, b) => a - b);
  const half = values.length >> 1;
  const [low = 0, high = 0] = [values[values.length - 1 - half], values[half]];
  return (low + high) / 2;
}
