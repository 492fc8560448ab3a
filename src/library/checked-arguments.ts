// What a program gives to the library, checked where it is given: the compiler is not there for all, and a word that
// is passed over would be believed.

import {VolleyError} from '../base/errors.ts';

type Check = readonly [is: (value: unknown) => boolean, what: string];

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.every(each => typeof each === 'string');

const OBJECT: Check = [isObject, 'an object'];
const TEXT: Check = [value => typeof value === 'string', 'a text'];
const TEXTS: Check = [isTexts, 'a list of texts'];
const FLAG: Check = [value => typeof value === 'boolean', 'true or false'];
const NUMBER: Check = [value => typeof value === 'number', 'a number'];
const SIGNAL: Check = [value => value instanceof AbortSignal, 'an AbortSignal'];
const BYTES: Check = [
  value => typeof value === 'string' || value instanceof Uint8Array,
  'a text or a Uint8Array',
];
const STEPS: Check = [
  value => Array.isArray(value) && value.length > 0 && value.every(isObject),
  'a list of steps',
];
const ON_FAILURE: Check = [value => value === 'throw' || value === 'yield', "'throw' or 'yield'"];

const MAP_OPTIONS = {
  signal: SIGNAL,
  ordered: FLAG,
  args: TEXTS,
  target: OBJECT,
  onFailure: ON_FAILURE,
  ahead: NUMBER,
};
const SUBMIT_OPTIONS = {
  name: TEXT,
  policy: OBJECT,
  args: TEXTS,
  target: OBJECT,
  strict: FLAG,
  stages: OBJECT,
  shared: BYTES,
};
const CAPTURE_OPTIONS = {
  action: TEXT,
  args: TEXTS,
  target: OBJECT,
  leadMs: NUMBER,
  needs: TEXT,
  sweepMs: NUMBER,
  toleranceMs: NUMBER,
  shots: NUMBER,
  intervalMs: NUMBER,
  burst: NUMBER,
  burstMs: NUMBER,
  steps: STEPS,
  signal: SIGNAL,
};
const CONNECT_OPTIONS = {url: TEXT, token: TEXT, data: TEXT};

const refusal = (reason: string): VolleyError => new VolleyError('VOLLEY_USAGE', {reason});

function check(name: string, value: unknown, [is, what]: Check): void {
  if (!is(value)) throw refusal(`${name} must be ${what}`);
}

/** undefined = not given. */
function checkOptions(options: unknown, known: Readonly<Record<string, Check>>): void {
  check('options', options, OBJECT);
  for (const [name, value] of Object.entries(options as object)) {
    const field = Object.hasOwn(known, name) ? known[name] : undefined;
    const names = Object.keys(known).join(', ');
    if (!field) throw refusal(`options have no "${name}"; there are ${names}`);
    if (value !== undefined) check(name, value, field);
  }
}

function checkIterable(inputs: unknown, or = ''): void {
  const isIterable =
    typeof inputs === 'object' &&
    inputs !== null &&
    (Symbol.asyncIterator in inputs || Symbol.iterator in inputs);
  if (!isIterable) throw refusal(`inputs must be an iterable of inputs, such as a list${or}`);
}

export function checkMap(app: unknown, inputs: unknown, policy: unknown, options: unknown): void {
  check('app', app, TEXT);
  checkIterable(inputs);
  check('policy', policy, OBJECT);
  // They end a batch before all of its inputs have a result, or give it one input.
  for (const name of ['firstWins', 'broadcast'] as const)
    if ((policy as Record<string, unknown>)[name] === true)
      throw refusal(`policy.${name} is not for map, where each input has a result; use submit`);
  checkOptions(options, MAP_OPTIONS);
}

export function checkSubmit(app: unknown, inputs: unknown, options: unknown): void {
  check('app', app, TEXT);
  const isRange = isObject(inputs) && 'chunk' in (inputs as object);
  if (!isRange) checkIterable(inputs, ', or {start, end, chunk}');
  checkOptions(options, SUBMIT_OPTIONS);
}

export function checkCapture(options: unknown): void {
  checkOptions(options, CAPTURE_OPTIONS);
  const {action, steps} = options as {action?: unknown; steps?: unknown};
  if (steps === undefined) check('action', action, TEXT);
  else if (action !== undefined) throw refusal('give either action or steps');
}

export const checkConnect = (options: unknown): void => checkOptions(options, CONNECT_OPTIONS);
