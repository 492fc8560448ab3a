// What a process used, and its runners beside it: read from /proc.

import {readdirSync, readFileSync} from 'node:fs';

/** USER_HZ: ticks of /proc/<pid>/stat in a second, 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

export type Usage = {
  /** User and system time, microseconds. */
  readonly cpuUs: number;
  readonly runnersCpuUs: number;
  readonly residentBytes: number;
  /** The most that was ever resident. */
  readonly peakBytes: number;
  /** Bytes that went to the disk, and were not taken back. */
  readonly writtenBytes: number;
};

export function usageOf(pid: number): Usage {
  return {
    cpuUs: cpuUsOf(pid),
    runnersCpuUs: childrenOf(pid).reduce((sum, child) => sum + cpuUsOf(child), 0),
    residentBytes: residentOf(pid, 'VmRSS'),
    peakBytes: residentOf(pid, 'VmHWM'),
    writtenBytes: Number(/^write_bytes: (\d+)/m.exec(read(pid, 'io'))?.[1] ?? 0),
  };
}

/** Bytes of memory that are this process's and its children's alone, and their part of what they share (PSS). */
export const memoryOf = (pid: number): number =>
  [pid, ...childrenOf(pid)].reduce((sum, one) => sum + pssOf(one), 0);

const pssOf = (pid: number): number =>
  Number(/^Pss:\s+(\d+) kB/m.exec(read(pid, 'smaps_rollup'))?.[1] ?? 0) * 1_024;

function cpuUsOf(pid: number): number {
  const stat = read(pid, 'stat');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS_PER_SECOND;
}

const residentOf = (pid: number, what: 'VmRSS' | 'VmHWM'): number =>
  Number(new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(read(pid, 'status'))?.[1] ?? 0) * 1_024;

function childrenOf(pid: number): number[] {
  return tasksOf(pid).flatMap(task => {
    const text = read(pid, `task/${task}/children`).trim();
    return text === '' ? [] : text.split(' ').map(Number);
  });
}

/** Of a process that has ended: none. */
function tasksOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
