// P2 and P5 at the nodes: what is acknowledged goes, nothing else; what fires, fires once, in time and warm.

import {ByteReader, equalBytes, hex32, toHex} from '../base/bytes.ts';
import type {BlobId, MonoMs, NodeId, Now} from '../base/types.ts';
import type {SetActionEffect} from '../core/action-events.ts';
import type {NodeEffect, NodeEvent} from '../core/core.ts';
import {decodeJson, encodeJson, type Op} from '../core/tables.ts';
import {ACTION_KEY} from '../node/action-news.ts';
import {FLOOR_KEY} from '../node/memory.ts';
import {FILE_KEY} from '../node/shot-shelf.ts';
import type {Spooled} from '../node/spool.ts';
import type {FireOrder} from '../runtime/ports.ts';
import {decodeResults, decodeShot} from '../wire/codec.ts';
import type {Crypto} from '../wire/crypto.ts';
import type {Receipt, ResultItem, ShotStatement} from '../wire/message.ts';
import {receiptIsGood} from '../wire/receipt.ts';
import {holds} from './fabric.ts';
import type {SimMaster} from './sim-master.ts';
import type {SimNode} from './sim-node.ts';

export type Acknowledged = {
  readonly results: (nodeId: NodeId, items: readonly ResultItem[], journalNo: number) => void;
  readonly shot: (nodeId: NodeId, statement: ShotStatement) => void;
};

/** `kept`: bodies of spool rows on the disk; `receipted`: bodies that a good receipt was seen for. */
type Life = {
  warm: boolean;
  /** Of the Welcome that it followed last. */
  epoch: number;
  readonly receipted: Map<string, Uint8Array>;
  readonly kept: Map<string, Uint8Array>;
};
type CommandEvent = Extract<NodeEvent, {type: 'command'}>;

export class NodeChecker {
  readonly #crypto: Crypto;
  readonly #master: SimMaster;
  readonly #now: () => number;
  readonly #acknowledged: Acknowledged;
  readonly #hasSecond: boolean;
  /** By machine: clones have one id. */
  readonly #lives = new Map<number, Life>();
  /** Commands that a node took up, by node, epoch and seq. */
  readonly #taken = new Map<string, string>();
  readonly #floors = new Map<string, {readonly epoch: number; readonly seq: number}>();
  readonly #fired = new Set<string>();
  /** Of the captures that orders are for: the number of a lost one comes again. */
  readonly #salts = new WeakMap<FireOrder, number>();
  readonly #onHearing = new WeakSet<FireOrder>();
  readonly #issued = new Map<string, string>();
  firedCount = 0;
  setCount = 0;
  /** Receipts of these lives of the master are promises that its disk did not keep. */
  #lostLives = 0;
  #lostAt = 0;

  /** @param now time of the world */
  constructor(
    crypto: Crypto,
    master: SimMaster,
    now: () => number,
    acknowledged: Acknowledged,
    hasSecond: boolean,
  ) {
    this.#hasSecond = hasSecond;
    this.#crypto = crypto;
    this.#master = master;
    this.#now = now;
    this.#acknowledged = acknowledged;
  }

  /** The master forgot what it issued: numbers of commands may come again with others. */
  rolledBack(): void {
    this.#lostLives = this.#master.lives;
    this.#lostAt = this.#now();
    this.#issued.clear();
  }

