// One batch in memory: its counters, its open workunits, the pages that are not complete yet.

import {assert} from '../base/assert.ts';
import type {MonoMs, NodeId} from '../base/types.ts';
import type {BatchControl} from '../core/operator-rows.ts';
import type {StageAt} from '../core/stages.ts';
import {
  type BatchRow,
  batchKey,
  type Decision,
  encodeJson,
  encodePage,
  type Op,
  PAGE_WORKUNITS,
  pageKey,
  pageNoOf,
  put,
} from '../core/tables.ts';
import type {BatchView} from '../core/views.ts';
import type {Owners} from './broadcast.ts';
import {type Feeder, feederOf} from './feeder.ts';
import {isHomogeneous, keepPin} from './homogeneous.ts';
import {Tries} from './tries.ts';
import {beginAnew, moveWorkunit, noteReplica, type Workunit} from './workunit.ts';

/** Votes that a restart found, by workunit index: they are given back when the workunit is opened. */
export type SavedVotes = Map<number, Workunit['votes']>;

type Counters = {
  -readonly [K in
    | 'state'
    | 'reason'
    | 'endedAt'
    | 'done'
    | 'failed'
    | 'replicas'
    | 'results'
    | 'disagreements'
    | 'errors'
    | 'rechecking'
    | 'confirmed'
    | 'replaced'
    | 'singles'
    | 'lastReportNo']: BatchRow[K];
} & {winner?: number | undefined; hedges?: number; stageAt?: StageAt | undefined};

/** Weight of the newest run time in the moving average. */
const NEWEST = 0.1;
/** Decisions a second are counted over this. */
const RATE_WINDOW_MS = 5_000;

export class Batch {
  /** Only its policy's priority ever changes. */
  row: Readonly<Omit<BatchRow, keyof Counters | keyof BatchControl>>;
  readonly counters: Counters;
  control: BatchControl;
  /** Of a broadcast: whose its workunits are. */
  readonly owners: Owners | undefined;
  feeder: Feeder;
  readonly open = new Map<number, Workunit>();
  /** Open workunits that want a replica, oldest first. */
  readonly wanting = new Set<Workunit>();
  /** When this batch was last given a turn by the scheduler, in pulls. */
  servedAt = 0;
  /** After a restart: nothing of it is given before the nodes have told what they hold (recall.ts). */
  resting = false;
  /** Nodes on the bench get its work too: without them there are fewer than its quorum. */
  takesAll = false;
  /** Replicas at nodes now. */
  out = 0;
  /** Moving average of a workunit's run time, ms; -1 = not known. */
  runMs = -1;
  readonly #pages: Map<number, Map<number, Decision>>;
  readonly #dirtyPages = new Set<number>();
  readonly #tries: Tries;
  readonly #savedVotes: SavedVotes;
  readonly #decidedAt: {at: MonoMs; done: number}[] = [];

  /** As last made durable: a face must not show what a power cut could take back. */
  #shown: BatchRow;
  /** Undecided workunits that are not known one by one: a retry is looking for them. */
  #unlisted = 0;

  constructor(
    row: BatchRow,
    feeder: Feeder = feederOf(row),
    pages: Map<number, Map<number, Decision>> = new Map(),
    savedVotes: SavedVotes = new Map(),
    owners?: Owners,
    tries: Tries = new Tries(),
  ) {
    const {control, rest} = apart(row);
    this.row = rest;
    this.control = control;
    this.#shown = row;
    this.counters = {
      state: row.state,
      reason: row.reason,
      endedAt: row.endedAt,
      done: row.done,
      failed: row.failed,
      replicas: row.replicas,
      results: row.results,
      disagreements: row.disagreements,
      errors: row.errors,
      rechecking: row.rechecking,
      confirmed: row.confirmed,
      replaced: row.replaced,
      singles: row.singles,
      lastReportNo: row.lastReportNo,
      ...(row.winner === undefined ? {} : {winner: row.winner}),
      ...(row.hedges === undefined ? {} : {hedges: row.hedges}),
      ...(row.stageAt === undefined ? {} : {stageAt: row.stageAt}),
    };
    this.feeder = feeder;
    this.owners = owners;
    this.#tries = tries;
    this.#pages = pages;
    this.#savedVotes = savedVotes;
  }

  get running(): boolean {
    return this.counters.state === 'running';
  }

  get retrying(): boolean {
    return this.control.retrying === true;
  }

  get decided(): number {
    return this.counters.done + this.counters.failed;
  }

  /** Whether a node could be given something now (which node is another question). */
  get hasWork(): boolean {
    if (!this.running || this.resting || this.control.suspended) return false;
    return this.wanting.size > 0 || this.feeder.hasNext;
  }

  /** The workunit's replicas may change what it wants: keep the waiting set true. */
  want(workunit: Workunit, wanted: number): void {
    workunit.wanted = wanted;
    if (wanted > 0) this.wanting.add(workunit);
    else this.wanting.delete(workunit);
  }

