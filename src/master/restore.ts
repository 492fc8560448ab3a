// The master's core from its rows: at boot, and in the simulator after each kill. Rows are pushed in, one
// table after the other (FIRST_TABLES, then the ranges of running batches), so that a batch of millions of
// workunits never stands in memory whole.

import {fromHex, hex32} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import type {Prng} from '../base/prng.ts';
import {addMono, asNodeId, type BatchId, type Now} from '../base/types.ts';
import {decodeChecks} from '../core/checks.ts';
import type {TokenRow} from '../core/operator-rows.ts';
import {
  BROADCAST_PREFIX,
  type BroadcastRow,
  CAPTURES_KEY,
  type CapturesRow,
  FIRST_STATE,
  type NodeControl,
  NUMBERS_KEY,
  type NumbersRow,
  PROBE_PREFIX,
  type ProbeRow,
  STATE_KEY,
  type StateRow,
} from '../core/operator-rows.ts';
import {
  type AppRow,
  type BatchRow,
  type Decision,
  decodeCredit,
  decodePage,
  decodePageKey,
  decodeVote,
  decodeVoteKey,
  jsonRow,
  type NodeRow,
  PAGE_WORKUNITS,
  type TableName,
} from '../core/tables.ts';
import {type DeliveryRow, decodeDeliveryKey, type TransferRow} from '../core/transfer.ts';
import {decodeTries} from '../core/tries.ts';
import type {Crypto} from '../wire/crypto.ts';
import {Batch, type SavedVotes} from './batch.ts';
import {Owners} from './broadcast.ts';
import {lastInstantOf} from './capture-cancel.ts';
import {
  type Capture,
  type CaptureRow,
  captureOf,
  restoreShot,
  type ShotRow,
} from './capture-row.ts';
import {
  EPOCH_KEY,
  type MasterConfig,
  MasterContext,
  NEVER_RECOVERED,
  RECOVERED_KEY,
  type RecoveredRow,
} from './context.ts';
import {feederOf} from './feeder.ts';
import {isHomogeneous, ownVotes, wasProbe} from './homogeneous.ts';
import {MasterCore} from './master.ts';
import type {Rechecks} from './rechecks.ts';
import {Roster} from './roster.ts';
import type {SavedTransfers} from './transfer-book.ts';
import {Tries} from './tries.ts';
import {TRUST_KEY, type TrustSeen} from './trust-watch.ts';
import {wantedAfterRestart} from './validator.ts';
import {countedOf, type Workunit} from './workunit.ts';

/** Whole tables, in the order they must be pushed. */
export const FIRST_TABLES = [
  'meta',
  'app',
  'token',
  'node',
  'credit',
  'control',
  'batch',
  'capture',
  'shot',
  'transfer',
  'delivery',
] as const satisfies readonly TableName[];

type Pages = {
  /** Pages that are not complete. */
  readonly open: Map<number, Map<number, Decision>>;
  readonly missing: [number, number][];
  next: number;
  done: number;
  failed: number;
};

export class MasterRestore {
  readonly #config: MasterConfig;
  readonly #crypto: Crypto;
  readonly #prng: Prng;
  readonly #now: Now;
  readonly #roster = new Roster();
  readonly #apps = new Map<string, AppRow>();
  readonly #batches = new Map<BatchId, BatchRow>();
  readonly #pages = new Map<BatchId, Pages>();
  readonly #votes = new Map<BatchId, SavedVotes>();
  readonly #tries = new Map<BatchId, Tries>();
  readonly #captures = new Map<string, Capture>();
  readonly #checks: Parameters<Rechecks['restore']>[] = [];
  #epoch = 0;
  #recovered = NEVER_RECOVERED;
  #trustSeen = 0;
  #lastCapture = 0;
  readonly #transfers: TransferRow[] = [];
  readonly #deliveries: SavedTransfers['deliveries'][number][] = [];
  #state = FIRST_STATE;
  /** The highest that were given out, also to batches that are deleted. */
  #numbers: NumbersRow = {batchId: 0, reportNo: 0};
  readonly #going: BatchRow[] = [];
  readonly #tried: ProbeRow[] = [];
  readonly #owners = new Map<number, Owners>();

