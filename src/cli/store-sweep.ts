// `volley store sweep`: deletes what a running master would delete by itself some day, now. It has the store open
// meanwhile, so that no master can start on it.

import type {SweepReport, Tally} from '../io/blob-sweep.ts';
import {Closers} from './closers.ts';
import type {CommandSpec, Given} from './command.ts';
import {usage} from './command.ts';
import {counted, grouped, print, printJson, safe, sizeText} from './output.ts';
import {type StorePlace, storePlace} from './store-place.ts';
import {tableLines} from './table.ts';

/** GRACE_MS, as it is typed. */
const GRACE = '24h';

export const storeSweepCommand: CommandSpec = {
  name: 'store sweep',
  summary: 'Delete the files of a stopped master that nothing needs any more',
  options: [
    {flag: '--data <dir>', text: 'folder of a master (default ~/.volley/master)'},
    {flag: '--dry-run', text: 'tell what would go, delete nothing'},
    {
      flag: '--older-than <time>',
      text: `what is younger stays, such as 2h or 0s (default ${GRACE})`,
    },
    {flag: '--json', text: 'print JSON for programs'},
  ],
  examples: [
    'volley store sweep --dry-run        # a running master does it by itself, once a day',
    'volley store sweep --older-than 0s  # all that no row names: the disk is full',
    'volley store sweep --data /var/lib/volley/master --json   # exit code 1: some could not be deleted',
  ],
  run: runSweep,
};

async function runSweep(given: Given): Promise<number> {
  const place = await storePlace(given);
  if (place.role !== 'master')
    throw usage(`${place.data} is the folder of a node; files of a master are swept`);
  const {GRACE_MS} = await import('../io/blob-sweep.ts');
  const graceMs = given.durationMs('older-than') ?? GRACE_MS;
  const isDry = given.flag('dry-run');
  const {keptStores} = await import('../io/store-copy.ts');
  const kept = keptStores(place.store);
  const report = await sweep(place, graceMs, isDry);
  const {referenced, young, deleted, failed} = report;
  const there = sum(referenced, young, deleted);
  if (given.flag('json'))
    printJson({data: place.data, dryRun: isDry, graceMs, there, ...report, kept});
  else tell(place, {...report, there}, {grace: given.text('older-than') ?? GRACE, isDry, kept});
  return failed.blobs > 0 ? 1 : 0;
}

/** The store is opened as a master opens it: damaged ones are refused, for lost rows may have named something. */
async function sweep(place: StorePlace, graceMs: number, isDry: boolean): Promise<SweepReport> {
  const {checkSecretFolder} = await import('../io/key-files.ts');
  const {checkIdle} = await import('../io/store-copy.ts');
  const {openLevelStore} = await import('../io/level-store.ts');
  const {auditStore} = await import('../io/store-audit.ts');
  const {openBlobStore} = await import('../io/blob-store.ts');
  const {sweepBlobs} = await import('../io/blob-sweep.ts');
  const {NodeCrypto} = await import('../io/crypto.ts');
  const {SystemClock} = await import('../io/system-clock.ts');
  const {join} = await import('node:path');
  checkSecretFolder(place.data, []); // files of another user's making would keep its master from starting
  await checkIdle(place.store);
  const closers = new Closers();
  try {
    const store = await openLevelStore(place.store);
    closers.add(() => store.close());
    await auditStore(store, new NodeCrypto());
    const blobs = await openBlobStore(join(place.data, 'blobs'));
    const clock = new SystemClock();
    return await sweepBlobs({store, blobs, now: () => clock.now().wall, graceMs, isDry});
  } finally {
    await closers.closeAll();
  }
}

const sum = (...tallies: readonly Tally[]): Tally => ({
  blobs: tallies.reduce((all, {blobs}) => all + blobs, 0),
  bytes: tallies.reduce((all, {bytes}) => all + bytes, 0),
});

type Told = {readonly grace: string; readonly isDry: boolean; readonly kept: readonly string[]};

function tell(
  place: StorePlace,
  report: SweepReport & {readonly there: Tally},
  {grace, isDry, kept}: Told,
): void {
  const {there, referenced, young, deleted, failed} = report;
  const rows: [string, Tally][] = [
    ['there', there],
    ['referenced', referenced],
    [`younger than ${safe(grace)}`, young],
    [isDry ? 'would be deleted' : 'deleted', deleted],
  ];
  print(`Files of the master in ${place.data}:`);
  for (const line of tableLines(
    [{title: ''}, {title: 'files', right: true}, {title: 'size', right: true}],
    rows.map(([what, {blobs, bytes}]) => [what, grouped(blobs), sizeText(bytes)]),
  ))
    print(line);
  if (failed.blobs > 0)
    print(`${counted(failed.blobs, 'file')} stayed: ${safe(failed.reason, 200)}`);
  if (kept.length > 0 && deleted.blobs > 0)
    print(`${kept.join(', ')} may name some of those ${isDry ? 'to be ' : ''}deleted.`);
}
