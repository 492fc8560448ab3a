// All that is said in a simulated world, as every receiver hears it: the raw material of fuzzing and replays.

import type {Address} from '../../src/base/types.ts';
import type {Plan} from '../../src/sim/plan.ts';
import {SimNetwork} from '../../src/sim/sim-network.ts';
import {World} from '../../src/sim/world.ts';

export type Heard = {readonly to: Address; readonly from: Address; readonly bytes: Uint8Array};
type Deliver = (bytes: Uint8Array, from: Address) => void;

export type Recorded = {
  readonly world: World;
  readonly heard: Heard[];
  /** Gives a datagram to a machine, past the faults of the network. */
  readonly deliver: (to: Address, bytes: Uint8Array, from: Address) => void;
};

/** A world whose datagrams are all written down. */
export function recordedWorld(plan: Plan): Recorded {
  const heard: Heard[] = [];
  const hosts = new Map<Address, Deliver>();
  const {attach} = SimNetwork.prototype;
  SimNetwork.prototype.attach = function (this: SimNetwork, address, no, deliver) {
    hosts.set(address, deliver);
    attach.call(this, address, no, (bytes, from) => {
      heard.push({to: address, from, bytes});
      deliver(bytes, from);
    });
  };
  try {
    const world = new World(plan);
    return {world, heard, deliver: (to, bytes, from) => hosts.get(to)?.(bytes, from)};
  } finally {
    SimNetwork.prototype.attach = attach;
  }
}
