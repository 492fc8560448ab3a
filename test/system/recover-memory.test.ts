// Recovery of a large store in little memory: 200,000 workunits, two signed results of each, in a
// heap that is far smaller than the store.

import {spawnSync} from 'node:child_process';
import {mkdirSync, readdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {Prng} from '../../src/base/prng.ts';
import {asBatchId, asNodeId, type BatchId, type NodeId} from '../../src/base/types.ts';
import {
  type Decision,
  encodeCredit,
  encodeJson,
  encodePage,
  encodeReportRow,
  type Op,
  PAGE_WORKUNITS,
  pageKey,
  put,
  reportKey,
} from '../../src/core/tables.ts';
import {openLevelStore} from '../../src/io/level-store.ts';
import {encodeResults} from '../../src/wire/codec.ts';
import type {ResultItem} from '../../src/wire/message.ts';
import {MasterRig} from '../master/rig.ts';
import {PROGRAM} from '../rig/cluster.ts';
import {temporaryFolder} from '../rig/folders.ts';
import {writeAll} from '../rig/stored-master.ts';

const WORKUNITS = 200_000;
const PER_REPORT = 5;
const OUTPUT_BYTES = 240;
const HEAP_MIB = 40;
const MIB = 1_024 * 1_024;
/** Tells at its end how much memory the process had at most. */
const TELL = "process.on('exit', () => console.error('peak KiB', process.resourceUsage().maxRSS))";

/** Rows of a master whose batch of quorum 2 is decided; signatures are dice, no recovery looks at them. */
function* commits(prng: Prng): Generator<readonly Op[]> {
  const rig = MasterRig.ready();
  const nodes = rig.nodes(2).map(({id}) => id);
  const id = rig.submit({minQuorum: 2}, {kind: 'range', start: 0, end: WORKUNITS, chunk: 1});
  for (const [rowKey, value] of rig.rows) {
    const [table = '', key = ''] = rowKey.split('/');
    const done = {
      done: WORKUNITS,
      state: 'done',
      endedAt: 1,
      lastReportNo: (2 * WORKUNITS) / PER_REPORT,
    };
    const row = {...JSON.parse(new TextDecoder().decode(value)), ...done};
    if (table === 'batch') yield [put('batch', key, encodeJson(row))];
    else yield [put(table as Op['table'], key, value)];
  }
  const credit = {validated: WORKUNITS, disagreed: 0, errors: 0, credit: WORKUNITS};
  yield nodes.map(nodeId => put('credit', nodeId, encodeCredit(credit)));
  yield* decisions(prng, asBatchId(id), nodes);
}

function* decisions(prng: Prng, id: BatchId, nodes: readonly NodeId[]): Generator<readonly Op[]> {
  let reportNo = 0;
  let decided = new Map<number, Decision>();
  let ops: Op[] = [];
  for (let from = 0; from < WORKUNITS; from += PER_REPORT) {
    const items = Array.from({length: PER_REPORT}, (_, i) => itemOf(prng, id, from + i));
    for (const nodeId of nodes) ops.push(reportOf(prng, asNodeId(nodeId), ++reportNo, items));
    for (const [item, {index}] of items.entries()) {
      decided.set(index % PAGE_WORKUNITS, {kind: 'done', reportNo: reportNo - 1, item});
      if (decided.size < PAGE_WORKUNITS && index < WORKUNITS - 1) continue;
      ops.push(put('page', pageKey(id, Math.floor(index / PAGE_WORKUNITS)), encodePage(decided)));
      decided = new Map();
    }
    if (ops.length < 500) continue;
    yield ops;
    ops = [];
  }
  yield ops;
}

const POOL = Uint8Array.from(
  {length: MIB},
  (
    dice => () =>
      dice.below(256)
  )(new Prng(6)),
);

/** Bytes that do not compress. */
function bytesOf(prng: Prng, length: number): Uint8Array {
  const at = prng.below(POOL.length - length);
  return POOL.subarray(at, at + length);
}

const itemOf = (prng: Prng, batchId: BatchId, index: number): ResultItem => ({
  batchId,
  index,
  replicaNo: 0,
  proof: 0,
  cpuMs: 1,
  status: 'done',
  output: {kind: 'inline', bytes: bytesOf(prng, OUTPUT_BYTES)},
});

function reportOf(prng: Prng, nodeId: NodeId, reportNo: number, items: ResultItem[]): Op {
  const row = {nodeId, signature: bytesOf(prng, 64), body: encodeResults(items)};
  return put('report', reportKey(reportNo), encodeReportRow(row));
}

test('a store of very many workunits is recovered in a heap far below its size', async t => {
  t.timeout(170_000);
  const data = temporaryFolder('memory');
  const path = join(data, 'store');
  writeFileSync(join(data, 'cluster.json'), '{}');
  mkdirSync(path);
  const store = await openLevelStore(path);
  await writeAll(store, commits(new Prng(5)));
  await store.close();
  const files = readdirSync(path).map(name => join(path, name));
  const size = files.reduce((sum, name) => sum + statSync(name).size, 0);
  const table =
    files
      .filter(name => name.endsWith('.ldb'))
      .sort()
      .at(0) ?? '';
  const bytes = readFileSync(table);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 16;
  writeFileSync(table, bytes);
  const {status, stdout, stderr} = spawnSync(
    process.execPath,
    [
      `--max-old-space-size=${HEAP_MIB}`,
      `--import=data:text/javascript,${encodeURIComponent(TELL)}`,
      PROGRAM,
      ...['recover', '--apply', '--json', '--data', data],
    ],
    {encoding: 'utf8'},
  );
  t.is(status, 0, stderr);
  const said = JSON.parse(stdout) as {
    loss: {batches: {reopened: number[]}[]};
    rows: number;
    damages: number;
  };
  t.true(said.damages > 0 && said.rows > (2 * WORKUNITS) / PER_REPORT - 100);
  t.true(size > 2 * HEAP_MIB * MIB, `a store of ${size} bytes`);
  const peak = Number(/peak KiB (\d+)/.exec(stderr)?.[1]) / 1_024;
  t.log(
    `${Math.round(size / MIB)} MiB, heap ${HEAP_MIB} MiB, resident at most ${Math.round(peak)} MiB, ` +
      `${said.loss.batches[0]?.reopened.length ?? 0} workunits open again`,
  );
});
