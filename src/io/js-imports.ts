// What the modules of a js app may import. A script is signed and sent to every node, so no file of the author's machine
// gets into it that is no part of the app: a module is a file of the app's folder, or of a package that a bare name leads
// to as Node resolves it, at its real place (a workspace is a link). Where a link leads to is what counts.

import {existsSync, realpathSync} from 'node:fs';
import {isBuiltin} from 'node:module';
import {dirname, join, sep} from 'node:path';
import type {OnResolveArgs, OnResolveResult, Plugin, PluginBuild} from 'esbuild';

const ASKED = Symbol('asked');
/** Of a package: `name` or `@scope/name`. */
const PACKAGE_NAME = /^(@[^/]+\/)?[^./@#][^/]*/;
const URL_LIKE = /^(?!data:)[a-z][a-z0-9+.-]*:/i;

const refused = (text: string): OnResolveResult => ({errors: [{text}]});
const isBelow = (path: string, folder: string): boolean => path.startsWith(folder + sep);

function* foldersAbove(folder: string): Generator<string> {
  for (let at = folder; ; at = dirname(at)) {
    yield at;
    if (at === dirname(at)) return;
  }
}

/** Where Node looks for a package; of `#name`, an alias that may stand for any, all folders of packages. */
function packageFolders(specifier: string, from: string): string[] {
  const [name] = PACKAGE_NAME.exec(specifier) ?? [];
  const below = name ?? (specifier.startsWith('#') ? '' : undefined);
  if (below === undefined) return [];
  const places = [...foldersAbove(from)].map(folder => join(folder, 'node_modules', below));
  return places.filter(place => existsSync(place)).map(place => realpathSync(place));
}

/** The package that a bare name led to; a link to a folder that is none opens nothing. */
function packageOf(specifier: string, from: string, real: string): string | undefined {
  const folder = packageFolders(specifier, from).find(one => isBelow(real, one));
  if (folder === undefined) return undefined;
  const [inFolders] = /^.*\/node_modules\/(@[^/]+\/)?[^/]+/.exec(real) ?? [];
  const root = specifier.startsWith('#') ? inFolders : folder;
  return root !== undefined && existsSync(join(root, 'package.json')) ? root : undefined;
}

/** The files that one app may be made of. */
class Allowed {
  readonly #roots: Set<string>;

  constructor(folder: string) {
    this.#roots = new Set([realpathSync(folder)]);
  }

  admits(path: string): boolean {
    const real = realpathSync(path);
    return [...this.#roots].some(root => isBelow(real, root));
  }

  /** A bare name opens the package that it leads to, and no more. */
  admitsImport(specifier: string, from: string, path: string): boolean {
    const root = packageOf(specifier, from, realpathSync(path));
    if (root !== undefined) this.#roots.add(root);
    return this.admits(path);
  }
}

async function resolved(
  build: PluginBuild,
  allowed: Allowed,
  args: OnResolveArgs,
): Promise<OnResolveResult | undefined> {
  const {path, importer, kind, namespace, resolveDir, pluginData} = args;
  if (pluginData === ASKED) return undefined;
  const asked = {importer, kind, namespace, resolveDir, with: args.with, pluginData: ASKED};
  if (isBuiltin(path)) {
    const text = `an app cannot import "${path}": that is Node's own module, and an app has only its input`;
    if (path.startsWith('node:')) return refused(text);
    const {errors} = await build.resolve(path, asked);
    if (errors.length > 0) return refused(text);
  } else if (URL_LIKE.test(path))
    return refused(`an app cannot import "${path}": nothing is fetched; install it with npm`);
  const found = await build.resolve(path, asked);
  // esbuild says best itself what it does not find.
  if (found.errors.length > 0 || found.namespace !== 'file' || found.external) return undefined;
  if (allowed.admitsImport(path, resolveDir, found.path)) return undefined;
  return refused(
    `an app cannot import "${path}": ${found.path} is neither in its folder nor in a package of node_modules that it imports by name`,
  );
}

/** A module of Node's is there only where npm brings one of the same name. */
export const onlyItsOwn = (folder: string): Plugin => ({
  name: 'only-its-own',
  setup(build) {
    const allowed = new Allowed(folder);
    build.onResolve({filter: /./}, args => resolved(build, allowed, args));
    // However a file was come by (a pattern, a style sheet): what was not allowed is not read.
    build.onLoad({filter: /./, namespace: 'file'}, ({path}) =>
      allowed.admits(path) ? undefined : {errors: [{text: `${path} is no file of the app`}]},
    );
  },
});
