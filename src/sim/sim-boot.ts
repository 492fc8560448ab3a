// Boots a core from a simulated disk exactly as the shells in cli/ do it from a real one.

import {BASE_KEY, HEAD_KEY, type Head} from '../core/journal.ts';
import {JournalAudit} from '../core/journal-audit.ts';
import {JournalSalvage, newStore, type Readable, type Tables} from '../core/journal-salvage.ts';
import {type AppRow, jsonRow} from '../core/tables.ts';
import type {MasterCore} from '../master/master.ts';
import {FIRST_TABLES, type MasterRestore} from '../master/restore.ts';
import type {NodeCore} from '../node/node.ts';
import {NODE_TABLES, type NodeRestore} from '../node/restore.ts';
import type {Crypto} from '../wire/crypto.ts';
import {applied, type Rows} from './disk-damage.ts';
import {holds} from './fabric.ts';
import type {SimStore} from './sim-store.ts';

/**
 * Looks at every row before it is used. What is answered is where the driver goes on, or why the process stops. No
 * damage goes unnoticed, and none is seen where there is none (S13).
 */
export function auditDisk(disk: SimStore, crypto: Crypto): Head | string {
  const {verdict, fault} = examine(disk, crypto);
  const {damage} = disk;
  holds(damage === undefined || fault !== undefined, 'S13', () => `unnoticed: ${damage}`);
  holds(
    damage !== undefined || fault === undefined,
    'S13',
    () => `the disk is whole, but ${fault}`,
  );
  return fault ?? verdict.head;
}

/** As io/store-audit.ts does it, but for the checksum of each row: what the journal claims must do alone here. */
function examine(disk: SimStore, crypto: Crypto) {
  const audit = new JournalAudit(crypto, disk.get('meta', BASE_KEY));
  for (const [key, payload] of disk.rows('journal')) if (!audit.row(key, payload)) break;
  const verdict = audit.end(disk.get('meta', HEAD_KEY), disk.witnessed);
  if (verdict.kind === 'damaged')
    return {
      verdict: {head: audit.head},
      fault: `journal row ${verdict.journalNo}: ${verdict.reason}`,
    };
  for (const [table, key, payload] of disk.all()) {
    const rowKey = `${table}/${key}`;
    if (table === 'journal' || rowKey === `meta/${HEAD_KEY}`) continue;
    const fault = audit.fault(rowKey, payload);
    if (fault !== undefined) return {verdict, fault: `row ${rowKey}: ${fault}`};
  }
  for (const rowKey of audit.missing().keys()) return {verdict, fault: `row ${rowKey} is missing`};
  return {verdict, fault: undefined};
}

/** `volley recover`: what can be kept of a damaged disk. The master's rows must still be put right. */
export function salvage(disk: SimStore, crypto: Crypto): Readable {
  const audit = new JournalAudit(crypto, disk.get('meta', BASE_KEY));
  for (const [key, payload] of disk.rows('journal')) if (!audit.row(key, payload)) break;
  const verdict = audit.end(disk.get('meta', HEAD_KEY), disk.witnessed);
  const reading = new JournalSalvage(crypto, verdict.kind === 'good');
  for (const [table, key, payload] of disk.all()) {
    const rowKey = `${table}/${key}`;
    reading.row(rowKey, payload, disk.isReadable(rowKey) ? undefined : 'wrong checksum');
  }
  return reading.end();
}

/** Rows of a new disk, as commits make them whose journal begins behind `base`. */
export function rebuilt(tables: Tables, base: Head, crypto: Crypto): Rows {
  const rows: Rows = new Map();
  for (const ops of newStore(tables, base, crypto)) applied(rows, ops, true);
  return rows;
}

/** @param wanted as cli/store-check.ts leaves out apps */
export function restoreMaster(
  disk: SimStore,
  rows: MasterRestore,
  wanted: (app: AppRow) => boolean,
): MasterCore {
  for (const table of FIRST_TABLES)
    for (const [key, value] of disk.rows(table))
      if (table !== 'app' || wanted(jsonRow<AppRow>(value))) rows.row(table, key, value);
  for (const {table, from, to} of rows.ranges())
    for (const [key, value] of disk.rows(table, from, to)) rows.row(table, key, value);
  return rows.finish();
}

export function restoreNode(disk: SimStore, rows: NodeRestore): NodeCore {
  for (const table of NODE_TABLES)
    for (const [key, value] of disk.rows(table)) rows.row(table, key, value);
  return rows.finish();
}
