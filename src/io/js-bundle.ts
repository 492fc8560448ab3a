// Makes one script of the modules of a js app: its own, TypeScript or JavaScript, and those that it imports from npm.
// What nodes run are these bytes, and the same sources give the same. esbuild is loaded here, at publishing and testing,
// and never by a node. What SES would refuse at a node is found by loading the script as a node does (js-check.ts).

import {join, resolve} from 'node:path';
import type {BuildFailure, BuildOptions, Message} from 'esbuild';
import {toUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {JS_BYTES_MAX} from '../wire/limits.ts';
import {tellingCatches} from './js-catches.ts';
import {onlyItsOwn} from './js-imports.ts';

/** The script comes to what its module exports. */
const EXPORTS = 'volleyApp';
const FAULTS_TOLD_MAX = 3;

const optionsFor = (folder: string, module: string): BuildOptions & {write: false} => ({
  absWorkingDir: folder,
  entryPoints: [`./${module}`],
  bundle: true,
  write: false,
  format: 'iife',
  globalName: EXPORTS,
  footer: {js: `${EXPORTS};`},
  platform: 'neutral',
  mainFields: ['module', 'main'],
  target: 'es2023',
  charset: 'utf8',
  define: {'process.env.NODE_ENV': '"production"'},
  // SES refuses whatever looks like import() or an HTML comment, in comments too. Names stay, for errors.
  legalComments: 'none',
  minifyWhitespace: true,
  logLevel: 'silent',
  plugins: [onlyItsOwn(folder)],
});

/** Throws VOLLEY_BAD_APP with file, line and reason, VOLLEY_TOO_LARGE for a script above the limit. */
export async function bundleApp(folder: string, module: string): Promise<Uint8Array> {
  const path = join(folder, module);
  const {build} = await import('esbuild');
  let text: string;
  try {
    const {outputFiles} = await build(optionsFor(resolve(folder), module));
    text = tellingCatches(outputFiles[0]?.text ?? '');
  } catch (error) {
    throw new VolleyError('VOLLEY_BAD_APP', {reason: `${path}: ${faultsOf(error)}`}, error);
  }
  const script = toUtf8(text);
  if (script.length > JS_BYTES_MAX) {
    const what = `${path} with all that it imports`;
    throw new VolleyError('VOLLEY_TOO_LARGE', {what, size: script.length, limit: JS_BYTES_MAX});
  }
  return script;
}

function faultsOf(error: unknown): string {
  const {errors = []} = error as Partial<BuildFailure>;
  if (errors.length === 0) return error instanceof Error ? error.message : String(error);
  const rest = errors.length - FAULTS_TOLD_MAX;
  const told = errors.slice(0, FAULTS_TOLD_MAX).map(lineOf).join('; ');
  return rest > 0 ? `${told}; and ${rest} more` : told;
}

const lineOf = ({text, location}: Message): string =>
  location === null ? text : `${location.file}:${location.line}: ${text}`;
