// Node sets: many names as one text, as `cam-[01-12,20]`, `ring[1-4]`, `r[1-2]c[01-10]` or `a1,b[2-3]`. A range
// whose first end begins with 0 is padded to its length, so `[08-11]` is 08, 09, 10, 11. And the way back:
// names folded into as few texts as ranges of their last number allow.

import {assert} from '../base/assert.ts';

/** What is too many is more likely a typo than a rig. */
export const NODE_SET_MAX = 10_000;
/** Of a number in a range. */
const DIGITS_MAX = 9;
const RANGE = new RegExp(`^(\\d{1,${DIGITS_MAX}})(?:-(\\d{1,${DIGITS_MAX}}))?$`);

/** `fault` = what is wrong and where, as the end of a sentence. */
export type NodeSet = {readonly names: readonly string[]} | {readonly fault: string};

/** Whether a text is more than one plain name, or tries to be. */
export const isNodeSet = (text: string): boolean => /[[\],]/.test(text);

type Range = {readonly from: number; readonly to: number; readonly width: number};
/** A part of a name: letters, or what stands in brackets. */
type Part = string | readonly Range[];

class SetFault extends Error {}

/** All names that a text means, each once, in their order. */
export function expandNodeSet(text: string): NodeSet {
  try {
    const items = itemsOf(text);
    const count = items.reduce((sum, parts) => sum + sizeOf(parts), 0);
    if (count > NODE_SET_MAX)
      throw new SetFault(`it means ${count} names, and at most ${NODE_SET_MAX} are taken`);
    return {names: [...new Set(items.flatMap(namesOf))]};
  } catch (error) {
    if (error instanceof SetFault) return {fault: error.message};
    throw error;
  }
}

/** Cut at the commas outside of brackets. */
function itemsOf(text: string): readonly Part[][] {
  const items: Part[][] = [];
  let parts: Part[] = [];
  const endItem = (at: number): void => {
    if (parts.length === 0) throw new SetFault(`there is no name before letter ${at + 1}`);
    items.push(parts);
    parts = [];
  };
  for (let at = 0; at < text.length; ) {
    const letter = text[at];
    if (letter === ',') {
      endItem(at);
      at += 1;
    } else if (letter === '[') {
      const end = text.indexOf(']', at);
      if (end < 0) throw new SetFault(`the bracket at letter ${at + 1} is not closed`);
      parts.push(rangesOf(text.slice(at + 1, end), at + 1));
      at = end + 1;
    } else if (letter === ']') {
      throw new SetFault(`the bracket at letter ${at + 1} was never opened`);
    } else {
      const plain = /^[^[\],]+/.exec(text.slice(at))?.[0] ?? '';
      parts.push(plain);
      at += plain.length;
    }
  }
  endItem(text.length);
  return items;
}

/** @param start index of the first letter in the brackets */
function rangesOf(inside: string, start: number): readonly Range[] {
  let at = start;
  return inside.split(',').map(piece => {
    const range = rangeOf(piece, `at letter ${at + 1}`);
    at += piece.length + 1;
    return range;
  });
}

function rangeOf(piece: string, place: string): Range {
  const [, from, to = from] = RANGE.exec(piece) ?? [];
  if (from === undefined || to === undefined)
    throw new SetFault(`"${piece}" ${place} is no number and no range such as 01-12`);
  const width = isPadded(from) ? from.length : 0;
  if (isPadded(to) && to.length !== from.length)
    throw new SetFault(`"${piece}" ${place}: write both ends with the same number of digits`);
  if (Number(to) < Number(from)) throw new SetFault(`"${piece}" ${place} runs backwards`);
  return {from: Number(from), to: Number(to), width};
}

const isPadded = (digits: string): boolean => digits.length > 1 && digits.startsWith('0');

const sizeOf = (parts: readonly Part[]): number =>
  parts.reduce(
    (product, part) =>
      product *
      (typeof part === 'string' ? 1 : part.reduce((sum, {from, to}) => sum + to - from + 1, 0)),
    1,
  );

function namesOf(parts: readonly Part[]): readonly string[] {
  let names: readonly string[] = [''];
  for (const part of parts) {
    const texts = typeof part === 'string' ? [part] : part.flatMap(numbersOf);
    names = names.flatMap(name => texts.map(text => name + text));
  }
  return names;
}

const numbersOf = ({from, to, width}: Range): readonly string[] =>
  Array.from({length: to - from + 1}, (_, i) => String(from + i).padStart(width, '0'));

type Numbered = {
  readonly before: string;
  readonly after: string;
  readonly digits: string;
};

/**
 * Names as node sets that mean the same, each at the place of its first name.
 *
 * @param names without brackets and commas
 */
export function foldNodeSets(names: readonly string[]): readonly string[] {
  const groups = new Map<string, Numbered[]>();
  for (const name of new Set(names)) {
    assert(!isNodeSet(name), `${name} is no plain name`);
    const numbered = numberedOf(name);
    const key = JSON.stringify([numbered.before, numbered.after, numbered.digits !== '']);
    const group = groups.get(key) ?? [];
    groups.set(key, group);
    group.push(numbered);
  }
  return [...groups.values()].flatMap(foldGroup);
}

function numberedOf(name: string): Numbered {
  const [, before = name, digits = '', after = ''] = /^(.*?)(\d+)([^\d]*)$/s.exec(name) ?? [];
  return digits.length > DIGITS_MAX
    ? {before: name, digits: '', after: ''}
    : {before, digits, after};
}

/** Names that differ in one number; those that a range of another padding would not give stay apart. */
function foldGroup(group: readonly Numbered[]): readonly string[] {
  const [first] = group;
  if (first === undefined || first.digits === '') return group.map(({before}) => before);
  const {before, after} = first;
  const byWidth = new Map<number, number[]>();
  const paddings = group.map(({digits}) => digits).filter(isPadded);
  for (const {digits} of group) {
    const width = isPadded(digits) ? digits.length : widthFor(digits, paddings);
    byWidth.set(width, [...(byWidth.get(width) ?? []), Number(digits)]);
  }
  return [...byWidth].map(([width, numbers]) => {
    const ranges = runsOf(numbers).map(([from, to]) => {
      const [one, last] = [from, to].map(number => String(number).padStart(width, '0'));
      return from === to ? one : `${one}-${last}`;
    });
    return numbers.length === 1
      ? `${before}${ranges[0]}${after}`
      : `${before}[${ranges.join(',')}]${after}`;
  });
}

/** 10 goes with 08 and 09; 7 does not. */
const widthFor = (digits: string, paddings: readonly string[]): number =>
  Math.max(0, ...paddings.map(({length}) => length).filter(length => length <= digits.length));

function runsOf(numbers: readonly number[]): readonly (readonly [number, number])[] {
  const runs: [number, number][] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && last[1] + 1 === number) last[1] = number;
    else runs.push([number, number]);
  }
  return runs;
}
