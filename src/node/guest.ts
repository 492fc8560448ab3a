// A node is a guest on its owner's machine: how much of its work may run now, and why no more. Everything that
// can hold work back comes together here, and nowhere else: preferences of the owner and of the operator
// against what the sensors say, and what somebody ordered. Pure; the strictest wins.
//
//   guest.prefer('owner', {...})                    preferences.json, or what the master sent
//   guest.sample({...}, working, now)               the sensors, every few seconds
//   guest.order({suspended: true, by: 'operator'})  `volley node suspend` (owner) or the master (operator)

import {asMonoMs, type MonoMs} from '../base/types.ts';
import type {Note} from '../core/core.ts';
import type {Holder, Sample} from '../core/guest.ts';
import type {Preferences} from '../core/preferences.ts';
import {type Allowed, type Reason, Rules, stricter} from './rules.ts';
import {Thermometers} from './thermometers.ts';

export const HOLDERS: readonly Holder[] = ['owner', 'operator'];

const HELD_TEXT: Readonly<Record<Holder, string>> = {
  owner: 'suspended by its owner',
  operator: 'suspended by the operator',
};
/** Seconds of work ahead for each core, when nobody says more. */
const BUFFER_SECONDS = 0.25;

export class Guest {
  readonly #slots: number;
  readonly #rules: Record<Holder, Rules>;
  readonly #held = new Set<Holder>();
  readonly #drains = new Set<Holder>();
  readonly #thermometers = new Thermometers();
  #sample: Sample | undefined;
  #allowed: Allowed;
  #told = '';
  #notes: Note[] = [];

  /** As an earlier life left it; the owner's preferences come from the shell. */
  constructor(slots: number, wishes: Preferences = {}, suspended = false) {
    this.#slots = slots;
    this.#rules = {owner: new Rules({}), operator: new Rules(wishes)};
    if (suspended) this.#held.add('owner');
    this.#allowed = this.#judged(asMonoMs(0));
  }

  /** What may run now. */
  get allowed(): Allowed {
    return this.#allowed;
  }

  /** Not one slot may run. */
  get isSuspended(): boolean {
    return this.#allowed.slots === 0;
  }

  /** What runs goes on, nothing new begins. */
  get isDraining(): boolean {
    return this.#drains.size > 0;
  }

  isHeldBy(holder: Holder): boolean {
    return this.#held.has(holder);
  }

  preferencesOf(holder: Holder): Preferences {
    return this.#rules[holder].preferences;
  }

  get celsius(): number | undefined {
    return this.#thermometers.celsius;
  }

  get doubted(): readonly string[] {
    return this.#thermometers.doubted;
  }

  get sampled(): Sample | undefined {
    return this.#sample;
  }

  /** Milliseconds of work to keep ahead for each core. */
  get bufferMs(): number {
    const wishes = HOLDERS.map(holder => this.#rules[holder].preferences.bufferSeconds);
    const given = wishes.filter(seconds => seconds !== undefined);
    return 1_000 * (given.length === 0 ? BUFFER_SECONDS : Math.min(...given));
  }

  prefer(holder: Holder, preferences: Preferences, now: MonoMs): void {
    this.#rules[holder] = new Rules(preferences);
    this.#judge(now);
  }

  /** @param working whether our own work ran since the last sample */
  sample(sample: Sample, working: boolean, now: MonoMs): void {
    this.#sample = sample;
    this.#thermometers.look(sample.thermometers ?? [], working, now);
    this.#notes.push(...this.#thermometers.takeNotes());
    this.#judge(now);
  }

  /** false = it was so already. */
  order({suspended, by}: {suspended: boolean; by: Holder}, now: MonoMs): boolean {
    if (suspended === this.#held.has(by)) return false;
    if (suspended) this.#held.add(by);
    else this.#held.delete(by);
    this.#judge(now);
    return true;
  }

  /** false = it was so already. */
  drain({draining, by}: {draining: boolean; by: Holder}, now: MonoMs): boolean {
    if (draining === this.#drains.has(by)) return false;
    if (draining) this.#drains.add(by);
    else this.#drains.delete(by);
    this.#judge(now);
    return true;
  }

  #judge(now: MonoMs): void {
    this.#allowed = this.#judged(now);
    this.#tell();
  }

  #judged(now: MonoMs): Allowed {
    const slots = this.#slots;
    const ordered: Reason[] = HOLDERS.filter(holder => this.#held.has(holder)).map(by => ({
      by,
      text: HELD_TEXT[by],
    }));
    const orders: Allowed = {
      slots: ordered.length > 0 ? 0 : slots,
      cpuPercent: 100,
      reasons: ordered,
    };
    const sets = HOLDERS.map(holder =>
      this.#rules[holder].judge(this.#sample, this.#thermometers.celsius, slots, now),
    );
    const allowed = sets.reduce(stricter, orders);
    const drain: Reason[] = this.isDraining
      ? [{by: 'drain', text: 'finishes what runs, takes nothing new'}]
      : [];
    return {...allowed, reasons: [...allowed.reasons, ...drain]};
  }

  /** A note when something new holds the node, or nothing does any more; not for each tenth of a degree. */
  #tell(): void {
    const {slots, cpuPercent, reasons} = this.#allowed;
    const told = `${slots} ${cpuPercent} ${reasons.map(({by}) => by).join()}`;
    const before = this.#told;
    this.#told = told;
    if (told === before || (before === '' && reasons.length === 0 && slots === this.#slots)) return;
    const fields = {slots, cpuPercent, why: reasons.map(({text}) => text).join('; ')};
    const what = slots === 0 ? 'work is suspended' : 'work may run';
    this.#notes.push({level: 'info', what, fields});
  }

  takeNotes(): Note[] {
    return this.#notes.splice(0);
  }
}
