// How many lines of a kind, and of a kind from one source, may be written in a period; the rest is a number.
// Whoever floods a log hides nothing in it and fills no disk. Bounded: sources beyond the table's size
// push out the oldest, which starts anew.

import {keepNewest} from './newest.ts';

export type QuotaOptions = {
  readonly periodMs: number;
  /** Lines of one kind in a period, from all sources. */
  readonly perKind: number;
  /** Of those, from one source. */
  readonly perSource: number;
  /** Pairs of kind and source that are remembered. */
  readonly sourcesMax: number;
};

type Count = {since: number; taken: number};

export class Quota {
  readonly #options: QuotaOptions;
  /** Kinds are words of the program, so there are few. */
  readonly #kinds = new Map<string, Count & {suppressed: number}>();
  readonly #sources = new Map<string, Count>();

  constructor(options: QuotaOptions) {
    this.#options = options;
  }

  /** @param now milliseconds of any clock that does not run backwards */
  take(kind: string, source: string, now: number): boolean {
    const {perKind, perSource} = this.#options;
    const all = this.#kindAt(kind, now);
    const one = this.#sourceAt(`${kind} ${source}`, now);
    if (all.taken < perKind && one.taken < perSource) {
      all.taken += 1;
      one.taken += 1;
      return true;
    }
    all.suppressed += 1;
    return false;
  }

  /** How often `take` said no to this kind since it was last asked for; forgotten with the answer. */
  suppressed(kind: string): number {
    const found = this.#kinds.get(kind);
    const count = found?.suppressed ?? 0;
    if (found) found.suppressed = 0;
    return count;
  }

  kinds(): readonly string[] {
    return [...this.#kinds.keys()];
  }

  get sources(): number {
    return this.#sources.size;
  }

  #kindAt(kind: string, now: number): Count & {suppressed: number} {
    const found = this.#kinds.get(kind);
    if (found && now - found.since < this.#options.periodMs) return found;
    const fresh = {since: now, taken: 0, suppressed: found?.suppressed ?? 0};
    this.#kinds.set(kind, fresh);
    return fresh;
  }

  #sourceAt(key: string, now: number): Count {
    const found = this.#sources.get(key);
    if (found && now - found.since < this.#options.periodMs) return found;
    const fresh = {since: now, taken: 0};
    this.#sources.delete(key);
    this.#sources.set(key, fresh);
    keepNewest(this.#sources, this.#options.sourcesMax);
    return fresh;
  }
}
