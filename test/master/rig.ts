// A master without a world: events go in by turns as the driver gives them, saves land in a map of
// rows, and every test may kill the master and restore it from that map. Nodes are scripted and sign
// with real keys.

import {toUtf8} from '../../src/base/bytes.ts';
import {Prng} from '../../src/base/prng.ts';
import {
  asAddress,
  asMonoMs,
  asWallMs,
  type BatchId,
  type CaptureId,
  type Now,
} from '../../src/base/types.ts';
import type {MasterEffect, MasterEvent} from '../../src/core/core.ts';
import type {InputSource} from '../../src/core/input-source.ts';
import type {
  CaptureRequest,
  OperatorAnswer,
  OperatorRequest,
} from '../../src/core/operator-request.ts';
import type {PolicyRequest} from '../../src/core/policy.ts';
import type {Op, TableName} from '../../src/core/tables.ts';
import type {MasterConfig} from '../../src/master/context.ts';
import {silentAfterMs} from '../../src/master/liveness.ts';
import type {MasterCore} from '../../src/master/master.ts';
import {FIRST_TABLES, MasterRestore} from '../../src/master/restore.ts';
import {encodeAck, encodeResults, encodeShot} from '../../src/wire/codec.ts';
import type {
  AckStatement,
  Hello,
  Input,
  Message,
  OutputRef,
  Renewal,
  ResultItem,
  ShotStatement,
} from '../../src/wire/message.ts';
import {resultsOf, workOf} from './look.ts';
import {
  APP,
  crypto,
  EPOCH_WALL,
  EXEC_APP,
  inline,
  TestNode,
  TOKEN_ID,
  type Work,
} from './test-node.ts';

type Effect<T extends MasterEffect['type']> = Extract<MasterEffect, {type: T}>;

const CONFIG: Omit<MasterConfig, 'instanceId' | 'blobSecret' | 'groupKey'> = {
  clusterId: crypto.random(16),
  leaseSecret: crypto.random(32),
  groupKeyId: 1,
  blobPort: 6_274,
  signedTrust: new Uint8Array(8),
  version: '0.1.0',
};

const POLICY: PolicyRequest = {leaseSeconds: 60};

export class MasterRig {
  readonly rows = new Map<string, Uint8Array>();
  core: MasterCore;
  mono = 1_000;
  /** By how much somebody set the wall clock. */
  wallStepMs = 0;
  /** Runs of readInputs that nobody has answered yet. */
  reads: Effect<'readInputs'>[] = [];
  #requestId = 0;
  readonly config: MasterConfig;

  readonly #seed: number;

  constructor(rows: ReadonlyMap<string, Uint8Array> = new Map(), mono = 1_000, seed = 1) {
    this.#seed = seed;
    for (const [key, value] of rows) this.rows.set(key, value);
    this.mono = mono;
    this.config = {
      ...CONFIG,
      instanceId: crypto.random(8),
      blobSecret: crypto.random(32),
      groupKey: crypto.random(32),
    };
    this.core = this.#restore();
  }

  static ready(): MasterRig {
    const rig = new MasterRig();
    rig.begin();
    return rig;
  }

  /** The first turn, apps and a join token. */
  begin(): void {
    this.turn();
    for (const app of [APP, EXEC_APP]) this.ask({kind: 'addApp', app});
    this.addToken(TOKEN_ID, 1_000);
  }

  get now(): Now {
    return {mono: asMonoMs(this.mono), wall: asWallMs(EPOCH_WALL + this.mono + this.wallStepMs)};
  }

