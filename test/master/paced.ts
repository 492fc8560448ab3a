// Nodes that take their time: results with run times, and the seconds that pass meanwhile.

import {renewalsOf, resultsOf} from './look.ts';
import type {MasterRig} from './rig.ts';
import type {TestNode, Work} from './test-node.ts';

/** The node returns the work, each of which ran so long. */
export function ran(rig: MasterRig, node: TestNode, work: readonly Work[], ms: number): void {
  rig.says(
    node,
    rig.reportOf(
      node,
      resultsOf(work).map(item => ({...item, cpuMs: ms})),
    ),
  );
}

/** So many seconds in which the nodes renew what they hold and ask for nothing. */
export function hold(
  rig: MasterRig,
  seconds: number,
  held: ReadonlyMap<TestNode, readonly Work[]>,
): void {
  for (let i = 0; i < seconds; i++) {
    rig.pass(1_000);
    for (const [node, work] of held) rig.pull(node, 0, renewalsOf(work));
  }
}
