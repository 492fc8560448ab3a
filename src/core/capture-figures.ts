// Figures and names of a manifest that nobody signed as such (pure): worked out again from the statements of the
// nodes, and from what the master signed of who was asked, for when, and what it calls them.

import type {NodeId} from '../base/types.ts';
import type {Claimed, Told} from './capture-proof.ts';
import type {CaptureRecord} from './capture-record.ts';

/** When each node fired each shot, as it signed; 0 = it did not. By `node/shot`. */
export type Signed = ReadonlyMap<string, number>;

/** A double of today's date in milliseconds has steps of 0.00024. */
const ROUNDING_MS = 0.01;

const isSame = (a: number, b: number): boolean => Math.abs(a - b) < ROUNDING_MS;

/** One line for each difference. */
export function figureFaults(
  claimed: Pick<Claimed, 'nodes' | 'told' | 'figures'>,
  signed: Signed,
  record: CaptureRecord | undefined,
): string[] {
  const {atWallMs} = claimed.figures;
  const {atWallMs: asked = atWallMs} = record ?? {};
  const isAsked = asked.length === atWallMs.length && asked.every((at, k) => at === atWallMs[k]);
  return [
    ...(isAsked ? [] : ['atWallMs: not the instants that the master signed']),
    ...(record ? nameFaults(claimed, record) : []),
    ...new Lateness(claimed, signed, asked, record).faults(),
  ];
}

function nameFaults({nodes, told}: Pick<Claimed, 'nodes' | 'told'>, record: CaptureRecord) {
  const names = new Map(record.nodes.map(({nodeId, name}) => [nodeId, name]));
  const wrong = [...nodes, ...told].filter(({nodeId, name}) => {
    const known = names.get(nodeId);
    return known !== undefined && known !== name;
  });
  return [
    ...new Set(wrong.map(({name, nodeId}) => `${name}: the master calls it ${names.get(nodeId)}`)),
  ];
}

class Lateness {
  readonly #claimed: Pick<Claimed, 'nodes' | 'told' | 'figures'>;
  readonly #signed: Signed;
  readonly #asked: readonly number[];
  readonly #places: ReadonlyMap<NodeId, number>;
  readonly #byShot = new Map<number, Told[]>();
  /** Shots of which a statement is missing, which is told of by itself: their figures cannot be known. */
  readonly #unknown: ReadonlySet<number>;

  constructor(
    claimed: Pick<Claimed, 'nodes' | 'told' | 'figures'>,
    signed: Signed,
    asked: readonly number[],
    record: CaptureRecord | undefined,
  ) {
    this.#claimed = claimed;
    this.#signed = signed;
    this.#asked = asked;
    // The record names nodes in the order in which they fire in a sweep.
    this.#places = new Map((record ?? claimed).nodes.map(({nodeId}, place) => [nodeId, place]));
    const spoken = [
      ...(record?.statements ?? []).filter(({sha256}) => sha256 !== ''),
      ...claimed.told.filter(({firedAt}) => firedAt > 0),
    ];
    const unsaid = spoken.filter(({nodeId, shot}) => !signed.has(`${nodeId}/${shot}`));
    this.#unknown = new Set(unsaid.map(({shot}) => shot));
    for (const each of claimed.told) {
      const rows = this.#byShot.get(each.shot) ?? [];
      this.#byShot.set(each.shot, rows);
      rows.push(each);
    }
  }

  faults(): string[] {
    return [...this.#byShot].flatMap(([shot, rows]) => this.#faultsOf(shot, rows));
  }

  #delayMs(nodeId: NodeId): number {
    return (this.#places.get(nodeId) ?? 0) * this.#claimed.figures.sweepMs;
  }

  #firedAt = ({nodeId, shot}: Told): number => this.#signed.get(`${nodeId}/${shot}`) ?? 0;

  #faultsOf(shot: number, rows: readonly Told[]): string[] {
    if (this.#unknown.has(shot)) return [];
    const fired = rows.filter(row => this.#firedAt(row) > 0);
    const at = fired.map(row => this.#firedAt(row) - this.#delayMs(row.nodeId));
    const first = at.reduce((least, each) => Math.min(least, each), Number.POSITIVE_INFINITY);
    const last = at.reduce((most, each) => Math.max(most, each), 0);
    const asked = this.#asked[shot - 1] ?? 0;
    const late = rows.flatMap(row => {
      const dueAt = asked > 0 ? asked + this.#delayMs(row.nodeId) : first;
      const lateMs = this.#firedAt(row) > 0 ? this.#firedAt(row) - dueAt : 0;
      if (isSame(lateMs, row.lateMs)) return [];
      return [`${row.name || row.nodeId}, shot ${shot}: lateMs is ${lateMs.toFixed(3)} as signed`];
    });
    const spreadMs = at.length < 2 ? -1 : last - first;
    const isSpread = isSame(spreadMs, this.#claimed.figures.spreadMs[shot - 1] ?? Number.NaN);
    return isSpread
      ? late
      : [...late, `shot ${shot}: spreadMs is ${spreadMs.toFixed(3)} as signed`];
  }
}
