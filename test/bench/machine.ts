// What this machine can do at this moment, measured in the same run: figures of a shared machine mean
// little alone, their ratio to these means something.

import {generateKeyPairSync, sign, verify} from 'node:crypto';
import {closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {put} from '../../src/core/tables.ts';
import {openLevelStore} from '../../src/io/level-store.ts';
import {percentile} from './report.ts';

export type Machine = {
  readonly fdatasyncMsP50: number;
  readonly verifiesPerSecond: number;
  readonly signsPerSecond: number;
  /** Rows of 100 bytes in synced batches of 256, one after the other. */
  readonly syncedRowsPerSecond: number;
  readonly loadAverage: number;
};

export async function measureMachine(loadAverage: number): Promise<Machine> {
  const dir = mkdtempSync(join(tmpdir(), 'volley-machine-'));
  try {
    return {
      fdatasyncMsP50: fdatasyncMs(join(dir, 'file')),
      ...signatures(),
      syncedRowsPerSecond: await syncedRows(join(dir, 'store')),
      loadAverage,
    };
  } finally {
    rmSync(dir, {recursive: true, force: true});
  }
}

function fdatasyncMs(path: string): number {
  const file = openSync(path, 'w');
  const block = new Uint8Array(4_096);
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    writeSync(file, block);
    const since = performance.now();
    fdatasyncSync(file);
    times.push(performance.now() - since);
  }
  closeSync(file);
  return percentile(times, 50);
}

function signatures(): Pick<Machine, 'signsPerSecond' | 'verifiesPerSecond'> {
  const {privateKey, publicKey} = generateKeyPairSync('ed25519');
  const bytes = new Uint8Array(1_100);
  const signature = sign(null, bytes, privateKey);
  const rate = (act: () => unknown): number => {
    const since = performance.now();
    let count = 0;
    while (performance.now() - since < 300) {
      for (let i = 0; i < 50; i++) act();
      count += 50;
    }
    return (count * 1_000) / (performance.now() - since);
  };
  return {
    signsPerSecond: rate(() => sign(null, bytes, privateKey)),
    verifiesPerSecond: rate(() => verify(null, bytes, publicKey, signature)),
  };
}

async function syncedRows(path: string): Promise<number> {
  const store = await openLevelStore(path);
  const value = new Uint8Array(100);
  const since = performance.now();
  let rows = 0;
  while (performance.now() - since < 1_000) {
    const ops = Array.from({length: 256}, (_, i) => put('meta', `row/${rows + i}`, value));
    await new Promise<void>((resolve, reject) =>
      store.commit(ops, error => (error ? reject(error) : resolve())),
    );
    rows += ops.length;
  }
  const ms = performance.now() - since;
  await store.close();
  return (rows * 1_000) / ms;
}
