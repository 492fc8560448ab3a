// The ends of a js app that differ between runs of the same input, and what it is told by that catches them
// (js-catches.ts).

/** Name of the function that a script calls with what it caught. */
export const CAUGHT = '$volleyCaught';

export type Exhaustion = 'stack' | 'memory';

const MESSAGES: ReadonlyMap<unknown, Exhaustion> = new Map([
  ['Maximum call stack size exceeded', 'stack'],
  ['Array buffer allocation failed', 'memory'],
]);

/** May run code of the app, and end as that does; at the end of the stack it ends so itself. */
export function exhaustionOf(error: unknown): Exhaustion | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  return MESSAGES.get(Reflect.getOwnPropertyDescriptor(error, 'message')?.value);
}
