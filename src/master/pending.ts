// Nodes that ask to be let in without a token: in memory only, few of each address, and not for long.

import type {Address, MonoMs, NodeId, Now, WallMs} from '../base/types.ts';
import {MINUTE_MS} from '../base/units.ts';
import type {NodeRow} from '../core/tables.ts';
import type {PendingView} from '../core/views.ts';
import {hostOf, STRANGERS_MAX, STRANGERS_PER_HOST_MAX} from '../wire/limits.ts';
import type {RefusalReason} from '../wire/message.ts';

/** One that has not asked for so long is forgotten; a denied one is known for so long. */
const KEPT_MS = 10 * MINUTE_MS;

type Asking = {
  /** As it would be saved. */
  readonly row: NodeRow;
  readonly from: Address;
  readonly firstAt: WallMs;
  readonly heardAt: MonoMs;
  readonly isDenied: boolean;
};

export class Pending {
  readonly #asking = new Map<NodeId, Asking>();

  /** A Hello of a node that nobody knows; the answer to it. */
  ask(row: NodeRow, from: Address, now: Now): RefusalReason {
    this.#forget(now);
    const known = this.#asking.get(row.nodeId);
    if (known?.isDenied) return 'denied';
    if (!known && !this.#hasRoom(from)) return 'full';
    const firstAt = known?.firstAt ?? now.wall;
    this.#asking.set(row.nodeId, {row, from, firstAt, heardAt: now.mono, isDenied: false});
    return 'pending';
  }

  #hasRoom(from: Address): boolean {
    if (this.#asking.size >= STRANGERS_MAX) return false;
    const host = hostOf(from);
    let same = 0;
    for (const asking of this.#asking.values()) if (hostOf(asking.from) === host) same += 1;
    return same < STRANGERS_PER_HOST_MAX;
  }

  #forget(now: Now): void {
    for (const [nodeId, {heardAt}] of this.#asking)
      if (now.mono - heardAt >= KEPT_MS) this.#asking.delete(nodeId);
  }

  /** Takes one out of the table; undefined = it does not ask. */
  take(nodeId: NodeId, now: Now): NodeRow | undefined {
    this.#forget(now);
    const asking = this.#asking.get(nodeId);
    if (!asking || asking.isDenied) return undefined;
    this.#asking.delete(nodeId);
    return asking.row;
  }

  /** false = it does not ask. */
  deny(nodeId: NodeId, now: Now): boolean {
    this.#forget(now);
    const asking = this.#asking.get(nodeId);
    if (!asking || asking.isDenied) return false;
    this.#asking.set(nodeId, {...asking, heardAt: now.mono, isDenied: true});
    return true;
  }

  /** Who asks now, in the order of their first Hello. */
  view(now: Now): PendingView[] {
    this.#forget(now);
    const asking = [...this.#asking.values()].filter(({isDenied}) => !isDenied);
    return asking.map(({row, from, firstAt}) => {
      const {nodeId, name, labels, arch, cores, version} = row;
      return {nodeId, name, labels, arch, cores, version, address: from, askedAt: firstAt};
    });
  }
}
