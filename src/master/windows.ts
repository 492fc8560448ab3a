// Within which time the nodes of a command acknowledge it: each in its own slot, so that a room does not answer at
// once.

const WINDOW_MS_MIN = 5;
const WINDOW_MS_MAX = 1_000;
/** Acknowledgements in a millisecond: some 200 bytes each, 3 Mbit/s. */
const PER_MS = 2;

/** Of the time before an instant: who has not heard is known while it can still be told. */
const LEAD_PART = 1 / 3;

/**
 * @param nodes that are awaited
 * @param leadMs until the instant; 0 = there is none
 */
export function windowOf(nodes: number, leadMs = 0): number {
  const longest = leadMs > 0 ? Math.min(WINDOW_MS_MAX, leadMs * LEAD_PART) : WINDOW_MS_MAX;
  return Math.ceil(Math.max(WINDOW_MS_MIN, Math.min(longest, nodes / PER_MS)));
}
