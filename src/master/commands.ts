// Commands out: one datagram by multicast, the same datagram again at +20 and +60 ms (sooner where it fires on
// hearing), then inside the
// session to each node that was meant and has not acknowledged (by multicast again while these are many): ever more
// rarely, but closer and closer before an instant. After it, too: who says that it was too late is not lost.
// Same seq every time, so doing it twice is impossible. Seq starts at 1 in each epoch; the epoch is durable before the first command leaves.

import {type MonoMs, NEVER, type NodeId, type Now} from '../base/types.ts';
import {COMMAND_REPEATS_MS, COMMAND_REPEATS_NOW_MS, COMMAND_TTL_MS} from '../wire/limits.ts';
import type {Command, CommandWhat, Target} from '../wire/message.ts';
import type {MasterContext} from './context.ts';
import {peerOf} from './roster.ts';

export const EVERY_NODE: Target = {labels: [], nodes: []};

export type CommandOptions = {
  readonly target?: Target;
  /** 0 = nobody acknowledges: what it asks for is its own answer (a pull), or heals by itself. */
  readonly ackWindowMs?: number;
  readonly ttlMs?: number;
  /** One datagram, never repeated. */
  readonly isOnce?: boolean;
  /** Who acknowledges; absent = all that are up of the target. */
  readonly expected?: Iterable<NodeId>;
  /** How long before its instant it is sent: repeats are spread over that, repairs are done by then; 0 = none. */
  readonly leadMs?: number;
  /** Work is available: the next pull of each of these is its acknowledgement. */
  readonly awaited?: Iterable<NodeId>;
};

type Sent = {
  readonly seq: number;
  readonly epoch: number;
  readonly command: Command;
  readonly expiresAt: MonoMs;
  /** After its first datagram. */
  readonly repeatsMs: readonly number[];
  repeats: number;
  nextAt: MonoMs;
  /** Nodes that have not acknowledged. */
  readonly silent: Set<NodeId>;
  /** Answered by pulls: needs no repeat when nobody is silent any more. */
  readonly byPull: boolean;
  repairMs: number;
  /** Of a command with an instant: who has not heard by then, has missed it. */
  readonly instantAt: MonoMs;
};

/** First unicast repair this long after the last repeat and the window of acknowledgements. */
const REPAIR_MS_MIN = 40;
const REPAIR_MS_MAX = 1_000;
/** Before an instant repairs come closer and closer, but not closer than a round trip and a signature. */
const LAST_REPAIR_MS = 15;
/** More that are silent are told together again, by multicast. */
const REPAIRED_NODES_MAX = 16;

export class Commands {
  readonly #context: MasterContext;
  #seq = 0;
  #sent: Sent[] = [];

  constructor(context: MasterContext) {
    this.#context = context;
  }

  /** Highest seq given out: the floor of nodes that join now. */
  get seq(): number {
    return this.#seq;
  }

