// Is this machine fit for Volley? A few honest looks; what it cannot see it does not speak of.

import {createSocket, type Socket} from 'node:dgram';
import {existsSync, statfsSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {KIB, MIB} from '../base/units.ts';
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
/** What sockets ask for; see io/udp.ts, io/bulk-ear.ts. */
const RECEIVE_BYTES = 4 * MIB;
/** Of a transfer's sender; see io/bulk-worker.ts. */
const SEND_BYTES = 256 * KIB;
const MOST_BITS = 100_000_000;
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

/** Opens a socket and looks at what the kernel gives it: commands and pushed files come in through such a one. */
export async function checkBuffers(): Promise<readonly Check[]> {
  const socket = createSocket('udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(0, '127.0.0.1', resolve);
    });
    return [checkReceiveBuffer(socket), checkSendBuffer(socket)];
  } catch (error) {
    return [{what: 'buffers', state: 'warn', text: `no socket can be opened: ${error}`}];
  } finally {
    socket.close();
  }
}

function checkReceiveBuffer(socket: Socket): Check {
  const what = 'receive buffer';
  tryTo(() => socket.setRecvBufferSize(RECEIVE_BYTES));
  // The kernel says twice what it was asked for: half of it is for its own books (socket(7)).
  const bytes = socket.getRecvBufferSize() / 2;
  const lastsMs = Math.round((bytes * 8 * 1_000) / MOST_BITS);
  const text = `${bytes} bytes, ${lastsMs} ms of 100 Mbit/s`;
  return bytes < RECEIVE_BYTES
    ? {
        what,
        state: 'warn',
        text: `${text}: bursts are lost while the process is busy; sysctl -w net.core.rmem_max=${RECEIVE_BYTES}`,
      }
    : {what, state: 'good', text};
}

function checkSendBuffer(socket: Socket): Check {
  const what = 'send buffer';
  tryTo(() => socket.setSendBufferSize(SEND_BYTES));
  const bytes = socket.getSendBufferSize() / 2;
  const text = `${bytes} bytes for a transfer: larger ones hide that a link is slower than we send`;
  return {what, state: bytes > 2 * SEND_BYTES ? 'warn' : 'good', text};
}

function tryTo(act: () => void): void {
  try {
    act();
  } catch {
    // The kernel's limit is lower; what there is says the size.
  }
}
