// Standard output of `volley map`: a pipe whose reader may go at any time, or a file that a later run goes on with.

import {fdatasyncSync, fstatSync, ftruncateSync, readFileSync} from 'node:fs';
import {VolleyError} from '../base/errors.ts';
import type {StdoutFile} from '../library/map-journal.ts';
import {cannotWrite} from './result-bytes.ts';

const STDOUT = 1;
const O_APPEND = 0o2000;

export class MapOutput {
  /** Of a regular file: how long it is. */
  readonly #file: {readonly dev: number; readonly ino: number; size: number} | undefined;
  #fault: Error | undefined;
  #failed: (() => void) | undefined;

  /** @param onFault once, when it cannot be written: the reader of a pipe is gone, a disk is full */
  constructor(onFault: () => void) {
    const {dev, ino, size, isRegular} = statOf();
    this.#file = isRegular ? {dev, ino, size} : undefined;
    process.stdout.on('error', error => {
      this.#fault ??= error;
      onFault();
      this.#failed?.();
    });
  }

  /** undefined = it is no file. */
  get file(): StdoutFile | undefined {
    return this.#file && {...this.#file};
  }

  /** Nobody reads it any more. */
  get isClosed(): boolean {
    return this.#fault !== undefined && 'code' in this.#fault && this.#fault.code === 'EPIPE';
  }

  get fault(): VolleyError | undefined {
    return this.#fault && cannotWrite('standard output', this.#fault);
  }

  /** Goes back to what an earlier run was sure of; of another file nothing is known. */
  goBackTo(known: StdoutFile | undefined): void {
    const file = this.#file;
    if (!file || !known || file.dev !== known.dev || file.ino !== known.ino) return;
    if (file.size < known.size || !appends()) {
      const what = file.size < known.size ? 'is shorter than it was then' : 'is not appended to';
      const reason = `standard output is the file of the earlier run, but ${what}: go on with >> in place of >`;
      throw new VolleyError('VOLLEY_USAGE', {reason});
    }
    ftruncateSync(STDOUT, known.size);
    file.size = known.size;
  }

  /** Resolves when there is room for more. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#file) this.#file.size += bytes.length;
    if (this.#fault || process.stdout.write(bytes)) return;
    await this.#until(done => process.stdout.once('drain', done));
  }

  /** Resolves when all of it has left this process; of a file, when it is on disk. */
  async flush(): Promise<void> {
    await this.#until(done => process.stdout.write('', () => done()));
    if (this.#file && !this.#fault) fdatasyncSync(STDOUT);
  }

  async #until(wait: (done: () => void) => void): Promise<void> {
    if (this.#fault) return;
    await new Promise<void>(resolve => {
      this.#failed = resolve;
      wait(resolve);
    });
  }
}

function statOf(): {dev: number; ino: number; size: number; isRegular: boolean} {
  try {
    const stat = fstatSync(STDOUT);
    return {dev: stat.dev, ino: stat.ino, size: stat.size, isRegular: stat.isFile()};
  } catch {
    return {dev: 0, ino: 0, size: 0, isRegular: false}; // closed: the first write says so
  }
}

/** Where the system does not say, it is taken for so. */
function appends(): boolean {
  try {
    const [, flags = ''] =
      /^flags:\s+(\d+)/m.exec(readFileSync('/proc/self/fdinfo/1', 'utf8')) ?? [];
    return (Number.parseInt(flags, 8) & O_APPEND) !== 0;
  } catch {
    return true;
  }
}
