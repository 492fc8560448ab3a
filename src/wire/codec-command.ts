// Bytes of commands, of what nodes sign about them, and of trust.

import {assertNever} from '../base/assert.ts';
import {concat, toHex} from '../base/bytes.ts';
import {asBatchId, asCaptureId, asWallMs} from '../base/types.ts';
import {offerProperties, readOffer} from './codec-bulk.ts';
import {
  args,
  blobIdOf,
  exactly,
  finite,
  malformed,
  nodeIdOf,
  present,
  text,
  texts,
  whole,
  within,
} from './codec-check.ts';
import {clipped, idBytes, wellFormed} from './codec-text.ts';
import {readState} from './codec-work.ts';
import type {volley} from './generated/volley.js';
import {
  APP_KEYS_MAX,
  COMMAND_TTL_MS_MAX,
  LABELS_MAX,
  NAME_BYTES_MAX,
  NODES_MAX,
  REASON_BYTES_MAX,
  SETTINGS_BYTES_MAX,
  SHOT_FILES_MAX,
  SWEEP_ID_BYTES,
} from './limits.ts';
import type {
  AckStatement,
  AckVerdict,
  ActionPhase,
  ActionState,
  Command,
  CommandWhat,
  ShotStatement,
  ShotVerdict,
  Sweep,
  TrustDocument,
} from './message.ts';

/** Numbers are for ever: the index is the number on the wire. */
const ACK_VERDICTS: readonly AckVerdict[] = ['accepted', 'expired', 'notAllowed'];
const SHOT_VERDICTS: readonly ShotVerdict[] = [
  'fired',
  'failed',
  'missed',
  'forbidden',
  'cancelled',
];
const ACTION_PHASES: readonly ActionPhase[] = ['off', 'arming', 'ready', 'unable'];

export function commandProperties(command: Command): volley.Command.$Properties {
  return {
    clusterId: command.clusterId,
    instanceId: command.instanceId,
    issuedWallMs: command.issuedWallMs,
    ttlMs: command.ttlMs,
    ackWindowMs: command.ackWindowMs,
    target: {
      labels: command.target.labels.map(wellFormed),
      nodes: command.target.nodes.map(id => idBytes(id, 16)),
    },
    state: command.state,
    ...whatProperties(command.what),
  };
}

function whatProperties(what: CommandWhat): volley.Command.$Properties {
  switch (what.kind) {
    case 'workAvailable':
      return {workAvailable: {batch: what.batchId, spreadMs: what.spreadMs}};
    case 'fire':
      return {
        fire: {
          capture: what.captureId,
          shot: what.shot,
          action: wellFormed(what.action),
          args: what.args.map(wellFormed),
          atWallMs: what.atWallMs,
          salt: what.salt,
          ...(what.preview ? {preview: true} : {}),
          ...(what.sweep ? {sweep: sweepProperties(what.sweep)} : {}),
          ...(what.toleranceMs ? {toleranceMs: what.toleranceMs} : {}),
        },
      };
    case 'rollCall':
      return {rollCall: {...what, action: wellFormed(what.action)}};
    case 'pulse':
      return {pulse: {no: what.no}};
    case 'setAction':
      return {setAction: {...what, action: wellFormed(what.action)}};
    case 'cancelBatch':
      return {cancelBatch: {batch: what.batchId}};
    case 'cancelCapture':
      return {cancelCapture: {capture: what.captureId, salt: what.salt}};
    case 'transferOffer':
      return {transferOffer: offerProperties(what)};
    case 'state':
      return {};
    default:
      return assertNever(what);
  }
}

export function readCommand(command: volley.Command.$Properties): Command {
  const target = present(command.target);
  const nodes = target.nodes ?? [];
  within(nodes.length, NODES_MAX);
  return {
    clusterId: exactly(command.clusterId, 16),
    instanceId: exactly(command.instanceId, 8),
    issuedWallMs: asWallMs(finite(command.issuedWallMs ?? 0)),
    ttlMs: within(command.ttlMs ?? 0, COMMAND_TTL_MS_MAX),
    ackWindowMs: command.ackWindowMs ?? 0,
    target: {
      labels: texts(target.labels ?? [], LABELS_MAX, NAME_BYTES_MAX),
      nodes: nodes.map(nodeIdOf),
    },
    state: readState(present(command.state)),
    what: readWhat(command),
  };
}

