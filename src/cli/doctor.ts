// `volley doctor`: is this machine fit, and with --store: is the store whole? Changes nothing.

import {VolleyError} from '../base/errors.ts';
import type {RowDamage} from '../io/store-audit.ts';
import type {CommandSpec, Given} from './command.ts';
import {counted, grouped, print, printJson, safe} from './output.ts';
import {DATA_OPTION, type StorePlace, storePlace} from './store-place.ts';

const SHOWN_MAX = 20;

export const doctorCommand: CommandSpec = {
  name: 'doctor',
  summary: 'Look at this machine, or at the store of a master or node, without changing anything',
  options: [
    DATA_OPTION,
    {flag: '--store', text: 'verify the store: every commit, every row (the master must not run)'},
    {flag: '--json', text: 'print JSON for programs'},
  ],
  examples: [
    'volley doctor                                   # Node.js, files, space, buffers',
    'volley doctor --store                           # exit code 75: damaged',
    'volley doctor --store --data /var/lib/volley/node --json',
  ],
  run: runDoctor,
};

async function runDoctor(given: Given): Promise<number | undefined> {
  return given.flag('store') ? await lookAtStore(given) : await lookAtMachine(given);
}

async function lookAtMachine(given: Given): Promise<number> {
  const {checkBuffers, checkFiles, checkRuntime, checkSpace} = await import(
    '../io/machine-checks.ts'
  );
  const {defaultDataDirectory} = await import('../io/config.ts');
  const {SystemClock} = await import('../io/system-clock.ts');
  const data = given.text('data') ?? defaultDataDirectory('master');
  const today = new Date(new SystemClock().now().wall).toISOString().slice(0, 10);
  const checks = [
    checkRuntime(process.versions.node, today),
    ...checkFiles(data),
    checkSpace(data),
    ...(await checkBuffers()),
  ];
  if (given.flag('json')) printJson({checks});
  else for (const {what, state, text} of checks) print(`${state.padEnd(5)} ${what}: ${text}`);
  return checks.some(({state}) => state === 'bad') ? 1 : 0;
}

async function lookAtStore(given: Given): Promise<number> {
  const place = await storePlace(given);
  const {withCopy} = await import('../io/store-copy.ts');
  const {SystemClock} = await import('../io/system-clock.ts');
  const clock = new SystemClock();
  const begun = clock.now().mono;
  const what = 'the store is copied, and the copy is looked at';
  const found = await withCopy(place.store, {room: 1, isBeside: false, what}, examine);
  const seconds = (clock.now().mono - begun) / 1_000;
  if (given.flag('json')) printJson({role: place.role, store: place.store, seconds, ...found});
  else tellStore(place, found, seconds);
  return found.damages.length > 0 ? 75 : 0;
}

type Found = {
  readonly commits: number;
  readonly rows: number;
  readonly rowsOf: Readonly<Record<string, number>>;
  readonly damages: readonly RowDamage[];
};

async function examine({copy}: {readonly copy: string}): Promise<Found> {
  const {openLevelStore} = await import('../io/level-store.ts');
  const {examineStore} = await import('../io/store-audit.ts');
  const {NodeCrypto} = await import('../io/crypto.ts');
  try {
    const store = await openLevelStore(copy);
    try {
      const {head, rows, rowsOf, damages} = await examineStore(store, new NodeCrypto());
      return {commits: head.journalNo, rows, rowsOf, damages};
    } finally {
      await store.close();
    }
  } catch (error) {
    if (!(error instanceof VolleyError) || error.code !== 'VOLLEY_STORE_DAMAGED') throw error;
    const reason = String(error.fields['reason'] ?? error.message);
    const damages = [{table: 'store', key: '', reason, journalNo: 0}];
    return {commits: 0, rows: 0, rowsOf: {}, damages};
  }
}

function tellStore(place: StorePlace, found: Found, seconds: number): void {
  const {commits, rows, rowsOf, damages} = found;
  const tables = Object.entries(rowsOf).map(([table, count]) => `${table} ${grouped(count)}`);
  print(
    `The store of the ${place.role} in ${place.store}: ${grouped(commits)} commits, ${grouped(rows)} rows in ${seconds.toFixed(1)} s.`,
  );
  if (tables.length > 0) print(`  ${tables.join(', ')}`);
  if (damages.length === 0) {
    print('It is whole.');
    return;
  }
  print(`It is damaged in ${counted(damages.length, 'place')}:`);
  for (const damage of damages.slice(0, SHOWN_MAX)) print(`  ${describe(damage)}`);
  if (damages.length > SHOWN_MAX)
    print(`  and ${grouped(damages.length - SHOWN_MAX)} more (--json)`);
  print('Next: `volley recover` tells what can be saved, and `volley recover --apply` does it.');
}

function describe({table, key, reason}: RowDamage): string {
  const affected = workunitsOf(table, key);
  const about = affected === undefined ? '' : ` (${affected})`;
  return `${table}/${safe(key, 64)}${about}: ${safe(reason, 160)}`;
}

/** Which workunits a row is about, as far as its key says. */
export function workunitsOf(table: string, key: string): string | undefined {
  const batch = Number.parseInt(key.slice(0, 8), 16);
  const part = Number.parseInt(key.slice(8, 16), 16);
  if (table === 'batch') return `batch ${batch}`;
  if (table === 'page') return `batch ${batch}, workunits ${part * 64} to ${part * 64 + 63}`;
  if (table === 'vote') return `batch ${batch}, workunit ${part}`;
  return undefined;
}
