// `volley store sweep`, on the folder of a real master that computed, deleted, and was ended.

import {existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import test from 'ava';
import {toHex, toUtf8} from '../../src/base/bytes.ts';
import {openBlobStore} from '../../src/io/blob-store.ts';
import type {Tally} from '../../src/io/blob-sweep.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {loadedRig, writeStore} from '../rig/stored-master.ts';
import {masterFlags, runningCluster, start, temporaryFolder, type Volley, volley} from './rig.ts';

const crypto = new NodeCrypto();
type Swept = Record<'there' | 'referenced' | 'young' | 'deleted', Tally>;

/** Of the files of each batch. */
const NAMES = ['x', 'y'];
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const idOf = (text: string): string => toHex(crypto.sha256(toUtf8(text)));
const pathIn = (data: string, blobId: string): string =>
  join(data, 'blobs', blobId.slice(0, 2), blobId);
const filesIn = (folder: string): string[] =>
  readdirSync(folder, {recursive: true, withFileTypes: true})
    .filter(entry => entry.isFile())
    .map(({parentPath, name}) => join(parentPath, name).slice(folder.length + 1))
    .sort();
/** Ids of the blobs that are there. */
const blobsIn = (data: string): string[] => filesIn(join(data, 'blobs')).map(path => path.slice(3));

/** So many different words: their count is too long for a report, so it travels as a file. */
const textOf = (word: string): string =>
  Array.from(
    {length: 150},
    (_, i) => `${word}${LETTERS[i % 26]}${LETTERS[Math.floor(i / 26)]}`,
  ).join(' ');

async function saysInItsLog(master: Volley, text: string): Promise<void> {
  while (!master.stderr.includes(text) && master.process.exitCode === null) await sleep(25);
}

test('the files of a deleted batch go, and nothing that another one or an app needs', async t => {
  t.timeout(170_000);
  const cluster = await runningCluster(t, ['n1']);
  const {data, dir} = cluster;
  const ask = (line: string) => volley([...line.split(' '), '--data', data]);
  const json = async <T>(line: string): Promise<T> =>
    JSON.parse((await ask(`${line} --json`)).stdout) as T;
  for (const word of ['keep', 'drop']) {
    mkdirSync(join(dir, word));
    for (const n of NAMES) writeFileSync(join(dir, word, `${n}.txt`), textOf(word + n));
    const {code, stderr} = await ask(
      `batch submit wordcount --files ${join(dir, word)}/*.txt --quorum 1 --wait`,
    );
    t.is(code, 0, stderr);
  }
  const out = join(dir, 'before');
  t.is((await ask(`batch results 1 --out ${out}`)).code, 0);
  const dropped = (await ask('batch export 2')).stdout
    .trim()
    .split('\n')
    .map(line => (JSON.parse(line) as {blobId: string}).blobId);
  t.true(dropped.every(id => existsSync(pathIn(data, id))));
  t.is((await ask('batch delete 2')).code, 0);
  await saysInItsLog(cluster.master, 'batch is gone from the disk');
  t.regex((await ask('store sweep --json')).stderr, /VOLLEY_STORE_LOCKED/);
  t.is((await cluster.master.stop()).code, 0);

  const before = blobsIn(data);
  const young = await json<Swept>('store sweep');
  t.is(young.deleted.blobs, 0);
  t.is(young.there.blobs, before.length);
  const dry = await json<Swept>('store sweep --dry-run --older-than 0s');
  t.deepEqual(blobsIn(data), before);
  const swept = await ask('store sweep --older-than 0s');
  t.is(swept.code, 0, swept.stderr);
  t.regex(swept.stdout, new RegExp(`\\ndeleted +${dry.deleted.blobs} +\\d+\\.\\d KiB\\n`));
  const after = new Set(blobsIn(data));
  const gone = before.filter(id => !after.has(id));
  // Two inputs, their list, two outputs; the index of one block is the same for both lists.
  t.is(gone.length, 5);
  const inputs = ['drop', 'keep'].map(word => NAMES.map(n => idOf(textOf(word + n))));
  for (const id of [...(inputs[0] ?? []), ...dropped]) t.true(gone.includes(id), id);
  for (const id of inputs[1] ?? []) t.true(after.has(id), id);

  const again = start(t, ['master', ...masterFlags(cluster)]);
  await again.says('volley node --join');
  const {apps} = await json<{apps: {appId: string; name: string}[]}>('app ls');
  t.true(apps.length > 5);
  for (const {appId, name} of apps) {
    const [, manifest = ''] = readFileSync(pathIn(data, appId), 'utf8').split('\n');
    const {wasm} = JSON.parse(manifest) as {wasm: {blobId: string}};
    t.true(existsSync(pathIn(data, wasm.blobId)), name);
  }
  t.is((await ask(`batch results 1 --out ${join(dir, 'after')}`)).code, 0);
  t.is(filesIn(out).length, 2);
  for (const name of filesIn(out))
    t.deepEqual(readFileSync(join(dir, 'after', name)), readFileSync(join(out, name)));
  t.is((await again.stop()).code, 0);
});

test('of a damaged store nothing is deleted, and folders that are none are refused', async t => {
  t.timeout(170_000);
  const dir = await temporaryFolder(t);
  const data = join(dir, 'master');
  mkdirSync(data, {mode: 0o700});
  writeFileSync(join(data, 'cluster.json'), '{}');
  const sweep = (...args: string[]) =>
    volley(['store', 'sweep', '--json', '--data', data, ...args]);
  const codeOf = ({stderr}: {stderr: string}) =>
    (JSON.parse(stderr) as {error: {code: string}}).error.code;
  const none = await sweep();
  t.deepEqual([none.code, codeOf(none)], [2, 'VOLLEY_INPUT_MISSING']);
  const store = join(data, 'store');
  await writeStore(store, loadedRig({workunits: 40, nodes: 3}).rig, 'log');
  const blobs = await openBlobStore(join(data, 'blobs'));
  const id = await blobs.put(toUtf8('nobody names it'));
  const log = join(store, readdirSync(store).find(name => name.endsWith('.log')) ?? '');
  const bytes = readFileSync(log);
  writeFileSync(log, Buffer.from(bytes).fill(0xa5, 3_000, 3_300));
  const damaged = await sweep('--older-than', '0s');
  t.deepEqual([damaged.code, codeOf(damaged)], [75, 'VOLLEY_STORE_DAMAGED']);
  t.true(await blobs.has(id));
  const time = await sweep('--older-than', '24');
  t.deepEqual([time.code, codeOf(time)], [2, 'VOLLEY_USAGE']);
  const node = join(dir, 'node');
  mkdirSync(node);
  writeFileSync(join(node, 'node.keys'), '');
  const ofNode = await volley(['store', 'sweep', '--data', node]);
  t.is(ofNode.code, 2);
  t.regex(ofNode.stderr, /is the folder of a node; files of a master are swept/);
});
