// A disk that rots under a real cluster: rows of the master's store are lost, `volley doctor` names them, the
// master refuses to start, `volley recover` saves the rest, the nodes bring back what they keep, and the batch
// ends as if nothing had been.

import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {ByteReader, toHex} from '../../src/base/bytes.ts';
import {decodeCredit, decodePage, decodeReportRow} from '../../src/core/tables.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {openLevelStore} from '../../src/io/level-store.ts';
import {auditStore} from '../../src/io/store-audit.ts';
import {withCopy} from '../../src/io/store-copy.ts';
import {decodeResults} from '../../src/wire/codec.ts';
import type {ResultItem} from '../../src/wire/message.ts';
import {type Cluster, openCluster, until, volley} from '../rig/cluster.ts';
import {ended, primesOf, submitPrimes} from '../rig/work.ts';

const NODES = 4;
const WORKUNITS = 1_000;
const CHUNK = 100_000;

const crypto = new NodeCrypto();
const storeOf = (cluster: Cluster): string => join(cluster.dir, 'master', 'store');

/** Kills the master in the middle of the batch; what its log held becomes a table when it starts again. */
async function killAt(cluster: Cluster, batchId: Parameters<typeof ended>[1], share: number) {
  await until(async () => {
    const {done} = await cluster.client.batch(batchId);
    return done >= WORKUNITS * share || undefined;
  }, 'progress');
  await cluster.killMaster();
}

/** Flips a bit in the signatures of every seventh report that is in a table; answers how many. */
async function spoilTables(store: string): Promise<number> {
  const look = {room: 1, isBeside: false, what: 'a look at the reports'};
  const signatures = await withCopy(store, look, async ({copy}) => {
    const level = await openLevelStore(copy);
    const found: Uint8Array[] = [];
    for await (const [, row] of level.scan('report')) found.push(decodeReportRow(row).signature);
    await level.close();
    return found;
  });
  let spoilt = 0;
  for (const name of readdirSync(store).filter(each => each.endsWith('.ldb'))) {
    const bytes = readFileSync(join(store, name));
    for (const [no, signature] of signatures.entries()) {
      const at = bytes.indexOf(signature);
      if (no % 7 !== 3 || at < 0) continue;
      bytes[at + 5] = (bytes[at + 5] ?? 0) ^ 4;
      spoilt += 1;
    }
    writeFileSync(join(store, name), bytes);
  }
  return spoilt;
}

/** Cuts a hole into the middle of the log: LevelDB drops it and what follows in the same block. */
function spoilLog(store: string): void {
  const name = readdirSync(store).find(each => each.endsWith('.log')) ?? '';
  const bytes = readFileSync(join(store, name));
  bytes.fill(0, Math.floor(bytes.length * 0.6), Math.floor(bytes.length * 0.7));
  writeFileSync(join(store, name), bytes);
}

const hashOf = (folder: string): string =>
  readdirSync(folder)
    .sort()
    .map(name => `${name} ${toHex(crypto.sha256(readFileSync(join(folder, name))))}`)
    .join('\n');

const jsonOf = <T>({stdout}: {stdout: string}): T => JSON.parse(stdout) as T;

type Recovered = {
  readonly whole: boolean;
  readonly applied: boolean;
  readonly kept?: string;
  readonly loss: {
    readonly recounted: boolean;
    readonly batches: readonly {readonly batchId: number; readonly reopened?: readonly number[]}[];
  };
};

const outputOf = ({output}: Extract<ResultItem, {status: 'done'}>): string =>
  output.kind === 'inline' ? toHex(output.bytes) : output.blobId;

type Books = {
  /** Canonical output of each decided workunit. */
  readonly outputs: ReadonlyMap<number, string>;
  readonly credit: number;
  readonly nodes: number;
};

/** What the recovered store says when all is over. */
async function books(cluster: Cluster): Promise<Books> {
  const store = await openLevelStore(storeOf(cluster));
  try {
    await auditStore(store, crypto);
    const outputs = new Map<number, string>();
    for await (const [key, value] of store.scan('page'))
      for (const [offset, decision] of decodePage(value)) {
        if (decision.kind !== 'done') continue;
        const row = await store.get('report', decision.reportNo.toString(16).padStart(14, '0'));
        const item = row && decodeResults(decodeReportRow(row).body)?.[decision.item];
        if (item?.status !== 'done') continue;
        outputs.set(Number.parseInt(key.slice(8), 16) * 64 + offset, outputOf(item));
      }
    let credit = 0;
    for await (const [, value] of store.scan('credit')) credit += decodeCredit(value).credit;
    let nodes = 0;
    for await (const _ of store.scan('node')) nodes += 1;
    return {outputs, credit, nodes};
  } finally {
    await store.close();
  }
}

/** Every result that a node holds: workunit and output. */
async function heldBy(cluster: Cluster, no: number): Promise<[number, string][]> {
  const store = await openLevelStore(join(cluster.dir, `node${no}`, 'store'));
  const held: [number, string][] = [];
  for await (const [, row] of store.scan('spool')) {
    const reader = new ByteReader(row);
    reader.varint(); // a report
    reader.sized(); // its signature
    for (const item of decodeResults(reader.sized()) ?? [])
      if (item.status === 'done') held.push([item.index, outputOf(item)]);
  }
  await store.close();
  return held;
}

