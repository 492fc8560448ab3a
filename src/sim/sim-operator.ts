// The person at the CLI: asks, and asks again after a crash when the master knows nothing of it.

import {fromHex} from '../base/bytes.ts';
import {asBlobId, asWallMs, type BatchId, type CaptureId, type NodeId} from '../base/types.ts';
import type {OperatorAnswer, OperatorRequest} from '../core/operator-request.ts';
import {type BatchRow, batchKey, decodeJson, type NodeRow, type TableName} from '../core/tables.ts';
import type {MasterCore} from '../master/master.ts';
import {type Fabric, holds, WALL_AT_ZERO} from './fabric.ts';
import type {KeyDesk} from './key-desk.ts';
import {type BatchPlan, type CapturePlan, mayForget, type Plan} from './plan.ts';
import type {SimMaster} from './sim-master.ts';
import {APP} from './sim-vault.ts';
import {EVENT} from './timeline.ts';
import type {TransferPlan} from './transfer-plan.ts';

export const TOKEN_ID = 7;
export const TOKEN_PSK = '42'.repeat(32);

type Task = {
  readonly at: number;
  readonly request: (core: MasterCore) => OperatorRequest | undefined;
  /** Whether the master has it already. */
  readonly isDone: (core: MasterCore) => boolean;
  /** A person who asks for a picture asks once. */
  readonly once: boolean;
  askedAt: number;
  done: boolean;
};

/** Nobody may be there, or it is too late. */
const MAY_FAIL: ReadonlySet<OperatorRequest['kind']> = new Set([
  'capture',
  'cancelCapture',
  'cancelTransfer',
  'cancelBatch',
  'push',
]);
const TEND_MS = 250;
const ASK_AGAIN_MS = 5_000;

export class SimOperator {
  readonly #fabric: Fabric;
  readonly #master: SimMaster;
  readonly #tasks: Task[] = [];
  /** Who publishes apps where keys are rotated. */
  desk: KeyDesk | undefined;
  /** What was answered: batches that the master must know for ever. */
  readonly #promised = new Map<string, BatchId>();
  /** By what was asked for. */
  readonly #captures = new Map<OperatorRequest, CaptureId>();
  readonly #transfers = new Map<OperatorRequest, number>();
  /** Batches that somebody deletes: of these nothing is asked any more. */
  readonly #unwanted = new Set<string>();