  /** Takes a workunit up, with the votes that a restart found for it. */
  adopt(workunit: Workunit): void {
    this.open.set(workunit.index, workunit);
    if (this.owners) workunit.owner = this.owners.at(workunit.index);
    beginAnew(workunit, this.#tries.of(workunit.index, this.control.baseTry));
    const votes = this.#savedVotes.get(workunit.index);
    if (!votes) return;
    this.#savedVotes.delete(workunit.index);
    workunit.votes.push(...votes);
    if (isHomogeneous(this.row.policy)) keepPin(workunit);
    for (const vote of votes) noteReplica(workunit, vote.replicaNo);
  }

  /** Votes that wait for their workunits to be opened; they are no more. */
  takeSavedVotes(): SavedVotes {
    const votes = new Map(this.#savedVotes);
    this.#savedVotes.clear();
    return votes;
  }

  /** Takes a node's votes out of those that wait for their workunits to be opened. */
  dropSavedVotes(nodeId: NodeId): {readonly index: number; readonly replicaNo: number}[] {
    const dropped: {index: number; replicaNo: number}[] = [];
    for (const [index, votes] of this.#savedVotes) {
      const kept = votes.filter(vote => vote.nodeId !== nodeId);
      if (kept.length === votes.length) continue;
      for (const vote of votes)
        if (vote.nodeId === nodeId) dropped.push({index, replicaNo: vote.replicaNo});
      if (kept.length > 0) this.#savedVotes.set(index, kept);
      else this.#savedVotes.delete(index);
    }
    return dropped;
  }

  /** Takes the workunit out of memory with what became of it. */
  close(workunit: Workunit, state: 'done' | 'failed' | 'cancelled', decision?: Decision): void {
    moveWorkunit(workunit, state);
    this.want(workunit, 0);
    this.open.delete(workunit.index);
    if (!decision) return;
    const pageNo = pageNoOf(workunit.index);
    let page = this.#pages.get(pageNo);
    if (!page) {
      page = new Map();
      this.#pages.set(pageNo, page);
    }
    const offset = workunit.index % PAGE_WORKUNITS;
    assert(!page.has(offset), `workunit ${this.row.id}/${workunit.index} was decided before`);
    page.set(offset, decision);
    this.#dirtyPages.add(pageNo);
  }

  /**
   * The page as it is now; `read` is what the disk holds of it. undefined = that is older: what is complete is
   * not in memory, and what is not complete would be.
   */
  pageOf(pageNo: number, read: ReadonlyMap<number, Decision>): Map<number, Decision> | undefined {
    const page = this.#pages.get(pageNo);
    if (page) return page;
    const whole = Math.min(PAGE_WORKUNITS, this.row.count - pageNo * PAGE_WORKUNITS);
    return read.size === whole ? new Map(read) : undefined;
  }

  /** Takes a canonical result out of its page: the workunit is open again, and computed as any other. */
  reopen(pageNo: number, offset: number, page: Map<number, Decision>): void {
    if (isSingle(page.get(offset))) this.counters.singles -= 1;
    assert(page.delete(offset), `workunit ${this.row.id}/${pageNo}+${offset} is not decided`);
    this.#pages.set(pageNo, page);
    this.#dirtyPages.add(pageNo);
    this.counters.done -= 1;
    this.feeder.reopen(pageNo * PAGE_WORKUNITS + offset);
  }

  /**
   * Cancelled batches are left as they are, those that were given up before all was decided, broadcasts, of which
   * nobody else can compute a workunit, and what a later stage was made of.
   */
  get mayRecheck(): boolean {
    if (this.owners) return false;
    if (this.row.stage || this.row.plan) return this.running && !this.counters.stageAt;
    return this.running || (this.counters.state !== 'cancelled' && this.decided === this.row.count);
  }

  /** Results that it was decided by are checked again: it is over when they are. */
  goOn(): void {
    assert(this.mayRecheck && !this.running, `batch ${this.row.id} cannot go on`);
    this.counters.state = 'running';
    this.counters.endedAt = 0;
    if (this.counters.winner === undefined) return;
    this.counters.winner = undefined;
    this.counters.reason = '';
  }

  noteRunMs(ms: number): void {
    this.runMs = this.runMs < 0 ? ms : this.runMs * (1 - NEWEST) + ms * NEWEST;
  }

  end(state: 'done' | 'failed' | 'cancelled', reason: string, at: number): void {
    assert(this.running, `batch ${this.row.id} has ended before`);
    this.counters.state = state;
    this.counters.reason = reason;
    this.counters.endedAt = at;
    // What makes it go on later is a word of its own: nobody suspended that, and it lists its pages anew.
    const {suspended: _, retrying: __, ...control} = this.control;
    this.control = control;
    this.wanting.clear();
  }

  /** A batch that has ended runs again: its undecided workunits come up as its pages are listed. */
  beginAgain(): void {
    assert(!this.running, `batch ${this.row.id} runs`);
    Object.assign(this.counters, {state: 'running', reason: '', endedAt: 0});
    this.feeder = feederOf(this.row, this.row.count);
    this.#unlisted = this.row.count - this.decided;
    this.#decidedAt.length = 0;
  }

  /** Failed workunits of a page are undecided again. @param listed the page as it is on disk */
  retryPage(pageNo: number, listed: ReadonlyMap<number, Decision> | undefined): void {
    const page = this.#pages.get(pageNo) ?? new Map(listed);
    const before = page.size;
    const first = pageNo * PAGE_WORKUNITS;
    const end = Math.min(first + PAGE_WORKUNITS, this.row.count);
    for (let index = first; index < end; index++) {
      const decision = page.get(index - first);
      if (decision?.kind === 'failed') {
        page.delete(index - first);
        const {retries = 0, baseTry = 0} = this.control;
        if (retries > baseTry) this.#tries.set(index, retries);
        this.counters.failed -= 1;
        this.feeder.reopen(index);
      } else if (!decision && this.#unlisted > 0) {
        this.#unlisted -= 1;
        this.feeder.reopen(index);
      }
    }
    // What is decided next in it must find what was decided before.
    if (page.size > 0 && page.size < end - first) this.#pages.set(pageNo, page);
    if (page.size === before) return;
    this.#pages.set(pageNo, page);
    this.#dirtyPages.add(pageNo);
  }

  /** Every page was looked at: complete ones may leave memory again. */
  endRetry(): void {
    assert(this.#unlisted === 0, `batch ${this.row.id}: ${this.#unlisted} workunits not listed`);
    const {retrying: _, ...control} = this.control;
    this.control = control;
    for (const [pageNo, page] of this.#pages)
      if (page.size === PAGE_WORKUNITS && !this.#dirtyPages.has(pageNo)) this.#pages.delete(pageNo);
  }

  setPriority(priority: number): void {
    this.row = {...this.row, policy: {...this.row.policy, priority}};
  }

  /** Rows of what changed since the last call, `row` being toRow(); complete pages leave memory. */
  saves(row: BatchRow): Op[] {
    const ops: Op[] = [];
    for (const pageNo of this.#dirtyPages) {
      const page = this.#pages.get(pageNo);
      assert(page, `batch ${this.row.id}: page ${pageNo} is dirty and not in memory`);
      ops.push(put('page', pageKey(this.row.id, pageNo), encodePage(page)));
      // While pages are listed for a retry the one on disk may be older than the one that was listed.
      if (page.size === PAGE_WORKUNITS && !this.retrying) this.#pages.delete(pageNo);
    }
    this.#dirtyPages.clear();
    ops.push(...this.#tries.saves(this.row.id));
    ops.push(put('batch', batchKey(this.row.id), encodeJson(row)));
    return ops;
  }

  toRow(): BatchRow {
    return {...this.row, ...this.counters, ...this.control};
  }

  show(row: BatchRow): void {
    this.#shown = row;
  }

  /** What is durable of the batch, and what is in memory of it now. */
  view(now: MonoMs): BatchView {
    return {
      ...this.#shown,
      open: this.open.size,
      out: this.out,
      perSecond: this.running ? this.rate(now).perSecond : 0,
    };
  }

  /** Samples the count of decided workunits; call it about once a second. */
  sample(now: MonoMs): void {
    this.#decidedAt.push({at: now, done: this.decided});
    while (this.#decidedAt.length > 1 && (this.#decidedAt[1]?.at ?? now) < now - RATE_WINDOW_MS)
      this.#decidedAt.shift();
  }

  /** Workunits decided over the last seconds, and in a second. */
  rate(now: MonoMs): {readonly decided: number; readonly perSecond: number} {
    const [first] = this.#decidedAt;
    if (!first || now <= first.at) return {decided: 0, perSecond: 0};
    const decided = Math.max(0, this.decided - first.done);
    return {decided, perSecond: (decided * 1_000) / (now - first.at)};
  }

  check(): void {
    const id = this.row.id;
    assert(this.decided <= this.row.count, `batch ${id} decided more than it has`);
    for (const workunit of this.open.values()) {
      assert(workunit.state === 'open', `workunit ${id}/${workunit.index} is open and decided`);
      assert(
        this.wanting.has(workunit) === workunit.wanted > 0,
        `workunit ${id}/${workunit.index} wants ${workunit.wanted} and is not listed so`,
      );
    }
    if (this.running) {
      const known = this.decided + this.open.size + this.feeder.remaining + this.#unlisted;
      assert(known === this.row.count, `batch ${id} lost ${this.row.count - known} workunits`);
    }
  }
}

const CONTROL = {
  suspended: 0,
  retries: 0,
  baseTry: 0,
  retrying: 0,
  deleting: 0,
  clonedFrom: 0,
  target: 0,
  firstReportNo: 0,
  historyNo: 0,
} as const satisfies Record<keyof BatchControl, 0>;

/** The row, and what operators decided about it. */
function apart(row: BatchRow): {
  readonly control: BatchControl;
  readonly rest: Omit<BatchRow, keyof BatchControl>;
} {
  const fields = Object.entries(row);
  return {
    control: Object.fromEntries(fields.filter(([name]) => name in CONTROL)),
    rest: Object.fromEntries(fields.filter(([name]) => !(name in CONTROL))) as Omit<
      BatchRow,
      keyof BatchControl
    >,
  };
}

const isSingle = (decision: Decision | undefined): boolean =>
  decision?.kind === 'done' && decision.single === true;
