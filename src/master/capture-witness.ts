// What the master is a witness of in a capture: who was asked, and what each node had signed (pure).

import {toHex} from '../base/bytes.ts';
import type {NodeId, WallMs} from '../base/types.ts';
import type {CaptureRecord, RecordedNode, RecordedStatement} from '../core/capture-record.ts';
import type {Capture} from './capture-row.ts';
import type {MasterContext} from './context.ts';

/** To be signed by the command key, which no core holds. */
export function witnessOf(capture: Capture, context: MasterContext, wall: WallMs): CaptureRecord {
  const {id, salt, action, shots, at} = capture.row;
  const nodeIds = new Set<NodeId>(capture.row.nodes);
  const statements: RecordedStatement[] = [];
  for (const {nodeId, shot, statement, body} of capture.shots.values()) {
    nodeIds.add(nodeId);
    const sha256 = statement ? toHex(context.crypto.sha256(body)) : '';
    statements.push({nodeId, shot, sha256});
  }
  return {
    format: 1,
    clusterId: toHex(context.config.clusterId),
    captureId: id,
    salt,
    action,
    shots,
    atWallMs: at,
    recordedAt: wall,
    nodes: [...nodeIds].map(nodeId => nodeOf(nodeId, context)),
    statements,
  };
}

/** One that was forgotten meanwhile has no key here any more: its statements cannot be checked. */
function nodeOf(nodeId: NodeId, {roster}: MasterContext): RecordedNode {
  const row = roster.node(nodeId)?.row;
  return {
    nodeId,
    name: row?.name ?? '',
    labels: row?.labels ?? [],
    identityKey: row?.identityKey ?? '',
  };
}
