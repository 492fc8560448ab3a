// Boots a core from a simulated disk exactly as the shells in cli/ do it from a real one.

import {BASE_KEY, HEAD_KEY, type Head} from '../core/journal.ts';
import {JournalAudit} from '../core/journal-audit.ts';
import type {MasterCore} from '../master/master.ts';
import {FIRST_TABLES, type MasterRestore} from '../master/restore.ts';
import type {NodeCore} from '../node/node.ts';
import {NODE_TABLES, type NodeRestore} from '../node/restore.ts';
import type {Crypto} from '../wire/crypto.ts';
import {holds} from './fabric.ts';
import type {SimStore} from './sim-store.ts';

/** Walks the journal; its end is where the driver goes on. */
export function auditDisk(disk: SimStore, crypto: Crypto): Head {
  const audit = new JournalAudit(crypto, disk.get('meta', BASE_KEY));
  for (const [key, payload] of disk.rows('journal')) if (!audit.row(key, payload)) break;
  const verdict = audit.end(disk.get('meta', HEAD_KEY));
  holds(verdict.kind === 'good', 'S13', () => `the journal is damaged: ${JSON.stringify(verdict)}`);
  return verdict.head;
}

export function restoreMaster(disk: SimStore, rows: MasterRestore): MasterCore {
  for (const table of FIRST_TABLES)
    for (const [key, value] of disk.rows(table)) rows.row(table, key, value);
  for (const {table, from, to} of rows.ranges())
    for (const [key, value] of disk.rows(table, from, to)) rows.row(table, key, value);
  return rows.finish();
}

export function restoreNode(disk: SimStore, rows: NodeRestore): NodeCore {
  for (const table of NODE_TABLES)
    for (const [key, value] of disk.rows(table)) rows.row(table, key, value);
  return rows.finish();
}
