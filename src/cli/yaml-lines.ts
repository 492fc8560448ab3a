// A YAML file as values that know their lines, so that whoever reads them can say where something is wrong. Of
// YAML only what a settings file needs: one document of maps, lists and texts (a number is the text that was
// written), no tags. Anchors and aliases may save typing; what they blow up to is bounded.

import {isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, parseDocument} from 'yaml';
import {VolleyError} from '../base/errors.ts';
import {harmless} from '../base/text.ts';

export type Entry = {readonly line: number; readonly value: Lined};

export type Lined = {readonly line: number} & (
  | {readonly kind: 'map'; readonly entries: ReadonlyMap<string, Entry>}
  | {readonly kind: 'list'; readonly items: readonly Lined[]}
  /** `number` when YAML takes it for one. */
  | {readonly kind: 'text'; readonly text: string; readonly number?: number}
  | {readonly kind: 'nothing'}
);

/** What our files need is 4 deep. */
const DEPTH_MAX = 8;
/** Of the library: how many nodes all aliases together may stand for, roughly. */
const ALIASES_MAX = 100;

export const badLine = (path: string, line: number, reason: string, cause?: unknown): VolleyError =>
  new VolleyError('VOLLEY_BAD_CONFIG', {path: `${path}:${line}`, reason}, cause);

const tooDeep = (path: string, line: number): VolleyError =>
  badLine(path, line, `more than ${DEPTH_MAX} levels are nested`);

/**
 * Where brackets, or the marks of one line, are nested too deep: what the library makes of a megabyte of them takes it
 * 10 s. Its lexer alone is quick.
 */
function lineOfDepth(text: string): number | undefined {
  let [line, depth, marks] = [1, 0, 0];
  for (const token of new Lexer().lex(text)) {
    if (token === '[' || token === '{') depth += 1;
    else if (token === ']' || token === '}') depth -= 1;
    else if (token === '-' || token === '?') marks += 1;
    if (depth > DEPTH_MAX || marks > DEPTH_MAX) return line;
    const breaks = token.split('\n').length - 1;
    line += breaks;
    if (breaks > 0) marks = 0;
  }
  return undefined;
}

/** @param path for errors only. Throws VOLLEY_BAD_CONFIG with the line */
export function parseYaml(text: string, path: string): Lined {
  const deepLine = lineOfDepth(text);
  if (deepLine !== undefined) throw tooDeep(path, deepLine);
  const lines = new LineCounter();
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(offset).line);
  const document = parseDocument(text, {lineCounter: lines, prettyErrors: false});
  const [fault] = [...document.errors, ...document.warnings];
  if (fault) throw badLine(path, lineAt(fault.pos[0]), harmless(wordsOf(fault.message)), fault);
  try {
    document.toJS({maxAliasCount: ALIASES_MAX, mapAsMap: true});
  } catch (error) {
    const reason = error instanceof Error ? harmless(error.message) : String(error);
    throw badLine(path, 1, `its aliases are refused: ${reason}`, error);
  }
  let line = 1;
  return read(document.contents, 0);

  function read(node: unknown, depth: number): Lined {
    line = lineOf(node) ?? line;
    if (depth > DEPTH_MAX) throw tooDeep(path, line);
    if (isAlias(node)) return {...read(node.resolve(document), depth + 1), line};
    if (isMap(node)) return readMap(node.items, line, depth);
    if (isSeq(node)) return {kind: 'list', line, items: node.items.map(it => read(it, depth + 1))};
    return {line, ...scalarOf(node)};
  }

  function readMap(
    pairs: readonly {readonly key: unknown; readonly value: unknown}[],
    start: number,
    depth: number,
  ): Lined {
    const entries = new Map<string, Entry>();
    for (const {key, value} of pairs) {
      const name = read(key, depth + 1);
      if (name.kind !== 'text') throw badLine(path, name.line, 'a key must be a text');
      entries.set(name.text, {line: name.line, value: read(value, depth + 1)});
    }
    return {kind: 'map', line: start, entries};
  }

  function lineOf(node: unknown): number | undefined {
    const {range} = (node ?? {}) as {range?: readonly number[] | null};
    return range?.[0] === undefined ? undefined : lineAt(range[0]);
  }
}

function scalarOf(
  node: unknown,
): {readonly kind: 'nothing'} | {readonly kind: 'text'; readonly text: string} {
  if (!isScalar(node) || node.value === null) return {kind: 'nothing'};
  const {value, source} = node;
  if (typeof value === 'string') return {kind: 'text', text: value};
  const text = source ?? String(value);
  return {kind: 'text', text, ...(typeof value === 'number' && {number: value})};
}

/** The library speaks to programmers too. */
const wordsOf = (message: string): string =>
  message.startsWith('Source contains multiple documents')
    ? 'there must be one document, without `---` in between'
    : `not YAML: ${message}`;
