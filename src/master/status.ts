// What faces see of the master: pure views of its state.

import {toHex} from '../base/bytes.ts';
import type {BatchId, CaptureId, Now} from '../base/types.ts';
import type {StageAt} from '../core/stages.ts';
import type {AppRow} from '../core/tables.ts';
import type {
  AlarmView,
  BatchView,
  CaptureView,
  NodeAppView,
  NodeView,
  StageView,
  StatusView,
} from '../core/views.ts';
import type {Batch} from './batch.ts';
import {awaitedIn, whoIsMissing} from './broadcast.ts';
import {viewCapture} from './capture-row.ts';
import type {MasterContext} from './context.ts';
import {whatIsExhausted} from './exhausted.ts';
import {whatIsMissing} from './feasible.ts';
import {whatIsStuck} from './machines.ts';
import type {MasterCore} from './master.ts';
import {candidates, type NodeState, viewNode} from './roster.ts';

export function viewStatus(
  core: MasterCore,
  shell: Pick<StatusView, 'journalNo' | 'startedAt' | 'counters'>,
): StatusView {
  const {context} = core;
  let up = 0;
  let slots = 0;
  let taken = 0;
  for (const node of context.roster.all()) {
    if (!node.up) continue;
    up += 1;
    slots += node.row.slots;
    if (node.stateGeneration >= context.state.generation) taken += 1;
  }
  return {
    clusterId: toHex(context.config.clusterId),
    version: context.config.version,
    epoch: context.epoch,
    nodes: {known: context.roster.size, up, slots},
    batches: {running: context.running.size, total: context.batches.size},
    paused: context.state.paused,
    state: {...context.stateRow, taken},
    forgotten: context.roster.forgotten,
    space: {
      free: context.space.seen.freeBytes,
      floor: Math.ceil(context.space.seen.floorBytes),
      full: context.space.isFull,
    },
    alarms: viewAlarms(context),
    ...shell,
  };
}

function viewAlarms(context: MasterContext): AlarmView[] {
  const alarms: AlarmView[] = [];
  const {freeBytes, floorBytes} = context.space.seen;
  if (context.space.isFull)
    alarms.push({
      kind: 'diskFull',
      since: context.fullSince,
      text: `the disk of the master has ${freeBytes} bytes free, below ${Math.ceil(floorBytes)} nothing new is taken: no batch, no result, no file`,
      advice: 'free some space: it goes on by itself, nodes keep their results until then',
    });
  for (const [nodeId, {receipt, journalNo, noticedAt}] of context.lost) {
    const name = context.roster.node(nodeId)?.row.name ?? nodeId;
    alarms.push({
      kind: 'lostState',
      since: noticedAt,
      text: `${name} holds a receipt of commit ${receipt}, our journal ended at ${journalNo}: acknowledged state is lost`,
      advice:
        'nodes bring back what they keep, the rest is computed again; end the master and run `volley doctor --store`, and `volley recover` if it finds damage; look at the disk',
    });
  }
  return alarms;
}

export const viewNodes = ({context, captures}: MasterCore): NodeView[] =>
  [...context.roster.all()].map(node => {
    const [apps, ear] = [appsOf(context, node), captures.pulses.view(node)];
    return {...viewNode(node), ...(ear ? {ear} : {}), ...(apps.length === 0 ? {} : {apps})};
  });

function appsOf({apps, escrow}: MasterContext, {row, paces}: NodeState): NodeAppView[] {
  const views: NodeAppView[] = [];
  for (const {appId, name, version} of apps.values()) {
    const validatedInRow = escrow.validatedInRow(row.nodeId, appId);
    const pace = paces.get(appId);
    if (validatedInRow === 0 && pace === undefined) continue;
    views.push({app: name, version, validatedInRow, ...(pace === undefined ? {} : {pace})});
  }
  return views;
}

export const viewBatches = (core: MasterCore, now: Now): BatchView[] =>
  [...core.context.batches.values()].map(batch => viewOf(core, batch, now));

export function viewBatch(core: MasterCore, id: BatchId, now: Now): BatchView | undefined {
  const batch = core.context.batches.get(id);
  return batch && viewOf(core, batch, now);
}

function viewOf({context, etas}: MasterCore, batch: Batch, now: Now): BatchView {
  const view = batch.view(now.mono);
  const {stageAt} = batch.counters;
  const stage = stageAt && context.batches.get(stageAt.batchId);
  const waiting = batch.running ? waitsFor(context, stage?.running ? stage : batch) : '';
  // How many rounds there will be nobody knows, nor what they take.
  const etaMs = batch.row.plan ? undefined : etas.etaMs(batch, now.mono);
  return {
    ...view,
    ...(stage && stageAt ? {stageNow: stageViewOf(stageAt, stage.view(now.mono))} : {}),
    ...(waiting === '' ? {} : {waiting}),
    ...(etaMs === undefined ? {} : {etaMs: Math.ceil(etaMs)}),
  };
}

const stageViewOf = (at: StageAt, {state, count, done, failed, out}: BatchView): StageView => ({
  ...at,
  state,
  count,
  done,
  failed,
  out,
});

/** Why a running batch does not go on; '' = nothing that anybody could change. */
function waitsFor(context: MasterContext, batch: Batch): string {
  if (context.state.paused) return 'is suspended with the whole cluster';
  if (batch.control.suspended) return '';
  if (batch.owners) return whoIsMissing(context, awaitedIn(batch), batch.owners.count);
  const missing = whatIsMissing({...batch.row, ...batch.control}, candidates(context));
  return missing || whatIsStuck(batch) || whatIsExhausted(batch) || context.probes.waitsFor(batch);
}

export const viewCaptures = (core: MasterCore): CaptureView[] =>
  [...core.captures.all()]
    .filter(({row}) => !row.dryRun)
    .map(capture => viewCapture(capture, core.context.roster));

export function viewOneCapture(core: MasterCore, id: CaptureId): CaptureView | undefined {
  const capture = core.capture(id);
  return capture && viewCapture(capture, core.context.roster);
}

export const viewApps = (core: MasterCore): AppRow[] => [...core.context.apps.values()];
