// The core's answer to an operator, as a route hands it on.

import {assert} from '../base/assert.ts';
import {VolleyError} from '../base/errors.ts';
import type {OperatorAnswer} from '../core/core.ts';

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