/** Workunits of which at least a quorum of nodes hold the result. */
function backed(
  held: readonly (readonly [number, string])[][],
  among: readonly number[],
): number[] {
  const count = new Map<number, number>();
  for (const results of held)
    for (const index of new Set(results.map(([each]) => each)))
      count.set(index, (count.get(index) ?? 0) + 1);
  return among.filter(index => (count.get(index) ?? 0) >= 2);
}

/** Damages the killed master's store; all that the commands say of it. */
async function recover(t: ExecutionContext, cluster: Cluster, batchId: number): Promise<number[]> {
  const store = storeOf(cluster);
  const flips = await spoilTables(store);
  spoilLog(store);
  t.true(flips > 0);
  const before = hashOf(store);
  const data = join(cluster.dir, 'master');
  const looked = volley(['doctor', '--store', '--data', data, '--json']);
  t.is(looked.code, 75, looked.stderr);
  const {damages} = jsonOf<{damages: {table: string; reason: string}[]}>(looked);
  t.true(damages.some(({table}) => table === 'journal'));
  t.regex(volley(['doctor', '--store', '--data', data]).stdout, /Next: `volley recover`/);

  const refused = cluster.tryMaster();
  t.is(refused.code, 75);
  t.regex(refused.stderr, /the store is damaged: .*`volley doctor --store`.*`volley recover`/);

  const plan = volley(['recover', '--data', data, '--json']);
  t.is(plan.code, 75, plan.stderr);
  t.like(jsonOf<Recovered>(plan), {whole: false, applied: false});

  const done = volley(['recover', '--apply', '--data', data, '--json']);
  t.is(done.code, 0, done.stderr);
  const told = jsonOf<Recovered>(done);
  t.like(told, {whole: false, applied: true, loss: {recounted: true}});
  t.deepEqual(told.loss, jsonOf<Recovered>(plan).loss, 'what was told is what was done');
  // Opened by the master that refused it; that may make a table of a log, and no more.
  t.true(told.kept !== undefined && readdirSync(told.kept).length > 0);
  t.not(before, '');
  const batch = told.loss.batches.find(each => each.batchId === batchId);
  const reopened = batch?.reopened ?? [];
  t.true(reopened.length > 0, 'the workunits are named');
  t.log(`${flips} flips, ${damages.length} damages, ${reopened.length} workunits open again`);
  return [...reopened];
}

test('a store that rots is refused, recovered, filled up by its nodes, and the batch ends right', async t => {
  t.timeout(180_000);
  const cluster = await openCluster(NODES, 1, undefined, true);
  t.teardown(() => cluster.close());
  const batchId = await submitPrimes(cluster, WORKUNITS, CHUNK);
  await killAt(cluster, batchId, 0.3);
  await cluster.startMaster();
  await killAt(cluster, batchId, 0.8);
  const reopened = await recover(t, cluster, batchId);

  // First the nodes bring back what they hold, and compute nothing.
  for (let no = 0; no < NODES; no++) await cluster.killNode(no);
  const held = await Promise.all(Array.from({length: NODES}, (_, no) => heldBy(cluster, no)));
  const owed = backed(held, reopened);
  t.true(owed.length > 0);
  for (let no = 0; no < NODES; no++) cluster.startNode(no, 1, ['--min-free', '1048576']);
  await cluster.startMaster();
  const {done: doneBefore, replicas} = await cluster.client.batch(batchId);
  await cluster.nodesUp(NODES);
  await until(async () => {
    const indexes = new Set<number>();
    for await (const {index} of cluster.client.results(batchId)) indexes.add(index);
    const missing = owed.filter(index => !indexes.has(index));
    return missing.length === 0 || undefined;
  }, 'all that the nodes hold');
  const refilled = await cluster.client.batch(batchId);
  t.is(refilled.replicas, replicas, 'no lease was given for it');
  t.log(`${owed.length} of ${reopened.length} came back: ${doneBefore} → ${refilled.done} done`);

  for (let no = 0; no < NODES; no++) {
    await cluster.killNode(no, 'SIGTERM');
    cluster.startNode(no);
  }
  t.like(await ended(cluster, batchId), {state: 'done', done: WORKUNITS, disagreements: 0});
  const {found, published} = await primesOf(cluster, batchId, WORKUNITS * CHUNK);
  t.is(found, published);
  for (let no = 0; no < NODES; no++) await cluster.killNode(no, 'SIGTERM');
  await cluster.killMaster('SIGTERM');
  const {outputs, credit, nodes} = await books(cluster);
  t.is(outputs.size, WORKUNITS);
  t.is(credit, WORKUNITS * 2, 'each vote is paid once');
  t.is(nodes, NODES);
  for (const results of held)
    for (const [index, output] of results) t.is(outputs.get(index), output);
});
