// Batches whose outputs are compared by more than bytes, and one that its first result ends: real processes.
// The nodes' owners allow actions that answer in different ways, as boards with other processors do.

import {createHash} from 'node:crypto';
import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import test from 'ava';
import {compile} from '../io/runner-rig.ts';
import {
  type Cluster,
  masterFlags,
  newCluster,
  nodeFlags,
  PASSPHRASE,
  shownJoin,
  start,
  volley,
} from './rig.ts';

const NAMES = ['n1', 'n2', 'n3'];

/** Node 3 is far off; of the others each rounds in its own way. */
const programs = (no: number): Record<string, string> => ({
  few: `console.log(JSON.stringify({mean: ${no === 2 ? 7 : 0.1 + no * 1e-13}, unit: 'm'}))`,
  many: `console.log(JSON.stringify(Array.from({length: 5000}, (_, i) =>
    i / 7 + ${no === 2 ? 1 : no * 1e-12})))`,
  words: `console.log(${JSON.stringify(['a b c', 'c a b', 'a b d'][no])})`,
  junk: `console.log(${no === 2 ? "'3 apples'" : '3'})`,
});

/** Equal when the same letters are in both outputs, in whatever order. */
const LETTERS = `
import {readAll, inputAt, write} from "./lib/wasi";
const words: usize = memory.data(64);
let at: usize = 0;
function number(): u32 {
  let value: u32 = 0;
  for (let c = load<u8>(at); c >= 48; c = load<u8>(++at)) value = value * 10 + (c - 48);
  at++;
  return value;
}
function sum(length: u32): u32 {
  let total: u32 = 0;
  for (let i: u32 = 0; i < length; i++) total += load<u8>(at++);
  return total;
}
export function _start(): void {
  readAll();
  at = inputAt;
  const first = number();
  const second = number();
  const text = sum(first) == sum(second) ? "equal" : "different";
  write(words, <u32>String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, words));
}
`;

type Batch = {
  id: number;
  state: string;
  reason: string;
  done: number;
  errors: number;
  disagreements: number;
  out: number;
  winner?: number;
};

let cluster: Cluster;
const cleanups: (() => unknown)[] = [];

test.before(async t => {
  t.timeout(180_000);
  const hooks = {teardown: (act: () => unknown) => cleanups.unshift(act)};
  cluster = await newCluster(hooks);
  const master = start(hooks, ['master', ...masterFlags(cluster)]);
  await master.says('volley node --join');
  const joining = ['--join', shownJoin(master), '--slots', 1];
  const nodes = await Promise.all(
    NAMES.map(async (name, no) => {
      const folder = join(cluster.dir, name);
      await mkdir(folder, {mode: 0o700});
      const actions = Object.fromEntries(
        Object.entries(programs(no)).map(([action, program]) => [
          action,
          {command: [process.execPath, '-e', program]},
        ]),
      );
      await writeFile(join(folder, 'node.json'), JSON.stringify({actions}), {mode: 0o600});
      return start(hooks, ['node', ...nodeFlags(cluster, name), ...joining]);
    }),
  );
  for (const node of nodes) await node.says('joined');
  for (const action of Object.keys(programs(0))) await publish(action, {runtime: 'exec', action});
  const limits = {timeSeconds: 5, memoryMib: 1, outputBytes: 64};
  await publish('letters', {runtime: 'wasm', module: 'app.wasm', limits}, await compile(LETTERS));
});

test.after.always(async () => {
  for (const clean of cleanups) await clean();
});

async function publish(name: string, manifest: object, module?: Uint8Array): Promise<void> {
  const folder = join(cluster.dir, `app-${name}`);
  await mkdir(folder);
  const limits = {timeSeconds: 20, memoryMib: 256, outputBytes: 1_000_000};
  const whole = {name, version: '1.0.0', description: '', limits, ...manifest};
  await writeFile(join(folder, 'app.json'), JSON.stringify(whole));
  if (module) await writeFile(join(folder, 'app.wasm'), module);
  const published = await volley(['app', 'publish', folder, '--data', cluster.data], {
    VOLLEY_PASSPHRASE: PASSPHRASE,
  });
  if (published.code !== 0) throw new Error(published.stderr);
}

const ask = (line: string) => volley([...line.split(' '), '--data', cluster.data]);

async function submit(line: string): Promise<{batch: Batch; code: number | null}> {
  const {code, stdout, stderr} = await ask(`batch submit ${line} --wait --json`);
  if (stdout === '') throw new Error(`exit ${code}: ${stderr}`);
  return {batch: JSON.parse(stdout) as Batch, code};
}

test.serial('by their bytes the results of such nodes never agree', async t => {
  t.timeout(170_000);
  const {batch, code} = await submit('few --range 0..1 --chunk 1 --max-replicas 3');
  t.is(code, 1);
  t.is(batch.state, 'failed');
  t.regex(batch.reason, /^no quorum after 3 replicas .*no two of 3 results agree/);
});

