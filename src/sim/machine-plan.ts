// Which machines the nodes of a seed are. Dice of its own: what the seed draws beside it stays. Most are of one kind, so
// that after the heal a quorum and a majority of honest ones of that kind are left.

import {Prng} from '../base/prng.ts';
import {isBad} from './attack-plan.ts';
import type {Plan} from './plan.ts';
import type {NodePlan} from './sim-node.ts';

/** Processor and engine of a machine. */
export type MachinePlan = {readonly arch: string; readonly engine: string};

/** The usual one first. */
export const MACHINES: readonly [MachinePlan, ...MachinePlan[]] = [
  {arch: 'arm64', engine: 'sim'},
  {arch: 'x64', engine: 'sim'},
  {arch: 'arm64', engine: 'sim-2'},
];

/** Nodes of plans that were written down before are of the usual kind. */
export const machineAt = ({machine}: Pick<NodePlan, 'machine'>): MachinePlan =>
  machine ?? MACHINES[0];

const SALT = 0xa4c4;

/** All alike in a third of the seeds. */
export function withMachines(plan: Plan, quorum: number): Plan {
  const prng = new Prng(plan.seed + SALT);
  if (prng.chance(1 / 3)) return plan;
  const gone = new Set((plan.revokes ?? []).map(({nodeNo}) => nodeNo));
  const livingNos = plan.nodes.length - plan.deadAfterHeal;
  const isKept = (node: NodePlan, i: number): boolean =>
    !isBad(node) && !gone.has(i + 1) && i < livingNos;
  const bad = plan.nodes.filter(isBad).length;
  let spare = plan.nodes.filter(isKept).length - Math.max(quorum, bad + 1);
  const nodes = plan.nodes.map((node, i) => {
    const machine = prng.pick(MACHINES);
    if (!prng.chance(0.6) || machine === MACHINES[0]) return node;
    if (!isKept(node, i)) return {...node, machine};
    if (spare <= 0) return node;
    spare -= 1;
    return {...node, machine};
  });
  return {...plan, nodes};
}

export const hasOthers = (nodes: readonly NodePlan[]): boolean =>
  nodes.some(({machine}) => machine !== undefined);
