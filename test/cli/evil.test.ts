// A drill: one node of three returns wrong bytes on purpose, on real processes. None of them counts, each that was held
// against another result is on record, and the node gets no more work of that app.

import test from 'ava';
import {masterFlags, newCluster, nodeFlags, shownJoin, start, volley} from './rig.ts';

type Node = {
  name: string;
  validated: number;
  disagreed: number;
  benches?: {app: string; reason: string}[];
};
type Batch = {id: number; state: string; results: number; disagreements: number};

test('what an evil node returns never counts, and is found', async t => {
  t.timeout(170_000);
  const cluster = await newCluster(t);
  const master = start(t, ['master', ...masterFlags(cluster)]);
  await master.says('volley node --join');
  const flags = ['--join', shownJoin(master), '--slots', 1];
  const evil = start(t, ['node', ...nodeFlags(cluster, 'bad'), ...flags, '--evil', 100]);
  const good = ['n1', 'n2'].map(name => start(t, ['node', ...nodeFlags(cluster, name), ...flags]));
  for (const node of [evil, ...good]) await node.says('joined');
  t.regex(evil.stderr, /returns wrong results on purpose/);
  const json = async <T>(...words: (string | number)[]): Promise<T> => {
    const {code, stdout, stderr} = await volley([...words, '--json', '--data', cluster.data]);
    if (code !== 0) throw new Error(`exit ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  };
  const line = 'batch submit primes --range 0..100_000 --chunk 1_000 --wait';
  let nodes: Node[] = [];
  let bad: Node | undefined;
  let disagreements = 0;
  // Of a short batch the others may have nearly all, where a busy machine lets the bad one wait: until it had its three.
  do {
    const batch = await json<Batch>(...line.split(' '));
    t.is(batch.state, 'done');
    disagreements += batch.disagreements;
    const sum = await volley(['batch', 'results', batch.id, '--sum', '--data', cluster.data]);
    t.is(sum.stdout, '9592\n', 'the number of primes below 100,000');
    nodes = (await json<{nodes: Node[]}>('nodes')).nodes;
    bad = nodes.find(({name}) => name === 'bad');
    t.is(bad?.validated, 0);
  } while (!bad?.benches);
  t.true(bad.disagreed > 0, 'it took part, and was found');
  t.is(bad.disagreed, disagreements);
  for (const {name, disagreed} of nodes) if (name !== 'bad') t.is(disagreed, 0, name);
  t.is(bad?.benches?.[0]?.app, 'primes', 'it gets no more work of that app');
  t.is(bad?.benches?.[0]?.reason, '3 results in a row that others contradict');
});

test('a share that makes no sense is refused', async t => {
  for (const share of ['101', '-1', 'much']) {
    const {code, stderr} = await volley(['node', `--evil=${share}`, '--data', '/nonexistent/node']);
    t.is(code, 2, share);
    t.regex(stderr, /--evil/);
  }
});
