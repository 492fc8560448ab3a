// A real master in a process of its own, with short HTTP times, for tests that abuse it. Its parent asks how
// it does; it ends with its parent.

import {mkdtempSync, readdirSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {monitorEventLoopDelay} from 'node:perf_hooks';
import process from 'node:process';
import {freePorts} from '../../src/cli/free-ports.ts';
import {openMaster} from '../../src/cli/master-process.ts';
import type {HttpTimes} from '../../src/http/listen.ts';
import {initCluster} from '../../src/io/cluster-files.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';

const HOST = '127.0.0.1';

export type Look = {
  readonly rssMib: number;
  /** The longest that its event loop stood still since the last look. */
  readonly stillMs: number;
  readonly fds: number;
  /** Half-written blobs. */
  readonly drafts: number;
};
export type Ready = {readonly httpPort: number; readonly blobPort: number; readonly token: string};

const dir = mkdtempSync(join(tmpdir(), 'volley-abuse-'));
const data = join(dir, 'master');
process.on('exit', () => rmSync(dir, {recursive: true, force: true}));

await initCluster(data, new NodeCrypto(), {passphrase: 'a passphrase for tests'});
const ports = await freePorts(HOST);
const master = await openMaster({
  data,
  interface: HOST,
  ...ports,
  httpTimes: JSON.parse(process.argv[2] ?? '{}') as Partial<HttpTimes>,
  logLevel: 'alarm',
  fatal: error => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(75);
  },
});

const delay = monitorEventLoopDelay({resolution: 5});
delay.enable();
const look = (): Look => {
  const stillMs = delay.max / 1e6;
  delay.reset();
  return {
    stillMs,
    rssMib: process.memoryUsage.rss() / 1_048_576,
    fds: readdirSync('/proc/self/fd').length,
    drafts: readdirSync(join(data, 'blobs', 'tmp')).length,
  };
};

process.on('message', message => {
  if (message === 'tidy') globalThis.gc?.();
  process.send?.(look());
});
process.on('disconnect', () => {
  void master.close().finally(() => process.exit(0));
});
const {httpPort, blobPort} = ports;
process.send?.({httpPort, blobPort, token: master.operatorToken} satisfies Ready);
