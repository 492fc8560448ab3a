// Cuts a run of chunks into lines (NDJSON), for submit and for reading inputs back: both must agree
// on where a line begins and ends.

/**
 * `offset` and `length` of the line without its end (`\n` or `\r\n`), from the first byte pushed.
 * `bytes` is undefined for a line longer than the limit; else it is good only until the call
 * returns.
 */
export type OnLine = (offset: number, length: number, bytes: Uint8Array | undefined) => void;

const NEWLINE = 10;
const RETURN = 13;

export class LineCutter {
  readonly #limit: number;
  readonly #onLine: OnLine;
  /** Beginning of a line whose end has not come yet; empty when it is over the limit already. */
  #parts: Uint8Array[] = [];
  #lineStart = 0;
  #at = 0;
  #lastByte = 0;

  /** @param limit bytes of a line that are kept for `bytes` */
  constructor(limit: number, onLine: OnLine) {
    this.#limit = limit;
    this.#onLine = onLine;
  }

  push(chunk: Uint8Array): void {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, from);
      if (end < 0) break;
      this.#take(chunk.subarray(from, end));
      this.#emit();
      from = end + 1;
      this.#at++;
      this.#lineStart = this.#at;
    }
    this.#take(chunk.subarray(from), true);
  }

  /** The last line needs no end of line. Bytes of it that are waiting. */
  get pendingBytes(): number {
    return this.#at - this.#lineStart;
  }

  end(): void {
    if (this.pendingBytes > 0) this.#emit();
  }

  #take(bytes: Uint8Array, keep = false): void {
    if (bytes.length === 0) return;
    this.#at += bytes.length;
    this.#lastByte = bytes[bytes.length - 1] ?? 0;
    // One byte more than the limit: it may be the \r that is taken off.
    if (this.pendingBytes > this.#limit + 1) this.#parts = [];
    else this.#parts.push(keep ? bytes.slice() : bytes);
  }

  #emit(): void {
    const whole = this.pendingBytes;
    const length = whole > 0 && this.#lastByte === RETURN ? whole - 1 : whole;
    const bytes = length > this.#limit ? undefined : joined(this.#parts).subarray(0, length);
    this.#parts = [];
    this.#lastByte = 0;
    this.#onLine(this.#lineStart, length, bytes);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1 && parts[0]) return parts[0];
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
