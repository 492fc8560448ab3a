// `volley recover`: a new store from what a damaged one still holds. It reads a copy and writes beside it; the
// original is only ever renamed, and only with --apply.

import {rename} from 'node:fs/promises';
import {join} from 'node:path';
import type {Salvaged} from '../io/store-rebuild.ts';
import type {BatchLoss, Loss} from '../master/salvage.ts';
import type {CommandSpec, Given} from './command.ts';
import {counted, grouped, print, printJson, safe} from './output.ts';
import {DATA_OPTION, type StorePlace, storePlace} from './store-place.ts';

const SHOWN_MAX = 20;

export const recoverCommand: CommandSpec = {
  name: 'recover',
  summary: 'Make a whole store from what a damaged one still holds',
  options: [
    DATA_OPTION,
    {flag: '--apply', text: 'put the new store in its place; the old one is kept beside it'},
    {flag: '--json', text: 'print JSON for programs'},
  ],
  examples: [
    'volley recover                  # tells what can be saved, changes nothing',
    'volley recover --apply          # and does it; start the master again afterwards',
    'volley recover --data /var/lib/volley/node --apply',
  ],
  run: runRecover,
};

type Outcome = {
  readonly damages: number;
  readonly rows: number;
  readonly loss: Loss;
};

async function runRecover(given: Given): Promise<number> {
  const place = await storePlace(given);
  const {withCopy} = await import('../io/store-copy.ts');
  const {SystemClock} = await import('../io/system-clock.ts');
  const {wall} = new SystemClock().now();
  const isBeside = given.flag('apply');
  const what = 'the store is copied, and a new one is written beside it';
  const {outcome, kept} = await withCopy(place.store, {room: 2, isBeside, what}, async look => {
    const made = join(look.folder, 'new');
    const rebuilt = await rebuild(place, look.copy, made, wall);
    if (!rebuilt || !isBeside) return {outcome: rebuilt, kept: undefined};
    await look.checkStill();
    return {outcome: rebuilt, kept: await swap(place.store, made, wall)};
  });
  const [whole, applied] = [outcome === undefined, kept !== undefined];
  if (given.flag('json')) printJson({role: place.role, whole, applied, kept, ...outcome});
  else if (!outcome) print(`The store in ${place.store} is whole: there is nothing to recover.`);
  else tellOutcome(place, outcome, kept);
  return whole || applied ? 0 : 75;
}

/** undefined = the store is whole. */
async function rebuild(
  place: StorePlace,
  copy: string,
  made: string,
  wall: number,
): Promise<Outcome | undefined> {
  const {salvageStore, writeStore} = await import('../io/store-rebuild.ts');
  const {NodeCrypto} = await import('../io/crypto.ts');
  const crypto = new NodeCrypto();
  const saved = await salvageStore(copy, crypto);
  try {
    const {damaged, lastGood, damages} = saved;
    if (damages.length === 0) return undefined;
    const {loss, badReports} =
      place.role === 'master' ? await mendMaster(saved, wall) : nodeLoss(damaged);
    const rows = await writeStore(made, {...saved, badReports}, lastGood, crypto);
    await prove(place, made);
    return {damages: damages.length, rows, loss};
  } finally {
    await saved.close();
  }
}

type Mended = {readonly loss: Loss; readonly badReports: ReadonlySet<string>};

async function mendMaster(saved: Salvaged, wall: number): Promise<Mended> {
  const {MasterSalvage} = await import('../master/salvage.ts');
  const salvage = new MasterSalvage(saved);
  for await (const rows of saved.reports())
    for (const [key, payload] of rows) salvage.report(key, payload);
  const loss = salvage.mend(wall, saved.lastGood.journalNo);
  return {loss, badReports: salvage.badReports};
}

/** What a node lost is computed again by whoever gets the lease. */
const nodeLoss = (damaged: ReadonlySet<string>): Mended => ({
  loss: {
    batches: [],
    missingBatches: [],
    rows: [...damaged].map(rowKey => ({rowKey, reason: 'it is lost or out of date'})),
    doubtfulNodes: [],
    recounted: false,
    voidAfter: 0,
  },
  badReports: new Set(),
});

/** The new store must open, be whole and make a core: else it is not put in anybody's place. */
async function prove(place: StorePlace, made: string): Promise<void> {
  const {openLevelStore} = await import('../io/level-store.ts');
  const {auditStore} = await import('../io/store-audit.ts');
  const {NodeCrypto} = await import('../io/crypto.ts');
  const crypto = new NodeCrypto();
  const store = await openLevelStore(made);
  try {
    await auditStore(store, crypto);
    if (place.role === 'node') return;
    const {restoreCheck} = await import('./store-check.ts');
    await restoreCheck(store, crypto);
  } finally {
    await store.close();
  }
}

