// Opens stores that were spoilt, one after the other, as a master opens its own; a process of its own,
// because LevelDB maps its tables and may take the process with it. Lines on stdin: `folder`; lines on
// stdout: `detected <reason>`, or the digest of all rows.

import {createHash} from 'node:crypto';
import {createInterface} from 'node:readline';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {openLevelStore} from '../../src/io/level-store.ts';
import {auditStore} from '../../src/io/store-audit.ts';

async function judge(folder: string): Promise<string> {
  try {
    const store = await openLevelStore(folder);
    try {
      const {journalNo} = await auditStore(store, new NodeCrypto());
      const hash = createHash('sha256');
      await store.look(({rowKey, payload}) => hash.update(rowKey).update(payload));
      return `rows ${journalNo} ${hash.digest('hex')}`;
    } finally {
      await store.close();
    }
  } catch (error) {
    return `detected ${(error as Error).message.replace(/\s+/g, ' ')}`;
  }
}

for await (const folder of createInterface({input: process.stdin}))
  process.stdout.write(`${await judge(folder)}\n`);
