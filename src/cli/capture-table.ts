// A capture as a table, how far apart the nodes fired, and who is missing.

import {compareNames} from '../base/text.ts';
import {actionOf, quantile, tooCloseIn, WHY_MISSING} from '../core/capture-tally.ts';
import type {CaptureView, MissingNode, ShotRow} from '../core/views.ts';
import type {SavedFile} from './capture-manifest.ts';
import {millis, safe, shortId} from './output.ts';
import {tableLines} from './table.ts';

const COLUMNS = [
  {title: 'node'},
  {title: 'shot', right: true},
  {title: 'action'},
  {title: 'heard ms', right: true},
  {title: 'late ms', right: true},
  {title: 'clock ± ms', right: true},
  {title: 'verdict'},
  {title: 'file'},
  {title: 'sha256'},
];

/** @param saved what was brought; without it the files are told as the nodes named them */
export function captureLines(view: CaptureView, saved?: readonly SavedFile[]): string[] {
  const rows = [...view.rows].sort((a, b) => a.shot - b.shot || compareNames(a.name, b.name));
  return [
    ...tableLines(
      view.steps ? COLUMNS : COLUMNS.filter(({title}) => title !== 'action'),
      rows.map(row => cellsOf(view, row, saved)),
    ),
    '',
    ...spreadLines(view),
  ];
}

function cellsOf(view: CaptureView, row: ShotRow, saved?: readonly SavedFile[]): string[] {
  const files = saved
    ? saved.filter(file => file.nodeId === row.nodeId && file.shot === row.shot)
    : row.files.map(({name, blobId, collected}) => ({
        path: collected ? name : `${name} (not here)`,
        sha256: blobId,
      }));
  const reason = row.reason === '' ? '' : ` (${safe(row.reason, 60)})`;
  return [
    safe(row.name, 24),
    String(row.shot),
    ...(view.steps ? [safe(actionOf(view, row.shot), 24)] : []),
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
  const {atWallMs, rollCall, createdAt} = view;
  const [first = 0, asked = 0] = [atWallMs[0], atWallMs[row.shot - 1]];
  const began = rollCall && first > 0 ? first - rollCall.leadMs : createdAt;
  return asked > 0 ? began + asked - first : began;
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
  const periods = view.rows.map(row => row.sensorPeriodMs ?? 0);
  const period = Math.max(...periods);
  const cancelled = view.rows.filter(row => row.verdict === 'cancelled').length;
  const silent = view.rows.length - late.length - cancelled;
  const close = tooCloseIn(view);
  return [
    `${late.length} of ${view.rows.length} fired` +
      (cancelled === 0 ? '' : `, ${cancelled} were cancelled`) +
      (silent === 0 ? '' : `, ${silent} did not`),
    `spread ${widest} (latest less earliest of a shot), clocks ${bound}`,
    `late p50 ${millis(quantile(late, 0.5))} ms, p99 ${millis(quantile(late, 0.99))} ms, ` +
      `max ${millis(quantile(late, 1))} ms`,
    ...(period > 0
      ? [
          `sensors run by themselves: a picture is up to ${millis(period)} ms later than its node fired`,
        ]
      : []),
    ...(close
      ? [
          `shots were ${close.gapMs} ms apart, and a node took up to ${close.keepMs} ms for one: ` +
            `${close.keepMs} ms apart would have been kept`,
        ]
      : []),
  ];
}

/** Who said before the instant that they would fire, and why the others would not. */
export function rollLines({rollCall}: CaptureView): string[] {
  if (!rollCall) return [];
  const {asked, ready, unready, deliveryMs, leadMs} = rollCall;
  const by = new Map<string, string[]>();
  for (const {name, nodeId, why} of unready) {
    const names = by.get(why) ?? [];
    by.set(why, names);
    names.push(safe(name, 24) || shortId(nodeId));
  }
  const isShort = leadMs > 0 && leadMs < deliveryMs;
  return [
    `${ready} of ${asked} nodes are ready; the last heard of it within ${millis(deliveryMs)} ms`,
    ...[...by].map(([why, names]) => `not ready: ${namesOf(names)} (${safe(why, 80)})`),
    ...(isShort
      ? [
          `the lead of ${millis(leadMs)} ms is shorter than that: give more with --at, or leave it out`,
        ]
      : []),
  ];
}

/** The rest is a number: the table has all of them. */
const NAMED_MAX = 40;

/** Who has not fired, one line for each reason; none when nobody is missing. */
export function missingLines(missing: readonly MissingNode[]): string[] {
  const by = new Map<MissingNode['why'], string[]>();
  for (const {name, nodeId, why} of missing) {
    const names = by.get(why) ?? [];
    const shown = safe(name, 24) || shortId(nodeId);
    if (!names.includes(shown)) names.push(shown);
    by.set(why, names);
  }
  return [...by].map(([why, names]) => `missing: ${namesOf(names)} (${WHY_MISSING[why]})`);
}

function namesOf(names: readonly string[]): string {
  const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : '';
  return names.slice(0, NAMED_MAX).join(', ') + more;
}
