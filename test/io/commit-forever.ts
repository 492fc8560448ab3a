// Child process of level-store.test.ts: commits until it is killed, and writes the number of each
// commit to stdout after it is done.

import {writeSync} from 'node:fs';
import {journalOps} from '../../src/core/journal.ts';
import {put} from '../../src/core/tables.ts';
import {openLevelStore} from '../../src/io/level-store.ts';
import {auditStore} from '../../src/io/store-audit.ts';
import {sha256} from './sha256.ts';

const store = await openLevelStore(process.argv[2] ?? '', {writeBufferBytes: 64 * 1_024});
let head = await auditStore(store, {sha256});

function next(): void {
  const no = head.journalNo + 1;
  const made = journalOps({sha256}, head, [
    put('report', String(no).padStart(8, '0'), new Uint8Array(700).fill(no)),
    put('node', 'same', Uint8Array.of(no)),
  ]);
  store.commit(made.ops, error => {
    if (error) throw error;
    head = made.head;
    acknowledge(no);
    next();
  });
}

function acknowledge(no: number): void {
  try {
    writeSync(1, `${no}\n`);
  } catch (error) {
    // The pipe is full while the parent is busy: it cannot hold this commit against us then.
    if ((error as {code?: unknown}).code !== 'EAGAIN') throw error;
  }
}

next();
