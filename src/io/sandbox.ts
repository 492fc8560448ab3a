// What the system puts around a runner process, beside what the process does to itself: limits of the
// kernel, a user of its own, namespaces by bubblewrap. What of it works here is found out once, by trying
// (sandbox-probe.ts), and told as a level:
//
//   0  a process of its own, with an empty environment and no more
//   1  limits of the kernel: no file written, few files open, no core dump, bounded memory, the first to be
//      ended when memory runs out; where the node is root, a user without rights
//   2  namespaces: no network, no other process, no file but our code and the system's libraries
//   3  both: level 2 as a user of its own, which only a node that is root can give
//
// Each layer is a command in front of the next, so that nothing is left to race: the limits hold before the
// first instruction of the runner.

import {type ChildProcess, spawn} from 'node:child_process';
import {accessSync, constants, lstatSync, readlinkSync} from 'node:fs';
import {delimiter, join} from 'node:path';
import {KIB, MIB} from '../base/units.ts';
import {BLOB_BYTES_MAX} from '../wire/limits.ts';

export type SandboxLevel = 0 | 1 | 2 | 3;

/** Where a runner starts and how much it may take. */
export type Place = {
  /** Its working directory, which is there; in namespaces it is an empty one instead. */
  readonly dir: string;
  /** 0 (as we) … 19 (only what is left over). */
  readonly niceness: number;
  /** Of the app: what the module's memory may grow to. */
  readonly memoryMib: number;
  /** Files and folders that it has to read. */
  readonly readable: readonly string[];
};

export type Jail = {
  readonly level: SandboxLevel;
  /** For the log. */
  readonly about: string;
  /** Number of the user it starts a runner as, when that is another than ours. */
  readonly user?: number;
  /** Starts a program with four pipes: the three of every process, and one that ends when we do. */
  start(argv: readonly string[], place: Place): ChildProcess;
};

/** What an engine takes beside the memory of its module: code, threads, buffers of input and output. */
const ENGINE_BYTES = 512 * MIB;
const FILES_MAX = 64;
/** Of one user, so this is a limit for forks without end and no more. */
const PROCESSES_MAX = 4_096;
const OOM_SCORE = 800;
const NOBODY = 65_534;

/**
 * Neither the address space (V8 reserves 12 GB and uses 60 MB of it) nor the processor's time (a runner is
 * used again and again) can be limited this way; what is private and can be written to can be.
 */
const LIMITS_SCRIPT = [
  `echo ${OOM_SCORE} 2>/dev/null >/proc/self/oom_score_adj`,
  'ulimit -c 0 && ulimit -f 0 && ulimit -d "$1"',
  `ulimit -n ${FILES_MAX} || exit 1`,
  // Another letter in another shell.
  `ulimit -p ${PROCESSES_MAX} 2>/dev/null || ulimit -u ${PROCESSES_MAX} 2>/dev/null`,
  'niceness=$2; shift 2; exec nice -n "$niceness" "$@"',
].join('\n');

const withLimits = (argv: readonly string[], {niceness, memoryMib}: Place): string[] => {
  const kib = (memoryMib * MIB + BLOB_BYTES_MAX + ENGINE_BYTES) / KIB;
  return ['/bin/sh', '-c', LIMITS_SCRIPT, 'sh', String(kib), String(niceness), ...argv];
};

/** Where the loader finds libraries; what is a link on this system is one in the namespace, too. */
const LIBRARIES = ['/usr/lib', '/usr/lib32', '/usr/lib64', '/lib', '/lib32', '/lib64'];

/** The same path inside; a link stays a link, so that it leads where it did. */
function bound(path: string): string[] {
  const found = lstatSync(path, {throwIfNoEntry: false});
  if (found === undefined) return [];
  return found.isSymbolicLink()
    ? ['--symlink', readlinkSync(path), path]
    : ['--ro-bind', path, path];
}

/** Empty, in memory, and nothing can be written to it either: the limits forbid files of any size. */
const WORK_DIR = '/run/volley';

const inNamespaces = (bwrap: string, argv: readonly string[], {readable}: Place): string[] => [
  bwrap,
  ...['--unshare-all', '--die-with-parent', '--new-session', '--clearenv'],
  ...['--cap-drop', 'ALL', '--hostname', 'volley', '--tmpfs', WORK_DIR],
  ...[...LIBRARIES, ...readable].flatMap(bound),
  ...['--chdir', WORK_DIR, '--remount-ro', '/', '--'],
  ...argv,
];

type Layers = {
  readonly limits: boolean;
  readonly ownUser: boolean;
  readonly bwrap: string | undefined;
};

function jailOf({limits, ownUser, bwrap}: Layers): Jail {
  const names = [
    bwrap === undefined ? '' : 'namespaces',
    ownUser ? 'own user' : '',
    limits ? 'kernel limits' : '',
  ].filter(name => name !== '');
  let level: SandboxLevel = limits ? 1 : 0;
  if (bwrap !== undefined) level = ownUser ? 3 : 2;
  return {
    level,
    about: names.length === 0 ? 'a process of its own' : names.join(', '),
    ...(ownUser ? {user: NOBODY} : {}),
    start: (argv, place) => {
      const inner = bwrap === undefined ? argv : inNamespaces(bwrap, argv, place);
      const [file = '', ...args] = limits ? withLimits(inner, place) : inner;
      return spawn(file, args, {
        cwd: place.dir,
        env: {},
        stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
        ...(ownUser ? {uid: NOBODY, gid: NOBODY} : {}),
      });
    },
  };
}

/** No layer at all: always works. */
export const NO_JAIL: Jail = jailOf({limits: false, ownUser: false, bwrap: undefined});

/** Program of this name in PATH; undefined when there is none. */
export function findProgram(name: string, path = process.env['PATH'] ?? ''): string | undefined {
  for (const folder of path.split(delimiter)) {
    // A relative folder would be another one for each working directory.
    if (!folder.startsWith('/')) continue;
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // not here
    }
  }
  return undefined;
}

/** What may work on this machine, best first; each has to be tried. */
export function possibleJails(bwrap = findProgram('bwrap')): readonly Jail[] {
  if (process.platform !== 'linux') return [];
  const isRoot = process.getuid?.() === 0;
  const users = isRoot ? [true, false] : [false];
  const programs = bwrap === undefined ? [undefined] : [bwrap, undefined];
  return programs.flatMap(program =>
    users
      // Limits do not hold root: it may raise them again.
      .filter(ownUser => program !== undefined || ownUser || !isRoot)
      .map(ownUser => jailOf({limits: true, ownUser, bwrap: program})),
  );
}
