// The operator with the vault at hand: rotates keys, starts the master with what the root signed, publishes the
// app anew, and brings the newest trust document back when an old backup had another.

import type {Prng} from '../base/prng.ts';
import type {OperatorAnswer} from '../core/operator-request.ts';
import {type AppRow, decodeJson} from '../core/tables.ts';
import type {MasterCore} from '../master/master.ts';
import {exponential} from './dice.ts';
import {type Fabric, holds} from './fabric.ts';
import type {KeyChange, KeyPlan} from './key-plan.ts';
import {MASTER_NO, type SimMaster} from './sim-master.ts';
import {APP, type SimVault} from './sim-vault.ts';
import {EVENT} from './timeline.ts';

export type KeyDeskParts = {
  readonly plan: KeyPlan;
  readonly dice: Prng;
  readonly fabric: Fabric;
  readonly master: SimMaster;
  readonly vault: SimVault;
  readonly bootMaster: () => void;
};

const DOWN_MS = 500;
/** After the heal the operator hurries: a backup may be put back even then. */
const SOON_MS = 200;
const ASK_AGAIN_MS = 5_000;
const DROP_AGAIN_MS = 1_000;
/** Batches that allow more errors than this would go on failing for long. */
const ERRORS_MAX = 20;
const NEWER_TRUST = 'a node holds a newer trust document: old backup or stolen keys';

export class KeyDesk {
  readonly #parts: KeyDeskParts;
  #calm = false;
  #askedAt = Number.NEGATIVE_INFINITY;
  readonly #cancelledAt = new Map<number, number>();
  /** Changes that were made. */
  changes = 0;

  constructor(parts: KeyDeskParts) {
    this.#parts = parts;
  }

  start(): void {
    const {plan, fabric} = this.#parts;
    for (const {at, what} of plan.changes)
      fabric.timeline.at(at, EVENT.operator, MASTER_NO, () => this.#change(what));
    fabric.expects = note => {
      // A master on an old document must find out, and one on the newest has no reason.
      const isOld = this.#isOld();
      if (note.what !== NEWER_TRUST || !isOld) return false;
      this.#later(plan.restartMs, () => this.#bringBack());
      return true;
    };
  }

  #isOld(): boolean {
    const {master, vault} = this.#parts;
    return master.trustVersion !== undefined && master.trustVersion < vault.newest.version;
  }

  #change(what: KeyChange): void {
    if (this.#calm) return;
    const {vault, fabric} = this.#parts;
    if (what === 'drop') {
      if (!vault.mayDrop) return;
      if (!this.#isPublished()) return this.#later(DROP_AGAIN_MS, () => this.#change(what));
      vault.dropOld();
    } else if (what === 'app') vault.rotateApp();
    else if (what === 'root') vault.rotateRoot();
    else vault.release();
    this.changes += 1;
    fabric.trace?.(`the operator: ${what}, trust document ${vault.newest.version}`);
    if (what !== 'release') this.#install();
  }

  /** The files are in the master's folder now; it goes by them after its next start. */
  #install(): void {
    const {master, vault, plan} = this.#parts;
    master.folder.trust = vault.files;
    this.#later(plan.restartMs, () => this.#restart());
  }

  #restart(): void {
    const {master, bootMaster} = this.#parts;
    if (!this.#isOld()) return;
    master.crash(0);
    this.#later(DOWN_MS, bootMaster);
  }

  /** The folder was an old backup, or a node says so: the newest document comes from the vault. */
  #bringBack(): void {
    const {master, vault} = this.#parts;
    if (master.folder.trust.version < vault.newest.version) this.#install();
    else this.#restart();
  }

  /** The master does not start: its trust document is older than one that it has seen. */
  refused(): void {
    const {master, vault} = this.#parts;
    master.folder.trust = vault.files;
  }

  /** A backup was put back. After the heal not even an old one stays: perhaps no node is left that could tell. */
  putBack(): void {
    const {master, vault} = this.#parts;
    if (this.#calm) master.folder.trust = vault.files;
  }

  #later(meanMs: number, act: () => void): void {
    const {fabric, dice} = this.#parts;
    const ms = (this.#calm ? SOON_MS : meanMs) * exponential(dice);
    fabric.timeline.after(ms, EVENT.operator, MASTER_NO, act);
  }

  /** Nothing is changed any more, and the master has the newest document, whoever starts it. */
  heal(): void {
    this.#calm = true;
    const {master, vault} = this.#parts;
    master.folder.trust = vault.files;
    if (this.#isOld()) master.crash(0);
  }

  /** On the disk, and the running master knows it. */
  #isPublished(): boolean {
    const {master, vault} = this.#parts;
    const row = master.store.disk.get('app', APP);
    // A disk that is damaged may hold what is no row.
    const stored = row && (decodeJson(row) as AppRow | undefined);
    const isStored = stored?.appId === vault.bundle.appId;
    return isStored && master.core?.context.apps.get(APP)?.appId === vault.bundle.appId;
  }

  get done(): boolean {
    return this.#isPublished();
  }

  /** Now and then: publishes what is not published, ends what can only fail. */
  tend(core: MasterCore): void {
    const {fabric, master, vault} = this.#parts;
    const {now} = fabric.timeline;
    if (!this.#isPublished() && now >= this.#askedAt + ASK_AGAIN_MS) {
      const isTaken = master.publish(vault.bundle, answer => isGood(answer));
      if (isTaken) this.#askedAt = now; // else not by a master that does not know the key yet
    }
    for (const {row} of core.context.running) {
      const bundle = vault.bundleOf(row.appId);
      if (!bundle || vault.isNamed(bundle)) continue;
      const isLeft = !this.#parts.plan.isTidy && row.policy.maxErrorReplicas <= ERRORS_MAX;
      if (isLeft || now < (this.#cancelledAt.get(row.id) ?? 0) + ASK_AGAIN_MS) continue;
      this.#cancelledAt.set(row.id, now);
      master.operator({kind: 'cancelBatch', batchId: row.id}, () => undefined);
    }
  }
}

const isGood = (answer: OperatorAnswer): void =>
  holds(answer.ok, 'operator', () => `addApp: ${answer.ok ? '' : answer.code}`);
