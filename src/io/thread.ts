// Starts a thread of this program, as it is built or from its sources.

import {extname} from 'node:path';
import {fileURLToPath} from 'node:url';
import {Worker, type WorkerOptions} from 'node:worker_threads';

/** @param file module of the thread, beside the one that starts it */
export const startThread = (file: URL, options: WorkerOptions): Worker =>
  extname(fileURLToPath(file)) === '.js'
    ? new Worker(file, options)
    : new Worker(sourceOfThread(file), {...options, eval: true});

/** From source a compiler stands in between; its hooks are not those of the thread that starts it. */
function sourceOfThread(file: URL): string {
  const tsx = JSON.stringify(import.meta.resolve('tsx/esm/api'));
  const worker = JSON.stringify(file.href);
  return `import(${tsx}).then(tsx => { tsx.register(); return import(${worker}); })`;
}
