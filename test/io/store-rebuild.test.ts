// A damaged store of a master becomes one that a master comes up from: what cannot be shown to be decided is
// open again, and the credit fits what is decided.

import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {isDeepStrictEqual} from 'node:util';
import test, {type ExecutionContext} from 'ava';
import {Prng} from '../../src/base/prng.ts';
import {decodeCredit} from '../../src/core/tables.ts';
import {openLevelStore} from '../../src/io/level-store.ts';
import {auditStore} from '../../src/io/store-audit.ts';
import {salvageStore, writeStore as writeNew} from '../../src/io/store-rebuild.ts';
import {MasterSalvage} from '../../src/master/salvage.ts';
import {MasterRig} from '../master/rig.ts';
import {crypto, inline, type TestNode} from '../master/test-node.ts';
import {loadedRig, type Shape, writeStore} from '../rig/stored-master.ts';

function folderFor(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'volley-rebuild-'));
  t.teardown(() => rmSync(folder, {recursive: true, force: true}));
  return folder;
}

/** Flips bits at `places` of the largest table or log. */
function spoil(folder: string, prng: Prng, places: number): void {
  const size = (name: string): number => statSync(join(folder, name)).size;
  const names = readdirSync(folder).filter(name => /\.(ldb|log)$/.test(name));
  const name = names.sort((a, b) => size(b) - size(a))[0] ?? '';
  const bytes = readFileSync(join(folder, name));
  for (let i = 0; i < places; i++) {
    const at = prng.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << prng.below(8));
  }
  writeFileSync(join(folder, name), bytes);
}

/** Finishes both batches with the same nodes, as a cluster would. */
function finish(rig: MasterRig, nodes: readonly TestNode[]): void {
  for (const node of nodes) rig.join(node);
  for (let round = 0; round < 500; round++) {
    let got = 0;
    for (const node of nodes) {
      const work = rig.pull(node, 32);
      got += work.length;
      if (work.length > 0)
        rig.report(node, work, ({index}) => inline(`${index} ${'x'.repeat(60)}`));
    }
    if (got === 0) return;
  }
}

const credits = (rig: MasterRig): number =>
  rig.scan('credit').reduce((sum, [, row]) => sum + decodeCredit(row).credit, 0);

/** The rows that are rebuilt of a spoilt copy, undefined when the spoilt bits harmed nothing. */
async function rebuilt(folder: string) {
  const copy = `${folder}-copy`;
  cpSync(folder, copy, {recursive: true});
  const saved = await salvageStore(copy, crypto);
  const made = `${folder}-made`;
  try {
    if (saved.damages.length === 0) return undefined;
    const salvage = new MasterSalvage(saved);
    for await (const rows of saved.reports()) for (const row of rows) salvage.report(...row);
    const loss = salvage.mend(1_000, saved.lastGood.journalNo);
    await writeNew(made, {...saved, badReports: salvage.badReports}, saved.lastGood, crypto);
    return {rows: await rowsOf(made), loss};
  } finally {
    await saved.close();
  }
}

/** Every row of a store that must be whole. */
async function rowsOf(made: string): Promise<Map<string, Uint8Array>> {
  const store = await openLevelStore(made);
  const rows = new Map<string, Uint8Array>();
  try {
    await auditStore(store, crypto);
    await store.look(({rowKey, payload}) => rows.set(rowKey, payload));
  } finally {
    await store.close();
  }
  return rows;
}

test('a master comes up from what is rebuilt, ends its batches and pays each vote once', async t => {
  t.timeout(170_000);
  const work = folderFor(t);
  const {rig, nodes} = loadedRig({workunits: 600, nodes: 4, rounds: 8, outputBytes: 60});
  const sum = {reopened: 0, recounted: 0, ended: 0, stores: 0};
  const shapes: readonly Shape[] = ['log', 'tables', 'both'];
  for (let no = 0; no < 9; no++) {
    const shape = shapes[no % 3] ?? 'log';
    const folder = join(work, `${no}`);
    await writeStore(folder, rig, shape);
    spoil(folder, new Prng(no + 1), 1 + Math.floor(no / 3));
    const made = await rebuilt(folder);
    if (!made) continue;
    sum.stores += 1;
    sum.reopened += made.loss.batches.reduce((n, {reopened}) => n + (reopened?.length ?? 0), 0);
    if (made.loss.recounted) sum.recounted += 1;
    const known = nodes.filter(node => made.rows.has(`node/${node.id}`));
    const after = new MasterRig(made.rows);
    after.core.check();
    if (known.length < nodes.length || after.core.context.batches.size < 2) continue;
    after.rest();
    finish(after, known);
    const batches = [...after.core.context.batches.values()].filter(({row}) => row.count > 0);
    for (const {counters} of batches) t.like(counters, {state: 'done', done: 300}, shape);
    t.is(credits(after), batches.length * 300 * 2, `${no} ${shape}`);
    sum.ended += 1;
  }
  t.true(sum.reopened > 0 && sum.recounted > 0 && sum.ended > 0);
  t.log(JSON.stringify(sum));
});

test('with CURRENT nothing else is lost', async t => {
  t.timeout(170_000);
  const work = folderFor(t);
  const {rig} = loadedRig({workunits: 600, nodes: 4, rounds: 8, outputBytes: 60});
  for (const shape of ['log', 'tables', 'both'] as const) {
    const folder = join(work, shape);
    await writeStore(folder, rig, shape);
    const copy = `${folder}-before`;
    cpSync(folder, copy, {recursive: true});
    const before = await rowsOf(copy);
    rmSync(join(folder, 'CURRENT'));
    const made = await rebuilt(folder);
    // The journal begins anew, and what a batch counts is counted anew.
    const kept = (rows: ReadonlyMap<string, Uint8Array> = new Map()) =>
      [...rows].filter(([key]) => !/^(journal|meta|batch)\//.test(key));
    const differs = [...new Map([...kept(before), ...kept(made?.rows)]).keys()].filter(
      key => !isDeepStrictEqual(before.get(key), made?.rows.get(key)),
    );
    t.deepEqual(differs, [], shape);
    t.deepEqual(made?.loss.batches, [], shape);
  }
});
