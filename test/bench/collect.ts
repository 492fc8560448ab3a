// Collection of a capture over a real switch: 8 hosts on cables of 100 Mbit, each with a file, and the master's
// cable is the one that all share. Beside it, in the same run and over the same cables, one plain TCP stream
// from one host to the master: what the link gives. Needs a LAN rig (test/rig/lan-rig.ts).

import {spawn} from 'node:child_process';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {MIB} from '../../src/base/units.ts';
import {openCluster, until} from '../rig/cluster.ts';
import {type LanRig, openLan, whyNoLan} from '../rig/lan-rig.ts';
import {number, type Row, table} from './report.ts';

export type Collect = {
  readonly nodes: number;
  readonly files: number;
  readonly fileBytes: number;
  readonly rateMbit: number;
  readonly collectedMbit: number;
  readonly plainMbit: number;
};

const PORT = 7_777;
/** One stream to the master; it prints Mbit/s from the first byte to the last. */
const SINK = `let n=0,t=0;require('net').createServer(s=>s.on('data',b=>{t||=performance.now();n+=b.length})
.on('end',()=>{console.log(n*8/(performance.now()-t)/1000);process.exit()})).listen(${PORT},()=>console.log('up'))`;
const SOURCE = `const s=require('net').connect(${PORT},process.argv[1]);let left=Number(process.argv[2]);const b=Buffer.alloc(65536);
const go=()=>{while(left>0){left-=b.length;if(!s.write(b))return s.once('drain',go)}s.end()};s.on('connect',go)`;

/** Mbit/s of one plain TCP stream from a node's host to the master's. */
async function plainStream(lan: LanRig, bytes: number): Promise<number> {
  const [program = '', ...inside] = [...lan.enter('master'), process.execPath, '-e', SINK];
  const sink = spawn(program, inside, {stdio: ['ignore', 'pipe', 'inherit']});
  let said = '';
  sink.stdout.on('data', chunk => {
    said += String(chunk);
  });
  await until(() => said.includes('up') || undefined, 'the sink');
  const ended = new Promise(resolve => sink.once('close', resolve));
  const sourceOf = [...lan.enter('n1'), process.execPath, '-e', SOURCE];
  const [source = '', ...rest] = [...sourceOf, lan.address('master'), String(bytes)];
  spawn(source, rest, {stdio: 'inherit'});
  await ended;
  return Number(said.replace('up', ''));
}

export async function collect(nodes: number, fileMib: number, shots: number): Promise<Collect> {
  const why = whyNoLan();
  if (why !== undefined) throw new Error(`there can be no LAN rig here: ${why}`);
  const rateMbit = 100;
  const fileBytes = fileMib * MIB;
  const lan = await openLan({nodes, rateMbit});
  try {
    const plainMbit = await plainStream(lan, 64 * MIB);
    const cluster = await openCluster(0, 1, lan);
    try {
      const command = ['/bin/sh', '-c', `head -c ${fileBytes} /dev/urandom > "$0"`, '{file}'];
      const config = JSON.stringify({actions: {noise: {command}}});
      for (let no = 0; no < nodes; no++) {
        const data = join(cluster.dir, `node${no}`);
        mkdirSync(data, {mode: 0o700});
        writeFileSync(join(data, 'node.json'), config, {mode: 0o600});
        cluster.startNode(no);
      }
      await cluster.nodesUp(nodes);
      const {captureId} = await cluster.client.capture({
        ...{action: 'noise', args: [], target: {labels: [], nodes: []}},
        ...{leadMs: 2_000, shots, intervalMs: 1_000},
      });
      return {
        ...{nodes, files: nodes * shots, fileBytes, rateMbit, plainMbit},
        collectedMbit: await collectedMbit(cluster.client, captureId),
      };
    } finally {
      await cluster.close();
    }
  } finally {
    await lan.close();
  }
}

type Client = Awaited<ReturnType<typeof openCluster>>['client'];

/** From the first statement with a file to the last file that is here. */
async function collectedMbit(
  client: Client,
  captureId: Parameters<Client['captureOf']>[0],
): Promise<number> {
  let since = 0;
  for await (const event of client.events({captureId})) {
    if (event.kind !== 'capture') continue;
    const {rows, state} = event.capture;
    const files = rows.flatMap(row => row.files);
    if (files.length > 0) since ||= performance.now();
    if (state !== 'done') continue;
    const missing = files.length === 0 || files.some(file => !file.collected);
    if (missing) throw new Error('the capture is not whole');
    const bytes = files.reduce((sum, {size}) => sum + size, 0);
    return (bytes * 8) / (performance.now() - since) / 1_000;
  }
  throw new Error('the master ended');
}

export function showCollect(result: Collect): string {
  const {nodes, files, fileBytes, rateMbit, collectedMbit: ours, plainMbit} = result;
  const rows: Row[] = [
    ['collected, hashed, on the master’s disk', `${number(ours, 1)} Mbit/s`],
    ['one plain TCP stream over the same cables', `${number(plainMbit, 1)} Mbit/s`],
    ['ratio', number(ours / plainMbit, 3)],
  ];
  const what = `${files} files of ${number(fileBytes / MIB)} MiB`;
  return table(`${what} of ${nodes} nodes over cables of ${rateMbit} Mbit`, rows);
}