  constructor(config: MasterConfig, crypto: Crypto, prng: Prng, now: Now) {
    this.#config = config;
    this.#crypto = crypto;
    this.#prng = prng;
    this.#now = now;
  }

  /** Key ranges [from, to) of tables to push after FIRST_TABLES, in this order. */
  ranges(): {readonly table: TableName; readonly from: string; readonly to: string}[] {
    const rows = [...this.#batches.values()];
    const running = rows.filter(row => row.state === 'running');
    // One that has ended may go on: a revocation has results of it checked again.
    const retried = rows.filter(row => (row.retries ?? 0) > 0);
    return (['page', 'tries', 'vote', 'check'] as const).flatMap(table =>
      (table === 'tries' ? retried : running).map(row => ({
        table,
        from: hex32(row.id),
        to: hex32(row.id + 1),
      })),
    );
  }

  /** Throws VOLLEY_STORE_DAMAGED for a row that makes no sense. */
  row(table: TableName, key: string, value: Uint8Array): void {
    try {
      this.#take(table, key, value);
    } catch (cause) {
      if (cause instanceof VolleyError) throw cause;
      throw new VolleyError('VOLLEY_STORE_DAMAGED', {reason: `row ${table}/${key}`}, cause);
    }
  }

  #take(table: TableName, key: string, value: Uint8Array): void {
    switch (table) {
      case 'meta':
        return this.#takeMeta(key, value);
      case 'app':
        this.#apps.set(key, jsonRow<AppRow>(value));
        return;
      case 'token':
        return this.#roster.tokens.restore(jsonRow<TokenRow>(value));
      case 'node':
        return this.#takeNode(jsonRow<NodeRow>(value));
      case 'credit':
        return this.#roster.setCredit(asNodeId(key), decodeCredit(value));
      case 'control':
        return this.#roster.setControl(asNodeId(key), jsonRow<NodeControl>(value));
      case 'batch':
        return this.#takeBatch(jsonRow<BatchRow>(value));
      case 'page':
        return this.#takePage(key, decodePage(value));
      case 'tries':
        return this.#takeTries(key, decodeTries(value));
      case 'vote':
        return this.#takeVote(key, value);
      case 'check':
        return this.#takeCheck(key, value);
      case 'capture': {
        const row = jsonRow<CaptureRow>(value);
        const leftMs = Math.max(0, lastInstantOf(row) - this.#now.wall);
        const capture = captureOf(row, addMono(this.#now.mono, leftMs));
        this.#captures.set(hex32(row.id), capture);
        return;
      }
      case 'shot':
        return this.#takeShot(key, jsonRow<ShotRow>(value));
      case 'transfer':
        this.#transfers.push(jsonRow<TransferRow>(value));
        return;
      case 'delivery':
        this.#deliveries.push({...decodeDeliveryKey(key), row: jsonRow<DeliveryRow>(value)});
        return;
      default:
        return;
    }
  }

  #takeMeta(key: string, value: Uint8Array): void {
    if (key === EPOCH_KEY) this.#epoch = jsonRow<{epoch: number}>(value).epoch;
    if (key === RECOVERED_KEY) this.#recovered = jsonRow<RecoveredRow>(value);
    if (key === STATE_KEY) this.#state = jsonRow<StateRow>(value);
    if (key === NUMBERS_KEY) this.#seeNumbers(jsonRow<NumbersRow>(value));
    if (key.startsWith(BROADCAST_PREFIX)) this.#takeOwners(jsonRow<BroadcastRow>(value));
    if (key.startsWith(PROBE_PREFIX)) this.#tried.push(jsonRow<ProbeRow>(value));
    if (key === CAPTURES_KEY) this.#lastCapture = jsonRow<CapturesRow>(value).lastId;
    if (key === TRUST_KEY) this.#trustSeen = jsonRow<TrustSeen>(value).version;
  }

  #takeOwners({batchId, nodes}: BroadcastRow): void {
    this.#owners.set(batchId, new Owners(nodes));
  }

  #takeNode(row: NodeRow): void {
    const identity = fromHex(row.identityKey);
    if (!identity) throw new RangeError('identity key');
    // Rows of earlier versions know nothing of revocation.
    const whole = {...row, revokedAt: row.revokedAt ?? 0, doubts: row.doubts ?? 0};
    this.#roster.place(whole, this.#crypto.hmacSha256(this.#config.blobSecret, identity));
  }

