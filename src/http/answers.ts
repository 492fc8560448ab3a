// The core's answer to an operator, as a route hands it on.

import {assert} from '../base/assert.ts';
import {VolleyError} from '../base/errors.ts';
import {asBatchId} from '../base/types.ts';
import type {OperatorAnswer} from '../core/operator-request.ts';
import type {Actor} from '../core/operator-rows.ts';
import type {BatchView} from '../core/views.ts';
import type {Speaker} from './access-book.ts';
import type {MasterHandle} from './handle.ts';

type Accepted = Extract<OperatorAnswer, {ok: true}>;

/** Throws what the core refused. */
export function accepted(answer: OperatorAnswer): Accepted {
  if (!answer.ok) throw new VolleyError(answer.code, answer.fields);
  return answer;
}

/** The id that an answer to this request must carry. */
export function given<T>(id: T | undefined, what: string): T {
  assert(id !== undefined, `the core answered ok without ${what}`);
  return id;
}

/** A request behind the guard. */
export type Spoken = {readonly speaker: Speaker | null};

/** Who asks, for the history of what was done. */
export function actorOf({speaker}: Spoken): Actor {
  assert(speaker !== null, 'a route was reached without the guard');
  return {name: speaker.name, role: speaker.role};
}

export function batchOf(handle: MasterHandle, id: string): BatchView {
  const view = handle.batch(asBatchId(Number(id)));
  if (view === undefined) throw new VolleyError('VOLLEY_UNKNOWN_BATCH', {batch: id});
  return view;
}
