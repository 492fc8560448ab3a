// Clocks that somebody sets while work is on its way: an hour on, a year back, 1970. Leases and instants count on
// clocks that nobody can set; what people read follows the clock of the machine.

import {existsSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import test, {type ExecutionContext} from 'ava';
import {
  type Cluster,
  type Ended,
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
type Manifest = {
  readonly rows: readonly {
    readonly verdict: string;
    readonly reason: string;
    readonly lateMs: number;
  }[];
};

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

/** How late those were that fired: all, but for nodes that measure the master's clock anew and fire nothing then. */
function firedIn(t: ExecutionContext, shot: Ended, out: string): number[] {
  const {rows} = JSON.parse(shot.stdout) as Manifest;
  const fired = rows.filter(({verdict}) => verdict === 'fired');
  for (const {verdict, reason} of rows)
    t.true(verdict === 'fired' || /clock of the master is not known/.test(reason), reason);
  t.is(shot.code, fired.length === rows.length ? 0 : 1);
  const files = existsSync(join(out, '1')) ? readdirSync(join(out, '1')) : [];
  const pictures = files.filter(name => !name.endsWith('.json')); // each has a note of its shot beside it
  t.is(pictures.length, fired.length, files.join(' '));
  return fired.map(({lateMs}) => lateMs);
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
    ...['batch', 'submit', 'primes', '--range', '0..6_000_000_000', '--chunk', 12_000_000],
    ...['--wait', ...operate],
  ]);
  let sets = 0;
  let setsUnderWork = 0;
  void batch.then(() => {
    setsUnderWork = sets;
  });
  const late: number[] = [];
  const fire = ['capture', '--action', 'testcard', '--at', '+1s', ...operate];
  for (const [i, time] of TIMES.entries()) {
    for (const [j, each] of clocks.entries())
      each.set(i === TIMES.length - 1 ? '+0' : (TIMES[(i + j) % TIMES.length] ?? time));
    sets += 1;
    await sleep(400);
    const out = join(folder, `shots-${i}`);
    const shot = await volley([...fire, '--out', out]);
    late.push(...firedIn(t, shot, out));
  }
  t.true(late.length > TIMES.length, 'hardly anything was fired');
  const {code, stdout} = await batch;
  t.is(code, 0, stdout);
  const {done, failed, replicas, disagreements, errors} = JSON.parse(stdout) as Shown;
  t.deepEqual(
    {done, failed, disagreements, errors},
    {done: 500, failed: 0, disagreements: 0, errors: 0},
  );
  // A busy machine may keep a node silent for three heartbeats: those leases go to others, and are counted.
  const given = [...(processes[0]?.stderr ?? '').matchAll(/node is silent .*leases=(\d+)/g)];
  const again = given.reduce((sum, [, leases]) => sum + Number(leases), 0);
  // What ran while a clock was set is suspicious: one more node computes each of them (master/suspicion.ts).
  const most = 1_000 + again + 10 * (setsUnderWork + 1) * (processes.length - 1);
  t.true(replicas >= 1_000 && replicas <= most, `${replicas} replicas, at most ${most}`);

  t.true(setsUnderWork >= 2, 'the work was over too early');
  t.log(`clocks were set ${setsUnderWork} times before the batch ended`);
  t.log(
    `${late.length} shots while clocks were set, at most ${Math.max(...late).toFixed(0)} ms late`,
  );
  for (const each of processes) t.is(each.process.exitCode, null);
});
