// A node without a world: events go in by turns as the driver gives them, saves land in a map of rows,
// and every test may kill the node and restore it. The master is scripted and signs with real keys.

import {toHex, toUtf8} from '../../src/base/bytes.ts';
import {Prng} from '../../src/base/prng.ts';
import {
  asAddress,
  asBatchId,
  asBlobId,
  asCaptureId,
  asMonoMs,
  asPeerId,
  asWallMs,
  type BlobId,
  type MonoMs,
  type Now,
  type ReplicaId,
  type WallMs,
} from '../../src/base/types.ts';
import type {NodeEffect, NodeEvent} from '../../src/core/core.ts';
import type {Op} from '../../src/core/tables.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import type {NodeConfig} from '../../src/node/memory.ts';
import type {NodeCore} from '../../src/node/node.ts';
import {NODE_TABLES, NodeRestore} from '../../src/node/restore.ts';
import {decodeAck, decodeResults, decodeShot} from '../../src/wire/codec.ts';
import {nodeIdOf} from '../../src/wire/identity.ts';
import type {
  Assign,
  Command,
  CommandWhat,
  Input,
  Message,
  OutputRef,
  Pull,
  Receipt,
  ShotStatement,
  Welcome,
} from '../../src/wire/message.ts';
import {journalNoBytes} from '../../src/wire/receipt.ts';
import {fingerprintOf, signTrust} from '../../src/wire/trust.ts';

export const crypto = new NodeCrypto();
/** The master's wall clock at a rig's mono 0. */
export const MASTER_WALL = 1_700_000_000_000;
export const APP_ID = asBlobId('a1'.repeat(32));

type Effect<T extends NodeEffect['type']> = Extract<NodeEffect, {type: T}>;
type Sent<T extends Message['type']> = Extract<Message, {type: T}>;

const root = crypto.ed25519KeyPair();
const commandKeys = crypto.ed25519KeyPair();
const masterStatic = crypto.x25519KeyPair();
const clusterId = crypto.random(16);
export const PEER = asPeerId(toHex(masterStatic.publicKey));
export const identity = crypto.ed25519KeyPair();
export const NODE_ID = nodeIdOf(crypto, identity.publicKey);

const trustOf = (id: Uint8Array, keys = root, version = 1) =>
  signTrust(crypto, keys.secretKey, {
    rootKey: keys.publicKey,
    clusterId: id,
    version,
    commandKey: commandKeys.publicKey,
    masterStatic: masterStatic.publicKey,
    appKeys: [],
  });
export const strangeTrust = (): Uint8Array => trustOf(clusterId, crypto.ed25519KeyPair());
export const newerTrust = (version: number): Uint8Array => trustOf(clusterId, root, version);
const trust = trustOf(clusterId);

export const blobOf = (text: string): {blobId: BlobId; size: number} => ({
  blobId: asBlobId(toHex(crypto.sha256(toUtf8(text)))),
  size: text.length,
});

export class NodeRig {
  readonly rows = new Map<string, Uint8Array>();
  core: NodeCore;
  mono = 1_000;
  /** By how much the wall clock was set, or went on while the machine slept. */
  wallStepMs = 0;
  epoch = 5;
  readonly config: NodeConfig;
  #seq = 0;
  #lives = 0;
  #journalNo = 10;

  constructor(changes: Partial<NodeConfig> = {}) {
    this.config = {
      name: 'n',
      labels: ['ring1'],
      arch: 'x64',
      engine: 'node',
      cores: 4,
      slots: 2,
      memoryMib: 1_024,
      sandboxLevel: 2,
      runtimes: ['wasm'],
      actions: ['camera'],
      version: '0.1.0',
      identity,
      staticKey: crypto.x25519KeyPair().publicKey,
      rootFingerprint: fingerprintOf(crypto, root.publicKey),
      bootId: crypto.random(8),
      ...changes,
    };
    this.core = this.#restore();
  }

  /** Linked, welcomed, and with the clock known to half a millisecond. */
  static joined(changes: Partial<NodeConfig> = {}): NodeRig {
    const rig = new NodeRig(changes);
    rig.join();
    return rig;
  }

  get now(): Now {
    return {mono: asMonoMs(this.mono), wall: asWallMs(5_000 + this.mono + this.wallStepMs)};
  }

  /** The master's wall clock now (or `ms` from now). */
  masterWall(ms = 0): WallMs {
    return asWallMs(MASTER_WALL + this.mono + ms);
  }

