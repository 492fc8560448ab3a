// Rows of the state file of `volley map --resume`, and what each of them must be: a file that somebody else wrote, or
// that a disk or an editor damaged, must not decide what is computed, what is passed over and what is cut off.

import type {Piece} from './map-pieces.ts';

/** What has to be the same for a run to go on. */
export type Settings = Readonly<Record<string, unknown>>;

export type StdoutFile = {
  readonly dev: number;
  readonly ino: number;
  /** Bytes, with what was there before. */
  readonly size: number;
  /** Others write to it too: nothing is cut off it. */
  readonly isShared?: boolean;
};

export type Ended = {readonly done: number; readonly failed: number};

/** Results of one batch: its number, the first index, the one after the last. */
export type Span = readonly [batch: number, from: number, to: number];

/** The inputs of a batch. */
export type Meant = {
  readonly name: string;
  readonly count: number;
  /** Of its first and last input. */
  readonly lines: readonly [number, number];
  readonly sha256: string;
  /** SUM_BYTES of the SHA-256 of each input, base64: which one has changed. */
  readonly sums: string;
};

export type Head = {
  readonly volley: 'map';
  readonly version: number;
  readonly run: string;
  readonly settings: Settings;
};
export type Taken = {
  readonly taken: readonly Span[];
  readonly failed: number;
  readonly bytes?: number;
};

export type Row =
  | Head
  | {readonly stdout: StdoutFile}
  | ({readonly batch: number} & Meant)
  | {readonly batch: number; readonly id: number}
  | {readonly next: Piece}
  | Taken
  | {readonly ended: Ended};

export const VERSION = 1;
export const SUM_BYTES = 3;

type Check = (value: unknown) => boolean;
type Fields = Readonly<Record<string, Check>>;

const isWhole: Check = value => Number.isSafeInteger(value) && Number(value) >= 0;
const isCount: Check = value => isWhole(value) && Number(value) > 0;
/** An inode may have more than 53 bits. */
const isNumber: Check = value => typeof value === 'number' && value >= 0;
const isText: Check = value => typeof value === 'string' && value !== '';
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isMissing: Check = value => value === undefined;
const isSpan: Check = value =>
  Array.isArray(value) && value.length === 3 && value.every(isWhole) && value[1] < value[2];

const has =
  (fields: Fields): Check =>
  value =>
    isObject(value) &&
    Object.keys(value).every(name => Object.hasOwn(fields, name)) &&
    Object.entries(fields).every(([name, check]) => check(value[name]));

const or =
  (...checks: Check[]): Check =>
  value =>
    checks.some(check => check(value));

const listOf =
  (check: Check): Check =>
  value =>
    Array.isArray(value) && value.every(check);

const isMeant: Check = value => {
  const {count, lines, sums} = value as Meant;
  const [first, last] = lines;
  const isCounted = last - first + 1 >= count && lines.length === 2;
  return isCounted && Buffer.from(sums, 'base64').length === count * SUM_BYTES;
};

const KINDS: readonly Check[] = [
  has({
    volley: value => value === 'map',
    version: value => value === VERSION,
    run: isText,
    settings: isObject,
  }),
  has({
    stdout: has({
      dev: isNumber,
      ino: isNumber,
      size: isWhole,
      isShared: or(isMissing, value => value === true),
    }),
  }),
  has({batch: isWhole, id: isCount}),
  has({next: has({at: isWhole, bytes: isCount, sums: listOf(isText)})}),
  has({taken: listOf(isSpan), failed: isWhole, bytes: or(isMissing, isWhole)}),
  has({ended: has({done: isWhole, failed: isWhole})}),
];

const hasMeant = has({
  batch: isWhole,
  name: isText,
  count: isCount,
  lines: listOf(isCount),
  sha256: value => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value),
  sums: isText,
});

/** undefined = it is no row. Whether it fits to those before it is not looked at. */
export function rowIn(line: string): Row | undefined {
  try {
    const row: unknown = JSON.parse(line);
    const isRow = KINDS.some(check => check(row)) || (hasMeant(row) && isMeant(row));
    return isRow ? (row as Row) : undefined;
  } catch {
    return undefined;
  }
}
