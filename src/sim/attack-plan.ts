// Who attacks in a run: drawn from dice of its own, so that a seed's cluster, network and faults are the same
// with and without attackers. Each class is off in half of the seeds.

import {Prng} from '../base/prng.ts';
import {between} from './dice.ts';
import {LIARS, MISDEEDS, type Misdeed} from './misdeeds.ts';
import type {BatchPlan, Plan} from './plan.ts';
import type {NodePlan} from './sim-node.ts';

export type AttackPlan = {
  /** Strangers on the wire, 0 … 2. */
  readonly outsiders: number;
  /** Mean time between two deeds of one outsider, and of bad nodes. Milliseconds. */
  readonly deedMs: number;
  /** Somebody sits in the cable of this node, by its place in the plan; undefined = nobody. */
  readonly middle: number | undefined;
};

/** Any number: it only keeps these dice from those of planOf(). */
const APART = 0x0a77ac4;

/** Long enough to be trusted where redundancy is adaptive. Without dice, as the choice of batches below. */
const HONEST_FOR = 31;

/** Those that tell the truth about what they computed. */
const OTHERS = MISDEEDS.slice(LIARS.length);

export const isBad = ({profile, misdeed}: NodePlan): boolean =>
  misdeed !== undefined || (profile !== 'honest' && profile !== 'slow');

/** The same cluster and the same faults, and nobody who means harm. */
export function peaceful({attack: _, ...plan}: Plan): Plan {
  return {...plan, nodes: plan.nodes.map(({misdeed: _misdeed, ...node}) => node)};
}

/** Adds attackers to a plan, never so many that a quorum and a majority of honest nodes are missing. */
export function withAttack(plan: Plan, quorum: number): Plan {
  const prng = new Prng(plan.seed ^ APART);
  const calm = prng.chance(1 / 3);
  const on = (): boolean => prng.chance(0.75);
  const liars = on();
  const bad = on();
  const insider = on();
  const outsiders = on() ? between(prng, 1, 2) : 0;
  const middle = on() ? prng.below(plan.nodes.length) : undefined;
  const deedMs = between(prng, 50, 600);
  if (calm || plan.nodes.length > 64) return plan;
  const nodes = [...plan.nodes];
  // Some never come back after the heal: those that do must be a quorum, and more than all bad ones.
  const living = nodes.slice(0, nodes.length - plan.deadAfterHeal);
  const good = living.filter(node => !isBad(node)).length - (plan.revokes?.length ?? 0);
  const bad0 = nodes.filter(isBad).length;
  let room = Math.min(good - quorum, Math.floor((good - bad0 - 1) / 2));
  const spoil = (misdeed: Misdeed): void => {
    const honest = nodes.flatMap((node, i) => (isBad(node) ? [] : [i]));
    const i = honest.length > 0 && room > 0 ? prng.pick(honest) : undefined;
    const node = i === undefined ? undefined : nodes[i];
    if (i === undefined || node === undefined) return;
    nodes[i] = {...node, misdeed, ...sleepOf(misdeed, plan.seed + i)};
    room -= 1;
  };
  const others = bad ? between(prng, 1, 4) : 0;
  const wanted: Misdeed[] = [
    ...(insider ? ['insider' as const] : []),
    ...(liars ? drawLiars(prng, nodes, quorum) : []),
    ...Array.from({length: others}, () => prng.pick(OTHERS)),
  ];
  // There is seldom room for all of them: the first ones must not always be liars.
  while (wanted.length > 0 && room > 0)
    for (const misdeed of wanted.splice(prng.below(wanted.length), 1)) spoil(misdeed);
  const attacks = outsiders > 0 || middle !== undefined || nodes.some(({misdeed}) => misdeed);
  const batches = sleep(nodes) ? plan.batches.map(batch => trusting(batch, quorum)) : plan.batches;
  return attacks ? {...plan, nodes, batches, attack: {outsiders, deedMs, middle}} : plan;
}

const sleepOf = (misdeed: Misdeed, number: number): Pick<NodePlan, 'honestFor'> =>
  misdeed === 'sleeper' || misdeed === 'plotter' ? {honestFor: number % HONEST_FOR} : {};

const sleep = (nodes: readonly NodePlan[]): boolean =>
  nodes.some(({honestFor}) => honestFor !== undefined);

/** Who lies after a while is for those who trust after a while. */
function trusting(batch: BatchPlan, quorum: number): BatchPlan {
  const {request} = batch;
  const {policy} = request;
  if (quorum === 1) return batch;
  return {...batch, request: {...request, policy: {...policy, redundancy: 'adaptive'}}};
}

/** Friends, one fewer than the quorum at most, and others who lie alone: as many as there is room for. */
function drawLiars(prng: Prng, nodes: readonly NodePlan[], quorum: number): Misdeed[] {
  const colluding = nodes.filter(({profile}) => profile === 'colluding').length;
  const friends = Math.max(0, quorum - 1 - colluding);
  const plotters = prng.chance(0.5) ? friends : 0;
  const alone = LIARS.filter(misdeed => misdeed !== 'plotter');
  return [
    ...Array.from({length: plotters}, () => 'plotter' as const),
    ...Array.from({length: between(prng, 2, 5)}, () => prng.pick(alone)),
  ];
}
