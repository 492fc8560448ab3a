// A master that restarts is waited for: what it had under way goes on.

import {setTimeout as sleep} from 'node:timers/promises';
import {VolleyError} from '../base/errors.ts';
import {SECOND_MS} from '../base/units.ts';

const PATIENCE_MS = 60 * SECOND_MS;
const RETRY_MS = SECOND_MS;

/**
 * Tries until there is an answer.
 *
 * @param attempt undefined = the stream ended before that; calls what it is given with each state that it hears
 * @throws what the master refuses; VOLLEY_MASTER_UNREACHABLE when it is silent for a minute
 */
export async function patiently<V, T>(
  attempt: (heard: (view: V) => void) => Promise<T | undefined>,
  onChange: (view: V) => void,
): Promise<T> {
  let heardAt = performance.now();
  const heard = (view: V): void => {
    heardAt = performance.now();
    onChange(view);
  };
  for (;;) {
    try {
      const last = await attempt(heard);
      if (last !== undefined) return last;
    } catch (error) {
      const lost = error instanceof VolleyError && error.code === 'VOLLEY_MASTER_UNREACHABLE';
      if (!lost || performance.now() - heardAt > PATIENCE_MS) throw error;
      await sleep(RETRY_MS);
    }
  }
}
