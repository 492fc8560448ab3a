// The floor of `npm run bench -- capture`: one multicast packet, no repeats, to plain Node processes on the hosts
// of the same LAN rig, with and without a check of a signature by node:crypto.

import {type ChildProcess, spawn} from 'node:child_process';
import {generateKeyPairSync, randomBytes, sign} from 'node:crypto';
import {once} from 'node:events';
import {createInterface} from 'node:readline';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import type {LanRig} from '../rig/lan-rig.ts';
import {percentile} from './report.ts';

const EAR = fileURLToPath(new URL('./bare-shutter.mjs', import.meta.url));
const GROUP = '239.86.79.77';
const PORT = 7_778;
const PACKET_BYTES = 200;
/** What has not come by then was lost. */
const PATIENCE_MS = 300;
/** Says when it sent, too: all hosts of a rig have one monotonic clock. */
const MOUTH = `const s=require('dgram').createSocket('udp4');const [group,port,address]=process.argv.slice(1);
s.bind(0,address,()=>{s.setMulticastInterface(address);console.log('ready')});
require('readline').createInterface({input:process.stdin}).on('line',l=>{
console.log(Number(process.hrtime.bigint())/1e6);s.send(Buffer.from(l,'hex'),Number(port),group)}).on('close',()=>process.exit())`;

export type Floor = {
  readonly isSigned: boolean;
  readonly spreadMsP50: number;
  readonly spreadMsP95: number;
  /** From the sending to the last that heard it. */
  readonly lastMsP50: number;
  readonly lastMsP95: number;
  readonly lost: number;
};

type Voice = {readonly child: ChildProcess; readonly times: number[]};

async function open(lan: LanRig, host: string, args: readonly string[]): Promise<Voice> {
  const [program = '', ...rest] = [...lan.enter(host), process.execPath, ...args];
  const child = spawn(program, rest, {stdio: ['pipe', 'pipe', 'inherit']});
  const times: number[] = [];
  const lines = createInterface({input: child.stdout});
  await once(lines, 'line');
  lines.on('line', line => times.push(Number(line)));
  return {child, times};
}

/** @param hosts who hears */
export async function bareMulticast(
  lan: LanRig,
  hosts: readonly string[],
  shots: number,
  isSigned: boolean,
): Promise<Floor> {
  const {privateKey, publicKey} = generateKeyPairSync('ed25519');
  const key = isSigned ? [publicKey.export({format: 'der', type: 'spki'}).toString('hex')] : [];
  const ears = await Promise.all(
    hosts.map(host => open(lan, host, [EAR, GROUP, String(PORT), lan.address(host), ...key])),
  );
  const master = lan.address('master');
  const mouth = await open(lan, 'master', ['-e', MOUTH, GROUP, String(PORT), master]);
  const [spreads, lasts]: [number[], number[]] = [[], []];
  let lost = 0;
  for (let shot = 0; shot < shots; shot++) {
    for (const {times} of [mouth, ...ears]) times.length = 0;
    const text = randomBytes(PACKET_BYTES);
    const packet = Buffer.concat([sign(null, text, privateKey), text]);
    mouth.child.stdin?.write(`${packet.toString('hex')}\n`);
    await sleep(PATIENCE_MS);
    const heard = ears.flatMap(({times}) => times.slice(0, 1));
    lost += ears.length - heard.length;
    if (heard.length === 0) continue;
    spreads.push(Math.max(...heard) - Math.min(...heard));
    lasts.push(Math.max(...heard) - (mouth.times[0] ?? 0));
  }
  await Promise.all(
    [mouth, ...ears].map(({child}) => {
      const gone = once(child, 'exit');
      child.stdin?.end();
      return gone;
    }),
  );
  return {
    ...{isSigned, lost},
    ...{spreadMsP50: percentile(spreads, 50), spreadMsP95: percentile(spreads, 95)},
    ...{lastMsP50: percentile(lasts, 50), lastMsP95: percentile(lasts, 95)},
  };
}
