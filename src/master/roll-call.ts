// Who would fire? One command asks all that are meant before a capture that leaves its lead to us or that asks
// for so many nodes. What comes of it: how many are ready, why the others are not, how long delivery takes now.

import {addMono, type MonoMs, NEVER, type NodeId, type Now, type WallMs} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {ActionView} from '../core/views.ts';
import type {AckStatement, Target} from '../wire/message.ts';
import type {Commands} from './commands.ts';
import type {MasterContext} from './context.ts';
import {SlowNodes, type SlowRow} from './shot-gaps.ts';
import {windowOf} from './windows.ts';

/** After the window of the answers: time for repairs to those that did not hear. */
const REPAIRS_MS = 600;
const LEAD_MS_MIN = 150;
const LEAD_MS_MAX = 10 * SECOND_MS;
/** Beside twice what delivery took: for the node to prepare. */
const PREPARE_MS = 100;

/** As it is kept with its capture. */
export type RollCallRow = {
  /** Nodes that are meant, also those that are down. */
  readonly asked: number;
  readonly ready: number;
  readonly unready: readonly {readonly nodeId: NodeId; readonly why: string}[];
  /** The longest time from the command to a node that heard it, with repeats and repairs. */
  readonly deliveryMs: number;
  /** Absent = no node is known to need longer for a shot than these are apart. */
  readonly slow?: SlowRow;
};

type Answer = {
  readonly unready: string;
  readonly deliveryMs: number;
  readonly shotMs: number | undefined;
};

/** How far apart the shots of an action are at a node. */
type GapOf = (action: string, nodeId: NodeId) => number;

/** One command of it, and who it was for. */
type Asked = {
  readonly epoch: number;
  readonly seq: number;
  readonly action: string;
  readonly issuedAt: WallMs;
  readonly nodes: readonly NodeId[];
  /** Of these, who is up: they are waited for. */
  readonly awaited: ReadonlySet<NodeId>;
  readonly answers: Map<NodeId, Answer>;
};

type Call<T> = {
  readonly about: T;
  readonly asked: readonly Asked[];
  readonly deadlineAt: MonoMs;
  readonly gapOf: GapOf;
};

/** @param T what a roll call is about: its capture */
export class RollCalls<T> {
  readonly #context: MasterContext;
  readonly #commands: Commands;
  readonly #calls: Call<T>[] = [];

  constructor(context: MasterContext, commands: Commands) {
    this.#context = context;
    this.#commands = commands;
  }

