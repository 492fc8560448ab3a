// S6: what a command says of its instant is true by the cluster's clock, which no set wall clock moves. A time to
// live that counts from another instant is too long or too short.

import type {MasterEffect} from '../core/core.ts';
import {holds} from './fabric.ts';
import type {SimMaster} from './sim-master.ts';

/** Rounding. */
const SLACK_MS = 1;

export class CommandChecker {
  readonly #master: SimMaster;
  readonly #now: () => number;
  /** Commands that were looked at: a checker that looked at nothing proves nothing. */
  issued = 0;

  /** @param now time of the world */
  constructor(master: SimMaster, now: () => number) {
    this.#master = master;
    this.#now = now;
  }

  /** A life of the master begins. */
  booted(): void {
    const {core} = this.#master;
    if (!core) return;
    const handle = core.handle.bind(core);
    const endTurn = core.endTurn.bind(core);
    const seen = {epoch: 0, seq: 0};
    const look = (effects: MasterEffect[]): MasterEffect[] => {
      for (const effect of effects) {
        if (effect.type !== 'multicast') continue;
        const {epoch, seq} = effect;
        const isRepeat = epoch < seen.epoch || (epoch === seen.epoch && seq <= seen.seq);
        if (!isRepeat) this.#look(effect);
        if (!isRepeat) Object.assign(seen, {epoch, seq});
      }
      return effects;
    };
    core.handle = (event, now) => look(handle(event, now));
    core.endTurn = now => look(endTurn(now));
  }

  #look({epoch, seq, command}: Extract<MasterEffect, {type: 'multicast'}>): void {
    const aheadMs = command.issuedWallMs - (this.#master.clusterAtZero + this.#now());
    const story = `command ${epoch}/${seq} says an instant ${aheadMs} ms from now`;
    holds(Math.abs(aheadMs) <= SLACK_MS, 'S6', () => story);
    this.issued += 1;
  }
}