function readFire(fire: volley.Fire.$Properties): CommandWhat {
  return {
    kind: 'fire',
    captureId: asCaptureId(fire.capture ?? 0),
    shot: fire.shot ?? 0,
    action: text(fire.action ?? '', NAME_BYTES_MAX),
    args: args(fire.args ?? []),
    atWallMs: asWallMs(finite(fire.atWallMs ?? 0)),
    salt: fire.salt ?? 0,
    ...(fire.preview ? {preview: true} : {}),
    ...(fire.sweep ? {sweep: readSweep(fire.sweep)} : {}),
    ...readTolerance(fire.toleranceMs),
  };
}

/** A number that makes no sense is the usual one: a shot is not lost for it. */
const readTolerance = (ms: number | null | undefined): {toleranceMs?: number} =>
  ms && Number.isFinite(ms) && ms > 0 ? {toleranceMs: ms} : {};

function readWhat(command: volley.Command.$Properties): CommandWhat {
  switch (command.what) {
    case 'workAvailable': {
      const {batch, spreadMs} = present(command.workAvailable);
      return {kind: 'workAvailable', batchId: asBatchId(batch ?? 0), spreadMs: spreadMs ?? 0};
    }
    case 'fire':
      return readFire(present(command.fire));
    case 'rollCall': {
      const {action, toleranceMs} = present(command.rollCall);
      const name = text(action ?? '', NAME_BYTES_MAX);
      return {kind: 'rollCall', action: name, ...readTolerance(toleranceMs)};
    }
    case 'pulse':
      return {kind: 'pulse', no: present(command.pulse).no ?? 0};
    case 'setAction': {
      const {action, settings, id} = present(command.setAction);
      return {
        kind: 'setAction',
        action: text(action ?? '', NAME_BYTES_MAX),
        settings: text(settings ?? '', SETTINGS_BYTES_MAX),
        id: id ?? 0,
      };
    }
    case 'cancelBatch':
      return {kind: 'cancelBatch', batchId: asBatchId(present(command.cancelBatch).batch ?? 0)};
    case 'cancelCapture': {
      const {capture, salt} = present(command.cancelCapture);
      return {kind: 'cancelCapture', captureId: asCaptureId(capture ?? 0), salt: salt ?? 0};
    }
    case 'transferOffer':
      return {kind: 'transferOffer', ...readOffer(present(command.transferOffer))};
    case undefined:
      return {kind: 'state'};
    default:
      return assertNever(command.what);
  }
}

const sweepProperties = ({stepMs, from, nodes}: Sweep): volley.Sweep.$Properties => ({
  stepMs,
  from,
  nodes: concat(...nodes.map(id => idBytes(id, SWEEP_ID_BYTES))),
});

function readSweep(sweep: volley.Sweep.$Properties): Sweep {
  const bytes = sweep.nodes ?? new Uint8Array();
  const stepMs = finite(sweep.stepMs ?? 0);
  if (bytes.length % SWEEP_ID_BYTES !== 0 || stepMs <= 0) malformed();
  const nodes: string[] = [];
  for (let at = 0; at < bytes.length; at += SWEEP_ID_BYTES)
    nodes.push(toHex(bytes.subarray(at, at + SWEEP_ID_BYTES)));
  return {stepMs, from: sweep.from ?? 0, nodes};
}

export function ackProperties(ack: AckStatement): volley.AckStatement.$Properties {
  return {
    epoch: ack.epoch,
    seq: ack.seq,
    heardWallMs: ack.heardWallMs,
    clockBoundMs: ack.clockBoundMs,
    verdict: ACK_VERDICTS.indexOf(ack.verdict),
    ...(ack.unready === undefined ? {} : {unready: clipped(ack.unready, REASON_BYTES_MAX)}),
    ...(ack.freeMib === undefined ? {} : {freeMib: ack.freeMib}),
    ...(ack.shotMs === undefined ? {} : {shotMs: ack.shotMs}),
  };
}

export function readAck(ack: volley.AckStatement.$Properties): AckStatement {
  const number: number = ack.verdict ?? 0;
  return {
    epoch: ack.epoch ?? 0,
    seq: ack.seq ?? 0,
    heardWallMs: asWallMs(finite(ack.heardWallMs ?? 0)),
    clockBoundMs: finite(ack.clockBoundMs ?? 0),
    verdict: ACK_VERDICTS[number] ?? malformed(),
    ...(ack.unready ? {unready: text(ack.unready, REASON_BYTES_MAX)} : {}),
    ...(ack.freeMib ? {freeMib: ack.freeMib} : {}),
    ...(ack.shotMs ? {shotMs: ack.shotMs} : {}),
  };
}

