// What it costs to open a store: the whole journal is replayed and every row held against it.

import {rmSync} from 'node:fs';
import {mkdtemp, readdir, stat} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {Prng} from '../../src/base/prng.ts';
import {asBatchId} from '../../src/base/types.ts';
import {EMPTY_HEAD, journalOps} from '../../src/core/journal.ts';
import {JournalAudit} from '../../src/core/journal-audit.ts';
import {type Op, pageKey, put, reportKey} from '../../src/core/tables.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {type LevelStore, openLevelStore} from '../../src/io/level-store.ts';
import {auditStore} from '../../src/io/store-audit.ts';
import {number, table} from './report.ts';

/** Commits that are written together: what is measured is reading. */
const TOGETHER = 1_000;
const PAGES = 20_000;
const MIB = 1_024 * 1_024;

export type Opening = {
  readonly commits: number;
  readonly storeMib: number;
  readonly openMs: number;
  readonly journalMs: number;
  readonly auditMs: number;
  readonly residentMib: number;
};

const crypto = new NodeCrypto();

export async function opening(commits: number): Promise<Opening> {
  const folder = await mkdtemp(join(tmpdir(), 'volley-opening-'));
  process.once('exit', () => rmSync(folder, {recursive: true, force: true}));
  await fill(folder, commits);
  const begun = performance.now();
  const store = await openLevelStore(folder);
  const opened = performance.now();
  const journal = new JournalAudit(crypto);
  for await (const [key, payload] of store.scan('journal')) journal.row(key, payload);
  const replayed = performance.now();
  await auditStore(store, crypto);
  const audited = performance.now();
  await store.close();
  return {
    commits,
    storeMib: (await bytesOf(folder)) / MIB,
    openMs: opened - begun,
    journalMs: replayed - opened,
    auditMs: audited - replayed,
    residentMib: process.resourceUsage().maxRSS / 1_024,
  };
}

/** Each commit takes one report and writes a page, two credits and the batch, as a busy master does. */
async function fill(folder: string, commits: number): Promise<void> {
  const store = await openLevelStore(folder);
  const prng = new Prng(1);
  let head = EMPTY_HEAD;
  let ops: Op[] = [];
  for (let commit = 1; commit <= commits; commit++) {
    const value = (length: number): Uint8Array => crypto.random(length);
    const made = journalOps(crypto, head, [
      put('report', reportKey(commit), value(300)),
      put('page', pageKey(asBatchId(1), prng.below(PAGES)), value(300)),
      put('credit', 'a'.repeat(32), value(8)),
      put('credit', 'b'.repeat(32), value(8)),
      put('batch', '00000001', value(400)),
    ]);
    head = made.head;
    ops.push(...made.ops);
    if (commit % TOGETHER > 0 && commit < commits) continue;
    await committed(store, ops);
    ops = [];
  }
  await store.close();
}

const committed = (store: LevelStore, ops: readonly Op[]): Promise<void> =>
  new Promise((resolve, reject) => store.commit(ops, error => (error ? reject(error) : resolve())));

async function bytesOf(folder: string): Promise<number> {
  const names = await readdir(folder);
  const sizes = await Promise.all(names.map(async name => (await stat(join(folder, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

export function showOpening(result: Opening): string {
  return table(`a store of ${number(result.commits)} commits and as many reports`, [
    ['on disk', `${number(result.storeMib)} MiB`],
    ['LevelDB opens it', `${number(result.openMs)} ms`],
    ['audit: journal and every row', `${number(result.auditMs / 1_000, 1)} s`],
    ['of that, the journal', `${number(result.journalMs / 1_000, 1)} s`],
    ['resident at most', `${number(result.residentMib)} MiB`],
  ]);
}
