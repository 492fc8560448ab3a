// S23: the master's clock as a node knows it is never further off than the node says, whatever the network did to the
// samples, and however the two clocks drift.

import type {Now} from '../base/types.ts';
import type {NodeEffect} from '../core/core.ts';
import {holds} from './fabric.ts';
import type {SimMaster} from './sim-master.ts';
import type {SimNode} from './sim-node.ts';

/** `wallAtZero`: of that life of the master. */
type Session = {readonly epoch: number; readonly sleptMs: number; readonly wallAtZero: number};

export class ClockChecker {
  readonly #master: SimMaster;
  readonly #now: () => number;
  /** By machine: which life of the master it took its samples from, and how long that had slept by then. */
  readonly #sessions = new Map<number, Session>();
  #sleptMs = 0;
  #awakeAt = 0;
  /** Which life of the master had which epoch; 0 = two lives, for its folder was an old backup: whose clock? */
  readonly #lifeOf = new Map<number, number>();

  /** @param now time of the world */
  constructor(master: SimMaster, now: () => number) {
    this.#master = master;
    this.#now = now;
  }

  booted(node: SimNode): void {
    this.#sessions.delete(node.no);
  }

  took(node: SimNode, effects: readonly NodeEffect[], {mono}: Now): void {
    this.#watchMaster();
    // Welcome comes in the middle of a session too: then the clock is as it was.
    const isNew = effects.some(effect => effect.type === 'note' && effect.note.what === 'joined');
    for (const effect of effects)
      if (isNew && effect.type === 'joinGroup') this.#joined(node, effect.epoch);
    const clock = node.core?.clock;
    const known = clock?.toWall(mono);
    const session = this.#sessions.get(node.no);
    // A master that slept is found out with the next answer; while it sleeps it has no clock to compare with.
    if (!clock || known === undefined || session?.sleptMs !== this.#sleptMs) return;
    if (this.#now() < this.#awakeAt || this.#lifeOf.get(session.epoch) === 0) return;
    // A life after an old backup had this epoch again, and has another by now.
    if (this.#master.wallAtZero(session.epoch) !== session.wallAtZero) return;
    const errorMs = known - (session.wallAtZero + this.#now());
    const boundMs = clock.boundMs(mono);
    holds(
      Math.abs(errorMs) <= boundMs,
      'S23',
      () => `node ${node.no} takes the master's clock for ${errorMs} ms ahead, ± ${boundMs}`,
    );
  }

  /** With the same life of the master the node goes on with what it knows, from before a sleep, too. */
  #joined(node: SimNode, epoch: number): void {
    const before = this.#sessions.get(node.no);
    const session = this.#sessionOf(epoch);
    const isSame =
      before !== undefined && this.#lifeOf.get(before.epoch) === this.#lifeOf.get(epoch);
    this.#sessions.set(node.no, isSame ? {...session, sleptMs: before.sleptMs} : session);
  }

  /** A Welcome that comes while the master sleeps is from before. */
  #sessionOf(epoch: number): Session {
    const sleptMs = this.#now() < this.#awakeAt ? Number.NaN : this.#sleptMs;
    return {epoch, sleptMs, wallAtZero: this.#master.wallAtZero(epoch)};
  }

  #watchMaster(): void {
    const {sleptMs, lives, core} = this.#master;
    const epoch = core?.context.epoch;
    const before = epoch === undefined ? lives : (this.#lifeOf.get(epoch) ?? lives);
    if (epoch !== undefined) this.#lifeOf.set(epoch, before === lives ? lives : 0);
    if (sleptMs === this.#sleptMs) return;
    this.#awakeAt = this.#now() + sleptMs - this.#sleptMs;
    this.#sleptMs = sleptMs;
  }
}