export function shotProperties(shot: ShotStatement): volley.ShotStatement.$Properties {
  return {
    capture: shot.captureId,
    shot: shot.shot,
    epoch: shot.epoch,
    seq: shot.seq,
    heardWallMs: shot.heardWallMs,
    firedWallMs: shot.firedWallMs,
    doneWallMs: shot.doneWallMs,
    clockBoundMs: shot.clockBoundMs,
    verdict: SHOT_VERDICTS.indexOf(shot.verdict),
    reason: clipped(shot.reason, REASON_BYTES_MAX),
    files: shot.files.map(file => ({
      name: wellFormed(file.name),
      blob: idBytes(file.blobId, 32),
      size: file.size,
    })),
    salt: shot.salt,
    ...(shot.sensorPeriodMs === undefined ? {} : {sensorPeriodMs: shot.sensorPeriodMs}),
  };
}

export function readShot(shot: volley.ShotStatement.$Properties): ShotStatement {
  const files = shot.files ?? [];
  within(files.length, SHOT_FILES_MAX);
  const number: number = shot.verdict ?? 0;
  return {
    captureId: asCaptureId(shot.capture ?? 0),
    shot: shot.shot ?? 0,
    epoch: shot.epoch ?? 0,
    seq: shot.seq ?? 0,
    heardWallMs: asWallMs(finite(shot.heardWallMs ?? 0)),
    firedWallMs: asWallMs(finite(shot.firedWallMs ?? 0)),
    doneWallMs: asWallMs(finite(shot.doneWallMs ?? 0)),
    clockBoundMs: finite(shot.clockBoundMs ?? 0),
    verdict: SHOT_VERDICTS[number] ?? malformed(),
    reason: text(shot.reason ?? '', REASON_BYTES_MAX),
    files: files.map(file => ({
      name: text(file.name ?? '', NAME_BYTES_MAX),
      blobId: blobIdOf(file.blob),
      size: whole(file.size ?? 0),
    })),
    salt: shot.salt ?? 0,
    ...(shot.sensorPeriodMs ? {sensorPeriodMs: finite(shot.sensorPeriodMs)} : {}),
  };
}

export function trustProperties(document: TrustDocument): volley.TrustDocument.$Properties {
  return {...document, appKeys: document.appKeys as Uint8Array[]};
}

export function readTrust(document: volley.TrustDocument.$Properties): TrustDocument {
  const appKeys = document.appKeys ?? [];
  within(appKeys.length, APP_KEYS_MAX);
  return {
    rootKey: exactly(document.rootKey, 32),
    clusterId: exactly(document.clusterId, 16),
    version: document.version ?? 0,
    commandKey: exactly(document.commandKey, 32),
    masterStatic: exactly(document.masterStatic, 32),
    appKeys: appKeys.map(key => exactly(key, 32)),
  };
}

export function actionProperties(state: ActionState): volley.ActionState.$Properties {
  return {
    ...state,
    action: wellFormed(state.action),
    phase: ACTION_PHASES.indexOf(state.phase),
    error: clipped(state.error, REASON_BYTES_MAX),
    model: clipped(state.model, NAME_BYTES_MAX),
    refusal: clipped(state.refusal, REASON_BYTES_MAX),
  };
}

export function readAction(state: volley.ActionState.$Properties): ActionState {
  const number: number = state.phase ?? 0;
  return {
    type: 'actionState',
    action: text(state.action ?? '', NAME_BYTES_MAX),
    serial: state.serial ?? 0,
    phase: ACTION_PHASES[number] ?? malformed(),
    error: text(state.error ?? '', REASON_BYTES_MAX),
    model: text(state.model ?? '', NAME_BYTES_MAX),
    warmUpMs: finite(state.warmUpMs ?? 0),
    sensorPeriodMs: finite(state.sensorPeriodMs ?? 0),
    settings: text(state.settings ?? '', SETTINGS_BYTES_MAX),
    settingsId: state.settingsId ?? 0,
    refusal: text(state.refusal ?? '', REASON_BYTES_MAX),
  };
}
