// The actions of a node: the built-in testcard, and what its owner names in node.json (which may be another
// testcard). The built-in ones are programs beside this file.

import {fileURLToPath} from 'node:url';
import {SECOND_MS} from '../base/units.ts';
import type {ActionConfig} from './config.ts';

/** An action as it is run: argv complete, defaults filled in. */
export type ActionSpec = {
  readonly argv: readonly string[];
  readonly persistent: boolean;
  /** Kept armed from the start of the node. */
  readonly armed?: boolean;
  readonly timeoutMs: number;
  readonly extension: string;
};

export type NodeNames = {readonly name: string; readonly id: string};

const TIMEOUT_MS = 30 * SECOND_MS;
/** The programs behind the built-in actions. */
const PROGRAMS: Readonly<Record<string, string>> = {
  testcard: 'testcard',
  camera: 'camera-action',
  v4l2: 'v4l2-action',
  gphoto2: 'gphoto2-action',
};

export function allowedActions(
  configured: ReadonlyMap<string, ActionConfig>,
  node: NodeNames,
): ReadonlyMap<string, ActionSpec> {
  const allowed = new Map([['testcard', builtIn('testcard', [], node)]]);
  for (const [name, config] of configured) {
    const base =
      config.command === undefined ? builtIn(config.use, config.options, node) : undefined;
    allowed.set(name, {
      argv: config.command ?? base?.argv ?? [],
      persistent: base?.persistent ?? config.persistent,
      ...(config.armed ? {armed: true} : {}),
      timeoutMs: config.timeoutMs ?? TIMEOUT_MS,
      extension: config.extension ?? base?.extension ?? 'jpg',
    });
  }
  return allowed;
}

function builtIn(use: string, options: readonly string[], node: NodeNames): ActionSpec {
  const isTestcard = use === 'testcard';
  const own = isTestcard ? [node.name, node.id] : [];
  const argv = [...programCommand(PROGRAMS[use] ?? use), ...own, ...options];
  return {argv, persistent: true, timeoutMs: TIMEOUT_MS, extension: isTestcard ? 'png' : 'jpg'};
}

/** The program beside this file: TypeScript through tsx when run from src, plain from dist. */
function programCommand(name: string): readonly string[] {
  const isSource = import.meta.url.endsWith('.ts');
  const file = `./${name}.${isSource ? 'ts' : 'js'}`;
  const loader = isSource ? ['--import', import.meta.resolve('tsx')] : [];
  return [process.execPath, ...loader, fileURLToPath(new URL(file, import.meta.url))];
}
