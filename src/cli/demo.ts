// `volley demo`: a whole cluster on this machine for a minute, and nothing left behind.

import {setTimeout as sleep} from 'node:timers/promises';
import {EXIT} from '../base/errors.ts';
import type {CommandSpec, Given} from './command.ts';
import type {DemoCluster} from './demo-cluster.ts';
import type {Stage} from './demo-story.ts';
import {duration, print, printJson, tell} from './output.ts';
import {ProgressLine} from './progress.ts';

const NODES = 4;
const NODES_MAX = 32;
/** From a broken connection to the end of its process being known. */
const NEWS_MS = 500;

export const demoCommand: CommandSpec = {
  name: 'demo',
  summary: 'Show a whole cluster on this machine: count primes, take pictures, render',
  options: [
    {flag: '--nodes <count>', text: `nodes to start (default ${NODES})`},
    {
      flag: '--out <folder>',
      text: 'where the pictures go (default: a new folder for temporary files)',
    },
    {flag: '--keep', text: 'leave the cluster running at the end'},
    {flag: '--json', text: 'print the numbers as JSON at the end'},
  ],
  examples: ['volley demo', 'volley demo --nodes 8 --out ./pictures', 'volley demo --keep'],
  run: demo,
};

/** The connection to a master that dies breaks first: its end, which says more, is told a moment later. */
async function afterNews(error: unknown): Promise<never> {
  await sleep(NEWS_MS);
  throw error;
}

async function demo(given: Given): Promise<number> {
  const startedAt = performance.now();
  const nodes = given.whole('nodes', 2, NODES_MAX) ?? NODES;
  const [keep, json] = [given.flag('keep'), given.flag('json')];
  const {DemoCluster} = await import('./demo-cluster.ts');
  const end = endSignals();
  const cluster = new DemoCluster({keep, onLost: end.lost});
  const pictures = await picturesFolder(given.text('out'));
  end.onSecond(() => cluster.killAll());
  const say = (text = ''): void => (json ? tell(text) : print(text));
  const line = new ProgressLine(json ? process.stderr : process.stdout);
  const stage: Stage = {cluster, line, say, out: pictures.out, nodes};
  let kept = false;
  try {
    const acts = await Promise.race([play(stage).catch(afterNews), end.interrupted]);
    if (acts === 'interrupted') {
      line.end();
      say('Interrupted: ending all processes.');
      await cluster.close();
      await pictures.remove();
      return EXIT.interrupted;
    }
    const tookMs = performance.now() - startedAt;
    say(`All of it took ${duration(tookMs)}.`);
    kept = keep;
    if (keep) leave(cluster, say);
    if (json) printJson({...acts, out: pictures.out, tookMs});
    return EXIT.ok;
  } catch (error) {
    line.end();
    for (const text of cluster.logTails()) tell(text);
    await pictures.remove();
    throw error;
  } finally {
    if (!kept) await cluster.close();
  }
}

async function play(stage: Stage): Promise<object> {
  const {showCapture, showPrimes, showRender} = await import('./demo-story.ts');
  const {cluster, line, say, nodes} = stage;
  say(`Starting a master and ${nodes} nodes in ${cluster.dir}`);
  await cluster.startMaster();
  await cluster.addNodes(nodes);
  await cluster.nodesUp(nodes, up => line.show(`nodes: ${up} of ${nodes} have joined`));
  line.end(`nodes: ${nodes} of ${nodes} have joined`);
  say();
  const primes = await showPrimes(stage);
  say();
  const capture = await showCapture(stage);
  say();
  const render = await showRender(stage);
  say();
  return {primes, capture, render};
}

function leave(cluster: DemoCluster, say: (text?: string) => void): void {
  cluster.leave();
  say(`The cluster stays, in ${cluster.dir}. Talk to it with`);
  say(`  volley nodes --data ${cluster.masterDir}`);
  say('and end it with');
  say(`  kill ${cluster.pids.join(' ')}; sleep 2; rm -r ${cluster.dir}`);
}

type EndSignals = {
  readonly interrupted: Promise<'interrupted'>;
  readonly lost: (error: Error) => void;
  readonly onSecond: (act: () => void) => void;
};

/** Ctrl-C, SIGTERM and the hang-up of a terminal end the demo in order, a second one at once. */
function endSignals(): EndSignals {
  let second: () => void = () => {};
  let lost: (error: Error) => void = () => {};
  const interrupted = new Promise<'interrupted'>((resolve, reject) => {
    lost = reject;
    let count = 0;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        if (++count > 1) second();
        resolve('interrupted');
      });
  });
  interrupted.catch(() => {});
  return {
    interrupted,
    lost,
    onSecond: act => {
      second = act;
    },
  };
}

async function picturesFolder(
  wanted: string | undefined,
): Promise<{readonly out: string; readonly remove: () => Promise<void>}> {
  const {existsSync} = await import('node:fs');
  const {mkdtemp, rm} = await import('node:fs/promises');
  const {tmpdir} = await import('node:os');
  const {join} = await import('node:path');
  const out = wanted ?? (await mkdtemp(join(tmpdir(), 'volley-pictures-')));
  // A folder that was there before is the user's.
  const ours = wanted === undefined || !existsSync(wanted);
  const remove = async (): Promise<void> => {
    if (ours) await rm(out, {recursive: true, force: true});
  };
  return {out, remove};
}
