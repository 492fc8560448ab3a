// One line that changes in place on a terminal; in a pipe or a file, a plain line now and then.

import {SECOND_MS} from '../base/units.ts';

const PLAIN_EVERY_MS = 5 * SECOND_MS;
const CLEAR_LINE = '\r\u001b[2K';

type Out = {isTTY?: boolean; columns?: number; write(text: string): unknown};

export class ProgressLine {
  readonly #out: Out;
  readonly #everyMs: number;
  #shown = '';
  #plainAt = Number.NEGATIVE_INFINITY;

  constructor(out: Out = process.stderr, everyMs = PLAIN_EVERY_MS) {
    this.#out = out;
    this.#everyMs = everyMs;
  }

  /** The newest state; what is not shown now is replaced by the next. */
  show(line: string): void {
    if (line === this.#shown) return;
    if (this.#out.isTTY) {
      this.#out.write(`${CLEAR_LINE}${line.slice(0, (this.#out.columns || 80) - 1)}`);
      this.#shown = line;
      return;
    }
    const now = performance.now();
    if (now - this.#plainAt < this.#everyMs) return;
    this.#plainAt = now;
    this.#out.write(`${line}\n`);
    this.#shown = line;
  }

  /** A line that stays, above the one that changes. */
  say(line: string): void {
    const shown = this.#out.isTTY ? this.#shown : '';
    this.#out.write(`${shown === '' ? '' : CLEAR_LINE}${line}\n${shown}`);
  }

  /** The last state, in a pipe too unless it was the last shown. */
  end(line?: string): void {
    if (this.#out.isTTY) {
      if (this.#shown !== '') this.#out.write(CLEAR_LINE);
      if (line !== undefined) this.#out.write(`${line}\n`);
    } else if (line !== undefined && line !== this.#shown) this.#out.write(`${line}\n`);
    this.#shown = '';
  }
}
