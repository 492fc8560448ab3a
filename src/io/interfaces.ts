// Which network interface to use: the one that the user names, else the one with the default route.

import {readFileSync} from 'node:fs';
import {networkInterfaces} from 'node:os';
import {VolleyError} from '../base/errors.ts';

/** An interface with a literal IPv4 address. */
export type ChosenInterface = {readonly name: string; readonly address: string};

type Candidate = ChosenInterface & {readonly internal: boolean};

/**
 * @param nameOrAddress `eth0` or `192.168.1.5`; `lo` and `127.x.y.z` for one machine alone
 * Throws VOLLEY_NO_INTERFACE, which lists those that there are.
 */
export function chooseInterface(nameOrAddress?: string): ChosenInterface {
  const candidates = list();
  const found =
    nameOrAddress === undefined ? byDefaultRoute(candidates) : byName(candidates, nameOrAddress);
  if (found) return {name: found.name, address: found.address};
  throw new VolleyError('VOLLEY_NO_INTERFACE', {
    name: nameOrAddress ?? 'other than loopback',
    known: knownInterfaces(),
  });
}

/** `eth0 (192.168.1.5), lo (127.0.0.1)`, for messages. */
export const knownInterfaces = (): string =>
  list()
    .map(({name, address}) => `${name} (${address})`)
    .join(', ') || 'none with an IPv4 address';

/**
 * Name of the interface with the best default route in the text of /proc/net/route.
 * Columns: interface, destination, gateway, flags, use, metric … in hexadecimal, metric in decimal.
 */
export function defaultRouteOf(table: string): string | undefined {
  let best: {name: string; metric: number} | undefined;
  for (const line of table.split('\n').slice(1)) {
    const [name, destination, , flags, , , metric, mask] = line.trim().split(/\s+/);
    if (!name || destination !== '00000000' || mask !== '00000000') continue;
    if ((Number.parseInt(flags ?? '0', 16) & ROUTE_UP) === 0) continue;
    const route = {name, metric: Number(metric)};
    if (!best || route.metric < best.metric) best = route;
  }
  return best?.name;
}

const ROUTE_UP = 1;

function list(): readonly Candidate[] {
  const candidates: Candidate[] = [];
  for (const [name, addresses] of Object.entries(networkInterfaces()))
    for (const {family, address, internal} of addresses ?? [])
      if (family === 'IPv4') candidates.push({name, address, internal});
  return candidates;
}

function byName(candidates: readonly Candidate[], wanted: string): ChosenInterface | undefined {
  const found = candidates.find(({name, address}) => name === wanted || address === wanted);
  if (found) return found;
  // All of 127.0.0.0/8 is the loopback interface, which lists only one address.
  const loopback = candidates.find(({address, internal}) => internal && address === '127.0.0.1');
  return loopback && /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(wanted)
    ? {name: loopback.name, address: wanted}
    : undefined;
}

function byDefaultRoute(candidates: readonly Candidate[]): Candidate | undefined {
  const name = readDefaultRoute();
  return (
    candidates.find(candidate => candidate.name === name) ??
    candidates.find(candidate => !candidate.internal)
  );
}

/** undefined where there is no such table (not Linux) or no such route (a rig without a router). */
function readDefaultRoute(): string | undefined {
  try {
    return defaultRouteOf(readFileSync('/proc/net/route', 'utf8'));
  } catch {
    return undefined;
  }
}
