// From process.argv to what cac may see. cac knows one word for a command and makes numbers of what looks
// like one (`--name 007`, node ids such as 1e5…, `--lines -`); here two words become one command, every
// flag is checked against the command, and values are sent through cac as `--name==value`, which it
// leaves alone.

import {nearest} from '../base/nearest.ts';
import type {CommandSpec, OptionSpec} from './command.ts';
import {Given, nameOf, takesValue, usage} from './command.ts';

export type Line =
  /** Global help or version: nothing to run. */
  | {readonly kind: 'global'; readonly argv: readonly string[]}
  /** `volley batch`: a word that only groups commands. */
  | {readonly kind: 'group'; readonly word: string; readonly help: boolean}
  | {readonly kind: 'command'; readonly spec: CommandSpec; readonly argv: readonly string[]};

const HELP = ['-h', '--help'];
const VERSION = ['-v', '--version'];

/** @param argv without the program's own name */
export function readLine(commands: readonly CommandSpec[], argv: readonly string[]): Line {
  const [first, second] = argv;
  if (first === undefined || [...HELP, ...VERSION].includes(first))
    return {kind: 'global', argv: argv.slice(0, 1)};
  if (first.startsWith('-')) throw usage(`the command comes first: volley <command> ${first}`);
  const two = `${first} ${second ?? ''}`;
  const bySecond = commands.find(({name}) => name === two);
  if (bySecond) return {kind: 'command', spec: bySecond, argv: encode(bySecond, argv.slice(2))};
  const byFirst = commands.find(({name}) => name === first);
  if (byFirst) return {kind: 'command', spec: byFirst, argv: encode(byFirst, argv.slice(1))};
  const group = commands.filter(({name}) => name.startsWith(`${first} `));
  if (group.length === 0) throw unknown('command', first, firstWords(commands));
  if (second === undefined || HELP.includes(second))
    return {kind: 'group', word: first, help: second !== undefined};
  const words = group.map(({name}) => name);
  throw unknown('command', two, words);
}

const firstWords = (commands: readonly CommandSpec[]): string[] => [
  ...new Set(commands.map(({name}) => name.split(' ')[0] ?? '')),
];

function unknown(what: string, word: string, known: readonly string[]): Error {
  const near = nearest(word, known);
  const advice =
    near === undefined ? '`volley --help` lists what there is' : `did you mean "${near}"?`;
  return usage(`there is no ${what} "${word}"; ${advice}`);
}

function encode(spec: CommandSpec, rest: readonly string[]): string[] {
  if (rest.some((token, i) => HELP.includes(token) && !isValue(spec, rest[i - 1])))
    return [spec.name, '--help'];
  const words: string[] = [];
  const flags: string[] = [];
  for (let i = 0; i < rest.length; ) {
    const token = rest[i] ?? '';
    if (!token.startsWith('-')) {
      words.push(token);
      i += 1;
      continue;
    }
    const flag = readFlag(spec, token, rest[i + 1]);
    flags.push(flag.coded);
    i += flag.taken;
  }
  // Words first: what follows a yes-or-no flag is made a number too.
  return [spec.name, ...words, ...flags];
}

/** Whether what follows this token is its value. */
const isValue = (spec: CommandSpec, token: string | undefined): boolean =>
  spec.options.some(option => takesValue(option) && `--${nameOf(option)}` === token);

/** @returns the flag as cac may see it, and how many tokens it is made of */
function readFlag(
  spec: CommandSpec,
  token: string,
  next: string | undefined,
): {readonly coded: string; readonly taken: number} {
  const equals = token.indexOf('=');
  const flag = equals < 0 ? token : token.slice(0, equals);
  const option = optionOf(spec, flag);
  if (!takesValue(option)) {
    if (equals >= 0) throw usage(`${flag} takes no value`);
    return {coded: flag, taken: 1};
  }
  if (equals >= 0) return {coded: `${flag}==${token.slice(equals + 1)}`, taken: 1};
  if (next === undefined || next.startsWith('--'))
    throw usage(`${flag} needs a value: ${option.flag}`);
  return {coded: `${flag}==${next}`, taken: 2};
}

function optionOf(spec: CommandSpec, flag: string): OptionSpec {
  const found = spec.options.find(option => `--${nameOf(option)}` === flag);
  if (found) return found;
  const known = spec.options.filter(option => !option.hidden).map(option => `--${nameOf(option)}`);
  const near = nearest(flag, known);
  const advice =
    near === undefined ? `see \`volley ${spec.name} --help\`` : `did you mean "${near}"?`;
  throw usage(`\`volley ${spec.name}\` has no flag "${flag}"; ${advice}`);
}

/** What cac parsed, as the command reads it. */
export function givenOf(
  spec: CommandSpec,
  args: readonly string[],
  parsed: Readonly<Record<string, unknown>>,
): Given {
  const values = new Map<string, readonly string[]>();
  for (const option of spec.options) {
    const name = nameOf(option);
    const value = parsed[name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())];
    if (value === undefined) continue;
    const texts = [value].flat().map(each => String(each).replace(/^=/, ''));
    if (texts.length > 1 && takesValue(option) && !option.repeatable)
      throw usage(`--${name} is given ${texts.length} times`);
    values.set(name, texts);
  }
  return new Given(args, values);
}