  #restore(): NodeCore {
    this.#lives += 1;
    const restore = new NodeRestore(this.config, crypto, new Prng(this.#lives), this.now.mono);
    for (const table of NODE_TABLES)
      for (const [full, value] of this.rows)
        if (full.startsWith(`${table}/`)) restore.row(table, full.slice(table.length + 1), value);
    return restore.finish();
  }

  apply(op: Op): void {
    if (op.type === 'put') this.rows.set(`${op.table}/${op.key}`, op.value);
    else this.rows.delete(`${op.table}/${op.key}`);
  }

  turn(...events: readonly NodeEvent[]): NodeEffect[] {
    const effects = this.pureTurn(...events);
    for (const effect of effects) if (effect.type === 'save') this.apply(effect.op);
    return effects;
  }

  /** A turn whose commit never reached the disk. */
  pureTurn(...events: readonly NodeEvent[]): NodeEffect[] {
    const {core, now} = this;
    const effects: NodeEffect[] = [];
    for (const event of events) effects.push(...core.handle(event, now));
    if (core.wakeAt() <= now.mono) effects.push(...core.handle({type: 'tick'}, now));
    effects.push(...core.endTurn(now));
    core.check();
    return effects;
  }

  pass(ms: number): NodeEffect[] {
    const until = this.mono + ms;
    const effects: NodeEffect[] = [];
    for (let turns = 0; ; turns++) {
      if (turns > 20_000) throw new Error('the core asks for a tick over and over');
      const wake = this.core.wakeAt();
      if (wake > until) break;
      this.mono = Math.max(this.mono, wake);
      effects.push(...this.turn());
    }
    this.mono = until;
    return effects;
  }

  kill(): void {
    this.core = this.#restore();
  }

  /** Rows that wait for their receipts. */
  spooled(): number {
    const keys = [...this.rows.keys()].filter(key => key.startsWith('spool/'));
    return keys.filter(key => !this.rows.has(key.replace('spool', 'kept'))).length;
  }

  // ---- the master -------------------------------------------------------------------------------

  link(): NodeEffect[] {
    const from = asAddress('10.0.0.1:6273');
    const handshakeHash = crypto.random(32);
    return this.turn({type: 'linked', peer: PEER, handshakeHash, tokenId: 0, from});
  }

  welcome(changes: Partial<Welcome> = {}): Welcome {
    return {
      type: 'welcome',
      journalNo: 1_000_000,
      bootJournalNo: 1_000_000,
      lostEpoch: 0,
      lostAfter: 0,
      clusterId,
      epoch: this.epoch,
      epochProof: new Uint8Array(8).fill(2),
      seqFloor: this.#seq,
      groupKey: new Uint8Array(32).fill(3),
      groupKeyId: 1,
      instanceId: new Uint8Array(8).fill(this.epoch),
      heartbeatMs: 1_000,
      blobPort: 6_274,
      blobKey: new Uint8Array(32).fill(4),
      state: {generation: 0, paused: false},
      suspended: false,
      labels: [],
      wallMs: this.masterWall(),
      trust,
      ...changes,
    };
  }
  hears(...messages: readonly Message[]): NodeEffect[] {
    return this.turn(
      ...messages.map(
        message => ({type: 'message', peer: PEER, message, heardAt: this.now.mono}) as const,
      ),
    );
  }

  join(changes: Partial<Welcome> = {}): NodeEffect[] {
    const linked = this.link();
    return [...linked, ...this.hears(this.welcome(changes))];
  }

  /** Answers a pull: with so many leases of a batch. */
  assignOf(pull: Pull, count: number, changes: Partial<Assign> & {input?: Input} = {}): Assign {
    const {input = {kind: 'range', start: 0, end: 1}, ...more} = changes;
    return {
      type: 'assign',
      nonce: pull.nonce,
      batches: count === 0 ? [] : [this.batchOf(0, count, input)],
      waitMs: 0,
      state: {generation: 0, paused: false},
      closed: [],
      suspended: false,
      wallMs: this.masterWall(),
      part: 0,
      parts: 1,
      ...more,
    };
  }

  batchOf(
    from: number,
    count: number,
    input: Input = {kind: 'range', start: 0, end: 1},
    batchId = asBatchId(1),
  ): Assign['batches'][number] {
    return {
      batchId,
      appId: APP_ID,
      args: [],
      leaseMs: 60_000,
      timeLimitMs: 1_000,
      memoryLimitMib: 64,
      outputLimitBytes: 1_000_000,
      leases: Array.from({length: count}, (_, i) => ({
        index: from + i,
        replicaNo: 0,
        proof: 1_000 + from + i,
        input,
      })),
    };
  }

  /** Joins, gets so many leases, and what that turn did. */
  static working(
    count: number,
    changes: Partial<NodeConfig> = {},
  ): NodeRig & {first: NodeEffect[]} {
    const rig = new NodeRig(changes);
    const pull = sent(rig.join(), 'pull')[0];
    if (!pull) throw new Error('no pull');
    const first = rig.hears(rig.assignOf(pull, count));
    return Object.assign(rig, {first});
  }

  computed(replicaId: ReplicaId, output: OutputRef, cpuMs = 5): NodeEvent {
    return {type: 'computed', replicaId, output, cpuMs};
  }

  receiptOf(
    said: Sent<'report'> | Sent<'shotReport'>,
    changes: Partial<Receipt> = {},
    key = commandKeys,
  ): Receipt {
    const journalNo = changes.journalNo ?? ++this.#journalNo;
    const hash = crypto.sha256(said.body);
    const signature = crypto.sign(
      key.secretKey,
      'receipt',
      clusterId,
      hash,
      journalNoBytes(journalNo),
    );
    return {type: 'receipt', nonce: said.nonce, journalNo, signature, ...changes};
  }

  command(
    what: CommandWhat,
    changes: Partial<Command> = {},
    heardAt = this.now.mono,
  ): Extract<NodeEvent, {type: 'command'}> {
    const command: Command = {
      clusterId,
      instanceId: new Uint8Array(8),
      issuedWallMs: this.masterWall(),
      ttlMs: 5_000,
      ackWindowMs: 20,
      target: {labels: [], nodes: []},
      state: {generation: 0, paused: false},
      what,
      ...changes,
    };
    return {type: 'command', command, epoch: this.epoch, seq: ++this.#seq, heardAt};
  }

  fire(
    inMs: number,
    changes: Partial<Command> = {},
    what: Partial<Extract<CommandWhat, {kind: 'fire'}>> = {},
  ) {
    return this.command(
      {
        kind: 'fire',
        captureId: asCaptureId(1),
        shot: 1,
        action: 'camera',
        args: [],
        atWallMs: this.masterWall(inMs),
        salt: 9,
        ...what,
      },
      changes,
    );
  }

  shotDone(changes: Partial<Extract<NodeEvent, {type: 'shotDone'}>> = {}): NodeEvent {
    const at: MonoMs = this.now.mono;
    return {
      type: 'shotDone',
      captureId: asCaptureId(1),
      shot: 1,
      firedAt: at,
      doneAt: at,
      files: [],
      failure: undefined,
      ...changes,
    };
  }
}

export const only = <T extends NodeEffect['type']>(
  effects: readonly NodeEffect[],
  type: T,
): Effect<T>[] => effects.filter((effect): effect is Effect<T> => effect.type === type);

export const sent = <T extends Message['type']>(
  effects: readonly NodeEffect[],
  type: T,
): Sent<T>[] =>
  only(effects, 'send')
    .filter(({message}) => message.type === type)
    .map(({message}) => message as Sent<T>);

export const notesOf = (effects: readonly NodeEffect[]): string[] =>
  only(effects, 'note').map(({note}) => note.what);

export const savedKeys = (effects: readonly NodeEffect[]): string[] =>
  only(effects, 'save').map(({op}) => `${op.type} ${op.table}/${op.key}`);

/** Replicas that effects start, in order. */
export const runs = (effects: readonly NodeEffect[]): ReplicaId[] =>
  only(effects, 'run').map(({order}) => order.replicaId);

/** Items of a report whose signature is good. */
export function itemsOf(report: Sent<'report'>) {
  if (!crypto.verify(identity.publicKey, 'results', report.signature, clusterId, report.body))
    throw new Error('bad signature');
  const items = decodeResults(report.body);
  if (!items) throw new Error('bad body');
  return items;
}

export function statementOf({body, signature}: Sent<'shotReport'>): ShotStatement {
  const good = crypto.verify(identity.publicKey, 'shot', signature, clusterId, body);
  const statement = good ? decodeShot(body) : undefined;
  if (!statement) throw new Error('bad signature or body');
  return statement;
}

export function ackOf({body, signature}: Sent<'commandAck'>) {
  const good = crypto.verify(identity.publicKey, 'ack', signature, clusterId, body);
  const statement = good ? decodeAck(body) : undefined;
  if (!statement) throw new Error('bad signature or body');
  return statement;
}