  constructor(fabric: Fabric, master: SimMaster, plan: Plan) {
    this.#fabric = fabric;
    this.#master = master;
    this.#add(0, tokenRequest(usesOf(plan)), () => this.#has('token', String(TOKEN_ID)));
    this.#tasks.push({
      at: 0,
      request: () => (master.vault ? undefined : APP_REQUEST),
      isDone: core => this.#has('app', APP) && (!master.vault || core.context.apps.has(APP)),
      once: false,
      askedAt: -1,
      done: false,
    });
    for (const batch of plan.batches) this.#addBatch(batch);
    for (const capture of plan.captures) this.#addCapture(capture);
    for (const transfer of plan.transfers ?? []) this.#addTransfer(transfer);
  }

  #add(
    at: number,
    request: OperatorRequest,
    isDone: (core: MasterCore) => boolean,
    once = false,
  ): void {
    this.#tasks.push({at, request: () => request, isDone, once, askedAt: -1, done: false});
  }

  #addCapture({at, request, cancelAt}: CapturePlan): void {
    const asked: OperatorRequest = {kind: 'capture', capture: request};
    this.#add(at, asked, () => false, true);
    this.#addCancel(cancelAt, () => {
      const captureId = this.#captures.get(asked);
      return captureId === undefined ? undefined : {kind: 'cancelCapture', captureId};
    });
  }

  #addTransfer({at, labels, cancelAt, ...push}: TransferPlan): void {
    const asked: OperatorRequest = {kind: 'push', ...push, target: {labels, nodes: []}};
    this.#add(at, asked, () => false, true);
    this.#addCancel(cancelAt, () => {
      const transferId = this.#transfers.get(asked);
      return transferId === undefined ? undefined : {kind: 'cancelTransfer', transferId};
    });
  }

  /** Who asked for something in vain has nothing to cancel. */
  #addCancel(at: number | undefined, request: () => OperatorRequest | undefined): void {
    if (at === undefined) return;
    const isDone = (): boolean => this.#fabric.timeline.now > at + ASK_AGAIN_MS;
    this.#tasks.push({at, request, isDone, once: true, askedAt: -1, done: false});
  }

  #addBatch({at, request, cancelAt}: BatchPlan): void {
    const {name} = request;
    this.#add(at, {kind: 'submitBatch', batch: request}, core => {
      const batch = find(core, name);
      const isThere = batch !== undefined && this.#has('batch', batchKey(batch.row.id));
      return isThere || this.#unwanted.has(name);
    });
    if (cancelAt === undefined) return;
    this.#tasks.push({
      at: cancelAt,
      request: core => {
        const batchId = find(core, name)?.row.id;
        return batchId === undefined ? undefined : {kind: 'cancelBatch', batchId};
      },
      isDone: core => this.#unwanted.has(name) || this.#isEnded(find(core, name)?.row.id),
      once: false,
      askedAt: -1,
      done: false,
    });
  }

  /**
   * As soon as the master knows the node; asked again until that is on the disk.
   *
   * @param node its id may change (a new card); buried, it may never have been known
   */
  revoke(at: number, node: {readonly nodeId: NodeId; readonly buried: boolean}): void {
    this.#tasks.push({
      at,
      request: core =>
        core.context.roster.node(node.nodeId)
          ? {kind: 'revokeNode', nodeId: node.nodeId}
          : undefined,
      isDone: () => {
        const row = this.#master.store.disk.get('node', node.nodeId);
        return row === undefined ? node.buried : (decodeJson(row) as NodeRow).revokedAt > 0;
      },
      once: false,
      askedAt: -1,
      done: false,
    });
  }

  /** @param isDeleted false = the master refused, and it stays */
  deletes(name: string, isDeleted: boolean): void {
    if (!isDeleted) this.#unwanted.delete(name);
    else this.#unwanted.add(name);
    if (isDeleted) this.#promised.delete(name);
  }

  /** On the disk: what is only in the master's memory goes with its process. */
  #has(table: TableName, key: string): boolean {
    return this.#master.store.disk.get(table, key) !== undefined;
  }

  #isEnded(batchId: BatchId | undefined): boolean {
    const row = batchId && this.#master.store.disk.get('batch', batchKey(batchId));
    return row ? (decodeJson(row) as BatchRow).state !== 'running' : false;
  }

  get done(): boolean {
    return this.#tasks.every(task => task.done) && (this.desk?.done ?? true);
  }

  start(): void {
    this.#fabric.timeline.after(TEND_MS, EVENT.operator, 0, () => {
      this.tend();
      this.start();
    });
  }

  tend(): void {
    const {core} = this.#master;
    if (!core) return;
    this.desk?.tend(core);
    const [token, app, ...others] = this.#tasks;
    // At each start it leaves out what no key that the root names today has signed.
    if (app && this.desk && !core.context.apps.has(APP)) app.done = false;
    for (const task of [token, app]) if (task && !task.done) this.#tendOne(task, core);
    if (!token?.done || !app?.done) return; // nothing can be submitted before
    for (const task of others) if (!task.done) this.#tendOne(task, core);
  }

  #tendOne(task: Task, core: MasterCore): void {
    const {now} = this.#fabric.timeline;
    if (now < task.at) return;
    if (task.isDone(core)) {
      task.done = true;
      return;
    }
    if (task.askedAt >= 0 && now < task.askedAt + ASK_AGAIN_MS) return;
    const request = task.request(core);
    if (!request) return;
    task.askedAt = now;
    if (task.once) task.done = true;
    this.#master.operator(request, answer => this.#onAnswer(request, answer));
  }

  #onAnswer(request: OperatorRequest, answer: OperatorAnswer): void {
    if (!answer.ok) {
      const isEarly = request.kind === 'submitBatch' && request.batch.policy.broadcast === true;
      const mayFail = isEarly || MAY_FAIL.has(request.kind);
      holds(mayFail, 'operator', () => `${request.kind}: ${answer.code}`);
      return;
    }
    if (answer.captureId !== undefined) this.#captures.set(request, answer.captureId);
    if (answer.transferId !== undefined) this.#transfers.set(request, answer.transferId);
    if (request.kind === 'submitBatch' && answer.batchId !== undefined)
      this.#promised.set(request.batch.name, answer.batchId);
  }

  /** An old backup: what it does not know is asked for again, but no picture is taken twice. */
  rolledBack(): void {
    this.desk?.putBack();
    for (const task of this.#tasks) if (!task.once) Object.assign(task, {done: false, askedAt: -1});
    for (const [name, batchId] of this.#promised) {
      const row = this.#master.store.disk.get('batch', batchKey(batchId));
      if (!row || (decodeJson(row) as BatchRow).name !== name) this.#promised.delete(name);
    }
  }

  /** P1 for the operator: what was answered is there after each start, but for what was deleted since. */
  checkPromised(core: MasterCore, deleted: ReadonlySet<number>): void {
    for (const [name, batchId] of this.#promised) {
      if (deleted.has(batchId)) continue; // and the answer to that may be lost
      const batch = core.context.batches.get(batchId);
      holds(batch?.row.name === name, 'P1', () => `batch ${batchId} was answered and is gone`);
    }
  }
}

const find = (core: MasterCore, name: string) => {
  for (const batch of core.context.batches.values()) if (batch.row.name === name) return batch;
  return undefined;
};

/**
 * Exactly one use for each node and each new card: a node that is not told of its Welcome must not need a second
 * one. An old backup may have the token as it was, or not at all.
 */
const usesOf = ({nodes, reflashAt, secondMasterAt, disasters}: Plan): number =>
  (nodes.length + reflashAt.length) * (mayForget(disasters) || secondMasterAt > 0 ? 8 : 1);

const tokenRequest = (uses: number): OperatorRequest => ({
  kind: 'addToken',
  tokenId: TOKEN_ID,
  psk: fromHex(TOKEN_PSK) ?? new Uint8Array(32),
  uses,
  expiresAt: asWallMs(WALL_AT_ZERO * 2),
});

const APP_REQUEST: OperatorRequest = {
  kind: 'addApp',
  app: {
    appId: asBlobId('ab'.repeat(32)),
    name: APP,
    version: '1',
    runtime: 'wasm',
    action: '',
    publishedAt: WALL_AT_ZERO,
    timeLimitSeconds: 60,
    memoryLimitMib: 64,
    outputLimitBytes: 1_000_000,
  },
};