/** Answers where the damaged store is kept. */
async function swap(store: string, made: string, wall: number): Promise<string> {
  const {syncDirectory} = await import('../io/key-files.ts');
  const {keptPath} = await import('../io/store-copy.ts');
  const stamp = new Date(wall).toISOString().replace(/[-:]|\..*/g, '');
  const kept = keptPath(store, stamp);
  await rename(store, kept);
  await rename(made, store);
  syncDirectory(join(store, '..'));
  return kept;
}

function tellOutcome(place: StorePlace, outcome: Outcome, kept: string | undefined): void {
  const {loss, rows, damages} = outcome;
  print(
    `Damaged in ${counted(damages, 'place')}; ${counted(rows, 'row')} of the ${place.role} can be kept.`,
  );
  for (const batch of loss.batches.slice(0, SHOWN_MAX)) print(`  ${describe(batch)}`);
  if (loss.missingBatches.length > 0) print(`  ${describeMissing(loss.missingBatches)}`);
  for (const {rowKey, reason} of loss.rows.slice(0, SHOWN_MAX))
    print(`  ${safe(rowKey, 80)}: ${safe(reason, 80)}`);
  const hidden =
    Math.max(0, loss.batches.length - SHOWN_MAX) + Math.max(0, loss.rows.length - SHOWN_MAX);
  if (hidden > 0) print(`  and ${grouped(hidden)} more (--json)`);
  if (loss.recounted) print('  Credit was counted anew from the signed reports.');
  if (place.role === 'master') tellMembers(loss);
  if (kept === undefined) print('Nothing was changed. `volley recover --apply` puts it in place.');
  else print(`Done. The damaged store is kept in ${kept}; start the ${place.role} again.`);
}

/** What the operator decided is in no report of a node: nobody says it again. */
function tellMembers({doubtfulNodes, voidAfter}: Loss): void {
  const after = grouped(voidAfter);
  print(`Nodes offer again what they were given receipts for above commit ${after}.`);
  print('Revocations may be among what is lost. Look at `volley nodes`, and revoke again:');
  if (doubtfulNodes.length === 0) print('  the newest ones, if there were any.');
  for (const nodeId of doubtfulNodes.slice(0, SHOWN_MAX))
    print(`  ${nodeId}, if it was revoked: its row is lost or out of date.`);
  if (doubtfulNodes.length > SHOWN_MAX)
    print(`  and ${grouped(doubtfulNodes.length - SHOWN_MAX)} more (--json)`);
}

export function describe({batchId, name, reopened, decisionsLost}: BatchLoss): string {
  if (reopened === undefined)
    return `batch ${batchId}: the disk lost what was asked for; submit it again`;
  const numbers = runs(reopened).slice(0, 8).join(', ');
  const open = `${counted(reopened.length, 'workunit')} ${reopened.length === 1 ? 'is' : 'are'} open again`;
  const lost = `at least ${counted(decisionsLost, 'decision')} ${decisionsLost === 1 ? 'is' : 'are'} lost`;
  const head = `batch ${batchId} (${safe(name, 40)}):`;
  if (reopened.length === 0) return `${head} ${lost}; nothing says of which workunits`;
  if (decisionsLost > reopened.length)
    return `${head} ${lost}; by number it is known that ${open}: ${numbers}`;
  return `${head} up to ${open}${decisionsLost > 0 ? ` and ${lost}` : ''}: ${numbers}`;
}

/** `batches 25 to 52 and 54 are not in what is left: …` */
export function describeMissing(gaps: Loss['missingBatches']): string {
  const [first, last] = [gaps[0]?.[0], gaps.at(-1)?.[1]];
  if (first === last) return `batch ${first} is not in what is left: it is lost, or was deleted`;
  const names = gaps.map(([from, to]) => (from === to ? `${from}` : `${from} to ${to}`));
  const shown = names.slice(0, SHOWN_MAX).join(', ');
  const more = names.length > SHOWN_MAX ? ', …' : '';
  return `batches ${shown}${more} are not in what is left: they are lost, or were deleted`;
}

/** `0-63`, `70` … of sorted numbers. */
export function runs(numbers: readonly number[]): string[] {
  const found: [number, number][] = [];
  for (const number of numbers) {
    const last = found.at(-1);
    if (last && last[1] + 1 === number) last[1] = number;
    else found.push([number, number]);
  }
  return found.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`));
}
