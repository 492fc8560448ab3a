// Words that a file may not use. The tree is asked, so that `state.process` or a comment is no breach.

import ts from 'typescript';
import {isCore} from './floors.ts';
import {at, type Finding, importsOf, inspect, type Source} from './source.ts';

/** What the core may not know: time, dice, the process, the network. */
const GLOBALS = new Set([
  'Date',
  'performance',
  'process',
  'Buffer',
  'console',
  'fetch',
  'globalThis',
  'require',
  'queueMicrotask',
]);
const TIMERS = new Set([
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
]);
/** `object.member` pairs: dice and ids that no seed can replay. */
const MEMBERS = new Set([
  'Math.random',
  'crypto.getRandomValues',
  'crypto.randomUUID',
  'crypto.subtle',
]);

/** The name of something that nobody declared here: not a member, a key or a label. */
function freeName(node: ts.Node): string | undefined {
  if (!ts.isIdentifier(node)) return undefined;
  const {parent} = node;
  const isName =
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    (ts.isQualifiedName(parent) && parent.right === node) ||
    ((ts.isPropertyAssignment(parent) ||
      ts.isPropertySignature(parent) ||
      ts.isPropertyDeclaration(parent) ||
      ts.isMethodDeclaration(parent) ||
      ts.isMethodSignature(parent) ||
      ts.isGetAccessorDeclaration(parent)) &&
      parent.name === node) ||
    (ts.isBindingElement(parent) && parent.propertyName === node) ||
    ts.isImportSpecifier(parent);
  return isName ? undefined : node.text;
}

const memberOf = (node: ts.Node): string | undefined =>
  ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)
    ? `${node.expression.text}.${node.name.text}`
    : undefined;

function coreWord(node: ts.Node): string | undefined {
  const name = freeName(node);
  if (name !== undefined && (GLOBALS.has(name) || TIMERS.has(name))) return name;
  const member = memberOf(node);
  if (member !== undefined && MEMBERS.has(member)) return member;
  if (ts.isAwaitExpression(node)) return 'await';
  if (ts.isForOfStatement(node) && node.awaitModifier) return 'for await';
  return node.kind === ts.SyntaxKind.AsyncKeyword ? 'async' : undefined;
}

export const wordsBannedInCore = (sources: readonly Source[]): Finding[] =>
  inspect(
    sources.filter(({path}) => isCore(path)),
    node => {
      const word = coreWord(node);
      return word === undefined ? undefined : `the core does not know ${word}`;
    },
  );

/** Dice come from a seed (base/prng.ts) or, for secrets, from io/crypto.ts. */
export const looseDice = (sources: readonly Source[]): Finding[] =>
  inspect(sources, node => (memberOf(node) === 'Math.random' ? 'Math.random' : undefined));

/** `Date.now`, `performance.…`, `new Date()`: reading the clock. `new Date(ms)` only writes a time down. */
function readsClock(node: ts.Node): boolean {
  if (ts.isNewExpression(node) && freeName(node.expression) === 'Date')
    return (node.arguments ?? []).length === 0;
  if (memberOf(node) === 'Date.now') return true;
  return freeName(node) === 'performance';
}

function importsTimers(source: Source): readonly ts.Node[] {
  return importsOf(source)
    .filter(({target}) => target === 'node:timers' || target === 'node:timers/promises')
    .map(({node}) => node);
}

/** Files of the upper floors that read a clock, with where. */
export const clockReaders = (sources: readonly Source[]): Finding[] =>
  inspect(sources, node => (readsClock(node) ? 'reads the clock' : undefined));

/** Files of the upper floors that set timers, with where. */
export const timerSetters = (sources: readonly Source[]): Finding[] => [
  ...inspect(sources, node => {
    const name = freeName(node);
    return name !== undefined && TIMERS.has(name) ? `uses ${name}` : undefined;
  }),
  ...sources.flatMap(source => importsTimers(source).map(node => at(source, node, 'uses timers'))),
];

export const pathOf = (finding: Finding): string => finding.slice(0, finding.indexOf(':'));

/** Findings of files that have no exception, and exceptions that no file needs any more. */
export function withExceptions(
  findings: readonly Finding[],
  exceptions: Readonly<Record<string, string>>,
): Finding[] {
  const breaking = new Set(findings.map(pathOf));
  return [
    ...findings.filter(finding => !(pathOf(finding) in exceptions)),
    ...Object.keys(exceptions)
      .filter(path => !breaking.has(path))
      .map(path => `${path}:1: needs its exception no longer`),
  ];
}

/** dgram-as-promised listens only while a recv() is pending: whole bursts are lost. */
export const pendingReads = (sources: readonly Source[]): Finding[] =>
  inspect(sources, (node, {path}) => {
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      return node.expression.name.text === 'recv' ? '.recv() on a socket' : undefined;
    }
    const isWaiting = ts.isForOfStatement(node) && node.awaitModifier !== undefined;
    return isWaiting && path === 'src/io/udp.ts' ? 'for await over a socket' : undefined;
  });

export const unnamedExports = (sources: readonly Source[]): Finding[] =>
  inspect(sources, node => {
    if (ts.isExportAssignment(node) || node.kind === ts.SyntaxKind.DefaultKeyword)
      return 'default export';
    if (ts.isExportSpecifier(node) && node.name.text === 'default') return 'default export';
    return ts.isExportDeclaration(node) && !node.exportClause ? 'export *' : undefined;
  });

export const enums = (sources: readonly Source[]): Finding[] =>
  inspect(sources, node => (ts.isEnumDeclaration(node) ? 'enum: use a union of texts' : undefined));
