// Standard output of `volley map`: a pipe whose reader may go at any time, or a file that a later run goes on with.
//
// To a file of `--resume` results go in pieces, each of which is noted before it is written (library/map-pieces.ts).
// Nothing is cut off it that is not known to be ours: others may append to it too.

import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from 'node:fs';
import {concat} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {KIB} from '../base/units.ts';
import type {StdoutFile} from '../library/map-journal.ts';
import {ownUntil, type Piece} from '../library/map-pieces.ts';
import {cannotWrite} from './result-bytes.ts';

const STDOUT = 1;
const O_APPEND = 0o2000;

/** A piece goes when it is so large or so old: there is a row for each in the state file. */
const PIECE_BYTES = 256 * KIB;
const PIECE_MS = 20;

/** Who notes what is written to a file. */
export interface PieceNotes {
  /** Before it is written. */
  next(at: number, bytes: Uint8Array): void;
  /** Before what was written is on disk. */
  sync(): void;
  /** Others write to it too, it was found. */
  shared(file: StdoutFile): void;
}

export class MapOutput {
  /** Of a regular file: how long it is by what we wrote. */
  readonly #file:
    | {readonly dev: number; readonly ino: number; size: number; isShared: boolean}
    | undefined;
  #notes: PieceNotes | undefined;
  /** The next piece. */
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #onFault: () => void;
  #fault: Error | undefined;
  #failed: (() => void) | undefined;

  /** @param onFault once, when it cannot be written: the reader of a pipe is gone, a disk is full */
  constructor(onFault: () => void) {
    const {dev, ino, size, isRegular} = statOf();
    this.#file = isRegular ? {dev, ino, size, isShared: false} : undefined;
    this.#onFault = onFault;
    process.stdout.on('error', error => this.#fail(error));
  }

  #fail(error: Error): void {
    this.#fault ??= error;
    this.#onFault();
    this.#failed?.();
  }

  /** undefined = it is no file. */
  get file(): StdoutFile | undefined {
    if (!this.#file) return undefined;
    const {isShared, ...file} = this.#file;
    return {...file, ...(isShared && {isShared})};
  }

  /** From here on what is written to a file is noted. */
  noteTo(notes: PieceNotes): void {
    if (this.#file) this.#notes = notes;
  }

  /** Nobody reads it any more. */
  get isClosed(): boolean {
    return this.#fault !== undefined && 'code' in this.#fault && this.#fault.code === 'EPIPE';
  }

  get fault(): VolleyError | undefined {
    if (this.#fault instanceof VolleyError) return this.#fault; // of the state file
    return this.#fault && cannotWrite('standard output', this.#fault);
  }

  /**
   * Goes back to what an earlier run was sure of; of another file nothing is known. One that others write to stays
   * as it is.
   * @param pieces that it may have written behind that
   * @returns whether it may have outputs that come again
   * @throws VOLLEY_USAGE when something else is behind it
   */
  goBackTo(known: StdoutFile | undefined, pieces: readonly Piece[]): boolean {
    const file = this.#file;
    if (!file || !known || file.dev !== known.dev || file.ino !== known.ino) return false;
    file.isShared = known.isShared === true;
    if (file.size < known.size || !appends()) {
      const what = file.size < known.size ? 'is shorter than it was then' : 'is not appended to';
      const reason = `standard output is the file of the earlier run, but ${what}: go on with >> in place of >`;
      throw new VolleyError('VOLLEY_USAGE', {reason});
    }
    if (file.isShared) return file.size > known.size;
    const end = ownEnd(pieces, [known.size, file.size]);
    if (end < file.size) throw foreignFrom(end);
    if (known.size < file.size) ftruncateSync(STDOUT, known.size);
    file.size = known.size;
    return false;
  }

  /** Resolves when there is room for more. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#fault) return;
    if (this.#notes) return this.#gather(bytes);
    if (process.stdout.write(bytes)) return;
    await this.#until(done => process.stdout.once('drain', done));
  }

  #gather(bytes: Uint8Array): void {
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (this.#gatheredBytes >= PIECE_BYTES) this.#send();
    else this.#timer ??= setTimeout(() => this.#send(), PIECE_MS);
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const bytes = concat(...this.#gathered);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    const file = this.#file;
    if (bytes.length === 0 || this.#fault || !file) return;
    try {
      this.#look(file);
      if (!file.isShared) this.#notes?.next(file.size, bytes);
      for (let at = 0; at < bytes.length; ) at += writeSync(STDOUT, bytes, at);
      file.size += bytes.length;
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Is it as long as we made it? */
  #look(file: {size: number; isShared: boolean}): void {
    const {size} = fstatSync(STDOUT);
    if (size === file.size) return;
    const isNews = !file.isShared;
    file.size = size;
    file.isShared = true;
    if (isNews && this.file) this.#notes?.shared(this.file);
  }

  /**
   * Resolves when all of it has left this process, with the size of a file; what is noted is on disk then.
   * Of a file nothing comes in between.
   */
  async flush(): Promise<number | undefined> {
    if (!this.#notes) await this.#until(done => process.stdout.write('', () => done()));
    this.#send();
    const file = this.#file;
    if (!file || this.#fault) return undefined;
    try {
      if (this.#notes) this.#look(file);
      this.#notes?.sync();
      fdatasyncSync(STDOUT);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
    return file.size;
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
    // Closed. One that was so at the start (`>&-`) does not come here: Node opens /dev/null in its place, as does
    // whoever starts us without an output, and the two cannot be told apart.
    return {dev: 0, ino: 0, size: 0, isRegular: false};
  }
}

/** The file is open for writing only: it is read by its name. */
function ownEnd(pieces: readonly Piece[], [from, to]: readonly [number, number]): number {
  if (from === to) return to;
  let fd: number;
  try {
    fd = openSync('/dev/fd/1', 'r');
  } catch {
    return from; // it cannot be known
  }
  try {
    return ownUntil(pieces, [from, to], (at, end) => {
      const bytes = new Uint8Array(end - at);
      return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, at));
    });
  } finally {
    closeSync(fd);
  }
}

const foreignFrom = (end: number): VolleyError =>
  new VolleyError('VOLLEY_USAGE', {
    reason:
      `what is behind byte ${end} of standard output, the file of the earlier run, is not known to be its own, so ` +
      'nothing is cut off and nothing added: move that file away (the results that are missing come into a new ' +
      'one), or begin anew with another state file and output',
  });

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
