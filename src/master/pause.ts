// Whether the cluster computes at all. One signed packet says it to all nodes; who missed it hears it in the answer
// to its next Pull, and who was away in its Welcome. Each Pull tells which generation of the state its node obeys.

import type {Now} from '../base/types.ts';
import type {ClusterOrder, OperatorAnswer} from '../core/operator-request.ts';
import {type Actor, STATE_KEY, type StateRow} from '../core/operator-rows.ts';
import {encodeJson, put} from '../core/tables.ts';
import type {Commands} from './commands.ts';
import type {MasterContext} from './context.ts';
import {SPREAD_MS_PER_NODE} from './waker.ts';

/** Asked for once more, the newest reason counts. */
export function pauseCluster(
  context: MasterContext,
  commands: Commands,
  {paused, reason}: ClusterOrder,
  actor: Actor,
  now: Now,
): OperatorAnswer {
  if (!paused && !context.state.paused) return {ok: true};
  const generation = context.state.generation + 1;
  const row: StateRow = {generation, paused, by: actor.name, at: now.wall, reason};
  context.state = {generation, paused};
  context.stateRow = row;
  context.save(put('meta', STATE_KEY, encodeJson(row)));
  context.note('info', paused ? 'cluster suspended' : 'cluster resumed', {by: actor.name, reason});
  const up = [...context.roster.all()].filter(node => node.up);
  // They ask when they hear it: no other packet has to wake them.
  if (!paused) for (const node of up) node.idleSince = -1;
  commands.issue({kind: 'state'}, now, {
    awaited: up.map(node => node.row.nodeId),
    ackWindowMs: Math.floor(up.length * SPREAD_MS_PER_NODE),
  });
  return {ok: true};
}
