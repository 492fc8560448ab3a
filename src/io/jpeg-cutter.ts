// Cuts a stream of JPEGs, one after the other, into pictures: what a webcam gives as MJPG.

const MARKER = 0xff;
const START = 0xd8;
const END = 0xd9;

/** A picture, and when its first byte came. */
export type CutPicture = {readonly bytes: Uint8Array; readonly beganAt: number};

export class JpegCutter {
  readonly #bytesMax: number;
  #parts: Uint8Array[] = [];
  #size = 0;
  #beganAt = 0;
  #isInside = false;
  /** The byte before was 0xff. */
  #isMarked = false;

  /** @param bytesMax a picture that is larger is dropped */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Takes a piece of the stream, gives the pictures that end in it. */
  take(piece: Uint8Array, now: number): CutPicture[] {
    const pictures: CutPicture[] = [];
    let from = 0;
    for (
      let i = this.#afterMarker(piece, 0);
      i < piece.length;
      i = this.#afterMarker(piece, i + 1)
    ) {
      const byte = piece[i] ?? 0;
      this.#isMarked = byte === MARKER;
      if (byte === START && !this.#isInside) {
        this.#begin(now);
        from = i + 1;
      } else if (byte === END && this.#isInside) {
        this.#keep(piece.subarray(from, i + 1));
        if (this.#isInside)
          pictures.push({bytes: Buffer.concat(this.#parts), beganAt: this.#beganAt});
        this.#drop();
      }
    }
    if (this.#isInside) this.#keep(piece.slice(from));
    return pictures;
  }

  /** Where the byte behind the next 0xff is, from here on; the end of the piece if there is none. */
  #afterMarker(piece: Uint8Array, from: number): number {
    if (this.#isMarked) return from;
    const at = piece.indexOf(MARKER, from);
    this.#isMarked = at >= 0;
    return at < 0 ? piece.length : at + 1;
  }

  #begin(now: number): void {
    this.#isInside = true;
    this.#beganAt = now;
    this.#parts = [Uint8Array.of(MARKER, START)];
    this.#size = 2;
  }

  #keep(part: Uint8Array): void {
    this.#parts.push(part);
    this.#size += part.length;
    if (this.#size > this.#bytesMax) this.#drop();
  }

  #drop(): void {
    this.#isInside = false;
    this.#parts = [];
    this.#size = 0;
  }
}
