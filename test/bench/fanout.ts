// One command to the last of N node processes hearing it: from the turn of the master in which the operator
// asks (its commit with fsync is in the way) to the last node's time of hearing, which each node states and
// signs. All processes share this machine's clock, so the nodes' clock bound is the error of the figure.
// Beside it the bare thing: one multicast datagram to N bare processes, in the same run.

import {type ChildProcess, fork} from 'node:child_process';
import {createSocket} from 'node:dgram';
import {fileURLToPath} from 'node:url';
import {openCluster, until} from '../rig/cluster.ts';
import {number, percentile, type Row, table} from './report.ts';

const GROUP = '239.86.79.77';
const EAR = fileURLToPath(new URL('./bare-ear.mjs', import.meta.url));

export type Fanout = {
  readonly nodes: number;
  readonly commands: number;
  readonly lastMsP50: number;
  readonly lastMsP95: number;
  readonly clockBoundMsMax: number;
  /** Nodes that did not hear the first of all datagrams of a command, over all commands. */
  readonly silent: number;
  readonly bareMsP50: number;
  readonly bareMsP95: number;
};

export async function fanout(nodes: number, commands: number): Promise<Fanout> {
  const bare = await bareMulticast(nodes, commands);
  const cluster = await openCluster(nodes);
  try {
    await new Promise(resolve => setTimeout(resolve, 5_000)); // clocks are learnt, all is quiet
    const last: number[] = [];
    let bound = 0;
    let silent = 0;
    for (let i = 0; i < commands; i++) {
      const {captureId} = await cluster.client.capture({
        action: 'fanout-probe', // nobody allows it: nothing is fired, hearing is what counts
        args: [],
        target: {labels: [], nodes: []},
        leadMs: 0,
        shots: 1,
        intervalMs: 0,
      });
      const view = await until(async () => {
        const seen = await cluster.client.captureOf(captureId);
        return seen.state === 'done' ? seen : undefined;
      }, 'the answers to a command');
      const heard = view.rows.filter(row => row.heard).map(row => row.heardAt - view.createdAt);
      silent += view.rows.length - heard.length;
      bound = Math.max(bound, ...view.rows.map(row => row.clockBoundMs));
      last.push(Math.max(...heard));
    }
    return {
      nodes,
      commands,
      lastMsP50: percentile(last, 50),
      lastMsP95: percentile(last, 95),
      clockBoundMsMax: bound,
      silent,
      ...bare,
    };
  } finally {
    await cluster.close();
  }
}

/** One datagram to N processes that do nothing but note when it came (one monotonic clock for all). */
async function bareMulticast(
  count: number,
  times: number,
): Promise<Pick<Fanout, 'bareMsP50' | 'bareMsP95'>> {
  const socket = createSocket('udp4');
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', () => resolve()));
  socket.setMulticastInterface('127.0.0.1');
  socket.setMulticastLoopback(true);
  const ears: ChildProcess[] = [];
  try {
    const port = 40_000 + (process.pid % 20_000);
    for (let i = 0; i < count; i++) ears.push(fork(EAR, [GROUP, String(port)]));
    await Promise.all(ears.map(ear => new Promise(resolve => ear.once('message', resolve))));
    const last: number[] = [];
    for (let i = 0; i < times; i++) {
      const heard = ears.map(
        ear => new Promise<number>(resolve => ear.once('message', at => resolve(Number(at)))),
      );
      const since = Number(process.hrtime.bigint()) / 1e6;
      socket.send(new Uint8Array(200), port, GROUP);
      last.push(Math.max(...(await Promise.all(heard))) - since);
    }
    return {bareMsP50: percentile(last, 50), bareMsP95: percentile(last, 95)};
  } finally {
    for (const ear of ears) ear.kill('SIGKILL');
    socket.close();
  }
}

export function showFanout(result: Fanout): string {
  const rows: Row[] = [
    ['last node hears, p50', `${number(result.lastMsP50, 2)} ms`],
    ['last node hears, p95', `${number(result.lastMsP95, 2)} ms`],
    ['bare multicast to as many processes, p50', `${number(result.bareMsP50, 2)} ms`],
    ['bare multicast, p95', `${number(result.bareMsP95, 2)} ms`],
    ['ratio of the p50s', number(result.lastMsP50 / result.bareMsP50, 2)],
    ['nodes that never heard', number(result.silent)],
    ['largest clock bound', `${number(result.clockBoundMsMax, 2)} ms`],
  ];
  return table(`one command to ${result.nodes} node processes, ${result.commands} times`, rows);
}
