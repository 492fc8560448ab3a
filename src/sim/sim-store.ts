// A disk as plain functions: a commit is atomic, takes a while, and is durable when `done` is
// called. A crash in between leaves the commit on the disk or not, by a coin: a process that dies
// while it waits for fsync cannot know. The instance is the disk; it outlives the processes that
// write to it.
//
// It may also be damaged while nobody runs on it (disk-damage.ts): then it opens as if nothing were wrong.
// Beside the rows it has the witness of the real store (io/store-witness.ts), written when `done` is called.

import {assert} from '../base/assert.ts';
import type {Prng} from '../base/prng.ts';
import {decodeHead, HEAD_KEY, type Head} from '../core/journal.ts';
import type {Op, TableName} from '../core/tables.ts';
import type {Store} from '../runtime/ports.ts';
import {applied, type Damage, type Harm, harm, LOGGED_MAX, type Logged} from './disk-damage.ts';

export type SimStoreOptions = {
  /** Calls `act` after `ms` of simulated time. */
  readonly after: (ms: number, act: () => void) => void;
  /** How long this commit takes, in milliseconds. */
  readonly latencyMs: () => number;
  readonly prng: Prng;
};

export type Snapshot = ReadonlyMap<TableName, ReadonlyMap<string, Uint8Array>>;

type Commit = {readonly ops: readonly Op[]; readonly done: (error?: Error) => void};

export class SimStore implements Store {
  readonly #options: SimStoreOptions;
  readonly #tables = new Map<TableName, Map<string, Uint8Array>>();
  #commit: Commit | undefined;
  #failure: Error | undefined;
  #commits = 0;
  #log: Logged[] = [];
  #witness: Uint8Array | undefined;
  #damage: Harm | undefined;

  constructor(options: SimStoreOptions) {
    this.#options = options;
  }

  /** Commits that reached the disk. */
  get commits(): number {
    return this.#commits;
  }

  /** How far the journal was durable, as the file beside the rows says. */
  get witnessed(): Head | undefined {
    return this.#witness && decodeHead(this.#witness);
  }

  /** What is not as it was made durable; undefined = nothing. */
  get damage(): string | undefined {
    return this.#damage?.story;
  }

  /** Whether the row's own checksum is right. */
  isReadable(rowKey: string): boolean {
    return this.#damage?.unreadable !== rowKey;
  }

  /** Values are kept, not copied: by the contract of Op nobody changes them. */
  commit(ops: readonly Op[], done: (error?: Error) => void): void {
    assert(this.#commit === undefined, 'one commit at a time');
    const commit = {ops, done};
    this.#commit = commit;
    this.#options.after(this.#options.latencyMs(), () => {
      if (this.#commit === commit) this.#end(commit);
    });
  }

  get(table: TableName, key: string): Uint8Array | undefined {
    return this.#tables.get(table)?.get(key);
  }

  /** Rows with from <= key < to in the order of keys, as they are now. */
  rows(table: TableName, from = '', to?: string): (readonly [string, Uint8Array])[] {
    const rows = [...(this.#tables.get(table) ?? [])];
    return rows
      .filter(([key]) => key >= from && (to === undefined || key < to))
      .sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** The process dies: `done` of a commit under way is never called; a coin decides its fate. */
  crash(): void {
    const commit = this.#commit;
    this.#commit = undefined;
    this.#failure = undefined;
    if (commit && this.#options.prng.chance(0.5)) this.#apply(commit.ops, false);
  }

  /** The disk fails: the commit that ends next and all after it, until a crash. */
  fail(error: Error): void {
    this.#failure = error;
  }

  /** All rows as they are now, for `restore`: a backup, or a card that somebody copied. */
  snapshot(): Snapshot {
    return new Map([...this.#tables].map(([table, rows]) => [table, new Map(rows)]));
  }

  /** The disk of an earlier day. @param rows none: a new, empty one */
  restore(rows: Snapshot = new Map()): void {
    assert(this.#commit === undefined, 'nobody writes to a disk that is replaced');
    this.#tables.clear();
    this.#log = [];
    this.#damage = undefined;
    this.#witness = rows.get('meta')?.get(HEAD_KEY);
    for (const [table, before] of rows) this.#tables.set(table, new Map(before));
  }

  /** While nobody runs on it. false = there was nothing to damage in this way, or it is damaged already. */
  harm(kind: Damage, dice: Prng): boolean {
    assert(this.#commit === undefined, 'nobody writes to a disk that is damaged');
    if (this.#damage !== undefined) return false;
    this.#damage = harm(this.#tables, this.#log, kind, dice);
    if (this.#damage === undefined) return false;
    this.#log = [];
    return true;
  }

  /** Every row, in no order that means anything. */
  *all(): Generator<readonly [TableName, string, Uint8Array]> {
    for (const [table, rows] of this.#tables)
      for (const [key, value] of rows) yield [table, key, value];
  }

  /** Damage, for tests: removes a row behind everybody's back. */
  lose(table: TableName, key: string): void {
    this.#tables.get(table)?.delete(key);
  }

  #end(commit: Commit): void {
    this.#commit = undefined;
    if (this.#failure) {
      commit.done(this.#failure);
      return;
    }
    this.#apply(commit.ops, true);
    this.#witness = this.get('meta', HEAD_KEY);
    commit.done();
  }

  #apply(ops: readonly Op[], acked: boolean): void {
    this.#commits++;
    this.#log.push(applied(this.#tables, ops, acked));
    if (this.#log.length > 2 * LOGGED_MAX) this.#log = this.#log.slice(-LOGGED_MAX);
  }
}
