// A room with machines of two kinds, and a batch whose policy is homogeneous.

import type {BatchId} from '../../src/base/types.ts';
import {notesOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {inline, type TestNode, type Work} from './test-node.ts';

export const rangeOf = (count: number) =>
  ({kind: 'range', start: 0, end: count, chunk: 1}) as const;
export const BY_ARCH = {homogeneous: 'arch'} as const;
export const ARM = {arch: 'arm64', engine: 'node-20.20.2/v8-11.3'};
export const X64 = {arch: 'x64', engine: 'node-20.20.2/v8-11.3'};

/** So many of each: a1 … on arm64, x1 … on x64. */
export function room(arms: number, xs: number): {rig: MasterRig; arm: TestNode[]; x64: TestNode[]} {
  const rig = MasterRig.ready();
  const of = (count: number, name: string, machine: typeof ARM): TestNode[] =>
    Array.from({length: count}, (_, i) => rig.node(`${name}${i + 1}`, machine));
  return {rig, arm: of(arms, 'a', ARM), x64: of(xs, 'x', X64)};
}

/** Results as they come out on a machine. */
export const by =
  (machine: string) =>
  ({index}: Work) =>
    inline(`${machine} ${index}`);

/** So long, with a pull that wants nothing every second of those that live. */
export function live(rig: MasterRig, ms: number, ...nodes: TestNode[]): string[] {
  const notes: string[] = [];
  for (let at = 0; at < ms; at += 1_000) {
    notes.push(...notesOf(rig.pass(1_000)));
    for (const node of nodes) rig.pull(node, 0);
  }
  return notes;
}

/** One of arm64 has returned the only workunit, and all of arm64 are silent from now on. */
export function stuck(): {rig: MasterRig; id: BatchId; a1: TestNode; x64: TestNode[]} {
  const {rig, arm, x64} = room(2, 2);
  const id = rig.submit(BY_ARCH, rangeOf(1));
  const [a1] = arm as [TestNode];
  rig.report(a1, rig.pull(a1), by('arm'));
  return {rig, id, a1, x64};
}
