// The operator beside a machine whose disk is damaged: its process has stopped and said so. `volley recover` makes a
// new store of what there is, with the product's own code; or an old backup is put back; or a node begins anew.

import type {Prng} from '../base/prng.ts';
import {MasterSalvage} from '../master/salvage.ts';
import type {Backups} from './backups.ts';
import type {Checkers} from './checkers.ts';
import type {Fabric} from './fabric.ts';
import {modelOf} from './model-rows.ts';
import {rebuilt, salvage} from './sim-boot.ts';
import type {SimMaster} from './sim-master.ts';
import type {SimNode} from './sim-node.ts';
import type {SimOperator} from './sim-operator.ts';

export type RecoveryParts = {
  readonly fabric: Fabric;
  readonly master: SimMaster;
  readonly nodes: readonly SimNode[];
  readonly checkers: Checkers;
  readonly operator: SimOperator;
  readonly backups: Backups;
};

export class Recovery {
  readonly #parts: RecoveryParts;
  /** Disks that were made whole. */
  recovered = 0;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
  }

  node(node: SimNode, dice: Prng): void {
    const {disk} = node.store;
    if (disk.damage === undefined) return;
    this.recovered += 1;
    if (dice.chance(0.3)) return node.wipe();
    const {tables, lastGood} = salvage(disk, this.#parts.fabric.crypto);
    disk.restore(rebuilt(tables, lastGood, this.#parts.fabric.crypto));
  }

  master(dice: Prng): void {
    const {master, backups, fabric} = this.#parts;
    if (master.store.disk.damage === undefined) return this.#parts.operator.desk?.refused();
    this.recovered += 1;
    if (dice.chance(0.3) && backups.restore()) return;
    const readable = salvage(master.store.disk, fabric.crypto);
    const {tables, lastGood} = readable;
    const loss = new MasterSalvage(readable).mend(fabric.timeline.now, lastGood.journalNo);
    const rows = rebuilt(tables, lastGood, fabric.crypto);
    master.store.disk.restore(rows);
    const {model, credit, head} = modelOf(rows);
    this.#parts.checkers.salvaged({lastGood: lastGood.journalNo, loss, model, credit, head});
    this.#parts.operator.rolledBack();
    fabric.stateWasLost = true;
    for (const node of this.#parts.nodes)
      if (!master.store.disk.get('node', node.nodeId)) node.joinAgain();
    fabric.trace?.(`the master's disk is made whole, good to ${lastGood.journalNo}, now ${head}`);
  }
}