  /** @param of actions, and who is to do each */
  begin(
    about: T,
    of: readonly {readonly action: string; readonly target: Target}[],
    toleranceMs: number | undefined,
    gapOf: GapOf,
    now: Now,
  ): void {
    const tolerance = toleranceMs ? {toleranceMs} : {};
    const asked = of.map(({action, target}): Asked => {
      const nodes = [...this.#context.roster.targeted(target)];
      const awaited = nodes.filter(node => node.up).map(node => node.row.nodeId);
      const ackWindowMs = windowOf(awaited.length);
      const what = {kind: 'rollCall', action, ...tolerance} as const;
      return {
        ...this.#commands.issue(what, now, {target, ackWindowMs}),
        action,
        issuedAt: this.#context.instant(now.mono),
        nodes: nodes.map(node => node.row.nodeId),
        awaited: new Set(awaited),
        answers: new Map(),
      };
    });
    const longestMs = Math.max(...asked.map(({awaited}) => windowOf(awaited.size)));
    this.#calls.push({about, asked, gapOf, deadlineAt: addMono(now.mono, longestMs + REPAIRS_MS)});
  }

  onAck(nodeId: NodeId, ack: AckStatement): void {
    for (const asked of this.#calls.flatMap(call => call.asked)) {
      const isOther = asked.epoch !== ack.epoch || asked.seq !== ack.seq;
      if (isOther || asked.answers.has(nodeId)) continue;
      const unready = ack.verdict === 'expired' ? 'it heard of it too late' : (ack.unready ?? '');
      const heardMs = ack.heardWallMs > 0 ? ack.heardWallMs - asked.issuedAt : 0;
      const deliveryMs = Math.max(0, heardMs) + Math.max(0, ack.clockBoundMs);
      asked.answers.set(nodeId, {unready, deliveryMs, shotMs: ack.shotMs});
    }
  }

  /** It is not wanted any more. */
  drop(about: T): void {
    const at = this.#calls.findIndex(call => call.about === about);
    if (at >= 0) this.#calls.splice(at, 1);
  }

  /** Those that are over: everybody who is up has answered, or is not waited for any more. */
  takeOver(now: MonoMs): {readonly about: T; readonly row: RollCallRow}[] {
    const over = this.#calls.filter(call => isOver(call, now));
    for (const {about} of over) this.drop(about);
    return over.map(call => ({about: call.about, row: this.#rowOf(call, now)}));
  }

  /** Who is asked for several actions is ready for all of them, or is not. */
  #rowOf({asked, gapOf}: Call<T>, now: MonoMs): RollCallRow {
    const whyNot = new Map<NodeId, string>();
    const slow = new SlowNodes();
    let deliveryMs = isDeaf(asked) ? this.#waitedMs(asked, now) : 0;
    for (const {action, nodes, answers} of asked)
      for (const nodeId of nodes) {
        const answer = answers.get(nodeId);
        deliveryMs = Math.max(deliveryMs, answer?.deliveryMs ?? 0);
        const tooSlow = slow.why(nodeId, answer?.shotMs ?? 0, () => gapOf(action, nodeId));
        const why = answer ? answer.unready || tooSlow : this.#silence(nodeId);
        whyNot.set(nodeId, whyNot.get(nodeId) || why);
      }
    const unready = [...whyNot].flatMap(([nodeId, why]) => (why === '' ? [] : [{nodeId, why}]));
    const row = {asked: whyNot.size, ready: whyNot.size - unready.length, unready, deliveryMs};
    return slow.row ? {...row, slow: slow.row} : row;
  }

  /** Whoever says nothing within this has not heard of it sooner. */
  #waitedMs(asked: readonly Asked[], now: MonoMs): number {
    const instant = this.#context.instant(now);
    return Math.max(0, ...asked.map(({issuedAt}) => instant - issuedAt));
  }

  #silence(nodeId: NodeId): string {
    return this.#context.roster.node(nodeId)?.up ? 'it did not answer' : 'it is down';
  }

  wakeAt(): MonoMs {
    let least: number = NEVER;
    for (const call of this.#calls)
      least = Math.min(least, isOver(call, 0 as MonoMs) ? 0 : call.deadlineAt);
    return least as MonoMs;
  }
}

/** All who are up were asked, and not one has answered. */
const isDeaf = (asked: readonly Asked[]): boolean =>
  asked.some(({awaited}) => awaited.size > 0) && asked.every(({answers}) => answers.size === 0);

function isOver<T>({asked, deadlineAt}: Call<T>, now: MonoMs): boolean {
  if (now >= deadlineAt) return true;
  for (const {awaited, answers} of asked)
    for (const nodeId of awaited) if (!answers.has(nodeId)) return false;
  return true;
}

/** What a program needs that has not said it: Node.js or Python with a library starts within it on a small board. */
const UNKNOWN_WARM_UP_MS = 500;

/** @param told undefined = it has not run since its node was started */
export function warmUpOf(told: Pick<ActionView, 'phase' | 'warmUpMs'> | undefined): number {
  return told?.phase === 'ready' ? 0 : told?.warmUpMs || UNKNOWN_WARM_UP_MS;
}

/**
 * How long before the instant to command: twice what delivery took just now, so that one more loss in a row is made
 * up for, and long enough for a camera that has to warm up.
 */
export function leadFor({deliveryMs}: Pick<RollCallRow, 'deliveryMs'>, warmUpMs: number): number {
  const leadMs = Math.max(LEAD_MS_MIN, 2 * deliveryMs, warmUpMs) + PREPARE_MS;
  return Math.ceil(Math.min(LEAD_MS_MAX, leadMs));
}
