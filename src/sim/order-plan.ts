// What the operator of a seed orders beside its batches: what holds the work up for a while, sets it aside, begins it
// anew or has it gone. Dice of its own: what the seed draws beside it stays.

import {Prng} from '../base/prng.ts';
import type {HoldKind} from '../core/operator-rows.ts';
import {between} from './dice.ts';
import type {BatchPlan} from './plan.ts';

/** Nodes by their numbers, from 1 on; batches by their names. */
export type OrderPlan = {readonly at: number} & (
  | {readonly kind: 'pauseCluster'; readonly paused: boolean}
  | {readonly kind: 'suspendBatch' | 'resumeBatch'; readonly name: string}
  | {readonly kind: 'setPriority'; readonly name: string; readonly priority: number}
  | {readonly kind: 'cancelBatch' | 'retryBatch'; readonly name: string}
  | {readonly kind: 'deleteBatch'; readonly name: string; readonly force: boolean}
  | {
      readonly kind: 'holdNode';
      readonly nodeNo: number;
      readonly hold: HoldKind;
    }
  | {readonly kind: 'resumeNode'; readonly nodeNo: number}
  | {readonly kind: 'setAction'; readonly value: number}
  | {readonly kind: 'labelNode'; readonly nodeNo: number; readonly isGiven: boolean}
);

const SALT = 0x0de;
const SETTINGS_SALT = 0x5e7;
const ORDERS_MAX = 12;
const SETTINGS_ORDERS_MAX = 4;
const HOLDS = ['suspended', 'draining', 'quarantined'] as const;
/** The first ones find nodes and batches. */
const FIRST_MS = 2_000;

/** None in half of the seeds. Most of what is held is let go again; the rest is when the faults end. */
export function drawOrders(
  seed: number,
  nodeCount: number,
  batches: readonly BatchPlan[],
  safetyMs: number,
): OrderPlan[] {
  const prng = new Prng(seed + SALT);
  if (prng.chance(0.5)) return [];
  const orders: OrderPlan[] = [];
  for (let left = between(prng, 1, ORDERS_MAX); left > 0; left--) {
    const at = FIRST_MS + prng.fraction() * safetyMs;
    const until = prng.chance(0.7) ? at + prng.fraction() * (safetyMs - at) : safetyMs;
    const nodeNo = prng.below(nodeCount) + 1;
    const name = batches[prng.below(Math.max(1, batches.length))]?.request.name ?? '';
    orders.push(...drawOne(prng, {at, until, nodeNo, name}));
  }
  return orders.filter(({at}) => at < safetyMs);
}

/** Settings of the action of all nodes, in a quarter of the seeds; dice of their own again. */
export function drawSettings(seed: number, safetyMs: number): OrderPlan[] {
  const prng = new Prng(seed + SETTINGS_SALT);
  if (prng.chance(0.75)) return [];
  return Array.from({length: between(prng, 1, SETTINGS_ORDERS_MAX)}, () => {
    const at = FIRST_MS + prng.fraction() * (safetyMs - FIRST_MS);
    return {at, kind: 'setAction', value: between(prng, 0, 3)} as const;
  }).filter(({at}) => at < safetyMs);
}

type What = {at: number; until: number; nodeNo: number; name: string};

/** An order, and the one that ends it or undoes it. */
function drawOne(prng: Prng, {at, until, nodeNo, name}: What): OrderPlan[] {
  switch (prng.below(8)) {
    case 0:
      return [
        {at, kind: 'pauseCluster', paused: true},
        {at: until, kind: 'pauseCluster', paused: false},
      ];
    case 1:
      return [
        {at, kind: 'suspendBatch', name},
        {at: until, kind: 'resumeBatch', name},
      ];
    case 2:
      return [{at, kind: 'setPriority', name, priority: between(prng, -100, 100)}];
    case 3:
      return [
        {at, kind: 'holdNode', nodeNo, hold: prng.pick(HOLDS)},
        {at: until, kind: 'resumeNode', nodeNo},
      ];
    case 4:
      return [{at, kind: 'retryBatch', name}];
    case 5:
      return [
        {at, kind: 'cancelBatch', name},
        {at: until, kind: 'retryBatch', name},
      ];
    case 6:
      // Rarely: what is gone is looked at no more.
      return prng.chance(0.5) ? [{at, kind: 'deleteBatch', name, force: prng.chance(0.5)}] : [];
    default:
      return [
        {at, kind: 'labelNode', nodeNo, isGiven: true},
        {at: until, kind: 'labelNode', nodeNo, isGiven: false},
      ];
  }
}