  #restore(): MasterCore {
    const restore = new MasterRestore(this.config, crypto, new Prng(this.#seed), this.now);
    for (const table of FIRST_TABLES)
      for (const [key, value] of this.scan(table)) restore.row(table, key, value);
    for (const {table, from, to} of restore.ranges())
      for (const [key, value] of this.scan(table, from, to)) restore.row(table, key, value);
    return restore.finish();
  }

  scan(table: TableName, from = '', to = '~'): [string, Uint8Array][] {
    const found: [string, Uint8Array][] = [];
    for (const [full, value] of this.rows) {
      if (!full.startsWith(`${table}/`)) continue;
      const key = full.slice(table.length + 1);
      if (key >= from && key < to) found.push([key, value]);
    }
    return found.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** One turn as the driver gives it; its saves are durable when it returns. */
  turn(...events: readonly MasterEvent[]): MasterEffect[] {
    const effects = this.pureTurn(...events);
    for (const effect of effects) if (effect.type === 'save') this.apply(effect.op);
    return effects;
  }

  /** A turn whose commit never reached the disk: only the core knows of it. */
  pureTurn(...events: readonly MasterEvent[]): MasterEffect[] {
    const {core, now} = this;
    const effects: MasterEffect[] = [];
    for (const event of events) effects.push(...core.handle(event, now));
    if (core.wakeAt() <= now.mono) effects.push(...core.handle({type: 'tick'}, now));
    effects.push(...core.endTurn(now));
    core.check();
    for (const effect of effects) if (effect.type === 'readInputs') this.reads.push(effect);
    return effects;
  }

  apply(op: Op): void {
    if (op.type === 'put') this.rows.set(`${op.table}/${op.key}`, op.value);
    else this.rows.delete(`${op.table}/${op.key}`);
  }

  /** Lets `ms` pass, with a turn whenever the core asks for one. */
  pass(ms: number): MasterEffect[] {
    const until = this.mono + ms;
    const effects: MasterEffect[] = [];
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

  /** kill -9 and a new start from what is durable; sessions are gone. */
  kill(see: (effects: MasterEffect[]) => void = () => {}): void {
    this.core = this.#restore();
    this.reads = [];
    this.core.check();
    see(this.turn());
  }

  /** kill -9, and nobody comes back before the new life gives work again. */
  killAndRest(): void {
    this.kill();
    this.rest();
  }

  /** The new life gives work again, though nobody told what was out. */
  rest(): void {
    this.pass(silentAfterMs(this.core.context.roster.size));
  }

  ask(request: OperatorRequest): OperatorAnswer {
    return this.asked(request).answer;
  }

  asked(request: OperatorRequest): {answer: OperatorAnswer; effects: MasterEffect[]} {
    const requestId = ++this.#requestId;
    const effects = this.turn({type: 'operator', requestId, request});
    const answer = effects.find(effect => effect.type === 'answer');
    if (!answer || answer.requestId !== requestId) throw new Error('no answer');
    return {answer: answer.answer, effects};
  }

  addToken(tokenId: number, uses: number, expiresAt = EPOCH_WALL + 1e9): void {
    const psk = crypto.random(32);
    this.ask({kind: 'addToken', tokenId, psk, uses, expiresAt: asWallMs(expiresAt)});
  }

  submit(
    policy: PolicyRequest = {},
    input: InputSource = {kind: 'range', start: 0, end: 10, chunk: 1},
    more: {app?: string; args?: string[]} = {},
  ): BatchId {
    const batch = {
      name: 'b',
      app: more.app ?? APP.name,
      args: more.args ?? [],
      input,
      policy: {...POLICY, ...policy},
    };
    const answer = this.ask({kind: 'submitBatch', batch});
    if (!answer.ok || answer.batchId === undefined) throw new Error(JSON.stringify(answer));
    return answer.batchId;
  }

  capture(request: Partial<CaptureRequest> = {}): {id: CaptureId; effects: MasterEffect[]} {
    const {answer, effects} = this.asked({
      kind: 'capture',
      capture: {
        action: 'camera',
        args: [],
        target: {labels: [], nodes: []},
        leadMs: 300,
        shots: 1,
        intervalMs: 0,
        ...request,
      },
    });
    if (!answer.ok || answer.captureId === undefined) throw new Error(JSON.stringify(answer));
    return {id: answer.captureId, effects};
  }

  /** Answers what the feeder wants read. */
  feed(inputOf: (index: number) => Input = i => ({kind: 'inline', bytes: toUtf8(`${i}`)})): void {
    for (const {batchId, from, count} of this.reads.splice(0)) {
      const inputs = Array.from({length: count}, (_, i) => inputOf(from + i));
      this.turn({type: 'inputsRead', batchId, from, inputs});
    }
  }

  // ---- nodes ------------------------------------------------------------------------------------

  node(name: string, changes: Partial<Hello> = {}): TestNode {
    const node = new TestNode(name);
    this.join(node, changes);
    return node;
  }

  nodes(count: number, changes: Partial<Hello> = {}): TestNode[] {
    return Array.from({length: count}, (_, i) => this.node(`n${i}`, changes));
  }

  link(node: TestNode, tokenId = TOKEN_ID): MasterEffect[] {
    node.handshakeHash = crypto.random(32);
    const {peer, handshakeHash} = node;
    const from = asAddress('10.0.0.9:4000');
    return this.turn({type: 'linked', peer, handshakeHash, tokenId, from});
  }

  join(node: TestNode, changes: Partial<Hello> = {}, tokenId = TOKEN_ID): MasterEffect[] {
    this.link(node, tokenId);
    return this.says(node, node.hello(changes));
  }

  event(node: TestNode, message: Message): MasterEvent {
    return {type: 'message', peer: node.peer, message, heardAt: this.now.mono};
  }

  says(node: TestNode, ...messages: readonly Message[]): MasterEffect[] {
    return this.turn(...messages.map(message => this.event(node, message)));
  }

  pullOf(node: TestNode, wanted = 4, running: readonly Renewal[] = []): Message {
    const nonce = ++node.nonce;
    return {
      type: 'pull',
      nonce,
      wanted,
      wantedMs: 1_000,
      running,
      load: 0.5,
      groupKeyId: 1,
      stateGeneration: 0,
    };
  }

  pull(node: TestNode, wanted = 4, running: readonly Renewal[] = []): Work[] {
    return workOf(this.says(node, this.pullOf(node, wanted, running)), node);
  }

  reportOf(node: TestNode, items: readonly ResultItem[], nonce = ++node.reportNonce): Message {
    const body = encodeResults(items);
    const {secretKey} = node.identity;
    const signature = crypto.sign(secretKey, 'results', this.config.clusterId, body);
    return {type: 'report', nonce, body, signature};
  }

  /** Reports one done result for each piece of work. */
  report(
    node: TestNode,
    work: readonly Work[],
    output: (work: Work) => OutputRef = ({index}) => inline(`out${index}`),
  ): MasterEffect[] {
    return this.says(node, this.reportOf(node, resultsOf(work, output)));
  }

  ackOf(node: TestNode, statement: Partial<AckStatement>, key = node.identity): Message {
    const body = encodeAck({
      epoch: this.core.context.epoch,
      seq: 1,
      heardWallMs: this.now.wall,
      clockBoundMs: 0.5,
      verdict: 'accepted',
      ...statement,
    });
    const signature = crypto.sign(key.secretKey, 'ack', this.config.clusterId, body);
    return {type: 'commandAck', body, signature};
  }

  shotOf(node: TestNode, statement: Partial<ShotStatement>, key = node.identity): Message {
    const {wall} = this.now;
    const body = encodeShot({
      captureId: 1 as CaptureId,
      shot: 1,
      epoch: this.core.context.epoch,
      seq: 1,
      heardWallMs: wall,
      firedWallMs: wall,
      doneWallMs: wall,
      clockBoundMs: 0.5,
      verdict: 'fired',
      reason: '',
      files: [],
      salt: this.core.captures.capture((statement.captureId ?? 1) as CaptureId)?.row.salt ?? 0,
      ...statement,
    });
    const signature = crypto.sign(key.secretKey, 'shot', this.config.clusterId, body);
    return {type: 'shotReport', nonce: ++node.reportNonce, body, signature};
  }
}
