// Is this machine fit for Volley? A few honest looks; what it cannot see it does not speak of.

import {existsSync, readFileSync, statfsSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {MIB} from '../base/units.ts';
import {errnoOf} from './key-files.ts';

export type Check = {
  readonly what: string;
  readonly state: 'good' | 'warn' | 'bad';
  readonly text: string;
};

/** Last day of the security fixes of each release line (nodejs/Release). */
const END_OF_LIFE: Readonly<Record<number, string>> = {
  18: '2025-04-30',
  20: '2026-04-30',
  22: '2027-04-30',
  24: '2028-04-30',
};
/** What the socket asks for; see io/udp.ts. */
const RECEIVE_BYTES = 4 * MIB;
const FREE_BYTES_MIN = 64 * MIB;
const FREE_PART_MIN = 0.05;

/** @param today `YYYY-MM-DD` */
export function checkRuntime(version: string, today: string): Check {
  const major = Number(version.split('.')[0]);
  const end = END_OF_LIFE[major];
  const what = 'Node.js';
  if (end === undefined)
    return {what, state: 'warn', text: `${version}: its end of life is not known`};
  return end < today
    ? {what, state: 'warn', text: `${version} gets no security fixes since ${end}; 24 does`}
    : {what, state: 'good', text: `${version}, fixed until ${end}`};
}

const SECRETS = ['master.keys', 'operator.token', 'offline.vault', 'node.keys', 'membership.json'];

/** Whether the folder and its secrets are their owner's alone. */
export function checkFiles(data: string): Check[] {
  if (!existsSync(data))
    return [{what: 'files', state: 'warn', text: `there is no folder ${data}`}];
  if (!SECRETS.some(name => existsSync(join(data, name))))
    return [{what: 'files', state: 'warn', text: `${data} is no folder of a master or a node`}];
  const bad: Check[] = [];
  for (const path of [data, ...SECRETS.map(name => join(data, name))]) {
    if (!existsSync(path)) continue;
    const {mode, uid} = statSync(path);
    const others = mode & 0o077;
    const own = process.getuid?.() ?? uid;
    if (others !== 0 && path !== data)
      bad.push({what: 'files', state: 'bad', text: `${path} can be read by others: chmod 600`});
    else if ((mode & 0o022) !== 0)
      bad.push({what: 'files', state: 'bad', text: `${path} can be written by others: chmod 700`});
    if (uid !== own && own !== 0)
      bad.push({
        what: 'files',
        state: 'bad',
        text: `${path} belongs to user ${uid}, not to ${own}`,
      });
  }
  return bad.length > 0
    ? bad
    : [{what: 'files', state: 'good', text: `${data} is its owner's alone`}];
}

export function checkSpace(data: string): Check {
  const what = 'free space';
  try {
    const {bavail, blocks, bsize} = statfsSync(data);
    const free = bavail * bsize;
    const floor = Math.max(FREE_BYTES_MIN, blocks * bsize * FREE_PART_MIN);
    const text = `${Math.floor(free / MIB)} MiB free for ${data}`;
    return free < floor
      ? {
          what,
          state: 'bad',
          text: `${text}: below ${Math.ceil(floor / MIB)} MiB nothing new is taken`,
        }
      : {what, state: 'good', text};
  } catch (error) {
    return {what, state: 'warn', text: `${data}: ${errnoOf(error)}`};
  }
}

export function checkReceiveBuffer(): Check {
  const what = 'receive buffer';
  try {
    const most = Number(readFileSync('/proc/sys/net/core/rmem_max', 'utf8'));
    return most < RECEIVE_BYTES
      ? {
          what,
          state: 'warn',
          text: `net.core.rmem_max is ${most}: bursts are lost while the process is busy; sysctl -w net.core.rmem_max=${RECEIVE_BYTES}`,
        }
      : {what, state: 'good', text: `net.core.rmem_max is ${most}`};
  } catch {
    return {what, state: 'warn', text: 'net.core.rmem_max cannot be read here'};
  }
}
