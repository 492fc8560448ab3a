// Engines for tests of containers. `standIn` is a program named podman that takes the same words and does the same with
// plain processes: they are no children of its client either, and are ended, stopped and found by name. It
// confines nothing. `realEngine` is what this machine has, with an image of busybox in a storage of its own.

import {execFileSync} from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {findContainers} from '../../src/io/containers.ts';
import type {Containers} from '../../src/io/runner-container.ts';
import {temporaryFolder} from '../rig/folders.ts';
import {isAlive} from './runner-rig.ts';

export const IMAGE = 'localhost/volley-test:1';
const BUSYBOX = '/bin/busybox';

export type Engine = {
  readonly containers: Containers;
  /** Of the node: what it leaves behind is found by it. */
  readonly dir: string;
  readonly env: Readonly<Record<string, string>>;
  /** Names or ids of the containers that there are. */
  readonly list: () => string[];
  /** Those of them that stand still. */
  readonly still: () => string[];
};

const SCRIPT = (state: string): string => `#!/bin/sh
state=${state}
word=$1; shift
echo "$word $*" >>$state/log
case $word in
version) cat $state/version ;;
run)
  while [ $# -gt 0 ]; do
    case $1 in
    --name) name=$2; shift 2 ;;
    --rootfs) echo "no such program" >&2; exit $(cat $state/probe) ;;
    ${IMAGE}) shift; break ;;
    localhost/*) echo "Error: $1: image not known" >&2; exit 125 ;;
    *) shift ;;
    esac
  done
  exec 3<&0
  setsid "$@" <&3 & pid=$!
  echo $pid >$state/containers/$name
  wait $pid; code=$?
  rm -f $state/containers/$name
  exit $code ;;
ps) ls $state/containers ;;
pause | unpause)
  [ -f $state/containers/$1 ] || { echo "no such container" >&2; exit 125; }
  signal=STOP; [ $word = unpause ] && signal=CONT
  kill -$signal -$(cat $state/containers/$1) ;;
rm)
  shift
  for name; do
    [ -f $state/containers/$name ] || continue
    kill -KILL -$(cat $state/containers/$name) || exit 1
    rm -f $state/containers/$name
  done ;;
*) echo "unknown word $word" >&2; exit 125 ;;
esac
`;

export type StandIn = {
  readonly dir: string;
  readonly env: Readonly<Record<string, string>>;
  /** What it was called with, a line for each call. */
  readonly calls: () => string[];
  readonly list: () => string[];
  readonly still: () => string[];
  /** The exit code of the next probes; a healthy engine gives 127. */
  readonly answer: (code: number) => void;
};

export function standIn(): StandIn {
  const dir = temporaryFolder('engine');
  mkdirSync(join(dir, 'containers'));
  mkdirSync(join(dir, 'bin'));
  writeFileSync(join(dir, 'version'), '0.0.0-stand-in\n');
  writeFileSync(join(dir, 'log'), '');
  const answer = (code: number): void => writeFileSync(join(dir, 'probe'), String(code));
  answer(127);
  const program = join(dir, 'bin', 'podman');
  writeFileSync(program, SCRIPT(dir));
  chmodSync(program, 0o755);
  const lines = (text: string): string[] => text.split('\n').filter(line => line !== '');
  return {
    dir,
    env: {PATH: `${join(dir, 'bin')}:/usr/bin:/bin`, HOME: dir, SECRET: 'of the node'},
    calls: () => lines(readFileSync(join(dir, 'log'), 'utf8')),
    list: () => readdirSync(join(dir, 'containers')).filter(name => isAlive(pidOf(dir, name))),
    still: () => readdirSync(join(dir, 'containers')).filter(name => isStopped(pidOf(dir, name))),
    answer,
  };
}

/** 0 = it has ended meanwhile. */
function pidOf(dir: string, name: string): number {
  try {
    return Number(readFileSync(join(dir, 'containers', name), 'utf8'));
  } catch {
    return 0;
  }
}

function isStopped(pid: number): boolean {
  try {
    return /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Podman, where it runs here; else why it does not, in its own words. */
export async function realEngine(): Promise<Engine | {readonly reason: string}> {
  if (!existsSync(BUSYBOX)) return {reason: 'needs /bin/busybox (apt install busybox-static)'};
  const dir = temporaryFolder('podman');
  const [root, conf, storage] = ['image', 'containers.conf', 'storage.conf'].map(x => join(dir, x));
  if (!root || !conf || !storage) return {reason: 'no folder'};
  // Where crun is not at ease (cgroups of two versions at once) runc may be.
  const hasRunc = existsSync('/usr/bin/runc') || existsSync('/usr/sbin/runc');
  writeFileSync(conf, hasRunc ? '[engine]\nruntime = "runc"\n' : '');
  const [graph, run] = [join(dir, 'graph'), join(dir, 'run')];
  const text = `[storage]\ndriver = "vfs"\ngraphroot = "${graph}"\nrunroot = "${run}"\n`;
  writeFileSync(storage, text);
  const env = {
    ...{PATH: process.env['PATH'] ?? '', HOME: dir, TMPDIR: dir},
    ...{CONTAINERS_CONF: conf, CONTAINERS_STORAGE_CONF: storage},
  };
  const images = ['localhost/volley-*', 'localhost/other:1'];
  const found = await findContainers({engine: 'podman', images}, dir, env);
  if (!found.containers) return {reason: found.about};
  const podman = (...args: string[]): string =>
    execFileSync('podman', args, {env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe']});
  mkdirSync(join(root, 'bin'), {recursive: true});
  copyFileSync(BUSYBOX, join(root, 'bin/busybox'));
  symlinkSync('busybox', join(root, 'bin/sh'));
  execFileSync('tar', ['-cf', join(dir, 'image.tar'), '-C', root, '.']);
  try {
    podman('import', '-q', join(dir, 'image.tar'), IMAGE);
  } catch (error) {
    return {reason: error instanceof Error ? error.message : String(error)};
  }
  const ids = (...filter: string[]): string[] => podman('ps', '-aq', ...filter).split('\n');
  const some = (...filter: string[]) => ids(...filter).filter(id => id !== '');
  const still = () => some('--filter', 'status=paused');
  return {containers: found.containers, dir, env, list: () => some(), still};
}
