// How large a file and a function may be. Over the limit, a noun is missing.

import ts from 'typescript';
import {type Finding, inspect, type Source} from './source.ts';

export const FILE_LINES_MAX = 400;
export const FUNCTION_LINES_MAX = 60;

export const linesOf = (text: string): number => text.replace(/\n$/, '').split('\n').length;

export const longFiles = (sources: readonly Source[]): Finding[] =>
  sources
    .map(({path, text}) => ({path, lines: linesOf(text)}))
    .filter(({lines}) => lines > FILE_LINES_MAX)
    .map(({path, lines}) => `${path}:1: ${lines} lines, at most ${FILE_LINES_MAX}`);

/** A suite: a function that only registers tests, one after the other, is a list and no logic. */
function isSuite(body: ts.Node): boolean {
  if (!ts.isBlock(body)) return false;
  return body.statements.some(
    statement =>
      ts.isExpressionStatement(statement) &&
      ts.isCallExpression(statement.expression) &&
      /^test(\.serial)?$/.test(statement.expression.expression.getText()),
  );
}

export const longFunctions = (sources: readonly Source[]): Finding[] =>
  inspect(sources, (node, {tree}) => {
    if (
      !ts.isFunctionLike(node) ||
      !('body' in node) ||
      !node.body ||
      isSuite(node.body as ts.Node)
    )
      return undefined;
    const lines = linesOf(node.getText(tree));
    if (lines <= FUNCTION_LINES_MAX) return undefined;
    return `a function of ${lines} lines, at most ${FUNCTION_LINES_MAX}`;
  });