  #takeBatch(row: BatchRow): void {
    this.#seeNumbers({batchId: row.id, reportNo: row.lastReportNo});
    if (row.deleting) {
      this.#going.push(row);
      return;
    }
    // Rows of earlier versions know nothing of checks and of single results.
    const {rechecking = 0, confirmed = 0, replaced = 0, singles = 0} = row as Partial<BatchRow>;
    this.#batches.set(row.id, {...row, rechecking, confirmed, replaced, singles});
  }

  #seeNumbers({batchId, reportNo}: NumbersRow): void {
    const seen = this.#numbers;
    this.#numbers = {
      batchId: Math.max(seen.batchId, batchId),
      reportNo: Math.max(seen.reportNo, reportNo),
    };
  }

  #takePage(key: string, page: Map<number, Decision>): void {
    const {batchId, pageNo} = decodePageKey(key);
    const row = this.#batches.get(batchId);
    if (!row) throw new RangeError('page of an unknown batch');
    let pages = this.#pages.get(batchId);
    if (!pages) {
      pages = {open: new Map(), missing: [], next: 0, done: 0, failed: 0};
      this.#pages.set(batchId, pages);
    }
    const start = pageNo * PAGE_WORKUNITS;
    const end = Math.min(start + PAGE_WORKUNITS, row.count);
    if (start > pages.next) pages.missing.push([pages.next, start]);
    for (let index = start; index < end; index++) {
      const decision = page.get(index - start);
      if (decision === undefined) miss(pages.missing, index);
      else if (decision.kind === 'done') pages.done += 1;
      else pages.failed += 1;
    }
    if (page.size < PAGE_WORKUNITS) pages.open.set(pageNo, page);
    pages.next = end;
  }

  #takeTries(key: string, tries: Map<number, number>): void {
    const {batchId, pageNo} = decodePageKey(key);
    const known = this.#tries.get(batchId) ?? new Tries();
    known.restore(pageNo, tries);
    this.#tries.set(batchId, known);
  }

  #takeVote(key: string, value: Uint8Array): void {
    const {batchId, index, nodeId} = decodeVoteKey(key);
    let votes = this.#votes.get(batchId);
    if (!votes) {
      votes = new Map();
      this.#votes.set(batchId, votes);
    }
    const vote = {...decodeVote(value), nodeId};
    const list = votes.get(index);
    if (list) list.push(vote);
    else votes.set(index, [vote]);
  }

  /** What is open of it and was not taken out of its page yet comes again with the list of its node. */
  #takeCheck(key: string, value: Uint8Array): void {
    const {batchId, pageNo} = decodePageKey(key);
    const page = this.#pages.get(batchId)?.open.get(pageNo);
    if (page) this.#checks.push([key, decodeChecks(value), page]);
    else decodeChecks(value);
  }

  #takeShot(key: string, row: ShotRow): void {
    const capture = this.#captures.get(key.slice(0, 8));
    if (!capture || !restoreShot(capture, key, row)) throw new RangeError('shot');
  }

  /** A new life of the master: its epoch is one above the highest that was ever used. */
  finish(): MasterCore {
    const batches = new Map<BatchId, Batch>();
    for (const row of this.#batches.values())
      batches.set(row.id, row.state === 'running' ? this.#reopen(row) : this.#ended(row));
    const context = new MasterContext({
      config: this.#config,
      crypto: this.#crypto,
      prng: this.#prng,
      roster: this.#roster,
      batches,
      apps: this.#apps,
      epoch: this.#epoch + 1,
      recovered: this.#recovered,
      state: this.#state,
      bootedAt: this.#now,
    });
    for (const row of this.#tried) context.probes.restore(row);
    for (const check of this.#checks) context.rechecks.restore(...check);
    return new MasterCore({
      context,
      numbers: this.#numbers,
      going: this.#going,
      captures: {list: [...this.#captures.values()], lastId: this.#lastCapture},
      transfers: {rows: this.#transfers, deliveries: this.#deliveries},
      trustSeen: this.#trustSeen,
    });
  }

  #reopen(row: BatchRow): Batch {
    const pages = this.#pages.get(row.id);
    const votes = this.#votes.get(row.id) ?? new Map();
    if ((pages?.done ?? 0) !== row.done || (pages?.failed ?? 0) !== row.failed)
      throw new VolleyError('VOLLEY_STORE_DAMAGED', {
        reason: `batch ${row.id} counts ${row.done}+${row.failed} decided workunits, its pages hold ${pages?.done ?? 0}+${pages?.failed ?? 0}`,
      });
    const cursor = pages?.next ?? 0;
    const reopened = pages?.missing ?? [];
    // A vote may be for a workunit above the last page: it had no decision in its neighbourhood yet.
    const above = [...votes.keys()].reduce((most, index) => Math.max(most, index + 1), cursor);
    if (above > cursor) reopened.push([cursor, above]);
    const feeder = feederOf(row, above, reopened);
    const [owners, tries] = [this.#ownersOf(row), this.#tries.get(row.id)];
    const batch = new Batch(row, feeder, pages?.open, votes, owners, tries);
    while (feeder.hasReopened) {
      const workunit = feeder.next();
      if (!workunit) break; // lines and files: taken up as they are read
      batch.adopt(workunit);
      batch.want(workunit, wantedOf(row, workunit));
    }
    return batch;
  }

  /** Nothing of it is left to be taken up, unless results of it are checked again. */
  #ended(row: BatchRow): Batch {
    const [owners, tries] = [this.#ownersOf(row), this.#tries.get(row.id)];
    return new Batch(row, feederOf(row, row.count), undefined, undefined, owners, tries);
  }

  /** One that has ended may have lost its list (salvage.ts). */
  #ownersOf({id, policy, count, state}: BatchRow): Owners | undefined {
    if (!policy.broadcast) return undefined;
    const owners = this.#owners.get(id);
    if (owners?.count === count) return owners;
    if (state !== 'running') return new Owners([]);
    const reason = `batch ${id} is a broadcast, and the list of its nodes is missing`;
    throw new VolleyError('VOLLEY_STORE_DAMAGED', {reason});
  }
}

function wantedOf(row: BatchRow, workunit: Workunit): number {
  const {index} = workunit;
  const wanted = wantedAfterRestart(row.policy, ownVotes(workunit), countedOf(workunit));
  if (wanted !== undefined) return wanted;
  // Which outputs agree, and of how many, only the first turn will tell.
  if (row.policy.compare || (!isHomogeneous(row.policy) && wasProbe(workunit.votes))) return 0;
  throw new VolleyError('VOLLEY_STORE_DAMAGED', {
    reason: `workunit ${row.id}/${index} has votes that decide it, and no decision`,
  });
}

/** Adds `index` to the runs of missing ones. */
function miss(runs: [number, number][], index: number): void {
  const last = runs.at(-1);
  if (last && last[1] === index) last[1] = index + 1;
  else runs.push([index, index + 1]);
}
