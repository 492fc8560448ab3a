// A node that has nothing to do is not noticed: at most one percent of a core, and not one byte to the disk, so
// that a board may sleep and a card may live. With preferences and sensors it is the same.

import {readdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {loadavg} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {type Cluster, openCluster, until} from '../rig/cluster.ts';
import {ended, NIGHTLY, submitPrimes} from '../rig/work.ts';

/** Long enough that one collection of garbage, 180 ms on a loaded machine, does not weigh as much as all the rest. */
const SPAN_MS = NIGHTLY ? 60_000 : 20_000;
const PERCENT_MAX = NIGHTLY ? 1 : 2;
const MS_PER_TICK = 10;

const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

type Used = {readonly cpuMs: number; readonly written: number; readonly calls: number};

/** What a process and its threads have used since it began; `written` is what went to a disk. */
function usedBy(pid: number): Used {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const io = readFileSync(`/proc/${pid}/io`, 'latin1');
  const of = (name: string): number => Number(new RegExp(`^${name}: (\\d+)`, 'm').exec(io)?.[1]);
  const ticks = Number(fields[11]) + Number(fields[12]);
  return {cpuMs: ticks * MS_PER_TICK, written: of('write_bytes'), calls: of('syscw')};
}

/** Every file of a folder with its size and its time. */
function filesOf(dir: string): string[] {
  return readdirSync(dir, {recursive: true, encoding: 'utf8'})
    .map(name => ({name, found: statSync(join(dir, name))}))
    .filter(({found}) => found.isFile())
    .map(({name, found}) => `${name} ${found.size} ${found.mtimeMs}`)
    .sort();
}

/** Longer than any save waits that may be late. */
const QUIET_LOOKS = 5;

/** Nothing is on its way any more. */
async function settled(cluster: Cluster): Promise<void> {
  let before: string[] = [];
  let quiet = 0;
  await until(async () => {
    await sleep(2_000);
    const now = filesOf(join(cluster.dir, 'node0'));
    quiet = now.join() === before.join() ? quiet + 1 : 0;
    before = now;
    return quiet >= QUIET_LOOKS || undefined;
  }, 'rest');
}

for (const [what, preferences] of [
  ['a node without wishes', undefined],
  [
    'a node that watches all of its sensors',
    {
      hours: ['00:00-24:00'],
      suspendAboveLoad: 4_000,
      suspendBelowFreeMib: 1,
      suspendAboveCelsius: 120,
      suspendOnBattery: true,
      cpuPercent: 50,
    },
  ],
] as const)
  test.serial(`${what} is not noticed when it has nothing to do`, async t => {
    t.timeout(300_000);
    const cluster = await openCluster(1);
    t.teardown(() => cluster.close());
    if (preferences !== undefined) {
      const path = join(cluster.dir, 'node0/preferences.json');
      writeFileSync(path, JSON.stringify(preferences), {mode: 0o600});
    }
    // It has worked: runners, spool and receipts are as they are in a node that rests.
    const {batchId} = await cluster.client.submit({
      name: 'warm',
      app: 'primes',
      args: [],
      input: {kind: 'range', start: 0, end: 1_000_000, chunk: 100_000},
      policy: {minQuorum: 1},
    });
    await ended(cluster, batchId);
    await settled(cluster);
    const [pid = 0] = cluster.nodePids;
    const files = filesOf(join(cluster.dir, 'node0'));
    const before = usedBy(pid);
    const since = performance.now();
    await sleep(SPAN_MS);
    const after = usedBy(pid);
    const ms = performance.now() - since;
    const percent = (100 * (after.cpuMs - before.cpuMs)) / ms;
    t.log(
      `${(ms / 1_000).toFixed(0)} s: ${percent.toFixed(2)} % of a core,`,
      `${after.written - before.written} bytes to the disk, load ${(loadavg()[0] ?? 0).toFixed(1)}`,
    );
    t.is(after.written - before.written, 0);
    t.deepEqual(filesOf(join(cluster.dir, 'node0')), files);
    t.true(percent <= PERCENT_MAX, `${percent.toFixed(2)} %`);
  });

test.serial('a suspended node rests as well, with work in hand', async t => {
  t.timeout(300_000);
  const cluster = await openCluster(1);
  t.teardown(() => cluster.close());
  const [node] = await cluster.client.nodes();
  const batchId = await submitPrimes(cluster, 10, 10_000_000);
  t.true(batchId > 0 && node !== undefined);
  const path = join(cluster.dir, 'node0/preferences.json');
  const never = {hours: ['00:00-00:01'], days: [dayAfterTomorrow()]};
  writeFileSync(path, JSON.stringify(never), {mode: 0o600});
  await until(
    async () => (await cluster.client.nodes())[0]?.heldBy.startsWith('hours') || undefined,
    'the rest',
  );
  await settled(cluster);
  const [pid = 0] = cluster.nodePids;
  const before = usedBy(pid);
  await sleep(SPAN_MS);
  const after = usedBy(pid);
  const percent = (100 * (after.cpuMs - before.cpuMs)) / SPAN_MS;
  t.log(`${percent.toFixed(2)} % of a core, ${after.written - before.written} bytes`);
  t.is(after.written - before.written, 0);
  t.true(percent <= PERCENT_MAX, `${percent.toFixed(2)} %`);
});

const dayAfterTomorrow = (): string =>
  ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'][(new Date().getDay() + 2) % 7] ?? 'mon';
