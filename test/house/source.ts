// The sources of the repository as the rules see them: path, text, syntax tree. Words in comments and in
// strings are not code, so the rules look at the tree wherever they can.

import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import ts from 'typescript';

export type Source = {
  /** From the top of the repository, with slashes: `src/base/heap.ts`. */
  readonly path: string;
  readonly text: string;
  readonly tree: ts.SourceFile;
};

/** `path:line: what is wrong`. A rule answers one for each breach, none when it holds. */
export type Finding = string;

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Built by a program, never edited, not ours to measure. */
const GENERATED = 'src/wire/generated/';

export const sourceOf = (path: string, text: string): Source => ({
  path,
  text,
  tree: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true),
});

/** Every file under `folder`, from the top of the repository, sorted. */
export function filesUnder(folder: string): readonly string[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), {withFileTypes: true, recursive: true})
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(ROOT.length))
    .filter(path => !path.startsWith(GENERATED))
    .sort();
}

export const readText = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

export const sourcesUnder = (folder: string): readonly Source[] =>
  filesUnder(folder)
    .filter(path => path.endsWith('.ts'))
    .map(path => sourceOf(path, readText(path)));

export const at = ({path, tree}: Source, node: ts.Node, what: string): Finding =>
  `${path}:${tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1}: ${what}`;

/** Visits every node of the tree, parents first. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  node.forEachChild(child => walk(child, visit));
}

/** Findings of `judge` over every node of every source. */
export function inspect(
  sources: readonly Source[],
  judge: (node: ts.Node, source: Source) => string | undefined,
): Finding[] {
  const findings: Finding[] = [];
  for (const source of sources)
    walk(source.tree, node => {
      const what = judge(node, source);
      if (what !== undefined) findings.push(at(source, node, what));
    });
  return findings;
}

export type Import = {
  /** The file it names from the top of the repository, or the package, or `node:…`. */
  readonly target: string;
  readonly node: ts.Node;
  /** Gone when the file runs. */
  readonly typeOnly: boolean;
};

/** Static imports, re-exports and `import()` of a text. */
export function importsOf(source: Source): readonly Import[] {
  const found: Import[] = [];
  walk(source.tree, node => {
    const specifier = specifierOf(node);
    if (specifier === undefined) return;
    const target = specifier.startsWith('.')
      ? join(dirname(source.path), specifier).replaceAll('\\', '/')
      : specifier;
    found.push({target, node, typeOnly: isTypeOnly(node)});
  });
  return found;
}

function specifierOf(node: ts.Node): string | undefined {
  if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier)
    return (node.moduleSpecifier as ts.StringLiteral).text;
  if (!ts.isCallExpression(node) || node.expression.kind !== ts.SyntaxKind.ImportKeyword)
    return undefined;
  const [target] = node.arguments;
  return target && ts.isStringLiteral(target) ? target.text : '(computed)';
}

function isTypeOnly(node: ts.Node): boolean {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  if (!ts.isImportDeclaration(node) || !node.importClause) return false;
  const {importClause} = node;
  if (importClause.isTypeOnly) return true;
  const bindings = importClause.namedBindings;
  if (importClause.name || !bindings || !ts.isNamedImports(bindings)) return false;
  return bindings.elements.length > 0 && bindings.elements.every(element => element.isTypeOnly);
}
