// The picture of the testcard: colour bars, who fired which shot and for which instant in letters
// that a camera pointed at a wall of screens can read, and a pattern from the node's id, so that no
// two nodes make the same picture and a mix-up of files is seen at a glance. A bar stands where the
// milliseconds of the instant are: one photograph of several screens shows how far apart they are.

import {createHash} from 'node:crypto';
import {createRequire} from 'node:module';
import {encode} from 'jpeg-js';
import {PNG} from 'pngjs';
import {SECOND_MS} from '../base/units.ts';

export const TESTCARD_SETTINGS: readonly string[] = ['format', 'remark'];

export type Testcard = {
  readonly nodeName: string;
  /** Any text that differs between nodes: seeds the pattern. */
  readonly nodeId: string;
  /** `capture-shot` */
  readonly shot: string;
  /** Asked instant, milliseconds since 1970 on the master's clock. */
  readonly askedWallMs: number;
  /** Small text at the foot. */
  readonly remark: string;
};

type Colour = readonly [red: number, green: number, blue: number];

/** One byte a column, lowest bit on top; `lookup` names the letters in the same order. */
type Font = {
  readonly width: number;
  readonly height: number;
  readonly fontData: readonly number[];
  readonly lookup: readonly string[];
};

// the package has no types and is CommonJS
const FONT = createRequire(import.meta.url)('oled-font-5x7') as Font;
const LETTER_INDEX = new Map(FONT.lookup.map((letter, index) => [letter, index]));
const LETTER_COLUMNS = FONT.width + 1;

export const TESTCARD_WIDTH = 640;
export const TESTCARD_HEIGHT = 480;
const MARGIN = 16;
const BARS_HEIGHT = 150;
const PATTERN_CELLS = 8;
const PATTERN_CELL_PIXELS = 14;
const PATTERN_LEFT = TESTCARD_WIDTH - MARGIN - PATTERN_CELLS * PATTERN_CELL_PIXELS;
const RULER_TOP = 396;
const RULER_HEIGHT = 24;
const BAR_PIXELS = 8;
const JPEG_QUALITY = 85;
const SCALE_MAX = 8;
const LETTERS_MAX = (TESTCARD_WIDTH - 2 * MARGIN) / LETTER_COLUMNS;

const BLACK: Colour = [16, 16, 16];
const WHITE: Colour = [235, 235, 235];
const GREY: Colour = [150, 150, 150];
/** The eight bars at three quarters, in the order of their brightness. */
const BARS: readonly Colour[] = [
  [191, 191, 191],
  [191, 191, 0],
  [0, 191, 191],
  [0, 191, 0],
  [191, 0, 191],
  [191, 0, 0],
  [0, 0, 191],
  [16, 16, 16],
];

export const TESTCARD_FORMATS = ['png', 'jpeg'] as const;
export type TestcardFormat = (typeof TESTCARD_FORMATS)[number];

/** The same card gives the same bytes. @param isSmall a quarter of the width and height */
export function encodeTestcard(
  card: Testcard,
  format: TestcardFormat = 'png',
  isSmall = false,
): Uint8Array {
  const picture = isSmall ? quarterOf(paintTestcard(card)) : paintTestcard(card);
  if (format === 'jpeg') return encode(picture, JPEG_QUALITY).data;
  // flat colours: the "up" filter leaves zeros, and the fastest level packs those as well as the best does
  return PNG.sync.write(picture, {colorType: 2, deflateLevel: 1, filterType: 2});
}

/** A PNG of 640 x 480, true colour. */
export const drawTestcard = (card: Testcard): Uint8Array => encodeTestcard(card);

/** Where the moving bar stands, in pixels from the left: one pass in a second of the asked instant. */
export function barLeft(askedWallMs: number): number {
  const ms = ((askedWallMs % SECOND_MS) + SECOND_MS) % SECOND_MS;
  return Number.isNaN(ms) ? 0 : Math.floor((ms / SECOND_MS) * (TESTCARD_WIDTH - BAR_PIXELS));
}

function paintTestcard(card: Testcard): PNG {
  const picture = new PNG({width: TESTCARD_WIDTH, height: TESTCARD_HEIGHT, colorType: 2});
  fill(picture, 0, 0, TESTCARD_WIDTH, TESTCARD_HEIGHT, BLACK);
  const barWidth = TESTCARD_WIDTH / BARS.length;
  BARS.forEach((colour, i) => {
    fill(picture, i * barWidth, 0, barWidth, BARS_HEIGHT, colour);
  });
  drawPattern(picture, card.nodeId);
  const [capture = '', shot = ''] = card.shot.split('-');
  const lettersTop = BARS_HEIGHT + MARGIN;
  drawText(picture, card.nodeName, lettersTop, PATTERN_LEFT, WHITE);
  drawText(picture, `CAPTURE ${capture} SHOT ${shot}`, lettersTop + 130, TESTCARD_WIDTH, WHITE);
  drawText(picture, isoOf(card.askedWallMs), lettersTop + 200, TESTCARD_WIDTH, WHITE);
  drawBar(picture, card.askedWallMs);
  drawText(picture, card.remark, TESTCARD_HEIGHT - 3 * MARGIN, TESTCARD_WIDTH, GREY, 2);
  return picture;
}

