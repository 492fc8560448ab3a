// Tiles of the render app put together to one PNG. The order of tiles and pixels is in src/apps/render.

import {PNG} from 'pngjs';

export type PictureSize = {
  readonly width: number;
  readonly height: number;
  readonly tileSize: number;
};

export const tileCountOf = ({width, height, tileSize}: PictureSize): number =>
  Math.ceil(width / tileSize) * Math.ceil(height / tileSize);

export class Picture {
  readonly #size: PictureSize;
  readonly #png: PNG;

  constructor(size: PictureSize) {
    this.#size = size;
    this.#png = new PNG({width: size.width, height: size.height});
  }

  /** @param bytes RGB of the tiles from number `first` on, one after the other */
  put(first: number, bytes: Uint8Array): void {
    for (let tile = first, at = 0; at < bytes.length; tile++) at += this.#tile(tile, bytes, at);
  }

  encode(): Uint8Array {
    return PNG.sync.write(this.#png);
  }

  /** Answers how many bytes the tile has. */
  #tile(tile: number, bytes: Uint8Array, at: number): number {
    const {width, height, tileSize} = this.#size;
    const columns = Math.ceil(width / tileSize);
    const left = (tile % columns) * tileSize;
    const top = Math.floor(tile / columns) * tileSize;
    const right = Math.min(left + tileSize, width);
    const bottom = Math.min(top + tileSize, height);
    const {data} = this.#png;
    let from = at;
    for (let y = top; y < bottom; y++)
      for (let x = left; x < right; x++, from += 3) {
        const to = (y * width + x) * 4;
        data.set(bytes.subarray(from, from + 3), to);
        data[to + 3] = 255;
      }
    return from - at;
  }
}
