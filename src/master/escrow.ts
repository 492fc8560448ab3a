// Single results of trusted nodes, where redundancy is adaptive: they wait here until another node has computed one
// of their group too (adaptive.ts).
//
//   a trusted node is given a workunit alone ──▶ its result waits ──▶ enough of them, or nobody has more work:
//   one is computed by others ──▶ it agrees: the group counts · it does not: all that waits goes to others
//
// Nothing of it is stored but the votes, as ever: after a restart no node is trusted, and what waited is
// computed by others. Whoever is trusted, P4 holds: a workunit is decided once, by results that are here.

import {hex32, toUtf8} from '../base/bytes.ts';
import {addMono, type BlobId, type MonoMs, NEVER, type NodeId, type Now} from '../base/types.ts';
import {DAY_MS, SECOND_MS} from '../base/units.ts';
import {isTrusted, perCheck} from './adaptive.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import {allowedAt} from './roster.ts';
import type {Verdict, Vote} from './validator.ts';
import type {Workunit} from './workunit.ts';

type Canonical = Extract<Verdict, {kind: 'canonical'}>;

/** A result waits so long for others to form a group with … */
const WAIT_MS_MIN = 30 * SECOND_MS;
/**
 * … or, where workunits are long, so many times as long as a usual node takes for a whole group: one that is cut
 * short is a check for few results: with 4 slots and workunits of 30 s there are about four after 30 s.
 */
const WAIT_GROUPS = 3;
/** A restart forgets who is trusted, and what waits then is computed by others. */
const WAIT_MS_MAX = DAY_MS;
const LOOK_MS = SECOND_MS;
/** Pairs of node and app that are remembered. */
const ACCOUNTS_MAX = 262_144;

type Waiting = {readonly workunit: Workunit; readonly since: MonoMs};

/** One node with one app. */
type Account = {
  readonly nodeId: NodeId;
  readonly appId: BlobId;
  validatedInRow: number;
  /** Results that are in no group yet, the oldest first. */
  waiting: Waiting[];
  /** The workunit of each group that others compute too, and the rest of the group. */
  readonly groups: Map<Workunit, readonly Workunit[]>;
};

const OPEN: Verdict = {kind: 'open', wanted: 0};

export class Escrow {
  readonly #context: MasterContext;
  readonly #accounts = new Map<string, Account>();
  /** Whose group each workunit decides about. */
  readonly #judges = new Map<Workunit, Account>();
  /** Those with something in escrow. */
  readonly #busy = new Set<Account>();
  #lookAt: MonoMs = NEVER;
  #checkNo = 0;

  constructor(context: MasterContext) {
    this.#context = context;
  }

  /** Results in a row with this app that others confirmed. */
  validatedInRow(nodeId: NodeId, appId: BlobId): number {
    return this.#accounts.get(nodeId + appId)?.validatedInRow ?? 0;
  }

  /** Results that wait: in no group yet, or in one that is being checked. */
  get size(): number {
    let size = 0;
    for (const {waiting, groups} of this.#busy) {
      for (const {workunit} of waiting) if (isWaiting(workunit)) size += 1;
      for (const group of groups.values()) size += group.filter(isWaiting).length;
    }
    return size;
  }

  /** The first replica of a workunit was just given to a node: need nobody else have it? */
  isAlone(batch: Batch, workunit: Workunit, nodeId: NodeId): boolean {
    const {policy, appId} = batch.row;
    if (policy.redundancy !== 'adaptive' || workunit.isProbe) return false;
    if (workunit.replicas.length !== 1 || workunit.votes.length > 0 || workunit.isChecked)
      return false;
    return isTrusted(this.validatedInRow(nodeId, appId), policy);
  }

  /** The verdict on a workunit that one node has alone; undefined = the rules for all others count. */
  verdict(batch: Batch, workunit: Workunit, now: MonoMs): Verdict | undefined {
    if (workunit.alone === undefined) return undefined;
    const {votes, replicas} = workunit;
    const [vote] = votes;
    if (votes.length === 0) {
      if (replicas.length === 1) return OPEN;
      workunit.alone = undefined; // the lease is lost: whoever is next
      return undefined;
    }
    const isGood = votes.length === 1 && replicas.length === 0 && vote?.status === 'done';
    if (!isGood || vote.suspicion !== undefined) return this.sendBack(workunit);
    // What was confirmed a moment ago too: the node may have been found out since.
    const {policy, appId} = batch.row;
    if (!isTrusted(this.validatedInRow(vote.nodeId, appId), policy)) return this.sendBack(workunit);
    if (workunit.alone === 'confirmed')
      return {kind: 'canonical', canonical: vote, agreeing: [vote], disagreeing: []};
    if (workunit.alone === 'out') {
      workunit.alone = 'waits';
      const account = this.#account(vote.nodeId, appId);
      this.#wait(account, {workunit, since: now});
      // A batch that is careful has all checked that waits beside it.
      if (account.waiting.length >= perCheck(account.validatedInRow, policy)) this.#check(account);
    }
    return OPEN;
  }

  /** From now on it is as any other. */
  sendBack(workunit: Workunit): undefined {
    workunit.alone = undefined;
    workunit.isChecked = true;
    return undefined;
  }

  #account(nodeId: NodeId, appId: BlobId): Account {
    const key = nodeId + appId;
    let account = this.#accounts.get(key);
    if (!account) {
      account = {nodeId, appId, validatedInRow: 0, waiting: [], groups: new Map()};
      this.#accounts.set(key, account);
      if (this.#accounts.size > ACCOUNTS_MAX) this.#forgetOne();
    }
    return account;
  }

