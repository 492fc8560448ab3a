// A file of lines that never takes more than a stated room: when it is full it becomes `<file>.1`, the one
// before that `<file>.2`, and the last is let go. For nobody's eyes but ours (0600).

import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  openSync,
  renameSync,
  writeSync,
} from 'node:fs';
import {errnoOf, noPermission, SECRET_FILE_MODE} from './key-files.ts';

export type RotatingOptions = {
  readonly path: string;
  /** Of one file. */
  readonly bytesMax: number;
  /** Files beside the one that is written. */
  readonly keep: number;
};

export class RotatingFile {
  readonly #options: RotatingOptions;
  #fd: number;
  #size: number;

  /** Throws VOLLEY_NO_PERMISSION when the file cannot be opened. */
  constructor(options: RotatingOptions) {
    this.#options = options;
    [this.#fd, this.#size] = this.#open();
  }

  /** A whole line with its end. Throws what the disk says. */
  append(line: string): void {
    const bytes = Buffer.from(line, 'utf8');
    if (this.#size > 0 && this.#size + bytes.length > this.#options.bytesMax) this.#rotate();
    writeSync(this.#fd, bytes);
    this.#size += bytes.length;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #open(): [fd: number, size: number] {
    const {path} = this.#options;
    const {O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY} = constants;
    try {
      // Not through a link: whoever may write it would have us append to another file of ours.
      const fd = openSync(path, O_APPEND | O_CREAT | O_NOFOLLOW | O_WRONLY, SECRET_FILE_MODE);
      fchmodSync(fd, SECRET_FILE_MODE);
      return [fd, fstatSync(fd).size];
    } catch (error) {
      throw noPermission(`writing ${path}`, error);
    }
  }

  #rotate(): void {
    const {path, keep} = this.#options;
    closeSync(this.#fd);
    for (let no = keep; no > 0; no--) move(no === 1 ? path : `${path}.${no - 1}`, `${path}.${no}`);
    [this.#fd, this.#size] = this.#open();
  }
}

function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