  booted(node: SimNode): void {
    const {disk} = node.store;
    const spooled = disk.rows('spool');
    const bodies = new Map(spooled.map(([key, row]) => [key, spooledBody(row)]));
    // A row of `kept` stands for the receipt of an earlier life.
    const old = disk
      .rows('kept')
      .map(([key]) => [key, bodies.get(key) ?? new Uint8Array()] as const)
      .filter(([key]) => bodies.has(key)); // a disk that was damaged may have lost the other row
    this.#lives.set(node.no, {warm: false, epoch: 0, receipted: new Map(old), kept: bodies});
    // One command is never done twice (#taken). The same shot by another command is not, in one life.
    for (const name of this.#fired) if (name.startsWith(`${node.no}/`)) this.#fired.delete(name);
    // A wiped disk has forgotten whom it followed.
    if (this.#hasSecond && !node.store.disk.get('meta', FLOOR_KEY))
      for (const name of this.#issued.keys())
        if (name.startsWith(`${machineOf(node)} `)) this.#issued.delete(name);
    const rows = spooled.length - old.length;
    const known = node.core?.spool.size;
    holds(known === rows, 'P2', () => `node ${node.no}: ${rows} rows wait, ${known} in mind`);
  }

  durable(node: SimNode, ops: readonly Op[]): void {
    const life = this.#lives.get(node.no);
    for (const op of ops) {
      if (op.table === 'kept' && op.type === 'put')
        holds(
          life?.receipted.has(op.key),
          'P2',
          () => `node ${node.no} takes ${op.key} for receipted`,
        );
      if (op.table === 'meta' && op.type === 'del' && op.key.startsWith(FILE_KEY))
        this.#onForgotten(node, op.key.slice(FILE_KEY.length));
      if (op.table !== 'spool' || !life) continue;
      if (op.type === 'put') life.kept.set(op.key, spooledBody(op.value));
      else this.#onDropped(node, op.key, life);
    }
  }

  /** A file of a shot goes only when a master has had it. */
  #onForgotten(node: SimNode, blobId: string): void {
    // A folder that was an old backup has lost what it had.
    const mayBeLost = this.#hasSecond || this.#lostLives > 0;
    const isThere = mayBeLost || this.#master.blobs.has(blobId as BlobId);
    holds(isThere, 'P2', () => `node ${node.no} forgets file ${blobId}, which was never collected`);
  }

  /** What goes from the disk is what a good receipt was for, byte for byte. */
  #onDropped(node: SimNode, key: string, life: Life): void {
    const receipted = life.receipted.get(key);
    const kept = life.kept.get(key);
    life.kept.delete(key);
    holds(receipted, 'P2', () => `node ${node.no} drops ${key} without a receipt`);
    const same = !receipted || !kept || equalBytes(kept, receipted);
    holds(same, 'P2', () => `node ${node.no} drops ${key}, which is not what its receipt was for`);
  }

  /** @param spooled of a receipt: what the node kept under its nonce before it took the event */
  took(
    node: SimNode,
    event: NodeEvent,
    effects: readonly NodeEffect[],
    now: Now,
    spooled?: Spooled,
  ): void {
    const life = this.#lives.get(node.no);
    if (!life) return;
    if (event.type === 'message' && event.message.type === 'receipt')
      this.#onReceipt(node, event.message, life, spooled);
    if (event.type === 'command') this.#onCommand(node, event);
    for (const effect of effects) {
      if (effect.type === 'joinGroup') this.#onJoin(node, life, effect.epoch);
      if (effect.type === 'setAction') this.#onSet(node, event, effect, life, now);
      if (effect.type !== 'fire') continue;
      holds(event.type === 'command', 'P5', () => `node ${node.no} fires on a ${event.type}`);
      if (event.type === 'command') this.#onFire(node, event, effect, life, now);
    }
  }

  #onJoin(node: SimNode, life: Life, epoch: number): void {
    const story = `node ${node.no} goes back from epoch ${life.epoch} to ${epoch}`;
    holds(epoch >= life.epoch, 'P5', () => story);
    life.warm = true;
    life.epoch = epoch;
  }

  /**
   * One number, one command: also across lives of the master. Of two masters at once (S16) each node follows one in
   * an epoch. What was said before the master forgot it may come late, and its number be another's by now.
   */
  #onCommand(node: SimNode, {epoch, seq, command}: CommandEvent): void {
    const saidAt = this.#master.issuedAt(command.instanceId, epoch, seq) ?? this.#now();
    if (saidAt < this.#lostAt) return;
    const instance = toHex(command.instanceId);
    const {kind} = command.what;
    const name = this.#hasSecond ? `${machineOf(node)} in epoch ${epoch}` : `${epoch}/${seq}`;
    const text = this.#hasSecond ? instance : `${kind} of ${instance} at ${command.issuedWallMs}`;
    const before = this.#issued.get(name);
    holds(before === undefined || before === text, 'P5', () => `${name}: ${before}, then ${text}`);
    this.#issued.set(name, text);
  }

