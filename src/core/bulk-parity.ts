// How much parity goes along with a block before anybody asks: what blocks needed of late, but for the last one, which
// only some blocks need. The rest comes on demand. At the end of a file a little more is cheaper than another round.
//
// What is asked for shows only polls after a block was sent, so it is looked at every few of them; parity that nobody
// would have asked for is given up by halves.

/** Polls from one look to the next: a block is asked for about two after it began. */
const POLLS = 3;
const ALONG_MAX = 8;
/** Symbols asked for of each block: with more than this more goes along, with less than that less. */
const MANY = 1.2;
const FEW = 0.3;
/** The last blocks get so much more, where anything is lost at all. */
const TAIL_BLOCKS = 16;
const TAIL_MORE = 2;

export class BulkParity {
  #along = 0;
  #polls = 0;
  #blocks = 0;
  #asked = 0;
  /** Was anything asked for, of late? */
  #isLossy = false;

  /** Beyond what a node asked for: when little is left, a round costs more than a symbol. */
  get spare(): number {
    return this.#isLossy ? 1 : 0;
  }

  /** To go along with a block that begins now. @param left blocks that come behind its group */
  along(left: number): number {
    this.#blocks += 1;
    const tail = left < TAIL_BLOCKS && this.#isLossy ? TAIL_MORE : 0;
    return this.#along + tail;
  }

  /** A symbol is sent because it was asked for. */
  repaired(): void {
    this.#asked += 1;
  }

  /** The node that needed most of it is waited for no more. */
  forget(): void {
    this.#along = 0;
    [this.#polls, this.#blocks, this.#asked] = [0, 0, 0];
  }

  polled(): void {
    this.#polls += 1;
    if (this.#polls < POLLS || this.#blocks === 0) return;
    const each = this.#asked / this.#blocks;
    this.#isLossy = this.#along > 0 || this.#asked > 0;
    if (each > MANY) this.#along = Math.min(ALONG_MAX, this.#along + Math.round(each - 1));
    else if (each < FEW) this.#along = Math.floor(this.#along / 2);
    [this.#polls, this.#blocks, this.#asked] = [0, 0, 0];
  }
}
