// Transfers as a test drives them: the operator's order, what the sender says, what nodes report.

import {EMPTY} from '../../src/base/bytes.ts';
import {asBlobId, type BlobId} from '../../src/base/types.ts';
import type {BulkNews, BulkOrder} from '../../src/core/bulk-orders.ts';
import type {MasterEffect} from '../../src/core/core.ts';
import type {TransferOrderRequest} from '../../src/core/operator-request.ts';
import {decodeJson} from '../../src/core/tables.ts';
import type {DeliveryRow, TransferRow} from '../../src/core/transfer.ts';
import {viewTransfer} from '../../src/master/transfer-view.ts';
import type {TransferOffer, TransferReport} from '../../src/wire/bulk-message.ts';
import {only, sentTo} from './look.ts';
import {MasterRig} from './rig.ts';
import type {TestNode} from './test-node.ts';

export type Push = Extract<TransferOrderRequest, {kind: 'push'}>;

export const LIST_HASH = new Uint8Array(32).fill(7);
/** The blob of the so-manieth transfer of a test. */
export const blobNo = (no: number): BlobId => asBlobId(no.toString(16).padStart(64, 'b'));
/** Three blocks, and one of hashes. */
export const SIZE = 3 * 89_600;
export const BLOCKS = 4;

export const pushOf = (changes: Partial<Push> = {}): Push => ({
  kind: 'push',
  blobId: blobNo(1),
  size: SIZE,
  fileName: 'a.bin',
  target: {labels: [], nodes: []},
  ...changes,
});

export function push(
  rig: MasterRig,
  changes: Partial<Push> = {},
): {id: number; effects: MasterEffect[]} {
  const {answer, effects} = rig.asked(pushOf(changes));
  if (!answer.ok || answer.transferId === undefined) throw new Error(JSON.stringify(answer));
  return {id: answer.transferId, effects};
}

export const news = (rig: MasterRig, transferId: number, said: BulkNews): MasterEffect[] =>
  rig.turn({type: 'bulkNews', transferId, news: said});
export const prepared = (rig: MasterRig, id: number): MasterEffect[] =>
  news(rig, id, {kind: 'prepared', listHash: LIST_HASH});

/** Pushed, prepared, and under way. */
export function sending(rig: MasterRig, changes: Partial<Push> = {}): number {
  const {id} = push(rig, changes);
  prepared(rig, id);
  return id;
}

/** … and its multicast is over. */
export function fetching(rig: MasterRig, changes: Partial<Push> = {}): number {
  const id = sending(rig, changes);
  news(rig, id, {kind: 'over'});
  return id;
}

export const reportOf = (
  transferId: number,
  state: TransferReport['state'],
  changes: Partial<TransferReport> = {},
): TransferReport => ({
  type: 'transferReport',
  transferId,
  salt: 0,
  state,
  ...{poll: 1, sequence: 1, heard: 1, blocks: 1, room: 8, from: 0},
  deficits: EMPTY,
  reason: state === 'declined' || state === 'gaveUp' ? `because ${state}` : '',
  ...changes,
});
export const reports = (
  rig: MasterRig,
  node: TestNode,
  id: number,
  state: TransferReport['state'],
  changes: Partial<TransferReport> = {},
): MasterEffect[] => {
  const {salt = 0} = rig.core.transfers.get(id)?.row ?? {};
  return rig.says(node, reportOf(id, state, {salt, ...changes}));
};

export const ordersOf = (effects: readonly MasterEffect[]): BulkOrder[] =>
  only(effects, 'bulk').map(({order}) => order);
export const kindsOf = (effects: readonly MasterEffect[]): string[] =>
  ordersOf(effects).map(({kind}) => kind);
/** Steps that a node is told, each as "number step". */
export const stepsTo = (effects: readonly MasterEffect[], node: TestNode): string[] =>
  sentTo(effects, node, 'transferOrder').map(({transferId, step}) => `${transferId} ${step}`);
/** Who is told to fetch, by name. */
export const fetchersOf = (
  effects: readonly MasterEffect[],
  nodes: readonly TestNode[],
): string[] =>
  nodes.flatMap(node =>
    stepsTo(effects, node).flatMap(step => (step.endsWith('fetch') ? [node.name] : [])),
  );
export const offersTo = (effects: readonly MasterEffect[], node: TestNode): TransferOffer[] =>
  sentTo(effects, node, 'transferOffer');
export const commandsOf = (effects: readonly MasterEffect[]): TransferOffer[] =>
  only(effects, 'multicast').flatMap(({command: {what}}) =>
    what.kind === 'transferOffer' ? [what] : [],
  );
export const unnamedOf = (effects: readonly MasterEffect[]): string[] =>
  only(effects, 'unnamed').flatMap(({blobs}) => blobs.map(({blobId}) => blobId));

export function viewOf(rig: MasterRig, id: number) {
  const view = viewTransfer(rig.core, id);
  if (!view) throw new Error(`no transfer ${id}`);
  return view;
}
/** Where it is at each node, by name, with the reason. */
export const placesOf = (rig: MasterRig, id: number): Record<string, string> =>
  Object.fromEntries(
    viewOf(rig, id).nodes.map(({name, state, reason}) => [
      name,
      reason === undefined ? state : `${state}: ${reason}`,
    ]),
  );

/** Time goes by, and these nodes are heard each second. */
export function pass(rig: MasterRig, ms: number, ...nodes: readonly TestNode[]): MasterEffect[] {
  const effects: MasterEffect[] = [];
  for (let at = 0; at < ms; at += 1_000) {
    effects.push(...rig.pass(Math.min(1_000, ms - at)));
    for (const node of nodes) effects.push(...rig.says(node, rig.pullOf(node, 0)));
  }
  return effects;
}

export const roomOf = (
  count: number,
): {rig: MasterRig; nodes: TestNode[]; a: TestNode; b: TestNode} => {
  const rig = MasterRig.ready();
  const nodes = rig.nodes(count);
  const [a, b = a] = nodes;
  if (!a || !b) throw new Error('no nodes');
  return {rig, nodes, a, b};
};
export const deliveriesOf = (rig: MasterRig): Record<string, string> =>
  Object.fromEntries(
    rig.scan('delivery').map(([key, value]) => [key, (decodeJson(value) as DeliveryRow).state]),
  );
export const rowsOf = (rig: MasterRig): TransferRow[] =>
  rig.scan('transfer').map(([, value]) => decodeJson(value) as TransferRow);

/** Time goes by, and nobody is heard nor woken meanwhile. */
export function later(rig: MasterRig, ms: number): MasterEffect[] {
  rig.mono += ms;
  return rig.turn();
}