/** A ruler of the second, a mark every 100 ms, and the bar: a camera before many screens sees who is behind. */
function drawBar(picture: PNG, askedWallMs: number): void {
  fill(picture, 0, RULER_TOP, TESTCARD_WIDTH, RULER_HEIGHT, [40, 40, 40]);
  for (let ms = 0; ms < SECOND_MS; ms += 100)
    fill(picture, barLeft(ms), RULER_TOP, 2, RULER_HEIGHT / (ms === 500 ? 1 : 2), GREY);
  fill(picture, barLeft(askedWallMs), RULER_TOP, BAR_PIXELS, RULER_HEIGHT, WHITE);
}

function quarterOf(picture: PNG): PNG {
  const small = new PNG({width: TESTCARD_WIDTH / 4, height: TESTCARD_HEIGHT / 4, colorType: 2});
  for (let y = 0; y < small.height; y++)
    for (let x = 0; x < small.width; x++) {
      const from = 16 * (y * TESTCARD_WIDTH + x);
      small.data.set(picture.data.subarray(from, from + 4), 4 * (y * small.width + x));
    }
  return small;
}

function isoOf(wallMs: number): string {
  const date = new Date(wallMs);
  return Number.isNaN(date.getTime()) ? '' : date.toISOString();
}

/** A mirrored 8 x 8 pattern in two colours that the hash picks. */
function drawPattern(picture: PNG, nodeId: string): void {
  const hash = createHash('sha256').update(nodeId).digest();
  const [red = 0, green = 0, blue = 0] = hash.subarray(PATTERN_CELLS);
  const on: Colour = [96 + (red >> 1), 96 + (green >> 1), 96 + (blue >> 1)];
  for (let row = 0; row < PATTERN_CELLS; row++) {
    const bits = hash[row] ?? 0;
    for (let column = 0; column < PATTERN_CELLS; column++) {
      const mirrored = Math.min(column, PATTERN_CELLS - 1 - column);
      const isOn = ((bits >> mirrored) & 1) === 1;
      fill(
        picture,
        PATTERN_LEFT + column * PATTERN_CELL_PIXELS,
        BARS_HEIGHT + MARGIN + row * PATTERN_CELL_PIXELS,
        PATTERN_CELL_PIXELS,
        PATTERN_CELL_PIXELS,
        isOn ? on : [40, 40, 40],
      );
    }
  }
}

/** As large as fits into `width` pixels from the left edge; cut where even the smallest does not. */
function drawText(
  picture: PNG,
  text: string,
  top: number,
  width: number,
  colour: Colour,
  scaleMax: number = SCALE_MAX,
): void {
  const letters = Array.from(text).slice(0, LETTERS_MAX);
  const fitting = Math.floor((width - 2 * MARGIN) / (letters.length * LETTER_COLUMNS));
  const scale = Math.max(1, Math.min(scaleMax, fitting));
  letters.forEach((letter, i) => {
    drawLetter(picture, letter, MARGIN + i * LETTER_COLUMNS * scale, top, scale, colour);
  });
}

function drawLetter(
  picture: PNG,
  letter: string,
  left: number,
  top: number,
  scale: number,
  colour: Colour,
): void {
  const index = LETTER_INDEX.get(letter) ?? LETTER_INDEX.get('?') ?? 0;
  for (let column = 0; column < FONT.width; column++) {
    const bits = FONT.fontData[index * FONT.width + column] ?? 0;
    for (let row = 0; row < FONT.height; row++) {
      if (((bits >> row) & 1) === 0) continue;
      fill(picture, left + column * scale, top + row * scale, scale, scale, colour);
    }
  }
}

function fill(
  {data, width: rowPixels}: PNG,
  left: number,
  top: number,
  width: number,
  height: number,
  [red, green, blue]: Colour,
): void {
  for (let y = top; y < top + height; y++) {
    for (let x = left; x < left + width; x++) {
      const at = 4 * (y * rowPixels + x);
      data[at] = red;
      data[at + 1] = green;
      data[at + 2] = blue;
      data[at + 3] = 255;
    }
  }
}
