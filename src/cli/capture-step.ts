// `--step`: what one of several actions of a capture is, as it is typed.

import {CAPTURE_TIME_MS_MAX, NAME_BYTES_MAX} from '../wire/limits.ts';
import {millisecondsOf, type OptionSpec, usage} from './command.ts';

export const STEP_OPTION: OptionSpec = {
  flag: '--step <step>',
  text: 'one of several actions, in place of --action: "+200ms camera", "lights on @label=lamps"',
  repeatable: true,
};

/** As typed; `select` as texts of --select, none = those of the capture. */
export type Step = {
  readonly atMs: number;
  readonly action: string;
  readonly args: readonly string[];
  readonly select: readonly string[];
};

const STEPS_MAX = 32;

/** `[+TIME] ACTION [ARGUMENT …] [@WHO …]`, blanks between. Throws VOLLEY_USAGE. */
export function stepOf(text: string): Step {
  const words = text.split(/\s+/).filter(word => word !== '');
  const atMs = words[0]?.startsWith('+') ? millisecondsOf(words.shift() ?? '') : 0;
  const isWho = (word: string): boolean => word.startsWith('@');
  const [action = '', ...args] = words.filter(word => !isWho(word));
  const select = words.filter(isWho).map(word => word.slice(1));
  if (/^-?\d+(\.\d+)?(ms|s|m|h|d)$/.test(action) || action.startsWith('-'))
    throw usage(`--step "${text}": a time stands first and begins with +, such as "+200ms camera"`);
  const isNamed = action !== '' && Buffer.byteLength(action) <= NAME_BYTES_MAX;
  if (atMs === undefined || !isNamed || select.includes(''))
    throw usage(
      `--step must be such as "+200ms camera" or "lights on @label=lamps", not "${text}"`,
    );
  if (atMs > CAPTURE_TIME_MS_MAX)
    throw usage(`--step "${text}": a step is at most +60s after the first`);
  return {atMs, action, args, select};
}

/** Throws VOLLEY_USAGE. */
export function stepsOf(texts: readonly string[]): readonly Step[] {
  if (texts.length > STEPS_MAX) throw usage(`a capture has at most ${STEPS_MAX} steps`);
  return texts.map(stepOf);
}