  issue(what: CommandWhat, now: Now, options: CommandOptions = {}): {epoch: number; seq: number} {
    const {config, state, epoch} = this.#context;
    const target = options.target ?? EVERY_NODE;
    const ackWindowMs = options.ackWindowMs ?? 0;
    const ttlMs = options.ttlMs ?? COMMAND_TTL_MS;
    const command: Command = {
      clusterId: config.clusterId,
      instanceId: config.instanceId,
      issuedWallMs: this.#context.instant(now.mono),
      ttlMs,
      ackWindowMs,
      target,
      state,
      what,
    };
    const seq = ++this.#seq;
    const isNow = what.kind === 'fire' && what.atWallMs === 0;
    const repeatsMs = isNow ? COMMAND_REPEATS_NOW_MS : COMMAND_REPEATS_MS;
    const silent = this.#expected(target, ackWindowMs, options);
    // A call for work is early: nodes ask while the batch becomes durable. What they are given is not.
    const early = what.kind === 'workAvailable' ? {early: true as const} : {};
    this.#context.emit({type: 'multicast', epoch, seq, command, ...early});
    if (options.isOnce) return {epoch, seq};
    this.#sent.push({
      seq,
      epoch,
      command,
      expiresAt: (now.mono + ttlMs) as MonoMs,
      repeats: 0,
      repeatsMs,
      nextAt: (now.mono + (repeatsMs[0] ?? 0)) as MonoMs,
      silent,
      byPull: options.awaited !== undefined,
      repairMs: REPAIR_MS_MIN,
      instantAt: (now.mono + (options.leadMs ?? 0)) as MonoMs,
    });
    return {epoch, seq};
  }

  /** Who is to answer. */
  #expected(target: Target, ackWindowMs: number, {awaited, expected}: CommandOptions): Set<NodeId> {
    const silent = new Set<NodeId>(awaited);
    if (expected) for (const nodeId of expected) silent.add(nodeId);
    else if (ackWindowMs > 0)
      for (const node of this.#context.roster.targeted(target))
        if (node.up) silent.add(node.row.nodeId);
    return silent;
  }

  /** Nobody is to hear of these any more. @param names `epoch/seq` */
  withdraw(names: {has(name: string): boolean}): void {
    this.#sent = this.#sent.filter(({epoch, seq}) => !names.has(`${epoch}/${seq}`));
  }

  acknowledged(epoch: number, seq: number, nodeId: NodeId): void {
    for (const sent of this.#sent)
      if (sent.seq === seq && sent.epoch === epoch) sent.silent.delete(nodeId);
  }

  /** A pull is served with what there is, so it answers every call for work before it. */
  pulled(nodeId: NodeId): void {
    for (const sent of this.#sent) {
      if (!sent.byPull || !sent.silent.delete(nodeId) || sent.silent.size > 0) continue;
      sent.nextAt = NEVER;
    }
    if (this.#sent.some(isOver)) this.#sent = this.#sent.filter(sent => !isOver(sent));
  }

  wakeAt(): MonoMs {
    return this.#sent.reduce<number>((least, {nextAt}) => Math.min(least, nextAt), NEVER) as MonoMs;
  }

  tick(now: Now): void {
    for (const sent of this.#sent) if (sent.nextAt <= now.mono) this.#again(sent, now);
    if (this.#sent.some(isOver)) this.#sent = this.#sent.filter(sent => !isOver(sent));
  }

  /** A few were called, and not all of them came: everybody idle is called now. */
  #callAll(): void {
    this.#context.callAll = true;
    this.#context.workNo += 1;
  }

  #again(sent: Sent, now: Now): void {
    const {epoch, seq, command} = sent;
    const {repeatsMs} = sent;
    if (sent.repeats < repeatsMs.length) {
      if (sent.byPull && sent.repeats === 0 && command.target.nodes.length > 0) this.#callAll();
      this.#context.emit({type: 'multicast', epoch, seq, command});
      const at = repeatsMs[sent.repeats] ?? 0;
      sent.repeats += 1;
      const next = repeatsMs[sent.repeats];
      const wait = next === undefined ? command.ackWindowMs + sent.repairMs : next - at;
      sent.nextAt = next === undefined && sent.silent.size === 0 ? NEVER : plus(now, wait);
      return;
    }
    this.#repairAll(sent, now);
    sent.repairMs = Math.min(sent.repairMs * 2, REPAIR_MS_MAX);
    sent.nextAt = now.mono >= sent.expiresAt ? NEVER : plus(now, waitOf(sent, now));
  }

  /** Of a whole room that heard nothing (a switch that has just come up) a datagram for each is no help. */
  #repairAll(sent: Sent, {mono}: Now): void {
    const {epoch, seq, command, silent, instantAt} = sent;
    if (silent.size > REPAIRED_NODES_MAX && mono < instantAt)
      this.#context.emit({type: 'multicast', epoch, seq, command});
    else for (const nodeId of silent) this.#repair(sent, nodeId);
  }

  #repair({epoch, seq, command}: Sent, nodeId: NodeId): void {
    const node = this.#context.roster.node(nodeId);
    if (!node?.welcomed) return;
    this.#context.groupKeys.tellIfLacking(node);
    this.#context.emit({type: 'repair', to: peerOf(node), epoch, seq, command});
  }
}

/** Half of what is left before the instant; after it, and without one, ever longer. */
function waitOf({repairMs, instantAt}: Sent, {mono}: Now): number {
  const leftMs = instantAt - mono;
  return leftMs > 0 ? Math.min(repairMs, Math.max(LAST_REPAIR_MS, leftMs / 2)) : repairMs;
}

const plus = (now: Now, ms: number): MonoMs => (now.mono + ms) as MonoMs;

const isOver = (sent: Sent): boolean =>
  sent.nextAt === NEVER || (sent.repeats >= sent.repeatsMs.length && sent.silent.size === 0);