  #onReceipt(node: SimNode, receipt: Receipt, life: Life, spooled: Spooled | undefined): void {
    if (!spooled) return;
    const key = hex32(receipt.nonce);
    const {kind, body} = spooled;
    this.#sameOnDisk(node, key, body);
    const {commandKey, clusterId} = this.#master;
    if (!receiptIsGood(this.#crypto, commandKey.publicKey, clusterId, body, receipt)) return;
    if (life.receipted.has(key)) return;
    life.receipted.set(key, body);
    if ((this.#master.lifeOf(receipt) ?? 0) <= this.#lostLives) return;
    if (kind === 'report')
      this.#acknowledged.results(node.nodeId, decodeResults(body) ?? [], receipt.journalNo);
    const shot = kind === 'shot' ? decodeShot(body) : undefined;
    if (shot) this.#acknowledged.shot(node.nodeId, shot);
  }

  /** A report may be said before its row is durable; once it is there, it is the same. */
  #sameOnDisk(node: SimNode, key: string, body: Uint8Array): void {
    const row = node.store.disk.get('spool', key);
    const same = !row || equalBytes(spooledBody(row), body);
    holds(same, 'P2', () => `node ${node.no} keeps another ${key} than its disk`);
  }

  #onFire(node: SimNode, event: CommandEvent, order: FireOrder, life: Life, now: Now): void {
    const {epoch, seq, command} = event;
    const name = `${node.no}/${epoch}/${seq} of ${toHex(command.instanceId)}`;
    holds(!this.#taken.has(name), 'P5', () => `node ${node.no} takes command ${name} twice`);
    if (command.what.kind === 'fire') {
      this.#salts.set(order, command.what.salt);
      if (command.what.atWallMs === 0) this.#onHearing.add(order);
    }
    const shot = this.#shotName(node, order);
    this.#taken.set(name, shot);
    this.#floors.set(shot, {epoch, seq});
    holds(life.warm, 'P5', () => `node ${node.no} fires cold`);
    this.#inTime(node, event, now, 'fires');
  }

  #inTime(node: SimNode, {epoch, seq, command}: CommandEvent, now: Now, deed: string): void {
    const masterWall = this.#master.wallAtZero(epoch) + this.#now();
    if (this.#hasSecond) return; // whose clock?
    const saidAt = this.#master.issuedAt(command.instanceId, epoch, seq) ?? this.#now();
    const trueMs = this.#now() - saidAt - this.#master.sleptMs;
    const lateMs = Math.max(masterWall - command.issuedWallMs, trueMs) - command.ttlMs;
    // The node judges by the master's clock as it knows it: half a round trip and its drift may be wrong.
    const boundMs = Math.max(0, node.clockBoundMs(now.mono)) + 1;
    holds(
      lateMs <= boundMs,
      'P5',
      () => `node ${node.no} ${deed} ${lateMs} ms after the time to live, its bound is ${boundMs}`,
    );
  }

  /** By one command once, in time, and warm; what an earlier life had set is what its disk holds. */
  #onSet(node: SimNode, event: NodeEvent, order: SetActionEffect, life: Life, now: Now): void {
    if (order.isKept) {
      const row = node.store.disk.get('meta', ACTION_KEY + order.action);
      const {id, settings} = order;
      const isSame = row && equalBytes(row, encodeJson({id, settings}));
      holds(
        isSame,
        'P5',
        () => `node ${node.no} sets ${order.action} to what its disk does not hold`,
      );
      return;
    }
    holds(event.type === 'command', 'P5', () => `node ${node.no} sets on a ${event.type}`);
    if (event.type !== 'command') return;
    const {epoch, seq, command} = event;
    const name = `${node.no}/${epoch}/${seq} of ${toHex(command.instanceId)}`;
    holds(!this.#taken.has(name), 'P5', () => `node ${node.no} takes command ${name} twice`);
    this.#taken.set(name, '');
    holds(life.warm, 'P5', () => `node ${node.no} sets an action cold`);
    this.#inTime(node, event, now, 'sets an action');
    this.setCount += 1;
  }

  /** The order to fire leaves the core's turn: its floor must be on the disk by now, unless it is fired on hearing. */
  ordered(node: SimNode, order: FireOrder, _now: MonoMs): void {
    if (this.#onHearing.has(order)) return;
    const command = this.#floors.get(this.#shotName(node, order));
    const row = node.store.disk.get('meta', FLOOR_KEY);
    const floor = row && (decodeJson(row) as {epoch: number; seq: number});
    const isKept =
      command &&
      floor &&
      (floor.epoch > command.epoch || (floor.epoch === command.epoch && floor.seq >= command.seq));
    holds(isKept, 'P5', () => `node ${node.no} fires before its floor is durable`);
  }

  saltOf(order: FireOrder): number | undefined {
    return this.#salts.get(order);
  }

  #shotName(node: SimNode, order: FireOrder): string {
    const {captureId, shot} = order;
    return `${node.no}/${captureId}/${this.#salts.get(order)}/${shot}`;
  }

  fired(node: SimNode, order: FireOrder): void {
    const name = this.#shotName(node, order);
    holds(!this.#fired.has(name), 'P5', () => `node ${node.no} fires shot ${name} twice`);
    this.#fired.add(name);
    this.firedCount += 1;
  }
}

/** Two machines may have one key, and so one id. */
const machineOf = (node: SimNode): string => `node ${node.no}`;

/** Body of a spool row: kind, signature, body. */
function spooledBody(row: Uint8Array): Uint8Array {
  const reader = new ByteReader(row);
  reader.varint();
  reader.sized();
  return reader.sized();
}
