// What a failing run says of itself: one line, and the command that shows it again.

import {CALM_HOST} from './fabric.ts';
import {NO_DISASTERS, type Plan} from './plan.ts';
import {CALM} from './sim-network.ts';
import type {Outcome} from './swarm.ts';

/** Events of the trace that lead to the failure: a replay is shown up to the event that broke the promise. */
export function failureLines(
  {seed, failure, events, virtualMs}: Outcome,
  commit: string,
  replay: string,
): string[] {
  const at = `t=${virtualMs.toFixed(3)}ms event#=${events}`;
  return [
    `SIM FAIL seed=${seed} commit=${commit} node=${process.version} invariant=${failure?.invariant} ${at}`,
    `  ${failure?.story}`,
    `  ${replay} --trace --until ${events}`,
  ];
}

/** The kinds of faults that are on in a plan, and how much of everything there is. */
export function planLine(plan: Plan): string {
  const {nodes, batches, captures, disasters, network, host, reflashAt, deadAfterHeal} = plan;
  const profiles = new Map<string, number>();
  for (const {profile} of nodes) profiles.set(profile, (profiles.get(profile) ?? 0) + 1);
  const who = [...profiles].map(([profile, count]) => `${count} ${profile}`).join(', ');
  const on = [
    ...differing(disasters, NO_DISASTERS),
    ...differing(network, CALM),
    ...differing(host, CALM_HOST),
    ...(reflashAt.length > 0 ? ['reflash'] : []),
    ...((plan.revokes ?? []).length > 0 ? ['revoke'] : []),
    ...((plan.orders ?? []).length > 0 ? ['orders'] : []),
    ...((plan.holds ?? []).length > 0 ? ['hold'] : []),
    ...((plan.lags ?? []).length > 0 ? ['lag'] : []),
    ...(plan.secondMasterAt > 0 ? ['secondMaster'] : []),
    ...(plan.keys ? ['keys'] : []),
    ...(deadAfterHeal > 0 ? ['deadAfterHeal'] : []),
  ];
  return `${nodes.length} nodes (${who}), ${batches.length} batches, ${captures.length} captures; ${on.join(' ')}`;
}

const differing = <T extends object>(given: T, calm: T): string[] =>
  (Object.keys(calm) as (keyof T & string)[]).filter(
    name => given[name] !== calm[name] && name !== 'downMs' && !name.endsWith('ForMs'),
  );
