/** A broken invariant: a bug of ours. The process stops with this reason (promise P11). */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

export function assert(condition: unknown, story: string): asserts condition {
  if (!condition) throw new AssertionError(story);
}

/** Ends every switch over a union, so that a new member fails to compile where it is not handled. */
export function assertNever(value: never): never {
  throw new AssertionError(`unexpected value: ${JSON.stringify(value)}`);
}
