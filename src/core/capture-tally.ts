// What a capture comes to (pure): who is missing, who was late, is it whole. Master, CLI and report say the
// same of one capture because they all ask here.

import type {CaptureView, MissingNode, ShotRow} from './views.ts';

/** Fired later than this after its instant: late. */
export const LATE_MS = 5;

/** In words, wherever it is told. */
export const WHY_MISSING: Readonly<Record<MissingNode['why'], string>> = {
  silent: 'never heard of it',
  unsaid: 'heard of it, has not said that it fired',
  missed: 'too late for its instant, or its clock too unsure',
  failed: 'failed',
  forbidden: 'its owner does not allow it',
};

/**
 * Nodes that did not fire some shot, as far as is known: silent = never heard of it; unsaid = heard of it and
 * has not said yet what became of it.
 */
export function missingIn(rows: readonly ShotRow[]): MissingNode[] {
  const missing = new Map<string, MissingNode & {readonly shots: number[]}>();
  for (const row of rows) {
    if (row.verdict === 'fired' || row.verdict === 'cancelled') continue; // nobody waits for these
    const why = whyOf(row.verdict, row.heard);
    const key = `${row.nodeId} ${why} ${row.reason}`;
    const known = missing.get(key);
    if (known) known.shots.push(row.shot);
    else {
      const {nodeId, name, reason} = row;
      missing.set(key, {nodeId, name, why, reason, shots: [row.shot]});
    }
  }
  return [...missing.values()];
}

function whyOf(
  verdict: Exclude<ShotRow['verdict'], 'fired' | 'cancelled'>,
  heard: boolean,
): MissingNode['why'] {
  if (verdict !== 'silent' && verdict !== 'waiting') return verdict;
  return heard ? 'unsaid' : 'silent';
}

export const isLate = (row: ShotRow): boolean => row.verdict === 'fired' && row.lateMs > LATE_MS;

/** Every node that was asked fired every shot, and all files are here. */
export const isWhole = ({rows}: Pick<CaptureView, 'rows'>): boolean =>
  rows.length > 0 &&
  rows.every(row => row.verdict === 'fired' && row.files.every(file => file.collected));

/** What this shot was: one of several actions, or the one that there is. */
export const actionOf = (
  {action, steps}: Pick<CaptureView, 'action' | 'steps'>,
  shot: number,
): string => steps?.[(shot - 1) % steps.length]?.action ?? action;

export type Tally = {
  readonly nodes: number;
  /** Shots of nodes, as everything below. */
  readonly asked: number;
  readonly fired: number;
  /** Of those that fired. */
  readonly late: number;
  readonly missed: number;
  /** Failed, or the owner does not allow the action. */
  readonly failed: number;
  /** By an operator, before they were fired. */
  readonly cancelled: number;
  /** Said nothing, or nothing yet. */
  readonly silent: number;
  readonly files: number;
  readonly collected: number;
  readonly bytes: number;
};

export function tallyOf({rows}: Pick<CaptureView, 'rows'>): Tally {
  const count = (test: (row: ShotRow) => boolean): number => rows.filter(test).length;
  const files = rows.flatMap(row => row.files);
  return {
    nodes: new Set(rows.map(({nodeId}) => nodeId)).size,
    asked: rows.length,
    fired: count(({verdict}) => verdict === 'fired'),
    late: count(isLate),
    missed: count(({verdict}) => verdict === 'missed'),
    failed: count(({verdict}) => verdict === 'failed' || verdict === 'forbidden'),
    cancelled: count(({verdict}) => verdict === 'cancelled'),
    silent: count(({verdict}) => verdict === 'silent' || verdict === 'waiting'),
    files: files.length,
    collected: files.filter(({collected}) => collected).length,
    bytes: files.reduce((sum, {size}) => sum + size, 0),
  };
}

/** The value that a part (0 … 1) of an ascending list does not exceed. */
export const quantile = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(part * sorted.length) - 1))] ?? 0;

export type Spread = {
  readonly shot: number;
  readonly fired: number;
  /** Latest less earliest; -1 with fewer than two. */
  readonly spreadMs: number;
  /** How far that may be off: both clocks may be wrong. */
  readonly boundMs: number;
};

/** How far apart the nodes fired each shot. */
export function spreadsOf({rows, shots}: Pick<CaptureView, 'rows' | 'shots'>): Spread[] {
  return Array.from({length: shots}, (_, k) => {
    const fired = rows.filter(row => row.shot === k + 1 && row.firedAt > 0);
    fired.sort((a, b) => a.lateMs - b.lateMs); // in a sweep each has an instant of its own
    const [first, last] = [fired[0], fired.at(-1)];
    const isSpread = first !== undefined && last !== undefined && fired.length > 1;
    return {
      shot: k + 1,
      fired: fired.length,
      spreadMs: isSpread ? last.lateMs - first.lateMs : -1,
      boundMs: isSpread ? Math.max(0, first.clockBoundMs) + Math.max(0, last.clockBoundMs) : 0,
    };
  });
}

/** Shots that were closer together than some node could fire them, and how far apart all could have. */
export type TooClose = {readonly gapMs: number; readonly keepMs: number};

/** undefined = none were, as far as can be seen: of a node that fired one of them nothing is known. */
export function tooCloseIn(
  view: Pick<CaptureView, 'action' | 'steps' | 'atWallMs' | 'rows'>,
): TooClose | undefined {
  const by = new Map<string, ShotRow[]>();
  for (const row of view.rows) {
    const key = `${row.nodeId} ${actionOf(view, row.shot)}`;
    const rows = by.get(key) ?? [];
    by.set(key, rows);
    rows.push(row);
  }
  let found: TooClose | undefined;
  for (const rows of by.values()) {
    const {gapMs, tookMs} = paceOf(rows, view.atWallMs);
    if (tookMs <= gapMs) continue;
    const keepMs = 10 * Math.ceil(tookMs / 10);
    found = {
      gapMs: Math.min(gapMs, found?.gapMs ?? gapMs),
      keepMs: Math.max(keepMs, found?.keepMs ?? keepMs),
    };
  }
  return found;
}

/** Of one action at one node: how close its shots were, and what it took for one, the longest but one. */
function paceOf(rows: readonly ShotRow[], atWallMs: readonly number[]) {
  const times = rows
    .filter(({verdict, firedAt}) => verdict === 'fired' && firedAt > 0)
    .map(({doneAt, firedAt}) => doneAt - firedAt);
  const asked = rows.map(({shot}) => atWallMs[shot - 1] ?? 0).filter(at => at > 0);
  asked.sort((a, b) => a - b);
  const gaps = asked.slice(1).map((at, k) => at - (asked[k] ?? 0));
  const gapMs = gaps.reduce((least, gap) => Math.min(least, gap), Number.POSITIVE_INFINITY);
  times.sort((a, b) => b - a);
  return {gapMs: Math.round(gapMs), tookMs: times[1] ?? 0};
}
