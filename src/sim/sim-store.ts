// A disk as plain functions: a commit is atomic, takes a while, and is durable when `done` is
// called. A crash in between leaves the commit on the disk or not, by a coin: a process that dies
// while it waits for fsync cannot know. The instance is the disk; it outlives the processes that
// write to it.

import {assert} from '../base/assert.ts';
import type {Prng} from '../base/prng.ts';
import type {Op, TableName} from '../core/tables.ts';
import type {Store} from '../runtime/ports.ts';

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

  constructor(options: SimStoreOptions) {
    this.#options = options;
  }

  /** Commits that reached the disk. */
  get commits(): number {
    return this.#commits;
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
    if (commit && this.#options.prng.chance(0.5)) this.#apply(commit.ops);
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
    for (const [table, before] of rows) this.#tables.set(table, new Map(before));
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
    this.#apply(commit.ops);
    commit.done();
  }

  #apply(ops: readonly Op[]): void {
    this.#commits++;
    for (const op of ops) {
      let table = this.#tables.get(op.table);
      if (!table) {
        table = new Map();
        this.#tables.set(op.table, table);
      }
      if (op.type === 'put') table.set(op.key, op.value);
      else table.delete(op.key);
    }
  }
}
