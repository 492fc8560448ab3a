// What a disk does to a LevelDB without a word, as it was measured on the real one: a flipped bit in its log drops a
// run of commits in the middle, or the last ones; one in a table changes a value, loses a row, or brings an
// older value or a deleted row back. All of it opens as if nothing were wrong.

import type {Prng} from '../base/prng.ts';
import type {Op, TableName} from '../core/tables.ts';
import {between} from './dice.ts';

export type Rows = Map<TableName, Map<string, Uint8Array>>;

/** A commit, and what each of its rows was before; `acked`: its process was told that it is durable. */
export type Logged = {
  readonly ops: readonly Op[];
  readonly before: readonly (Uint8Array | undefined)[];
  readonly acked: boolean;
};

export const DAMAGES = ['gap', 'tail', 'flip', 'missing', 'older'] as const;
export type Damage = (typeof DAMAGES)[number];

/** Commits that are remembered for damage: LevelDB's log holds some thousand. */
export const LOGGED_MAX = 64;
const TAIL_MAX = 8;
/** What others were promised: most rows of a disk are of these tables. */
const WEIGHTY: ReadonlySet<TableName> = new Set<TableName>(['page', 'vote', 'report', 'batch']);

/** Applies a commit; the answer undoes it. */
export function applied(rows: Rows, ops: readonly Op[], acked: boolean): Logged {
  const before = ops.map(op => {
    const table = tableOf(rows, op.table);
    const old = table.get(op.key);
    if (op.type === 'put') table.set(op.key, op.value);
    else table.delete(op.key);
    return old;
  });
  return {ops, before, acked};
}

function undo(rows: Rows, {ops, before}: Logged): void {
  for (let i = ops.length - 1; i >= 0; i--) {
    const op = ops[i];
    if (op) set(rows, op.table, op.key, before[i]);
  }
}

function tableOf(rows: Rows, name: TableName): Map<string, Uint8Array> {
  let table = rows.get(name);
  if (!table) {
    table = new Map();
    rows.set(name, table);
  }
  return table;
}

function set(rows: Rows, table: TableName, key: string, value: Uint8Array | undefined): void {
  if (value) tableOf(rows, table).set(key, value);
  else tableOf(rows, table).delete(key);
}

/** What happened, in words. `unreadable`: the row whose own checksum is wrong now, `table/key`. */
export type Harm = {readonly story: string; readonly unreadable?: string};

/** @returns undefined = there was nothing to damage in this way */
export function harm(
  rows: Rows,
  log: readonly Logged[],
  kind: Damage,
  dice: Prng,
): Harm | undefined {
  switch (kind) {
    case 'gap':
      if (log.length < 2) return undefined;
      return lose(rows, log, dice.below(log.length - 1), between(dice, 1, log.length - 1));
    case 'tail':
      return lose(rows, log, Math.max(0, log.length - between(dice, 1, TAIL_MAX)), log.length);
    case 'flip':
      return onRow(rows, dice, value => flipped(value, dice));
    case 'missing':
      return onRow(rows, dice, () => undefined);
    case 'older':
      return older(rows, log, dice);
  }
}

/** The commits from `from` on and before `to` were never there. */
function lose(rows: Rows, log: readonly Logged[], from: number, to: number): Harm | undefined {
  const end = Math.max(to, from + 1);
  // One that nobody was told of may be gone: that is a crash, and no damage.
  if (!log.slice(from, end).some(({acked}) => acked)) return undefined;
  for (let i = log.length - 1; i >= from; i--) {
    const logged = log[i];
    if (logged) undo(rows, logged);
  }
  for (const {ops, acked} of log.slice(end)) applied(rows, ops, acked);
  const story = `${end - from} commits are lost, ${log.length - end} after them are not`;
  return {story};
}

function onRow(
  rows: Rows,
  dice: Prng,
  change: (value: Uint8Array) => Uint8Array | undefined,
): Harm | undefined {
  const tables = [...rows].filter(([, table]) => table.size > 0);
  if (tables.length === 0) return undefined;
  const weighty = tables.filter(([name]) => WEIGHTY.has(name));
  const [name, table] = dice.pick(weighty.length > 0 && dice.chance(0.5) ? weighty : tables);
  const [key, value] = dice.pick([...table]);
  if (value.length === 0) return undefined;
  const changed = change(value);
  set(rows, name, key, changed);
  const rowKey = `${name}/${key}`;
  if (!changed) return {story: `row ${rowKey} is lost`};
  return {story: `a bit of row ${rowKey} is another one`, unreadable: rowKey};
}

function flipped(value: Uint8Array, dice: Prng): Uint8Array {
  const copy = value.slice();
  const bit = dice.below(copy.length * 8);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

/** The newest value of a row is lost, and LevelDB finds the one before; also of a row that was deleted. */
function older(rows: Rows, log: readonly Logged[], dice: Prng): Harm | undefined {
  const changed = log.flatMap(({ops, before}) =>
    ops.flatMap((op, i) => {
      const old = before[i];
      const value = rows.get(op.table)?.get(op.key);
      const isLast = value === (op.type === 'put' ? op.value : undefined);
      return old && isLast && !(value && same(old, value)) ? [{op, old}] : [];
    }),
  );
  if (changed.length === 0) return undefined;
  const {op, old} = dice.pick(changed);
  set(rows, op.table, op.key, old);
  return {story: `row ${op.table}/${op.key} is an older one`};
}

const same = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);
