// `npm run bench -- bulk|capture|collect|dispatch|fanout|flood|js|map|opening|scale`: what the README's figures come from. Builds nothing: run
// `npm run build` before. Prints tables, and with --json one JSON object.

import {loadavg} from 'node:os';
import {cac} from 'cac';
import {bulkBench, showBulk} from './bulk.ts';
import {captureBench, showCapture} from './capture.ts';
import {collect, showCollect} from './collect.ts';
import {dispatch, showDispatch} from './dispatch.ts';
import {fanout, showFanout} from './fanout.ts';
import {flood, showFlood} from './flood.ts';
import {js, showJs} from './js.ts';
import {type Machine, measureMachine} from './machine.ts';
import {mapBench, showMap} from './map.ts';
import {opening, showOpening} from './opening.ts';
import {number, table} from './report.ts';
import {scale, showScale} from './scale.ts';

const cli = cac('npm run bench --');

const machineTable = (machine: Machine): string =>
  table('this machine, in this run', [
    ['load average before', number(machine.loadAverage, 2)],
    ['fdatasync of 4 KiB, p50', `${number(machine.fdatasyncMsP50, 2)} ms`],
    ['Ed25519 verify/s, one core', number(machine.verifiesPerSecond)],
    ['Ed25519 sign/s, one core', number(machine.signsPerSecond)],
    ['LevelDB rows/s, synced batches of 256', number(machine.syncedRowsPerSecond)],
  ]);

async function withMachine<T extends object>(
  json: boolean | undefined,
  measure: () => Promise<T>,
  show: (result: T, machine: Machine) => string,
): Promise<void> {
  const machine = await measureMachine(loadavg()[0] ?? 0);
  const result = await measure();
  if (json) console.log(JSON.stringify({machine, ...result}));
  else console.log(`${machineTable(machine)}\n${show(result, machine)}`);
}

const numbersOf = (text: string | number): number[] => String(text).split(',').map(Number);

cli
  .command('bulk', 'one file to all nodes of a LAN, beside udpcast, uftp and HTTP to each')
  .option('--rooms <rooms>', '<nodes>@<Mbit/s>x<MiB>,…', {default: '8@100x32,32@40x32,120@10x4'})
  .option('--losses <percents>', 'at each node; 1+20 = one node at 20', {default: '0,1,5,1+20'})
  .option('--starts <count>', 'small transfers in a row at 5 %, in the first room', {default: 100})
  .option('--alone', 'without the others')
  .option('--json', 'one JSON object')
  .action(({rooms, losses, starts, alone, json}) =>
    withMachine(
      json,
      () =>
        bulkBench({
          rooms: String(rooms).split(','),
          losses: String(losses).split(','),
          starts: Number(starts),
          isAlone: alone === true,
        }),
      showBulk,
    ),
  );

cli
  .command('capture', 'shots of a rig on a LAN of 100 Mbit, held against what really happened')
  .option('--nodes <counts>', 'node processes: 4,32,128', {default: '4,32'})
  .option('--loss <percents>', 'lost on each cable, each way', {default: '0,3,10'})
  .option('--shots <count>', 'in a row', {default: 20})
  .option('--interval <ms>', 'between shots; 0 = what these cores can do', {default: 0})
  .option('--nows <count>', 'shots on hearing', {default: 10})
  .option('--json', 'one JSON object')
  .action(({nodes, loss, json, ...counts}) =>
    withMachine(
      json,
      () =>
        captureBench({
          ...{nodes: numbersOf(nodes), losses: numbersOf(loss), shots: Number(counts.shots)},
          ...{intervalMs: Number(counts.interval), nows: Number(counts.nows)},
        }),
      showCapture,
    ),
  );

cli
  .command(
    'collect',
    'the files of a capture from 8 hosts over cables of 100 Mbit, against one TCP stream',
  )
  .option('--nodes <count>', 'hosts', {default: 8})
  .option('--mib <count>', 'size of each file', {default: 5})
  .option('--shots <count>', 'files of each node', {default: 5})
  .option('--json', 'one JSON object')
  .action((options: {nodes: number; mib: number; shots: number; json?: boolean}) =>
    withMachine(
      options.json,
      () => collect(Number(options.nodes), Number(options.mib), Number(options.shots)),
      showCollect,
    ),
  );

cli
  .command('dispatch', 'null workunits through a master and 4 node processes')
  .option('--workunits <count>', 'in each round', {default: 60_000})
  .option('--singles <count>', 'single workunits at idle', {default: 300})
  .option('--json', 'one JSON object')
  .action((options: {workunits: number; singles: number; json?: boolean}) =>
    withMachine(
      options.json,
      () => dispatch(Number(options.workunits), Number(options.singles)),
      showDispatch,
    ),
  );

cli
  .command('fanout', 'one command to the last of 32 node processes hearing it')
  .option('--nodes <count>', 'node processes', {default: 32})
  .option('--commands <count>', 'commands sent, one after the other', {default: 40})
  .option('--json', 'one JSON object')
  .action((options: {nodes: number; commands: number; json?: boolean}) =>
    withMachine(
      options.json,
      () => fanout(Number(options.nodes), Number(options.commands)),
      showFanout,
    ),
  );

cli
  .command('flood', 'one workunit at a time while a stranger floods both ports with junk')
  .option('--seconds <count>', 'of the flood', {default: 20})
  .option('--rate <count>', 'datagrams a second', {default: 100_000})
  .option('--json', 'one JSON object')
  .action((options: {seconds: number; rate: number; json?: boolean}) =>
    withMachine(
      options.json,
      () => flood(Number(options.seconds), Number(options.rate)),
      showFlood,
    ),
  );

cli
  .command('js', 'loops of js apps in a runner, against plain Node')
  .option('--json', 'one JSON object')
  .action((options: {json?: boolean}) => withMachine(options.json, js, showJs));

cli
  .command('map', '`volley map` against GNU parallel, on the same work and cores')
  .option('--lines <count>', 'of no work', {default: 50_000})
  .option('--work <count>', 'lines of real work', {default: 200})
  .option('--json', 'one JSON object')
  .action((options: {lines: number; work: number; json?: boolean}) =>
    withMachine(options.json, () => mapBench(Number(options.lines), Number(options.work)), showMap),
  );

cli
  .command('opening', 'the audit of a large store, as each start of a master does it')
  .option('--commits <count>', 'of its journal', {default: 1_000_000})
  .option('--json', 'one JSON object')
  .action((options: {commits: number; json?: boolean}) =>
    withMachine(options.json, () => opening(Number(options.commits)), showOpening),
  );

cli
  .command('scale', 'a batch of millions over thousands of model boards, on the core of the master')
  .option('--workunits <count>', 'of the batch', {default: 10_000_000})
  .option('--nodes <count>', 'boards, of 4 slots', {default: 10_000})
  .option('--json', 'one JSON object')
  .action((options: {workunits: number; nodes: number; json?: boolean}) =>
    withMachine(
      options.json,
      () => scale(Number(options.nodes), Number(options.workunits)),
      showScale,
    ),
  );

cli.help();
cli.parse(process.argv, {run: false});
if (cli.matchedCommand) await cli.runMatchedCommand();
else {
  cli.outputHelp();
  process.exitCode = cli.options['help'] ? 0 : 2;
}
