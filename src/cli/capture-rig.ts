// What a capture takes of a rig file: flags that were not given, and where each node stands, which goes into
// sidecars and manifest.

import type {NodeId} from '../base/types.ts';
import type {Position, Rig} from '../core/rig-plan.ts';
import type {NodeView} from '../core/views.ts';
import type {Given, OptionSpec} from './command.ts';

export const RIG_OPTION: OptionSpec = {
  flag: '--rig <file>',
  text: 'a rig file: flags that are not given here, and where each node stands',
};

/** What steps say themselves. */
const ONE_ACTION = ['action', 'arg', 'burst', 'sweep'];

/** As it is written beside the files; nobody has signed it. */
export type CaptureRig = {
  readonly name: string;
  readonly positions: ReadonlyMap<NodeId, Position>;
};

/** Looked at before anything is fired. */
export async function withRig(
  typed: Given,
): Promise<{readonly given: Given; readonly rig: Rig | undefined}> {
  const path = typed.text('rig');
  if (path === undefined) return {given: typed, rig: undefined};
  const {readRig} = await import('./rig-file.ts');
  const rig = await readRig(path);
  const flags = new Map(rig.capture);
  if (typed.flag('now')) for (const other of ['at', 'sweep']) flags.delete(other);
  if (typed.flag('at') || typed.flag('sweep')) flags.delete('now');
  if (typed.flag('action')) flags.delete('step');
  if (typed.flag('step')) for (const other of ONE_ACTION) flags.delete(other);
  return {given: typed.over(flags), rig};
}

export async function captureRigOf(
  rig: Rig | undefined,
  nodes: readonly Pick<NodeView, 'nodeId' | 'name'>[],
): Promise<CaptureRig | undefined> {
  if (rig === undefined) return undefined;
  const {positionsOf} = await import('../core/rig-plan.ts');
  return {name: rig.name, positions: positionsOf(rig, nodes)};
}