  /** The oldest that nothing depends on. */
  #forgetOne(): void {
    for (const [key, account] of this.#accounts) {
      if (this.#busy.has(account)) continue;
      this.#accounts.delete(key);
      return;
    }
  }

  #wait(account: Account, waiting: Waiting): void {
    account.waiting.push(waiting);
    this.#busy.add(account);
    if (this.#lookAt === NEVER) this.#lookAt = addMono(waiting.since, LOOK_MS);
  }

  /** All that waits becomes a group, and one of it is for others too. */
  #check(account: Account): void {
    const group = account.waiting.map(({workunit}) => workunit).filter(isWaiting);
    account.waiting = [];
    const chosen = group[this.#dice(account, group.length)];
    if (!chosen) return;
    account.groups.set(
      chosen,
      group.filter(workunit => workunit !== chosen),
    );
    this.#judges.set(chosen, account);
    this.sendBack(chosen);
    this.#context.toSettle.add(chosen);
  }

  /** By the secret that proofs of leases are made with: no node can know which of its results it will be. */
  #dice({nodeId, appId}: Account, count: number): number {
    this.#checkNo += 1;
    const text = toUtf8(`check${nodeId}${appId}${hex32(this.#checkNo)}`);
    const hash = this.#context.crypto.sha256(this.#context.config.leaseSecret, text);
    const number = ((hash[0] ?? 0) << 16) | ((hash[1] ?? 0) << 8) | (hash[2] ?? 0);
    return Math.floor((number / 2 ** 24) * count);
  }

  /**
   * A workunit has a canonical result. What one node computed alone says nothing of it, whatever the policy.
   *
   * @param votes those that it was held against
   */
  heard(batch: Batch, workunit: Workunit, votes: readonly Vote[], verdict: Canonical): void {
    const {appId} = batch.row;
    if (verdict.agreeing.length < 2) return;
    const agreeing = new Set(verdict.agreeing);
    for (const vote of votes) {
      const account = this.#account(vote.nodeId, appId);
      if (!agreeing.has(vote)) this.#lose(account);
      else {
        account.validatedInRow += 1;
        this.#confirm(account, workunit);
      }
    }
  }

  /** The workunit is no more: it was decided, or its batch ended. What was to be confirmed by it goes to others. */
  closed(workunit: Workunit): void {
    const account = this.#judges.get(workunit);
    if (!account) return;
    for (const other of this.#groupOf(account, workunit)) this.#giveToOthers(other);
    this.#rest(account);
  }

  #groupOf(account: Account, workunit: Workunit): readonly Workunit[] {
    const group = account.groups.get(workunit) ?? [];
    account.groups.delete(workunit);
    this.#judges.delete(workunit);
    return group;
  }

  #confirm(account: Account, workunit: Workunit): void {
    if (this.#judges.get(workunit) !== account) return;
    for (const other of this.#groupOf(account, workunit)) {
      if (!isWaiting(other)) continue;
      other.alone = 'confirmed';
      this.#context.toSettle.add(other);
    }
    this.#rest(account);
  }

  #rest(account: Account): void {
    if (account.waiting.length === 0 && account.groups.size === 0) this.#busy.delete(account);
  }

  #lose(account: Account): void {
    account.validatedInRow = 0;
    for (const {workunit} of account.waiting) this.#giveToOthers(workunit);
    for (const chosen of [...account.groups.keys()])
      for (const workunit of this.#groupOf(account, chosen)) this.#giveToOthers(workunit);
    account.waiting = [];
    this.#busy.delete(account);
  }

  #giveToOthers(workunit: Workunit): void {
    if (workunit.state !== 'open' || workunit.alone === undefined) return;
    this.sendBack(workunit);
    this.#context.toSettle.add(workunit);
  }

  /** Nothing of the node is taken on its word any more. */
  distrust(nodeId: NodeId): void {
    for (const account of this.#accounts.values())
      if (account.nodeId === nodeId) this.#lose(account);
  }

  wakeAt(): MonoMs {
    return this.#lookAt;
  }

  /** What nobody will add to, and what waits too long, is a group as it is. */
  tick({mono}: Now): void {
    if (mono < this.#lookAt) return;
    for (const account of this.#busy) {
      const [oldest] = account.waiting;
      if (!oldest) continue;
      const batch = this.#context.batches.get(oldest.workunit.batchId);
      const waitedMs = mono - oldest.since;
      if (!batch?.hasWork) this.#check(account);
      else if (waitedMs >= WAIT_MS_MIN && waitedMs >= this.#patienceMs(account, batch))
        this.#check(account);
      this.#rest(account);
    }
    this.#lookAt = this.#busy.size > 0 ? addMono(mono, LOOK_MS) : NEVER;
  }

  #patienceMs({nodeId, validatedInRow}: Account, batch: Batch): number {
    const node = this.#context.roster.node(nodeId);
    // A node that is gone adds nothing; and the first result that says something may be this one.
    if (!node?.up || batch.row.policy.firstWins) return WAIT_MS_MIN;
    const groupMs =
      (perCheck(validatedInRow, batch.row.policy) * batch.runMs) / Math.max(1, allowedAt(node));
    return Math.min(WAIT_MS_MAX, Math.max(WAIT_MS_MIN, WAIT_GROUPS * groupMs));
  }
}

/** It may have been decided or cancelled since, or given to others. */
const isWaiting = ({state, alone}: Workunit): boolean => state === 'open' && alone === 'waits';
