// The simulator as one file of plain JavaScript: with a planted bug for a hunt, or as it is for speed.

import {mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {build, type Plugin} from 'esbuild';
import type {Bug, Change} from './bugs.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** Below node_modules, where imports of packages are found and nothing is published. */
const FOLDER = join(ROOT, 'node_modules', '.cache', 'volley-sim');

export const changesOf = (bug: Bug): readonly Change[] => (bug.and ? [bug, bug.and] : [bug]);

/** Throws when the place to change is not there exactly once. */
export function changed(source: string, {file, find, put}: Change): string {
  const places = source.split(find).length - 1;
  if (places !== 1) throw new Error(`${file} has ${places} places like ${JSON.stringify(find)}`);
  return source.replace(find, () => put);
}

/** Several changes of one file are made in their order. */
const plant = (changes: readonly Change[]): Plugin => ({
  name: 'plant',
  setup(hooks) {
    hooks.onLoad({filter: /\.ts$/}, ({path}) => {
      const own = changes.filter(({file}) => path === join(ROOT, 'src', file));
      if (own.length === 0) return undefined;
      return {contents: own.reduce(changed, readFileSync(path, 'utf8')), loader: 'ts'};
    });
  },
});

/** What `npm run sim:tight` runs: src/sim/main.ts with other limits. */
export const COMMAND_LINE = "import './src/sim/main.ts';";
const LIBRARY = "export * from './src/sim/swarm.ts'; export * from './src/sim/draw.ts';";

/** @returns the path of the module; it exports what src/sim/swarm.ts and src/sim/draw.ts do */
export async function bundleSimulator(
  name = 'sound',
  changes: readonly Change[] = [],
  contents = LIBRARY,
): Promise<string> {
  mkdirSync(FOLDER, {recursive: true});
  const outfile = join(FOLDER, `${name}-${process.pid}.mjs`);
  await build({
    stdin: {contents, resolveDir: ROOT, loader: 'ts'},
    bundle: true,
    ignoreAnnotations: true, // main.ts is there for its effect
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
    plugins: changes.length > 0 ? [plant(changes)] : [],
    outfile,
  });
  return outfile;
}
