// Backups of the master's folder, and the day when one is put back: what was acknowledged after it is lost,
// and everybody who listens must see that the master knows it.

import type {BlobId} from '../base/types.ts';
import type {Checkers} from './checkers.ts';
import type {Fabric} from './fabric.ts';
import type {MasterBelief} from './master-checker.ts';
import type {SimMaster} from './sim-master.ts';
import type {SimNode} from './sim-node.ts';
import type {SimOperator} from './sim-operator.ts';
import type {SimStore, Snapshot} from './sim-store.ts';
import type {TrustFiles} from './sim-vault.ts';

type Backup = {
  readonly rows: Snapshot;
  readonly blobs: ReadonlyMap<BlobId, number>;
  readonly belief: MasterBelief;
  readonly trust: TrustFiles;
};

/** Two are kept: the last one, and one that is older still. */
const KEPT = 2;

export class Backups {
  readonly #fabric: Fabric;
  readonly #master: SimMaster;
  readonly #nodes: readonly SimNode[];
  readonly #checkers: Checkers;
  readonly #operator: SimOperator;
  readonly #kept: Backup[] = [];
  readonly #hasTrust: boolean;
  restored = 0;

  /** @param hasTrust whether the trust document is in them too */
  constructor(
    fabric: Fabric,
    master: SimMaster,
    nodes: readonly SimNode[],
    checkers: Checkers,
    operator: SimOperator,
    hasTrust: boolean,
  ) {
    this.#hasTrust = hasTrust;
    this.#nodes = nodes;
    this.#fabric = fabric;
    this.#master = master;
    this.#checkers = checkers;
    this.#operator = operator;
  }

  take(): void {
    const {store, blobs} = this.#master;
    if (store.disk.damage !== undefined) return;
    this.#kept.push({
      rows: store.disk.snapshot(),
      blobs: new Map(blobs),
      belief: this.#checkers.masterChecker.belief(),
      trust: this.#master.folder.trust,
    });
    if (this.#kept.length > KEPT) this.#kept.shift();
  }

  /** The master dies, and its folder is the oldest backup that is kept; false = there is none. */
  restore(): boolean {
    const backup = this.#kept.shift();
    if (!backup) return false;
    const {disk} = this.#master.store;
    this.#master.crash(0);
    const lostAt = headOf(disk);
    disk.restore(backup.rows);
    this.#master.blobs.clear();
    for (const [blobId, size] of backup.blobs) this.#master.blobs.set(blobId, size);
    if (this.#hasTrust) this.#master.folder.trust = backup.trust;
    this.#checkers.rolledBack(backup.belief);
    this.#operator.rolledBack();
    this.#fabric.stateWasLost = true;
    // Who joined after the backup is a stranger to it, and is given a join token again.
    for (const node of this.#nodes) if (!disk.get('node', node.nodeId)) node.joinAgain();
    this.restored += 1;
    const head = headOf(disk);
    this.#fabric.trace?.(`the master's folder is an old backup: head ${head}, was ${lostAt}`);
    return true;
  }
}

/** For the trace; a damaged disk may not tell. */
const headOf = ({witnessed}: SimStore): number => witnessed?.journalNo ?? 0;
