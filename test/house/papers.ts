// What is written for people: README files, the protocol, titles of tests. Each rule holds a text against
// the code that it speaks of, both ways where both can be wrong.

import ts from 'typescript';
import {type Finding, inspect, type Source, walk} from './source.ts';

/** The part of a README under a heading, up to the next one of the same or a higher level. */
export function sectionOf(markdown: string, heading: string): string {
  const lines = markdown.split('\n');
  const start = lines.findIndex(line => line.replace(/^#+ /, '') === heading && /^#/.test(line));
  if (start < 0) return '';
  const level = /^#+/.exec(lines[start] ?? '')?.[0].length ?? 1;
  const rest = lines.slice(start + 1);
  const end = rest.findIndex(line => (/^#+(?= )/.exec(line)?.[0].length ?? 9) <= level);
  return rest.slice(0, end < 0 ? undefined : end).join('\n');
}

/** Rows of the tables in a text: the cells without their backticks, heads and rules left out. */
export const tableRows = (markdown: string): readonly (readonly string[])[] =>
  markdown
    .split('\n')
    .filter(line => /^\| *`/.test(line))
    .map(line =>
      line
        .split('|')
        .slice(1, -1)
        .map(cell => cell.trim().replace(/^`([^`]*)`$/, '$1')),
    );

/** What one side has and the other lacks. */
export function differences(
  inCode: readonly string[],
  inText: readonly string[],
  where: string,
): Finding[] {
  return [
    ...inCode
      .filter(name => !inText.includes(name))
      .map(name => `${where}:1: ${name} is in the code and not here`),
    ...inText
      .filter(name => !inCode.includes(name))
      .map(name => `${where}:1: ${name} is here and not in the code`),
    ...inText
      .filter((name, index) => inText.indexOf(name) !== index)
      .map(name => `${where}:1: ${name} is here twice`),
  ];
}

/** Members of `export type <name> = 'a' | 'b'`. */
export function membersOfUnion(source: Source, name: string): readonly string[] {
  const members: string[] = [];
  walk(source.tree, node => {
    if (!ts.isTypeAliasDeclaration(node) || node.name.text !== name) return;
    walk(node.type, part => {
      if (ts.isStringLiteral(part)) members.push(part.text);
    });
  });
  return members;
}

/** protobufjs gives Long objects for these, JSON refuses them, and a double is exact up to 2^53. */
export const wideIntegers = (path: string, proto: string): Finding[] =>
  proto.split('\n').flatMap((line, index) => {
    const type = /\b(u?int64|sint64|s?fixed64)\b/.exec(line.replace(/\/\/.*/, ''))?.[1];
    return type === undefined ? [] : [`${path}:${index + 1}: ${type}`];
  });

/**
 * Fields that nothing is said about. A comment counts on the line of the field, or over the paragraph of
 * messages that it stands in: small messages that belong to the one above follow it without a blank line.
 */
export function silentFields(path: string, proto: string): Finding[] {
  const findings: Finding[] = [];
  let isTold = false;
  let atStart = true;
  for (const [index, line] of proto.split('\n').entries()) {
    if (line.trim() === '') {
      isTold = false;
      atStart = true;
      continue;
    }
    if (atStart && line.startsWith('//')) isTold = true;
    if (/^(message|enum) \w+ \{ *\/\//.test(line)) isTold = true;
    atStart = false;
    const isField = /^\s+[\w.]+( \w+)* = \d+;/.test(line);
    if (isField && !isTold && !line.includes('//'))
      findings.push(`${path}:${index + 1}: nothing is said about ${line.trim()}`);
  }
  return findings;
}

/** Names of what is declared as a CommandSpec: `export const x: CommandSpec = {name: 'batch ls', …}`. */
export function commandsIn(sources: readonly Source[]): readonly string[] {
  const names: string[] = [];
  for (const {tree} of sources)
    walk(tree, node => {
      if (!ts.isVariableDeclaration(node) || node.type?.getText(tree) !== 'CommandSpec') return;
      const name = node.initializer && nameIn(node.initializer);
      if (name !== undefined) names.push(name);
    });
  return names.sort();
}

function nameIn(object: ts.Expression): string | undefined {
  if (!ts.isObjectLiteralExpression(object)) return undefined;
  const field = object.properties.find(
    each => ts.isPropertyAssignment(each) && each.name.getText() === 'name',
  ) as ts.PropertyAssignment | undefined;
  return field && ts.isStringLiteral(field.initializer) ? field.initializer.text : undefined;
}

const PATH = /(?<![\w./-])((?:src|test|proto|deploy|\.ci)\/[\w./-]*\w)/g;
const DOCUMENT = /(?<![\w./-])[\w./-]*\w\.md\b/g;

/** Paths that a text names. Folders may be named without their last slash. */
export const pathsIn = (text: string): readonly string[] =>
  [...text.matchAll(PATH)].map(([, path]) => path ?? '');
export const documentsIn = (text: string): readonly string[] =>
  [...text.matchAll(DOCUMENT)].map(([path]) => path);

/** What is said in comments: texts of a program may name anything. */
export const commentsOf = (text: string): string =>
  (text.match(/\/\/[^\n]*|\/\*.*?\*\//gs) ?? []).join('\n');

/**
 * `../` beyond the top of the repository, or a folder of somebody's own machine. `etc/passwd` is what tests
 * of refusals ask for.
 */
export function pathsOutside(path: string, text: string): Finding[] {
  const depth = path.split('/').length - 1;
  return text.split('\n').flatMap((line, index) => {
    const isOutside =
      [...line.matchAll(/(?:\.\.\/)+(?!\.\.\/|etc\/passwd)/g)].some(
        ([up]) => up.length / 3 > depth,
      ) || /(?<![\w.:/])\/(?:home|Users|root|work)\/\w/.test(line);
    return isOutside ? [`${path}:${index + 1}: names a place outside of the repository`] : [];
  });
}

/** Titles of AVA tests that are plain texts. */
export function titlesIn(source: Source): readonly string[] {
  const titles: string[] = [];
  walk(source.tree, node => {
    if (!ts.isCallExpression(node)) return;
    if (!/^test(\.(serial|failing|skip|only))*$/.test(node.expression.getText(source.tree))) return;
    const [title] = node.arguments;
    if (title && ts.isStringLiteralLike(title)) titles.push(title.text);
  });
  return titles;
}

export const repeatedTitles = (sources: readonly Source[]): Finding[] =>
  sources.flatMap(source => {
    const titles = titlesIn(source);
    return titles
      .filter((title, index) => titles.indexOf(title) !== index)
      .map(title => `${source.path}:1: two tests are called "${title}"`);
  });

/**
 * Tests left alone: `.only` hides the others, `.skip` and `.failing` hide themselves. A test may be skipped
 * where the machine cannot do it: `isRoot ? test : test.skip`.
 */
export const markedTests = (sources: readonly Source[]): Finding[] =>
  inspect(sources, (node, {tree}) => {
    if (!ts.isPropertyAccessExpression(node) || ts.isConditionalExpression(node.parent))
      return undefined;
    const text = node.getText(tree);
    return /^test\.(serial\.)?(only|skip|failing)$/.test(text) ? text : undefined;
  });

/** Rooms of tests that tell a story over many units, and so have names of their own. */
const STORIES = ['test/system/', 'test/cli/', 'test/bench/', 'test/ports/'];

/** `test/<room>/<unit>[-<aspect>].test.ts` without a file or folder `src/<room>/<unit>`. */
export function homelessTests(tests: readonly string[], units: readonly string[]): Finding[] {
  const names = units.map(unit => unit.replace(/\.ts$/, ''));
  return tests
    .filter(path => path.endsWith('.test.ts') && path.split('/').length > 2)
    .filter(path => !STORIES.some(folder => path.startsWith(folder)))
    .filter(path => {
      const unit = path.replace(/^test\//, 'src/').replace(/\.test\.ts$/, '');
      const isOf = (name: string): boolean => unit === name || unit.startsWith(`${name}-`);
      return !names.some(name => isOf(name) || name.startsWith(`${unit}/`));
    })
    .map(path => `${path}:1: is named after no unit`);
}
