// What the owner of a node says in node.json, and what the machine says of itself. The file names
// commands that the master may ask for, so it is held to strictly: an unknown key is an error that
// names the known one next to it, and a file that others can write is refused.

import {availableParallelism, homedir, hostname, totalmem} from 'node:os';
import {join} from 'node:path';
import {fromUtf8, toUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {nearest} from '../base/nearest.ts';
import {MIB, SECOND_MS} from '../base/units.ts';
import {IMAGE_CHARS_MAX, isImage} from '../core/app-bodies.ts';
import {LABELS_MAX, NAME_BYTES_MAX} from '../wire/limits.ts';
import type {ContainersWish} from './containers.ts';
import {readOwned} from './key-files.ts';
import {takesBundle} from './runner-exec.ts';

/** What the owner allows: a command of his, or a built-in action. */
export type ActionConfig = {
  readonly command: readonly string[] | undefined;
  /** Without a command: which built-in; the name of the action unless it is given. */
  readonly use: string;
  /** Further arguments of a built-in: those of the program that it runs. */
  readonly options: readonly string[];
  /** Of what is kept running: started with the node, and never ended for want of shots. */
  readonly armed: boolean;
  /** true: started beforehand and told each shot on its standard input (see action-process.ts). */
  readonly persistent: boolean;
  /** From the instant of a shot to its end. */
  readonly timeoutMs: number | undefined;
  /** Of the file that `{file}` names, without the dot. */
  readonly extension: string | undefined;
};

/** `require`: at least level 2 of sandbox.ts, or the node does not start. */
export type SandboxWish = 'auto' | 'off' | 'require';

export type NodeConfig = {
  /** undefined = the host's name. */
  readonly name: string | undefined;
  readonly labels: readonly string[];
  /** undefined = one for each core. */
  readonly slots: number | undefined;
  /** What is put around workunits: the best there is, nothing, or at least namespaces. */
  readonly sandbox: SandboxWish;
  readonly actions: ReadonlyMap<string, ActionConfig>;
  /** Without images no containers run. */
  readonly containers: ContainersWish;
  /** Of files of shots that the master has, so much stays here; undefined = 1,024. */
  readonly keepShotsMib: number | undefined;
  /** That pushed files may take in all; undefined = 8,192, 0 = it takes none. */
  readonly filesMib: number | undefined;
};

export type SystemFacts = {
  readonly arch: string;
  /** `node-20.20.2/v8-11.3`: results of js apps may differ between engines. */
  readonly engine: string;
  readonly cores: number;
  readonly memoryMib: number;
  /** Letters, digits, dot and dash; never empty. */
  readonly hostname: string;
};

export const BUILT_IN_ACTIONS: readonly string[] = ['testcard', 'camera', 'v4l2', 'gphoto2'];
/** `"use": "script"`: as without it, a command. */
const SCRIPT = 'script';

const CONFIG_KEYS = [
  ...['name', 'labels', 'slots', 'sandbox', 'actions', 'containers'],
  ...['keepShotsMib', 'filesMib'],
];
/** Of one kind of files. */
const KEPT_MIB_MAX = 2 ** 20;
const CONTAINERS_KEYS = ['engine', 'images'];
const ENGINES: readonly unknown[] = ['auto', 'podman', 'docker'];
const IMAGES_MAX = 12;
/** So begins the name of an image; all of it, unless a `*` follows. */
const IMAGES_PREFIX = /^[a-z0-9][A-Za-z0-9._/:@-]*\*$/;
const SANDBOX_WISHES: readonly unknown[] = ['auto', 'off', 'require'];
const ACTION_KEYS = [
  'use',
  'options',
  'armed',
  'command',
  'persistent',
  'timeoutSeconds',
  'extension',
];
const SLOTS_MAX = 256;
const ACTIONS_MAX = 32;
const ARGV_MAX = 64;
const TIMEOUT_SECONDS_MAX = 3_600;
export const ACTION_NAME = /^[a-z][a-z0-9-]{0,31}$/;
const EXTENSION = /^[a-z0-9]{1,8}$/;

/** Folder of a role when no --data is given: VOLLEY_HOME or ~/.volley, and the role beneath. */
export function defaultDataDirectory(
  role: 'master' | 'node',
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const home = env['VOLLEY_HOME'];
  return join(home === undefined || home === '' ? join(homedir(), '.volley') : home, role);
}

export const nodeConfigPath = (dir: string): string => join(dir, 'node.json');

/** node.json of a node's folder; all defaults when there is none. Throws VOLLEY_BAD_CONFIG. */
export function readNodeConfig(dir: string): NodeConfig {
  const path = nodeConfigPath(dir);
  const bytes = readConfigFile(path);
  if (bytes === undefined) return parseNodeConfig('{}', path);
  const text = fromUtf8(bytes);
  if (text === undefined)
    throw new VolleyError('VOLLEY_BAD_CONFIG', {path, reason: 'it is not text in UTF-8'});
  return parseNodeConfig(text, path);
}

function readConfigFile(path: string): Uint8Array | undefined {
  try {
    return readOwned(path);
  } catch (error) {
    if (!(error instanceof VolleyError)) throw error;
    const reason =
      error.code === 'VOLLEY_KEY_EXPOSED'
        ? `others can write it, and it names commands; run \`chmod 600 ${path}\``
        : error.message;
    throw new VolleyError('VOLLEY_BAD_CONFIG', {path, reason}, error);
  }
}

/** @param path for the error only */
export function parseNodeConfig(text: string, path: string): NodeConfig {
  try {
    return checkConfig(JSON.parse(text));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new VolleyError('VOLLEY_BAD_CONFIG', {path, reason: error.message}, error);
  }

  function refuse(reason: string): never {
    throw new VolleyError('VOLLEY_BAD_CONFIG', {path, reason});
  }
  function checkConfig(value: unknown): NodeConfig {
    return readConfig(value, refuse);
  }
}

type Refuse = (reason: string) => never;

function readConfig(value: unknown, refuse: Refuse): NodeConfig {
  const config = objectOf(value, 'the file', CONFIG_KEYS, refuse);
  const {name, labels = [], slots, sandbox = 'auto', keepShotsMib, filesMib} = config;
  if (name !== undefined) checkText(name, '"name"', refuse);
  if (!Array.isArray(labels)) refuse('"labels" must be a list of texts');
  if (labels.length > LABELS_MAX) refuse(`"labels" has more than ${LABELS_MAX} entries`);
  for (const label of labels) checkText(label, 'each of "labels"', refuse);
  if (slots !== undefined && !isWholeWithin(slots, 1, SLOTS_MAX)) {
    refuse(`"slots" must be a whole number from 1 to ${SLOTS_MAX}`);
  }
  if (!SANDBOX_WISHES.includes(sandbox)) {
    refuse('"sandbox" must be "auto", "off" or "require"');
  }
  for (const [key, mib] of Object.entries({keepShotsMib, filesMib}))
    if (mib !== undefined && !isWholeWithin(mib, 0, KEPT_MIB_MAX))
      refuse(`"${key}" must be a whole number from 0 to ${KEPT_MIB_MAX}`);
  return {
    name: name as string | undefined,
    labels: [...new Set(labels as string[])],
    slots: slots as number | undefined,
    sandbox: sandbox as SandboxWish,
    actions: readActions(config['actions'] ?? {}, refuse),
    containers: readContainers(config['containers'] ?? {}, refuse),
    keepShotsMib: keepShotsMib as number | undefined,
    filesMib: filesMib as number | undefined,
  };
}

function readContainers(value: unknown, refuse: Refuse): ContainersWish {
  const where = '"containers"';
  const {engine = 'auto', images = []} = objectOf(value, where, CONTAINERS_KEYS, refuse);
  if (!ENGINES.includes(engine)) refuse(`${where}: "engine" must be "auto", "podman" or "docker"`);
  if (!Array.isArray(images) || images.length > IMAGES_MAX)
    refuse(`${where}: "images" must be a list of at most ${IMAGES_MAX} images`);
  for (const image of images as readonly unknown[])
    if (typeof image !== 'string' || !(isImage(image) || isImagePrefix(image)))
      refuse(
        `${where}: ${JSON.stringify(image)} must be an image such as "localhost/name:tag" or ` +
          `"docker.io/library/python@sha256:…", or the beginning of one with a "*" at the end`,
      );
  return {engine: engine as ContainersWish['engine'], images: [...new Set(images as string[])]};
}

const isImagePrefix = (text: string): boolean =>
  text.length <= IMAGE_CHARS_MAX && IMAGES_PREFIX.test(text);

function readActions(value: unknown, refuse: Refuse): ReadonlyMap<string, ActionConfig> {
  const actions = new Map<string, ActionConfig>();
  for (const [name, action] of Object.entries(objectOf(value, '"actions"', undefined, refuse))) {
    if (!ACTION_NAME.test(name)) {
      refuse(`"${name}" in "actions" must be small letters, digits and dashes, at most 32`);
    }
    actions.set(name, readAction(name, action, refuse));
  }
  if (actions.size > ACTIONS_MAX) refuse(`"actions" has more than ${ACTIONS_MAX} entries`);
  return actions;
}

function readAction(name: string, value: unknown, refuse: Refuse): ActionConfig {
  const where = `action "${name}"`;
  const action = objectOf(value, where, ACTION_KEYS, refuse);
  const {command, persistent = false, timeoutSeconds, extension} = action;
  const {options = [], armed = false} = action;
  const use = useOf(name, action, refuse);
  if (command === undefined) checkBuiltIn(name, use, action, refuse);
  else checkCommand(command, where, refuse);
  if (!isArguments(options)) refuse(`${where}: "options" must be a list of texts`);
  if (typeof armed !== 'boolean') refuse(`${where}: "armed" must be true or false`);
  if (armed && command !== undefined && persistent !== true)
    refuse(`${where}: "armed" is for what is "persistent"`);
  if (typeof persistent !== 'boolean') refuse(`${where}: "persistent" must be true or false`);
  if (persistent && Array.isArray(command) && takesBundle(command))
    refuse(`${where}: "{bundle}" is for exec apps, which are not "persistent"`);
  if (timeoutSeconds !== undefined && !isTimeout(timeoutSeconds)) {
    refuse(`${where}: "timeoutSeconds" must be a number above 0, at most ${TIMEOUT_SECONDS_MAX}`);
  }
  if (extension !== undefined && !(typeof extension === 'string' && EXTENSION.test(extension))) {
    refuse(`${where}: "extension" must be 1 to 8 small letters or digits, like "jpg"`);
  }
  return {
    command: command as string[] | undefined,
    use,
    options: options as string[],
    armed,
    persistent,
    timeoutMs: timeoutSeconds === undefined ? undefined : (timeoutSeconds as number) * SECOND_MS,
    extension: extension as string | undefined,
  };
}

/** Which built-in is meant; with a command none. */
function useOf(name: string, action: Readonly<Record<string, unknown>>, refuse: Refuse): string {
  const {use = action['command'] === undefined ? name : SCRIPT, command, options} = action;
  if (typeof use !== 'string') refuse(`action "${name}": "use" must be a text`);
  if (command !== undefined && use !== SCRIPT)
    refuse(`action "${name}": give "use" or "command", not both`);
  if (command !== undefined && options !== undefined)
    refuse(`action "${name}": "options" are for built-in actions; write them into "command"`);
  return use;
}

function checkBuiltIn(
  name: string,
  use: string,
  action: Readonly<Record<string, unknown>>,
  refuse: Refuse,
): void {
  if (!BUILT_IN_ACTIONS.includes(use)) {
    const near = nearest(use, BUILT_IN_ACTIONS);
    refuse(`action "${name}" has no "command"${near === undefined ? '' : `; ${meant(near)}`}`);
  }
  if (action['persistent'] !== undefined)
    refuse(`action "${name}": "persistent" needs a "command"`);
}

const isArguments = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length <= ARGV_MAX &&
  value.every(part => typeof part === 'string' && !part.includes('\0'));

function checkCommand(command: unknown, where: string, refuse: Refuse): void {
  const isArgv =
    Array.isArray(command) &&
    command.length > 0 &&
    command.length <= ARGV_MAX &&
    command.every(part => typeof part === 'string' && !part.includes('\0')) &&
    command[0] !== '';
  if (!isArgv) {
    refuse(`${where}: "command" must be a list of the program and its arguments, as texts`);
  }
}

/** What is wrong with the name or a label of a node, as the end of a sentence; the master cleans what it shows. */
export function faultOfName(name: string): string | undefined {
  if (name.trim() === '') return 'must not be empty';
  if (toUtf8(name).length > NAME_BYTES_MAX) return `must be at most ${NAME_BYTES_MAX} bytes long`;
  return undefined;
}

function checkText(value: unknown, what: string, refuse: Refuse): void {
  if (typeof value !== 'string') refuse(`${what} must be a text`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
  if (/[\u0000-\u001f\u007f]/.test(value)) refuse(`${what} must not hold control characters`);
  const fault = faultOfName(value);
  if (fault !== undefined) refuse(`${what} ${fault}`);
}

const isWholeWithin = (value: unknown, min: number, max: number): boolean =>
  Number.isInteger(value) && (value as number) >= min && (value as number) <= max;

const isTimeout = (value: unknown): boolean =>
  typeof value === 'number' && value > 0 && value <= TIMEOUT_SECONDS_MAX;

/** @param known undefined = any key */
function objectOf(
  value: unknown,
  what: string,
  known: readonly string[] | undefined,
  refuse: Refuse,
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuse(`${what} must be an object`);
  }
  for (const key of Object.keys(value)) {
    if (known === undefined || known.includes(key)) continue;
    const near = nearest(key, known);
    const advice = near === undefined ? `there are: ${known.join(', ')}` : meant(near);
    refuse(`${what} has an unknown key "${key}"; ${advice}`);
  }
  return value as Record<string, unknown>;
}

const meant = (known: string): string => `did you mean "${known}"?`;

export function systemFacts(): SystemFacts {
  const v8 = process.versions.v8.split('.').slice(0, 2).join('.');
  // a container's bound counts where it is below the machine's memory; 0 = no bound
  const bound = process.constrainedMemory();
  const memory = bound > 0 && bound < totalmem() ? bound : totalmem();
  return {
    arch: process.arch,
    engine: `node-${process.versions.node}/v8-${v8}`,
    cores: availableParallelism(),
    memoryMib: Math.floor(memory / MIB),
    hostname: sanitisedHostname(hostname()),
  };
}

/** A host may be called anything; names of nodes go into file names and logs. */
export function sanitisedHostname(name: string): string {
  const clean = name
    .replace(/[^A-Za-z0-9.-]+/g, '-')
    .replace(/^[.-]+|[.-]+$/g, '')
    .slice(0, NAME_BYTES_MAX - 1);
  return clean === '' ? 'node' : clean;
}
