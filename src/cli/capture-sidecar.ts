// `<file>.json` beside each file of a capture: what it is, when it was asked for and fired, and how well the
// node knew the time. Beside and not inside: a picture whose EXIF is changed has another hash than the one
// that its node signed, so it would be another file.

import {basename} from 'node:path';
import {actionOf} from '../core/capture-tally.ts';
import type {CaptureView, ShotRow} from '../core/views.ts';
import type {CaptureRig} from './capture-rig.ts';

export function sidecarText(
  view: Pick<CaptureView, 'id' | 'action' | 'steps' | 'atWallMs'>,
  row: ShotRow,
  file: {readonly path: string; readonly sha256: string; readonly size: number},
  rig?: CaptureRig,
): string {
  const askedAt = view.atWallMs[row.shot - 1] ?? 0;
  const sidecar = {
    format: 1,
    file: basename(file.path),
    sha256: file.sha256,
    size: file.size,
    capture: view.id,
    action: actionOf(view, row.shot),
    shot: row.shot,
    node: row.name,
    nodeId: row.nodeId,
    label: row.label,
    /** Fired on hearing: nobody asked for an instant. */
    asked: askedAt > 0 ? isoOf(askedAt) : null,
    fired: isoOf(row.firedAt),
    askedAt: askedAt > 0 ? askedAt : null,
    firedAt: row.firedAt,
    lateMs: row.lateMs,
    clockBoundMs: row.clockBoundMs,
    /** Metres and degrees, as the operator's rig file says. */
    ...(rig && {rig: rig.name, position: rig.positions.get(row.nodeId) ?? null}),
  };
  return `${JSON.stringify(sidecar, undefined, 2)}\n`;
}

const isoOf = (wallMs: number): string => new Date(wallMs).toISOString();
