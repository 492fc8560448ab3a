// The master of a plan: its real core, turn by turn as the driver gives them, with a disk that looks and
// forgets (plan-store.ts). It takes as long as it takes: how fast a master is is measured elsewhere.

import {assert} from '../base/assert.ts';
import type {Prng} from '../base/prng.ts';
import {
  asBlobId,
  asMonoMs,
  asWallMs,
  type BatchId,
  type MonoMs,
  NEVER,
  type Now,
} from '../base/types.ts';
import {HOUR_MS, SECOND_MS} from '../base/units.ts';
import type {MasterEffect, MasterEvent} from '../core/core.ts';
import type {OperatorAnswer, OperatorRequest} from '../core/operator-request.ts';
import type {PolicyRequest} from '../core/policy.ts';
import type {AppRow, Op} from '../core/tables.ts';
import type {Batch} from '../master/batch.ts';
import type {MasterCore} from '../master/master.ts';
import {MasterRestore} from '../master/restore.ts';
import type {Crypto} from '../wire/crypto.ts';
import {TURN_EVENTS_MAX} from '../wire/limits.ts';
import {holds, WALL_AT_ZERO} from './fabric.ts';
import {type PlanOptions, slowestRunMs} from './plan-options.ts';
import {PlanStore} from './plan-store.ts';
import {newFolder} from './sim-folder.ts';

export const PLAN_TOKEN = 1;
/** From a board to the master, and on to its durable turn. */
const TURN_MS = 5;
/** The clock of no machine begins at 0, and what was never heard is older than all. */
const MONO_AT_ZERO = HOUR_MS;
/** Of the slowest board's run: no honest one meets it. */
const TIME_LIMIT_RUNS = 4;
const APP = 'plan';

/** What is not for the disk. */
export type Word = Exclude<MasterEffect, {type: 'save' | 'announce' | 'answer' | 'note'}>;

export class PlanMaster {
  readonly core: MasterCore;
  readonly clusterId: Uint8Array;
  store: PlanStore | undefined;
  batch: Batch | undefined;
  turns = 0;
  /** Messages in, of boards; and out, to one board or all. */
  heard = 0;
  said = 0;
  /** Most workunits that were open at once. */
  openMax = 0;
  /** What it noted, by its stable words. */
  readonly notes = new Map<string, number>();
  #inbox: MasterEvent[] = [];
  #turnAt: MonoMs = NEVER;
  #requestId = 0;
  #answer: OperatorAnswer | undefined;

  constructor(crypto: Crypto, prng: Prng) {
    const {folder} = newFolder(crypto, false);
    this.clusterId = folder.clusterId;
    const config = {
      clusterId: folder.clusterId,
      instanceId: crypto.random(8),
      leaseSecret: folder.leaseSecret,
      blobSecret: crypto.random(32),
      groupKey: crypto.random(32),
      groupKeyId: 1,
      blobPort: 6_274,
      signedTrust: folder.trust.signedTrust,
      version: '0.1.0',
    };
    this.core = new MasterRestore(config, crypto, prng, nowAt(0)).finish();
    this.ask(
      {
        kind: 'addToken',
        tokenId: PLAN_TOKEN,
        psk: crypto.random(32),
        uses: 2 ** 32,
        expiresAt: asWallMs(WALL_AT_ZERO * 2),
      },
      0,
    );
  }

  /** When it takes its next turn, in the world's time. */
  get turnAt(): number {
    return Math.min(this.#turnAt, this.core.wakeAt() - MONO_AT_ZERO);
  }

  post(event: MasterEvent, now: number): void {
    if (event.type === 'message') this.heard += 1;
    this.#inbox.push(event);
    this.#turnAt = Math.min(this.#turnAt, now + TURN_MS) as MonoMs;
  }

  /** Turns until nothing waits; answers what others are to hear, in order. */
  turn(now: number): Word[] {
    const inbox = this.#inbox;
    this.#inbox = [];
    this.#turnAt = NEVER;
    const words: Word[] = [];
    const at = nowAt(now);
    for (let from = 0; from === 0 || from < inbox.length; from += TURN_EVENTS_MAX) {
      const to = Math.min(inbox.length, from + TURN_EVENTS_MAX);
      for (let i = from; i < to; i++)
        this.#take(this.core.handle(inbox[i] as MasterEvent, at), words);
      if (this.core.wakeAt() <= at.mono) this.#take(this.core.handle({type: 'tick'}, at), words);
      this.#take(this.core.endTurn(at), words);
      this.turns += 1;
    }
    this.openMax = Math.max(this.openMax, this.batch?.open.size ?? 0);
    return words;
  }

  #take(effects: readonly MasterEffect[], words: Word[]): void {
    for (const effect of effects)
      switch (effect.type) {
        case 'save':
          this.#save(effect.op);
          break;
        case 'announce':
          if (effect.row) this.core.onDurable(effect.row);
          break;
        case 'answer':
          this.#answer = effect.answer;
          break;
        case 'note':
          this.notes.set(effect.note.what, (this.notes.get(effect.note.what) ?? 0) + 1);
          break;
        default:
          this.said += 1;
          words.push(effect);
      }
  }

  #save(op: Op): void {
    this.store?.apply(op);
  }

  /** The operator asks out of turn; the answer is here at once. */
  ask(request: OperatorRequest, now: number): OperatorAnswer {
    this.#requestId += 1;
    this.#answer = undefined;
    const words: Word[] = [];
    const event = {type: 'operator', requestId: this.#requestId, request} as const;
    this.#take(this.core.handle(event, nowAt(now)), words);
    assert(this.#answer, 'the operator got no answer');
    for (const word of words)
      holds(word.type === 'forget', 'plan', () => `${word.type} out of turn`);
    this.#turnAt = now as MonoMs;
    return this.#answer;
  }

  /** The app, and the batch that is planned. */
  submit(options: PlanOptions, now: number): Batch {
    this.ask({kind: 'addApp', app: appOf(options)}, now);
    const {workunits, quorum, redundancy} = options;
    const policy: PolicyRequest = {
      redundancy,
      ...(quorum === undefined ? {} : {minQuorum: quorum}),
    };
    const answer = this.ask(
      {
        kind: 'submitBatch',
        batch: {
          name: APP,
          app: APP,
          args: [],
          input: {kind: 'range', start: 0, end: workunits, chunk: 1},
          policy,
        },
      },
      now,
    );
    holds(answer.ok, 'plan', () => `the batch is refused: ${JSON.stringify(answer)}`);
    const batch = this.core.context.batches.get(answer.batchId as BatchId);
    assert(batch, 'a batch that was submitted is there');
    this.store = new PlanStore(batch.row.id, workunits, batch.row.policy.minQuorum);
    this.batch = batch;
    return batch;
  }
}

/** The cluster's clocks at an instant of the world. */
export const nowAt = (ms: number): Now => ({
  mono: asMonoMs(MONO_AT_ZERO + ms),
  wall: asWallMs(WALL_AT_ZERO + ms),
});

const appOf = (options: PlanOptions): AppRow => ({
  appId: asBlobId('a1'.repeat(32)),
  name: APP,
  version: '1.0.0',
  runtime: 'wasm',
  action: '',
  publishedAt: WALL_AT_ZERO,
  timeLimitSeconds: Math.max(60, Math.ceil((TIME_LIMIT_RUNS * slowestRunMs(options)) / SECOND_MS)),
  memoryLimitMib: 64,
  outputLimitBytes: 1_000_000,
});
