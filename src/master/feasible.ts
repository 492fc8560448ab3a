// Can a batch ever meet its policy with the nodes that are known? Pure: values in, a sentence out, for whoever
// submits and for whoever wonders why nothing moves. '' = it can, now.

import type {NodeId} from '../base/types.ts';
import {grantText, isGranted} from '../core/grants.ts';
import type {BatchTarget} from '../core/operator-rows.ts';
import type {BatchRow} from '../core/tables.ts';
import {machineOf} from './homogeneous.ts';

/** What counts of a node here. */
export type Candidate = {
  readonly nodeId: NodeId;
  readonly labels: readonly string[];
  readonly arch: string;
  readonly memoryMib: number;
  readonly cores: number;
  readonly engine: string;
  readonly runtimes: readonly string[];
  readonly actions: readonly string[];
  readonly isMember: boolean;
  readonly up: boolean;
  /** An operator keeps it from work. */
  readonly isHeld: boolean;
};

export type Wish = Pick<BatchRow, 'runtime' | 'action' | 'policy' | 'target'>;

/** Empty lists choose nothing out; of labels and of ids any one will do, and both must fit. */
export const isAimedAt = (
  {labels = [], nodes = [], archs = [], memoryMib = 0, cores = 0}: BatchTarget,
  node: Pick<Candidate, 'nodeId' | 'labels' | 'arch' | 'memoryMib' | 'cores'>,
): boolean =>
  node.memoryMib >= memoryMib &&
  node.cores >= cores &&
  (labels.length + nodes.length === 0 ||
    nodes.includes(node.nodeId) ||
    labels.some(label => node.labels.includes(label))) &&
  (archs.length === 0 || archs.includes(node.arch));

/** How far a node comes; each needs the ones before. */
const STAGES = ['known', 'aimed', 'able', 'up', 'free'] as const;
type Stage = (typeof STAGES)[number];

function* stagesOf(wish: Wish, node: Candidate): Generator<Stage> {
  if (!node.isMember) return;
  yield 'known';
  if (wish.target && !isAimedAt(wish.target, node)) return;
  yield 'aimed';
  if (!node.runtimes.includes(wish.runtime)) return;
  if (!isGranted(wish.action, node.actions)) return;
  yield 'able';
  if (!node.up) return;
  yield 'up';
  if (!node.isHeld) yield 'free';
}

/** Is it a member that the batch aims at, and could run it when it is up? */
export function mayRun(wish: Wish, node: Candidate): boolean {
  for (const stage of stagesOf(wish, node)) if (stage === 'able') return true;
  return false;
}

/** Where the policy is homogeneous, the nodes of one kind of machine have to be enough. */
export function whatIsMissing(wish: Wish, nodes: Iterable<Candidate>): string {
  const counts: Record<Stage, number> = {known: 0, aimed: 0, able: 0, up: 0, free: 0};
  const kinds = new Map<string, number>();
  for (const node of nodes)
    for (const stage of stagesOf(wish, node)) {
      counts[stage] += 1;
      const kind = `${stage} ${machineOf(wish.policy, node)}`;
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
  const {minQuorum, homogeneous} = wish.policy;
  const short = STAGES.find(stage => counts[stage] < minQuorum);
  if (short !== undefined) return whatIsShort(wish, counts, short);
  const most = (stage: Stage): number =>
    Math.max(...[...kinds].map(([kind, count]) => (kind.startsWith(`${stage} `) ? count : 0)));
  const apart = STAGES.find(stage => most(stage) < minQuorum);
  if (apart === undefined) return '';
  const among = apart === 'known' || apart === 'aimed' || apart === 'able' ? '' : ' now';
  return (
    `needs ${minQuorum} different nodes of one ${homogeneous} (minQuorum, homogeneous), and of the ` +
    `${counts[apart]} that could run it${among} no more than ${most(apart)} are alike`
  );
}

function whatIsShort(wish: Wish, counts: Readonly<Record<Stage, number>>, short: Stage): string {
  const {minQuorum} = wish.policy;
  const wanted = minQuorum === 1 ? 'a node' : `${minQuorum} different nodes`;
  const count = counts[short];
  const are = `${count} of ${counts.known} known nodes ${count === 1 ? 'is' : 'are'}`;
  const what: Record<Stage, string> = {
    known: `${count} ${count === 1 ? 'has' : 'have'} joined`,
    aimed: `${are} what its target selects`,
    able:
      wish.action === ''
        ? `${are} able to run ${wish.runtime}`
        : `${are} ${grantText(wish.action)}`,
    up: `${are} up and could run it`,
    free: `${are} up and neither suspended, draining nor quarantined`,
  };
  return `needs ${wanted} (minQuorum), and ${what[short]}`;
}
