// Clocks that somebody sets while work is on its way: an hour on, a year back, 1970. Leases and instants count on
// clocks that nobody can set; what people read follows the clock of the machine.

import {existsSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import test, {type ExecutionContext} from 'ava';
import {
  type Cluster,
  masterFlags,
  newCluster,
  nodeFlags,
  shownJoin,
  start,
  temporaryFolder,
  type Volley,
  volley,
} from '../cli/rig.ts';

const LIBRARIES = ['x86_64', 'aarch64', 'arm']
  .map(arch => `/usr/lib/${arch}-linux-gnu${arch === 'arm' ? 'eabihf' : ''}`)
  .map(folder => join(folder, 'faketime', 'libfaketime.so.1'));

/** In the words of libfaketime; the last one is the time that it is. */
const TIMES = ['+1h', '-1h', '@1970-01-02 00:00:00', '+1y', '-1y', '@2037-12-31 23:59:50', '+0'];

/** A machine whose clock can be set. */
class SetClock {
  readonly #file: string;
  readonly env: Record<string, string>;

  constructor(folder: string, name: string, library: string) {
    this.#file = join(folder, `${name}.time`);
    this.set('+0');
    this.env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
  }

  set(time: string): void {
    writeFileSync(this.#file, `${time}\n`);
  }
}

type Shown = {
  readonly done: number;
  readonly failed: number;
  readonly replicas: number;
  readonly disagreements: number;
  readonly errors: number;
};
type Manifest = {readonly rows: readonly {readonly verdict: string; readonly lateMs: number}[]};

type Set = {
  readonly cluster: Cluster;
  /** The master's, then those of the nodes. */
  readonly clocks: readonly SetClock[];
  readonly processes: readonly Volley[];
};

/** A master and three nodes, each with a clock of its own. */
async function clusterOn(t: ExecutionContext, library: string, folder: string): Promise<Set> {
  const cluster = await newCluster(t);
  const names = ['a', 'b', 'c'];
  const clock = new SetClock(folder, 'master', library);
  const clocks = names.map(name => new SetClock(folder, name, library));
  const master = start(t, ['master', ...masterFlags(cluster)], clock.env);
  await master.says('volley node --join');
  const flags = ['--join', shownJoin(master), '--slots', 1];
  const nodes = names.map((name, i) =>
    start(t, ['node', ...nodeFlags(cluster, name), ...flags], clocks[i]?.env),
  );
  for (const node of nodes) await node.says('joined');
  return {cluster, clocks: [clock, ...clocks], processes: [master, ...nodes]};
}

test('work and shots go on while the clocks of master and nodes are set', async t => {
  t.timeout(170_000);
  const library = LIBRARIES.find(existsSync);
  if (library === undefined) {
    t.log('skipped: setting the clock of one process needs libfaketime');
    return t.pass();
  }
  const folder = await temporaryFolder(t);
  const {cluster, clocks, processes} = await clusterOn(t, library, folder);
  const operate = [
    ...['--data', cluster.data, '--url', `http://127.0.0.1:${cluster.ports.httpPort}`, '--json'],
  ];
  const batch = volley([
    ...['batch', 'submit', 'primes', '--range', '0..800_000_000', '--chunk', 1_600_000],
    ...['--lease', 20, '--wait', ...operate],
  ]);
  let sets = 0;
  let setsUnderWork = 0;
  void batch.then(() => {
    setsUnderWork = sets;
  });
  const late: number[] = [];
  for (const [i, time] of TIMES.entries()) {
    for (const [j, each] of clocks.entries())
      each.set(i === TIMES.length - 1 ? '+0' : (TIMES[(i + j) % TIMES.length] ?? time));
    sets += 1;
    await sleep(400);
    const out = join(folder, `shots-${i}`);
    const shot = await volley(['capture', '--action', 'testcard', '--out', out, ...operate]);
    t.is(shot.code, 0, `${time}: ${shot.stdout}${shot.stderr}`);
    const {rows} = JSON.parse(shot.stdout) as Manifest;
    t.deepEqual(
      rows.map(({verdict}) => verdict),
      ['fired', 'fired', 'fired'],
    );
    late.push(...rows.map(({lateMs}) => lateMs));
    t.is(readdirSync(join(out, '1')).length, 3);
  }
  const {code, stdout} = await batch;
  t.is(code, 0, stdout);
  const {done, failed, replicas, disagreements, errors} = JSON.parse(stdout) as Shown;
  t.deepEqual(
    {done, failed, replicas, disagreements, errors},
    {done: 500, failed: 0, replicas: 1_000, disagreements: 0, errors: 0},
    'no lease ran out by a clock that was set',
  );
  t.true(setsUnderWork >= 2, 'the work was over too early');
  t.log(`clocks were set ${setsUnderWork} times before the batch ended`);
  t.log(
    `${late.length} shots while clocks were set, at most ${Math.max(...late).toFixed(0)} ms late`,
  );
  for (const each of processes) t.is(each.process.exitCode, null);
});
