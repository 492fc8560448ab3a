// A disk that is full while pictures are taken, at a node and at the master: the capture says so and ends, nothing is
// lost that was signed, and the next one is whole when there is room again.

import {execFileSync} from 'node:child_process';
import {mkdirSync, rmSync, statfsSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import test, {type ExecutionContext} from 'ava';
import type {CaptureView} from '../../src/core/views.ts';
import {
  type Cluster,
  masterFlags,
  newCluster,
  nodeFlags,
  shownJoin,
  start,
  type Teardown,
  type Volley,
  volley,
} from '../cli/rig.ts';

const MIB = 1_024 * 1_024;
/** What stays free, `--min-free`; a picture takes some KiB. */
const FLOOR_MIB = 4;

/** Longer than from one look at the disk to the next. */
const SLOW = {command: ['sh', '-c', 'sleep 0.7; echo picture > "$1"', 'sh', '{file}']};

/** A disk of so many MiB in place of this folder, with what is in it; false where we may not mount one. */
function onSmallDisk(t: Teardown, folder: string, mib: number): boolean {
  const aside = `${folder}-before`;
  mkdirSync(folder, {recursive: true, mode: 0o700});
  execFileSync('cp', ['-a', folder, aside]);
  const options = ['-t', 'tmpfs', '-o', `size=${mib}m,mode=700`, 'tmpfs', folder];
  try {
    execFileSync('mount', options, {stdio: 'ignore'});
  } catch {
    return false;
  }
  t.teardown(() => execFileSync('umount', ['-l', folder]));
  execFileSync('cp', ['-a', `${aside}/.`, folder]);
  return true;
}

/** Takes all room but half a MiB. @returns gives it back */
function fill(folder: string): () => void {
  const path = join(folder, 'ballast');
  const {bavail, bsize} = statfsSync(folder);
  writeFileSync(path, new Uint8Array(bavail * bsize - MIB / 2));
  return () => rmSync(path);
}

const says = async (program: Volley, text: RegExp, from: number): Promise<void> => {
  while (!text.test(program.stderr.slice(from))) {
    if (program.process.exitCode !== null) throw new Error(`it ended: ${program.stderr}`);
    await sleep(50);
  }
};

type Ended = {readonly code: number | null; readonly view: CaptureView};

class Captures {
  #last = 0;
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  async #ask<T>(
    args: readonly (string | number)[],
    otherwise?: T,
  ): Promise<{code: number | null; value: T}> {
    const {code, stdout, stderr} = await volley([...args, '--json', '--data', this.#cluster.data]);
    if (stdout.startsWith('{')) return {code, value: JSON.parse(stdout) as T};
    if (otherwise === undefined) throw new Error(stderr);
    return {code, value: otherwise};
  }

  async fire(action = 'testcard'): Promise<Ended> {
    this.#last += 1;
    const out = join(this.#cluster.dir, `scan-${this.#last}`);
    const flags = ['--action', action, '--at', '+1s', '--out', out];
    const {code, value} = await this.#ask<CaptureView>(['capture', ...flags]);
    return {code, view: value};
  }

  /** What is known of the last one when both nodes have said what they did. */
  async said(): Promise<CaptureView> {
    for (;;) {
      const {value} = await this.#ask(['capture', 'show', this.#last], {rows: []} as never);
      const {rows} = value as CaptureView;
      if (rows.length === 2 && rows.every(({verdict}) => verdict !== 'waiting')) return value;
    }
  }
}

async function fullNode(t: ExecutionContext, captures: Captures, node: Volley, disk: string) {
  const {view: slow} = await captures.fire('slow');
  t.is(
    slow.rows.find(({name}) => name === 'small')?.verdict,
    'fired',
    'more is free than it asks for',
  );
  const from = node.stderr.length;
  const giveBack = fill(disk);
  await says(node, /nearly full/, from);
  const {code, view} = await captures.fire();
  t.is(code, 1);
  const by = new Map(view.rows.map(({name, verdict, reason}) => [name, `${verdict} ${reason}`]));
  t.is(by.get('large'), 'fired ');
  t.regex(by.get('small') ?? '', /^failed the disk of this node is nearly full/);
  giveBack();
  await says(node, /room again/, from);
  t.is((await captures.fire()).code, 0, 'the next one is whole');
}

async function fullMaster(t: ExecutionContext, captures: Captures, master: Volley, disk: string) {
  const from = master.stderr.length;
  const giveBack = fill(disk);
  await says(master, /nearly full/, from);
  const waiting = captures.fire();
  const {rows} = await captures.said();
  const collected = rows.map(({verdict, files}) => [verdict, files.map(file => file.collected)]);
  const kept = ['fired', [false]];
  t.deepEqual(collected, [kept, kept], 'the pictures stay where they are');
  t.is(master.process.exitCode, null);
  giveBack();
  t.is((await waiting).code, 0, 'and are brought when there is room');
  t.is((await captures.fire()).code, 0);
}

test('pictures of a node and of a master whose disk is full', async t => {
  t.timeout(170_000);
  const cluster = await newCluster(t);
  const disk = join(cluster.dir, 'small');
  if (!onSmallDisk(t, cluster.data, 40) || !onSmallDisk(t, disk, 16)) {
    t.log('skipped: mounting a small tmpfs needs root');
    return t.pass();
  }
  writeFileSync(join(disk, 'node.json'), JSON.stringify({actions: {slow: SLOW}}), {mode: 0o600});
  const free = ['--min-free', FLOOR_MIB];
  const master = start(t, ['master', ...masterFlags(cluster), ...free]);
  await master.says('volley node --join');
  const joined = ['--join', shownJoin(master), '--slots', 1, ...free];
  const nodes = ['small', 'large'].map(name =>
    start(t, ['node', ...nodeFlags(cluster, name), ...joined]),
  );
  for (const node of nodes) await node.says('joined');
  const captures = new Captures(cluster);
  while ((await captures.fire()).code !== 0) await sleep(200); // both know the time
  await fullNode(t, captures, nodes[0] as Volley, disk);
  await fullMaster(t, captures, master, cluster.data);
});