test.serial('within the tolerance they do, and the one that is far off is told', async t => {
  t.timeout(170_000);
  const {batch} = await submit('few --range 0..6 --chunk 1 --target 3 --compare numeric');
  t.like(batch, {state: 'done', done: 6, errors: 0});
  t.true(batch.disagreements <= 6);
  const {stdout} = await ask(`batch results ${batch.id}`);
  t.is(stdout.match(/\{"mean":0\.10*1?,?/g)?.length, 6, stdout);
  const shown = await ask(`batch show ${batch.id}`);
  t.regex(shown.stdout, /compare +numeric, json, rtol 1e-9, atol 1e-12\n/);
});

test.serial('numbers in large outputs are compared too', async t => {
  t.timeout(170_000);
  const line = 'many --range 0..4 --chunk 1 --target 3 --compare numeric --format json --rtol 1e-8';
  const {batch} = await submit(line);
  t.like(batch, {state: 'done', done: 4, errors: 0});
});

test.serial('an output that is no JSON is an error of its result', async t => {
  t.timeout(170_000);
  const {batch} = await submit('junk --range 0..6 --chunk 1 --target 3 --compare numeric');
  t.like(batch, {state: 'done', done: 6, disagreements: 0});
});

test.serial('a comparison app says who agrees', async t => {
  t.timeout(170_000);
  const {batch} = await submit('words --range 0..4 --chunk 1 --target 3 --compare custom:letters');
  t.like(batch, {state: 'done', done: 4, errors: 0});
  const {stdout} = await ask(`batch results ${batch.id}`);
  t.is(stdout.match(/\t(a b c|c a b)\n/g)?.length, 4, stdout);
});

test.serial('options of comparisons that make no sense are refused', async t => {
  t.timeout(170_000);
  for (const [line, reason] of [
    ['--compare similar', /--compare is exact, numeric or custom:/],
    ['--compare custom', /--compare is exact/],
    ['--compare custom:nobody', /no comparison app named nobody/],
    ['--compare custom:few', /a comparison app is a wasm app/],
    ['--compare numeric --format f16', /--format must be json or f32 or f64/],
    ['--compare numeric --rtol 2', /--rtol must be a number from 0 to 1/],
    ['--rtol 1e-9', /need --compare numeric/],
  ] as const) {
    const {code, stderr} = await ask(`batch submit few --range 0..1 ${line}`);
    t.is(code, 2);
    t.regex(stderr, reason);
  }
});

const HEADER =
  `01000000${'00'.repeat(32)}` +
  '3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d';

function hashOf(nonce: number): string {
  const bytes = Buffer.concat([Buffer.from(HEADER, 'hex'), Buffer.alloc(4)]);
  bytes.writeUInt32LE(nonce, 76);
  const once = createHash('sha256').update(bytes).digest();
  return createHash('sha256').update(once).digest().reverse().toString('hex');
}

test.serial('the first nonce that is found ends a search through all of them', async t => {
  t.timeout(170_000);
  const line = `nonce --range 0..4_294_967_296 --chunk 20_000 --arg ${HEADER} --arg 18 --first-wins`;
  const {batch, code} = await submit(line);
  t.is(code, 0);
  t.is(batch.state, 'done');
  t.is(batch.reason, `workunit ${batch.winner} has the first result`);
  t.true(batch.done < 5_000, `${batch.done} of 214,749 workunits`);
  const {stdout} = await ask(`batch results ${batch.id}`);
  const [, index, nonce, hash] = /^(\d+)\t(\d+) ([0-9a-f]{64})\n$/.exec(stdout) ?? [];
  t.is(Number(index), batch.winner ?? -1, stdout);
  t.is(hash, hashOf(Number(nonce)));
  t.regex(hash ?? '', /^0000[0-3]/);
  t.is(Math.floor(Number(nonce) / 20_000), batch.winner ?? -1);
  t.regex((await ask(`batch show ${batch.id}`)).stdout, /winner +workunit /);
  // What was cancelled gives its slots back: the next batch finds them.
  const {batch: next} = await submit('echo --range 0..9 --chunk 1 --quorum 3');
  t.like(next, {state: 'done', done: 9});
});

const state = async (id: number): Promise<Batch> =>
  JSON.parse((await ask(`batch show ${id} --json`)).stdout) as Batch;

test.serial('workunits that would run for minutes are stopped by the first result', async t => {
  t.timeout(170_000);
  // The nonce of Bitcoin's first block is 500,000 nonces behind the start; the other two workunits have
  // nothing to find in a thousand million.
  const start = 2_083_236_893 - 500_000;
  const line =
    `nonce --range ${start}..4294967296 --chunk 1_000_000_000 --arg ${HEADER} --arg 43 ` +
    '--first-wins --quorum 1';
  const {id} = JSON.parse((await ask(`batch submit ${line} --json`)).stdout) as Batch;
  let batch = await state(id);
  // Should it ever stand still, this says where.
  const look = setTimeout(async () => {
    for (const what of ['batch ls', 'nodes']) t.log((await ask(what)).stdout);
  }, 120_000);
  t.teardown(() => clearTimeout(look));
  let mostOut = 0;
  while (batch.state === 'running') {
    mostOut = Math.max(mostOut, batch.out);
    await sleep(20);
    batch = await state(id);
  }
  const endedAt = performance.now();
  t.like(batch, {state: 'done', done: 1, winner: 0, out: 0});
  const {stdout} = await ask(`batch results ${id}`);
  t.regex(stdout, /^0\t2083236893 000000000019d6689c085ae165831e93/);
  // A quorum of all three nodes: none of them is still at it.
  const {batch: next} = await submit('echo --range 0..3 --chunk 1 --quorum 3');
  t.like(next, {state: 'done', done: 3});
  t.log(
    `${mostOut} replicas out, all nodes free ${Math.round(performance.now() - endedAt)} ms later`,
  );
});
