// A capture as a table, and how far apart the nodes fired.

import type {CaptureView, ShotRow} from '../core/views.ts';
import type {SavedFile} from './capture-files.ts';
import {millis, safe} from './output.ts';
import {tableLines} from './table.ts';

const COLUMNS = [
  {title: 'node'},
  {title: 'shot', right: true},
  {title: 'heard ms', right: true},
  {title: 'late ms', right: true},
  {title: 'clock ± ms', right: true},
  {title: 'verdict'},
  {title: 'file'},
  {title: 'sha256'},
];

export function captureLines(view: CaptureView, saved: ReadonlySet<SavedFile>): string[] {
  const rows = [...view.rows].sort(
    (a, b) => a.shot - b.shot || a.name.localeCompare(b.name, 'en', {numeric: true}),
  );
  return [
    ...tableLines(
      COLUMNS,
      rows.map(row => cellsOf(view, row, saved)),
    ),
    '',
    ...spreadLines(view),
  ];
}

function cellsOf(view: CaptureView, row: ShotRow, saved: ReadonlySet<SavedFile>): string[] {
  const files = [...saved].filter(file => file.nodeId === row.nodeId && file.shot === row.shot);
  const reason = row.reason === '' ? '' : ` (${safe(row.reason, 60)})`;
  return [
    safe(row.name, 24),
    String(row.shot),
    row.heard ? millis(row.heardAt - startOf(view, row)) : '-',
    row.firedAt > 0 ? millis(row.lateMs) : '-',
    row.clockBoundMs < 0 ? '-' : millis(row.clockBoundMs),
    row.verdict + reason,
    files.map(file => safe(file.path, 48)).join(' ') || '-',
    files.map(file => file.sha256.slice(0, 12)).join(' ') || '-',
  ];
}

/** When the command left: the heard times of later shots would otherwise count from the first. */
function startOf(view: CaptureView, row: ShotRow): number {
  if (row.shot === 1) return view.createdAt;
  const [first = 0, asked = 0] = [view.atWallMs[0], view.atWallMs[row.shot - 1]];
  return asked > 0 ? view.createdAt + asked - first : view.createdAt;
}

/** Each shot's spread, and how late the nodes fired over all shots. */
export function spreadLines(view: CaptureView): string[] {
  const late = view.rows.filter(row => row.firedAt > 0).map(row => row.lateMs);
  if (late.length === 0) return ['No node fired.'];
  late.sort((a, b) => a - b);
  const bounds = view.rows.filter(row => row.clockBoundMs >= 0).map(row => row.clockBoundMs);
  const spreads = view.spreadMs.filter(spread => spread >= 0);
  const widest = spreads.length === 0 ? '-' : `${millis(Math.max(...spreads))} ms`;
  const bound = bounds.length === 0 ? 'unknown' : `± ${millis(Math.max(...bounds))} ms`;
  const silent = view.rows.length - late.length;
  return [
    `${late.length} of ${view.rows.length} fired${silent === 0 ? '' : `, ${silent} did not`}`,
    `spread ${widest} (latest less earliest of a shot), clocks ${bound}`,
    `late p50 ${millis(at(late, 0.5))} ms, p99 ${millis(at(late, 0.99))} ms, ` +
      `max ${millis(at(late, 1))} ms`,
  ];
}

const at = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(part * sorted.length) - 1))] ?? 0;
