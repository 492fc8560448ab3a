// How much memory a process and all that it started hold now, by /proc. Where there is no /proc nobody is
// measured, and the limits of the kernel are all there is.

import {readFileSync} from 'node:fs';

/** A tree with more processes is not walked to its end. */
const PROCESSES_MAX = 64;

const read = (path: string): string => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // It has ended, or there is no /proc.
    return '';
  }
};

const residentPages = (pid: number | 'self'): number =>
  Number(read(`/proc/${pid}/statm`).split(' ')[1] ?? 0);

/** 4 KiB on most machines, 16 on a Raspberry Pi 5: by what we know of ourselves in bytes. */
function pageBytes(): number {
  const pages = residentPages('self');
  if (pages === 0) return 4_096;
  return 2 ** Math.round(Math.log2(process.memoryUsage.rss() / pages));
}
let knownPageBytes: number | undefined;

/** The process and its descendants, as far as they are still there. */
export function processTree(pid: number): number[] {
  const tree = [pid];
  for (let i = 0; i < tree.length && tree.length < PROCESSES_MAX; i++) {
    const children = read(`/proc/${tree[i]}/task/${tree[i]}/children`);
    for (const child of children.split(' ')) if (child !== '') tree.push(Number(child));
  }
  return tree;
}

/** Resident bytes of a process and its descendants; 0 when they are gone or cannot be measured. */
export function residentBytes(pid: number): number {
  knownPageBytes ??= pageBytes();
  const pages = processTree(pid).reduce((sum, one) => sum + residentPages(one), 0);
  return pages * knownPageBytes;
}
