// Two machines with one key (a copied SD card) say Hello in turns: a start of the daemon that another has
// replaced comes back, which one machine alone never does. The one that is confirmed last wins, but not
// more often than each half minute: the work of both would be thrown away every few seconds.

import type {Now} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {NodeState} from './roster.ts';

export type Boot = {readonly bootId: string; address: string; since: number};

const BOOTS_KEPT = 4;
const HOLD_MS = 30 * SECOND_MS;

/**
 * What a Hello with this boot id means.
 *
 * `same`: the one that is welcomed. `new`: it takes the node over. `clone`: a former one is back too soon.
 * `isClone` of the node is set when a former one comes back at all.
 */
export function judgeBoot(
  node: NodeState,
  bootId: string,
  address: string,
  now: Now,
): 'same' | 'new' | 'clone' {
  const {boots} = node;
  const [current] = boots;
  if (current?.bootId === bootId) {
    current.address = address;
    return 'same';
  }
  const former = boots.find(boot => boot.bootId === bootId);
  if (current && former) {
    node.clone = {addresses: [address, current.address], at: now.wall};
    former.address = address;
    if (now.mono - current.since < HOLD_MS) return 'clone';
  }
  const others = boots.filter(boot => boot !== former);
  boots.splice(0, boots.length, {bootId, address, since: now.mono}, ...others);
  boots.length = Math.min(boots.length, BOOTS_KEPT);
  return 'new';
}
