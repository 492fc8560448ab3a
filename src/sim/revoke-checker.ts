// S15: after its revocation is durable no statement of a node is accepted, and no later group key ever
// reaches it.

import {toHex} from '../base/bytes.ts';
import type {NodeId} from '../base/types.ts';
import type {NodeEffect} from '../core/core.ts';
import {
  decodeCredit,
  decodeJson,
  decodeReportRow,
  decodeVoteKey,
  type NodeRow,
  type Op,
} from '../core/tables.ts';
import type {MasterCore} from '../master/master.ts';
import {holds} from './fabric.ts';
import type {Model} from './model.ts';

export class RevokeChecker {
  /** Group keys in the order in which the master made them. */
  readonly #keys = new Map<string, number>();
  /** From this key on none may reach the node. */
  readonly #forbiddenFrom = new Map<NodeId, number>();
  readonly #durable = new Set<NodeId>();
  readonly #credit = new Map<NodeId, number>();

  get revokedCount(): number {
    return this.#durable.size;
  }

  /** A revocation that never became durable was none. From now on each new key is heard of. */
  masterBooted(core: MasterCore): void {
    const {groupKeys, roster} = core.context;
    this.#made(groupKeys.newest.key);
    for (const nodeId of this.#forbiddenFrom.keys())
      if (!roster.node(nodeId)?.row.revokedAt) this.#forbiddenFrom.delete(nodeId);
    const rotate = groupKeys.rotate.bind(groupKeys);
    groupKeys.rotate = now => {
      const made = this.#made(undefined);
      for (const {row} of roster.all())
        if (row.revokedAt > 0 && !this.#forbiddenFrom.has(row.nodeId))
          this.#forbiddenFrom.set(row.nodeId, made);
      rotate(now);
      this.#made(groupKeys.newest.key);
    };
  }

  /** The number of this key, or of the next one. */
  #made(key: Uint8Array | undefined): number {
    const made = this.#keys.size;
    if (key) this.#keys.set(toHex(key), made);
    return made;
  }

  /** The master's folder is an old backup: it knows nothing of what came after. */
  rolledBack(model: Model): void {
    this.#durable.clear();
    for (const nodeId of model.revoked) this.#durable.add(nodeId);
    this.#credit.clear();
    for (const [nodeId, row] of model.credits) this.#credit.set(nodeId, row.credit);
  }

  masterDurable(ops: readonly Op[]): void {
    for (const op of ops) if (op.type === 'put') this.#checkRow(op.table, op.key, op.value);
    for (const op of ops) {
      if (op.table !== 'node' || op.type !== 'put') continue;
      const row = decodeJson(op.value) as NodeRow;
      if (row.revokedAt === 0 || this.#durable.has(row.nodeId)) continue;
      const hasNewKey = this.#keys.size === 0 || this.#forbiddenFrom.has(row.nodeId);
      holds(hasNewKey, 'S15', () => `node ${row.nodeId} is revoked and the group key stays`);
      this.#durable.add(row.nodeId);
    }
  }

  #checkRow(table: Op['table'], key: string, value: Uint8Array): void {
    if (table === 'vote') this.#isMember(decodeVoteKey(key).nodeId, 'votes');
    if (table === 'report') this.#isMember(decodeReportRow(value).nodeId, 'reports');
    if (table === 'credit') this.#checkCredit(key as NodeId, decodeCredit(value).credit);
  }

  #isMember(nodeId: NodeId, what: string): void {
    holds(!this.#durable.has(nodeId), 'S15', () => `node ${nodeId} ${what} after its revocation`);
  }

  /** Only what agreed before counts: the row of a revoked node does not change any more. */
  #checkCredit(nodeId: NodeId, credit: number): void {
    const before = this.#credit.get(nodeId) ?? 0;
    if (credit > before) this.#isMember(nodeId, 'earns');
    this.#credit.set(nodeId, credit);
  }

  nodeTook(nodeId: NodeId, effects: readonly NodeEffect[]): void {
    const from = this.#forbiddenFrom.get(nodeId);
    if (from === undefined || !this.#durable.has(nodeId)) return;
    for (const effect of effects) {
      if (effect.type !== 'joinGroup' && effect.type !== 'rotateGroup') continue;
      const made = this.#keys.get(toHex(effect.groupKey));
      const isOld = made !== undefined && made < from;
      holds(isOld, 'S15', () => `node ${nodeId} has group key ${made}, revoked before ${from}`);
    }
  }
}
