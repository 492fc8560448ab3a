// The simulator as one file of plain JavaScript: with a planted bug for a hunt, or as it is for speed.

import {existsSync, mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {build, type Plugin} from 'esbuild';
import type {Bug, Change} from './bugs.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const FOLDER = join(ROOT, 'dist', '.sim');

export const changesOf = (bug: Bug): readonly Change[] => (bug.and ? [bug, bug.and] : [bug]);

/** Throws when the place to change is not there exactly once. */
export function changed(source: string, {file, find, put}: Change): string {
  const places = source.split(find).length - 1;
  if (places !== 1) throw new Error(`${file} has ${places} places like ${JSON.stringify(find)}`);
  return source.replace(find, () => put);
}

const plant = (bug: Bug): Plugin => ({
  name: 'plant',
  setup(hooks) {
    hooks.onLoad({filter: /\.ts$/}, ({path}) => {
      const changes = changesOf(bug).filter(({file}) => path === join(ROOT, 'src', file));
      if (changes.length === 0) return undefined;
      const source = readFileSync(path, 'utf8');
      return {contents: changes.reduce(changed, source), loader: 'ts'};
    });
  },
});

/** @returns the path of the module; it exports what src/sim/swarm.ts and src/sim/draw.ts do */
export async function bundleSimulator(bug?: Bug): Promise<string> {
  if (!existsSync(FOLDER)) mkdirSync(FOLDER, {recursive: true});
  const outfile = join(FOLDER, `${bug?.name ?? 'sound'}-${process.pid}.mjs`);
  await build({
    stdin: {
      contents: "export * from './src/sim/swarm.ts'; export * from './src/sim/draw.ts';",
      resolveDir: ROOT,
      loader: 'ts',
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
    plugins: bug ? [plant(bug)] : [],
    outfile,
  });
  return outfile;
}
