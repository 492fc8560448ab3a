// Who fired when, as a drawing: a line for each node, a dot where it fired, and through it how far its clock
// may be off. Drawn in percent of its own width, so that words keep their size on a phone.

import {isLate, quantile} from '../core/capture-tally.ts';
import type {ShotRow} from '../core/views.ts';
import {millis} from './output.ts';

const ROW_PX = 18;
const HEAD_PX = 20;
/** The part of the width at either end that only dots and words at the edge need. */
const EDGE = 4;
const TICKS = 5;
/** One node that is seconds late must not press all others into one dot: it stands at the edge, with its number. */
const FAR = 6;

/** @param html makes text harmless */
export function stripOf(rows: readonly ShotRow[], html: (text: string) => string): string {
  const scale = scaleOf(rows);
  const names = rows.map(
    row =>
      `<li${row.firedAt > 0 ? '' : ' class="none"'}>${html(row.name || row.nodeId.slice(0, 8))}</li>`,
  );
  const height = HEAD_PX + rows.length * ROW_PX;
  const lines = rows.map((row, i) => lineOf(row, HEAD_PX + (i + 0.5) * ROW_PX, scale, html));
  const fired = rows.filter(({firedAt}) => firedAt > 0).length;
  const label = `${fired} of ${rows.length} nodes fired, from ${millis(scale.from)} to ${millis(scale.to)} ms`;
  return `<div class="strip"><ol>${names.join('')}</ol><svg width="100%" height="${height}" role="img" aria-label="${label}">${grid(scale, height)}${lines.join('')}</svg></div>`;
}

type Scale = {readonly from: number; readonly to: number; readonly step: number};

/** From the earliest to the latest bound, in steps that people count in; always with 0. */
function scaleOf(rows: readonly ShotRow[]): Scale {
  const fired = rows.filter(({firedAt}) => firedAt > 0);
  const size = ({lateMs, clockBoundMs}: ShotRow): number =>
    Math.abs(lateMs) + Math.max(0, clockBoundMs);
  const sizes = fired.map(size).sort((a, b) => a - b);
  const usual = Math.max(quantile(sizes, 0.8) * FAR, 0.05);
  const least = Math.min(0, ...fired.map(row => row.lateMs - Math.max(0, row.clockBoundMs)));
  const most = Math.max(0, ...fired.map(row => row.lateMs + Math.max(0, row.clockBoundMs)));
  const [low, high] = [Math.max(least, -usual), Math.min(most, usual)];
  const step = stepOf((high - low) / TICKS || 0.02);
  return {from: Math.floor(low / step) * step, to: Math.ceil(high / step) * step || step, step};
}

/** 1, 2 or 5 times a power of ten. */
function stepOf(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5, 10].find(factor => factor * power >= least) ?? 10) * power;
}

function percentOf(ms: number, {from, to}: Scale): string {
  const part = Math.min(1, Math.max(0, (ms - from) / (to - from)));
  return `${(EDGE + part * (100 - 2 * EDGE)).toFixed(2)}%`;
}

function grid(scale: Scale, height: number): string {
  const count = Math.round((scale.to - scale.from) / scale.step);
  const digits = Math.max(0, -Math.floor(Math.log10(scale.step)));
  return Array.from({length: count + 1}, (_, i) => {
    const ms = scale.from + i * scale.step;
    const isZero = Math.abs(ms) < scale.step / 2;
    const x = percentOf(ms, scale);
    const text = `<text x="${x}" y="12" text-anchor="middle">${isZero ? '0' : ms.toFixed(digits)}</text>`;
    return `<line class="${isZero ? 'zero' : 'grid'}" x1="${x}" x2="${x}" y1="${HEAD_PX - 3}" y2="${height}"/>${text}`;
  }).join('');
}

function lineOf(row: ShotRow, y: number, scale: Scale, html: (text: string) => string): string {
  const who = html(row.name || row.nodeId);
  if (row.firedAt === 0)
    return `<g class="none"><text x="${EDGE}%" y="${y + 4}">${html(row.verdict)}</text></g>`;
  const {lateMs} = row;
  const bound = Math.max(0, row.clockBoundMs);
  const known = row.clockBoundMs < 0 ? 'clock not known' : `± ${millis(bound)}`;
  const title = `<title>${who}: ${millis(lateMs)} ms ${known}</title>`;
  const kind = isLate(row) ? ' class="late"' : '';
  const ends = `x1="${percentOf(lateMs - bound, scale)}" x2="${percentOf(lateMs + bound, scale)}"`;
  const line = `<line class="bound" ${ends} y1="${y}" y2="${y}"/>`;
  const dot = `<circle class="dot" cx="${percentOf(lateMs, scale)}" cy="${y}" r="4"/>`;
  return `<g${kind}>${title}${line}${dot}${farText(row, y, scale)}</g>`;
}

/** The number of a dot that stands at the edge because it is outside. */
function farText({lateMs}: ShotRow, y: number, {from, to}: Scale): string {
  if (lateMs >= from && lateMs <= to) return '';
  const isRight = lateMs > to;
  const [x, anchor] = isRight ? [100 - EDGE - 2, 'end'] : [EDGE + 2, 'start'];
  return `<text x="${x}%" y="${y + 4}" text-anchor="${anchor}">${isRight ? '▸' : '◂'} ${millis(lateMs)} ms</text>`;
}
