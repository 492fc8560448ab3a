// How many shots a capture has and how far apart they are: `--shots`, `--every` and `--burst`.

import type {CaptureRequest} from '../core/operator-request.ts';
import {SHOTS_PER_CAPTURE_MAX} from '../wire/limits.ts';
import {type Given, millisecondsOf, usage} from './command.ts';

const EVERY_MS = 1_000;

export type Burst = {readonly burst: number; readonly burstMs: number};

/** `5@40ms`: so many shots, so far apart. Throws VOLLEY_USAGE. */
export function burstOf(text: string): Burst {
  const [, count = '', time = ''] = /^(\d{1,4})@(.+)$/.exec(text) ?? [];
  const burst = Number(count);
  const burstMs = millisecondsOf(time);
  if (burst < 1 || burst > SHOTS_PER_CAPTURE_MAX || burstMs === undefined)
    throw usage(`--burst must be a count and a time such as 5@40ms, not "${text}"`);
  return {burst, burstMs};
}

/** @param steps of a row; each is a shot */
export function timesOf(
  given: Given,
  steps = 1,
): Pick<CaptureRequest, 'shots' | 'intervalMs' | 'burst' | 'burstMs'> {
  const count = given.whole('shots', 1, Math.floor(SHOTS_PER_CAPTURE_MAX / steps)) ?? 1;
  const intervalMs = given.durationMs('every') ?? EVERY_MS;
  const text = given.text('burst');
  if (text === undefined) return {shots: count * steps, intervalMs};
  const burst = burstOf(text);
  const shots = count * burst.burst;
  if (shots > SHOTS_PER_CAPTURE_MAX)
    throw usage(
      `${count} bursts of ${burst.burst} are ${shots} shots; a capture has at most ${SHOTS_PER_CAPTURE_MAX}`,
    );
  return {shots, intervalMs, ...burst};
}
