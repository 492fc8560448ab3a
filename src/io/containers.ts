// Finds out whether this machine runs containers, once at the start of a node whose owner allows images. Podman is
// tried by doing it: an empty container, confined as one of a workunit, has to come as far as its program, which is
// not there. Docker has no containers without an image, so its daemon only has to answer. What an earlier
// life of this node left behind is removed.

import {createHash} from 'node:crypto';
import {mkdirSync, rmSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {SECOND_MS} from '../base/units.ts';
import type {Journal} from '../runtime/ports.ts';
import {
  type Containers,
  callEngine,
  confinement,
  type EngineName,
  LABEL,
} from './runner-container.ts';

export type ContainersWish = {
  /** `auto`: podman, or docker where there is none that works. */
  readonly engine: EngineName | 'auto';
  readonly images: readonly string[];
};

export type FoundContainers = {
  readonly containers: Containers | undefined;
  /** The engine and its version, or why there is none. */
  readonly about: string;
};

const PROBE_MS_MAX = 20 * SECOND_MS;
const PROBE_MEMORY_MIB = 64;
/** What engines answer when the container is ready and its program is not there. */
const NO_PROGRAM = 127;
/** What an engine needs to know of who runs it; nothing of it comes into a container. */
const KEPT = [
  ...['PATH', 'HOME', 'TMPDIR', 'XDG_RUNTIME_DIR', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME'],
  ...['DBUS_SESSION_BUS_ADDRESS', 'CONTAINERS_CONF', 'CONTAINERS_STORAGE_CONF', 'CONTAINER_HOST'],
  ...['DOCKER_HOST', 'DOCKER_CONFIG', 'DOCKER_CERT_PATH', 'DOCKER_TLS_VERIFY'],
];

/** @param dir of the node: tells its containers from those of others, and holds the folder of the probe */
export async function findContainers(
  {engine, images}: ContainersWish,
  dir: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
  patienceMs = PROBE_MS_MAX,
): Promise<FoundContainers> {
  if (images.length === 0) return {containers: undefined, about: 'no images are allowed'};
  const kept = Object.fromEntries(KEPT.flatMap(name => (env[name] ? [[name, env[name]]] : [])));
  const key = createHash('sha256').update(resolve(dir)).digest('hex').slice(0, 12);
  const reasons: string[] = [];
  for (const name of engine === 'auto' ? (['podman', 'docker'] as const) : [engine]) {
    const containers: Containers = {engine: name, images, key, env: kept};
    const tried = await tryEngine(containers, dir, patienceMs);
    if ('about' in tried) {
      await removeLeftovers(containers);
      return {containers, about: tried.about};
    }
    reasons.push(`${name}: ${tried.reason}`);
  }
  return {containers: undefined, about: `none works: ${reasons.join('; ')}`};
}

/** As findContainers, and noted. */
export async function chooseContainers(
  wish: ContainersWish,
  dir: string,
  log: Journal,
): Promise<FoundContainers> {
  const found = await findContainers(wish, dir);
  if (wish.images.length === 0) return found;
  const {containers, about} = found;
  if (containers) log.note({level: 'info', what: 'containers', fields: {about}});
  else log.note({level: 'warn', what: 'containersNotHere', fields: {reason: about}});
  return found;
}

async function tryEngine(
  containers: Containers,
  dir: string,
  patienceMs: number,
): Promise<{readonly about: string} | {readonly reason: string}> {
  const {engine, env, key} = containers;
  const ask = (args: readonly string[]) => callEngine(engine, env, args, patienceMs);
  const format = engine === 'docker' ? '{{.Server.Version}}' : '{{.Client.Version}}';
  const version = await ask(['version', '--format', format]);
  if (version.code !== 0) return {reason: lastLine(version.stderr)};
  const about = `${engine} ${version.stdout.trim()}`;
  if (engine === 'docker') return {about};
  const rootfs = join(dir, 'container-probe');
  mkdirSync(rootfs, {recursive: true, mode: 0o755});
  try {
    const confined = confinement(containers, `volley-${key}-probe`, PROBE_MEMORY_MIB);
    const {code, stderr} = await ask([...confined, '--rootfs', rootfs, '/volley-probe']);
    return code === NO_PROGRAM ? {about} : {reason: lastLine(stderr) || `exit code ${code}`};
  } finally {
    rmSync(rootfs, {recursive: true, force: true});
  }
}

async function removeLeftovers({engine, env, key}: Containers): Promise<void> {
  const filter = ['--filter', `label=${LABEL}=${key}`];
  const {stdout} = await callEngine(engine, env, ['ps', '-a', '-q', ...filter]);
  const ids = stdout.split('\n').filter(id => /^[0-9a-f]{12,64}$/.test(id));
  if (ids.length > 0) await callEngine(engine, env, ['rm', '-f', ...ids]);
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';
