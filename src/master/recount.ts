// Credit counted anew from the evidence: the votes on every decided workunit, replayed in the order in which
// their reports came, up to the one that decided it. What came later was never counted.
//
// Memory: the votes of workunits between their first vote and their verdict, and two bits for each decided
// workunit, however many reports there are.

import type {BatchId, NodeId} from '../base/types.ts';
import {
  type BatchRow,
  type CreditRow,
  type Decision,
  NO_CREDIT,
  PAGE_WORKUNITS,
  pageKey,
  pageNoOf,
} from '../core/tables.ts';
import type {ResultItem} from '../wire/message.ts';
import {keepsAllVotes} from './homogeneous.ts';
import {sameReplica} from './results.ts';
import {CREDIT} from './roster.ts';
import {decide, sameOutput, type Vote} from './validator.ts';
import {tryOf} from './workunit.ts';

export type Decided = {readonly batch: BatchRow; readonly decision: Decision};

type Shares = {
  readonly agreeing: readonly NodeId[];
  readonly disagreeing: readonly NodeId[];
  readonly tryNo: number;
};

export class Recount {
  readonly #decidedOf: (batchId: BatchId, index: number) => Decided | undefined;
  readonly #open = new Map<string, Vote[]>();
  /** The replay came to a verdict. */
  readonly #over = new Bits();
  /** The result that the decision names is there. */
  readonly #named = new Bits();
  /** Verdicts whose decision names a result that has not come yet. */
  readonly #unnamed = new Map<string, Shares>();
  readonly credits = new Map<NodeId, CreditRow>();

  constructor(decidedOf: (batchId: BatchId, index: number) => Decided | undefined) {
    this.#decidedOf = decidedOf;
  }

  /** Reports in the order of their numbers. */
  hear(reportNo: number, nodeId: NodeId, items: readonly ResultItem[]): void {
    for (const [at, item] of items.entries()) {
      const decided = this.#decidedOf(item.batchId, item.index);
      if (decided) this.#vote(decided, item, voteOf(item, nodeId, reportNo, at));
    }
  }

  /** Whether the reports that are there prove a canonical result. */
  proves(batchId: BatchId, index: number): boolean {
    return this.#over.has(batchId, index) && this.#named.has(batchId, index);
  }

  #vote({batch, decision}: Decided, {batchId, index}: ResultItem, vote: Vote): void {
    const name = `${batchId}/${index}`;
    if (!this.#isOfTry(name, batchId, index, tryOf(vote))) return;
    if (decision.kind === 'done' && names(decision, vote)) {
      this.#named.add(batchId, index);
      this.#payUnnamed(name, vote.nodeId);
    }
    if (decision.kind === 'done' && decision.single) {
      if (!names(decision, vote)) return;
      this.#over.add(batchId, index);
      this.#pay({agreeing: [vote.nodeId], disagreeing: []});
      return;
    }
    // Where one result decides, another one was taken out since: its node was revoked.
    if (batch.policy.minQuorum === 1 && vote.status === 'done' && !names(decision, vote)) return;
    if (this.#over.has(batchId, index) && !this.#open.has(name)) return;
    const votes = this.#open.get(name) ?? [];
    if (votes.some(each => each.nodeId === vote.nodeId && sameReplica(each, vote))) return;
    this.#open.set(name, votes);
    votes.push(vote);
    if (vote.status !== 'done') this.#add(vote.nodeId, {errors: 1});
    if (keepsAllVotes(batch.policy)) return this.#compared({batch, decision}, index, votes, vote);
    this.#decide({batch, decision}, index, votes, vote);
  }

  #decide({batch, decision}: Decided, index: number, votes: readonly Vote[], vote: Vote): void {
    const name = `${batch.id}/${index}`;
    // One replica is always said to be out: having handed out all that are allowed decides nothing here.
    const verdict = decide(batch.policy, votes, 1, votes.length);
    if (verdict.kind === 'open') return;
    if (verdict.kind === 'failed' && decision.kind === 'done') {
      this.#open.delete(name); // it failed, was retried, and then was done
      return;
    }
    this.#over.add(batch.id, index);
    this.#open.delete(name);
    if (verdict.kind === 'failed') return;
    const [agreeing, disagreeing] = [verdict.agreeing.map(nodeOf), verdict.disagreeing.map(nodeOf)];
    const shares = {agreeing, disagreeing, tryNo: tryOf(vote)};
    // What is not proven is open again, and paid for when it is decided again.
    if (this.#named.has(batch.id, index)) this.#pay(shares);
    else this.#unnamed.set(name, shares);
  }

  /**
   * Whether a vote of this try of a workunit counts. One of a later try than before begins it anew: nothing came of
   * what was said till then, for what is done is never retried.
   */
  #isOfTry(name: string, batchId: BatchId, index: number, tryNo: number): boolean {
    const [first] = this.#open.get(name) ?? [];
    const before = this.#unnamed.get(name)?.tryNo ?? (first && tryOf(first)) ?? tryNo;
    if (tryNo <= before) return tryNo === before;
    if (this.#named.has(batchId, index)) return true;
    this.#open.delete(name);
    this.#unnamed.delete(name);
    this.#over.remove(batchId, index);
    return true;
  }

  /**
   * Where outputs agree by more than their bytes, or machines count, the reports alone do not tell who agreed: the
   * decision stands if the result that it names is there, and credit goes to those who returned the same bytes.
   */
  #compared({batch, decision}: Decided, index: number, votes: readonly Vote[], vote: Vote): void {
    const canonical = votes.find(each => names(decision, each));
    if (canonical?.status !== 'done') return;
    const same = votes.filter(
      each => each.status === 'done' && sameOutput(each.output, canonical.output),
    );
    const fresh = vote === canonical ? same : same.filter(each => each === vote);
    this.#pay({agreeing: fresh.map(nodeOf), disagreeing: []});
    this.#over.add(batch.id, index);
    if (same.length >= batch.policy.minQuorum) this.#open.delete(`${batch.id}/${index}`);
  }

  /**
   * The result comes that the decision names, and the replay had a verdict before it: of those who agreed then, and of
   * him. That is so when an earlier life of the master decided by others, and lost it.
   */
  #payUnnamed(name: string, nodeId: NodeId): void {
    const shares = this.#unnamed.get(name);
    if (!shares) return;
    this.#unnamed.delete(name);
    this.#pay(shares);
    if (!shares.agreeing.includes(nodeId)) this.#pay({agreeing: [nodeId], disagreeing: []});
  }

  #pay({agreeing, disagreeing}: Omit<Shares, 'tryNo'>): void {
    for (const nodeId of agreeing) this.#add(nodeId, {validated: 1, credit: CREDIT});
    for (const nodeId of disagreeing) this.#add(nodeId, {disagreed: 1});
  }

  #add(nodeId: NodeId, more: Partial<CreditRow>): void {
    const before = this.credits.get(nodeId) ?? NO_CREDIT;
    this.credits.set(nodeId, {
      validated: before.validated + (more.validated ?? 0),
      disagreed: before.disagreed + (more.disagreed ?? 0),
      errors: before.errors + (more.errors ?? 0),
      credit: before.credit + (more.credit ?? 0),
    });
  }
}

/** One bit for each workunit of the pages that have one. */
class Bits {
  readonly #pages = new Map<string, Uint8Array>();

  has(batchId: BatchId, index: number): boolean {
    const offset = index % PAGE_WORKUNITS;
    const byte = this.#pages.get(pageKey(batchId, pageNoOf(index)))?.[offset >> 3] ?? 0;
    return (byte & (1 << (offset % 8))) !== 0;
  }

  add(batchId: BatchId, index: number): void {
    const key = pageKey(batchId, pageNoOf(index));
    const bits = this.#pages.get(key) ?? new Uint8Array(PAGE_WORKUNITS / 8);
    const offset = index % PAGE_WORKUNITS;
    bits[offset >> 3] = (bits[offset >> 3] ?? 0) | (1 << (offset % 8));
    this.#pages.set(key, bits);
  }

  remove(batchId: BatchId, index: number): void {
    const offset = index % PAGE_WORKUNITS;
    const bits = this.#pages.get(pageKey(batchId, pageNoOf(index)));
    if (bits) bits[offset >> 3] = (bits[offset >> 3] ?? 0) & ~(1 << (offset % 8));
  }
}

const nodeOf = ({nodeId}: Vote): NodeId => nodeId;

const names = (decision: Decision, vote: Vote): boolean =>
  decision.kind === 'done' &&
  decision.reportNo === vote.reportNo &&
  decision.item === vote.item &&
  vote.status === 'done';

function voteOf(item: ResultItem, nodeId: NodeId, reportNo: number, at: number): Vote {
  const head = {nodeId, replicaNo: item.replicaNo, reportNo, item: at, cpuMs: item.cpuMs};
  return item.status === 'done'
    ? {...head, status: item.status, output: item.output}
    : {...head, status: item.status, reason: item.reason};
}
