// Which results of a workunit agree, where a batch compares by more than bytes: numbers within a tolerance, or
// what a comparison app says (core/compare.ts). What has to be read or run is asked of the shell (`compare`), one
// question of a workunit at a time; until it is answered a result is as if it were still out.
//
// First every output is compared with itself: what cannot be, is an error of its result (`unfit`), with the
// reason. Then two by two. Outputs of the same bytes agree without a question; a comparison that fails on two
// outputs that are good by themselves says that they differ.
//
// Agreement is not transitive: 1.0 and 1.1 may agree, and 1.1 and 1.2, but not 1.0 and 1.2. So:
//
//   group      results that all agree with each other, each with each (a clique; BOINC asks only that they
//              agree with one of them, sched/validate_util2.cpp). From each result in turn, in the order of
//              their reports, a group is grown: the others join, in that order, if they agree with all in it.
//              The largest of these counts, the first of equals. It may miss a larger one; that costs a
//              replica and never makes a wrong result count
//   canonical  the one of the group that most results agree with, the first of equals
//   credit     to all results that agree with the canonical one, be they in the group or not
//
// With the bytes as the measure these are the rules of validator.ts.

import {type MonoMs, type NodeId, workunitId} from '../base/types.ts';
import type {Compare, Comparison} from '../core/compare.ts';
import {compareNumbers} from '../core/compare.ts';
import type {CompareQuestion} from '../core/lookups.ts';
import {encodeVote, put, voteKey} from '../core/tables.ts';
import type {OutputRef} from '../wire/message.ts';
import type {Batch} from './batch.ts';
import {whyGone} from './broadcast.ts';
import type {MasterContext} from './context.ts';
import {isHopeless} from './exhausted.ts';
import {isHomogeneous, keepPin, machineOf, otherSides, ownVotes, wasProbe} from './homogeneous.ts';
import {mayRunLater} from './scheduler.ts';
import {
  type DoneVote,
  decide,
  type Standing,
  sameOutput,
  type Verdict,
  type Vote,
} from './validator.ts';
import {countedOf, mayHold, type Workunit} from './workunit.ts';

/** What is known of the outputs of a workunit. In memory only: a restart asks again. */
export class Sight {
  readonly #compare: Compare;
  readonly #outputs: OutputRef[] = [];
  /** Of two outputs by their numbers, the lower first; of one with itself: can it be compared? */
  readonly #known = new Map<string, boolean>();
  readonly #faults = new Map<number, string>();
  isAsking = false;

  constructor(compare: Compare) {
    this.#compare = compare;
  }

  noOf(output: OutputRef): number {
    const found = this.#outputs.findIndex(known => sameOutput(known, output));
    return found >= 0 ? found : this.#outputs.push(output) - 1;
  }

  /** undefined = it has to be asked. */
  agree(a: number, b: number): boolean | undefined {
    const known = this.#known.get(keyOf(a, b));
    if (known !== undefined) return known;
    const [left, right] = this.pair(a, b);
    // Small ones are here: no question, no wait.
    if (this.#compare.kind !== 'numeric' || left?.kind !== 'inline' || right?.kind !== 'inline')
      return undefined;
    const other = a === b ? undefined : right.bytes;
    this.learn(a, b, compareNumbers(this.#compare, left.bytes, other));
    return this.#known.get(keyOf(a, b));
  }

  learn(a: number, b: number, comparison: Comparison): void {
    const isSame = comparison.kind === 'same';
    this.#known.set(keyOf(a, b), isSame);
    if (a !== b || isSame) return;
    this.#faults.set(
      a,
      comparison.kind === 'different' ? 'it does not agree with itself' : comparison.reason,
    );
  }

  faultOf(output: OutputRef): string | undefined {
    return this.#faults.get(this.noOf(output));
  }

  /** In an order that does not depend on who came first. */
  pair(a: number, b: number): readonly [OutputRef, OutputRef] | readonly [] {
    const [left, right] = [this.#outputs[a], this.#outputs[b]];
    if (!left || !right) return [];
    return comesFirst(left, right) ? [left, right] : [right, left];
  }
}

const keyOf = (a: number, b: number): string => (a < b ? `${a}/${b}` : `${b}/${a}`);

function comesFirst(a: OutputRef, b: OutputRef): boolean {
  if (a.kind === 'blob') return b.kind === 'blob' && a.blobId <= b.blobId;
  if (b.kind === 'blob') return true;
  for (let i = 0; i < a.bytes.length && i < b.bytes.length; i++) {
    const order = (a.bytes[i] ?? 0) - (b.bytes[i] ?? 0);
    if (order !== 0) return order < 0;
  }
  return a.bytes.length <= b.bytes.length;
}

const isDone = (vote: Vote): vote is DoneVote => vote.status === 'done';

const byReport = (a: Vote, b: Vote): number => a.reportNo - b.reportNo || a.item - b.item;

/** The question that would say more, and about whose result. */
type Ask = {readonly pair: readonly [number, number]; readonly nodeId: NodeId};
type Compared = {readonly vote: DoneVote; readonly no: number};

/** How the votes stand as far as is known, and the question that would say more. */
export function standingOf(
  sight: Sight,
  votes: readonly Vote[],
): {readonly standing: Standing; readonly ask?: Ask} {
  const compared: Compared[] = [];
  let waiting = 0;
  let ask: Ask | undefined;
  for (const vote of votes.filter(isDone).sort(byReport)) {
    const no = sight.noOf(vote.output);
    const fit = sight.agree(no, no);
    if (fit === false) continue; // not taken out yet
    const unknown =
      fit === undefined ? no : compared.find(other => sight.agree(other.no, no) === undefined)?.no;
    if (unknown === undefined) compared.push({vote, no});
    else {
      waiting += 1;
      ask ??= {pair: [unknown, no], nodeId: vote.nodeId};
    }
  }
  const standing = {...groupOf(sight, compared), valid: compared.length, waiting};
  return {standing, ...(ask ? {ask} : {})};
}

function groupOf(
  sight: Sight,
  compared: readonly Compared[],
): Pick<Standing, 'best' | 'canonical' | 'agreeing'> {
  const agree = (a: Compared, b: Compared): boolean => sight.agree(a.no, b.no) === true;
  let best: Compared[] = [];
  for (const seed of compared) {
    const group = [seed];
    for (const other of compared)
      if (other !== seed && group.every(member => agree(member, other))) group.push(other);
    if (group.length > best.length) best = group;
  }
  const inOrder = compared.filter(each => best.includes(each));
  let canonical: Compared | undefined;
  let most = 0;
  for (const member of inOrder) {
    const count = compared.filter(other => agree(member, other)).length;
    if (count > most) [canonical, most] = [member, count];
  }
  const agreeing = compared.filter(other => canonical && agree(canonical, other));
  return {
    best: inOrder.map(({vote}) => vote),
    canonical: canonical?.vote,
    agreeing: agreeing.map(({vote}) => vote),
  };
}

/**
 * The verdict on an open workunit as it is now; asks what has to be asked, and takes out what is unfit.
 * @param late replicas that are out and not counted on
 */
export function judge(
  context: MasterContext,
  batch: Batch,
  workunit: Workunit,
  now: MonoMs,
  late = 0,
): Verdict {
  const {policy} = batch.row;
  const gone = whyGone(context, workunit);
  if (gone !== undefined) return {kind: 'failed', reason: gone};
  const trying = context.probes.judge(batch, workunit, now);
  if (trying) return trying;
  const alone = context.escrow.verdict(batch, workunit, now);
  if (alone) return policy.compare ? fitOf(context, batch, workunit, alone) : alone;
  const {votes, replicas} = workunit;
  const verdict = isHomogeneous(policy)
    ? judgeEachKind(context, batch, workunit, late, now)
    : judgeVotes(context, batch, workunit, votes, replicas.length - late, now);
  if (verdict.kind === 'open' && verdict.suspicion !== undefined) context.suspected.add(workunit);
  else context.suspected.delete(workunit);
  return verdict;
}

/** Results of each kind of machine by themselves; what is wanted, that to which it is pinned says. */
function judgeEachKind(
  context: MasterContext,
  batch: Batch,
  workunit: Workunit,
  late: number,
  now: MonoMs,
): Verdict {
  keepPin(workunit);
  for (const votes of otherSides(workunit)) {
    // One is always said to be out: of these machines no more is asked.
    const verdict = judgeVotes(context, batch, workunit, votes, 1, now);
    if (verdict.kind !== 'open') return verdict;
  }
  const out = workunit.replicas.length - late;
  return judgeVotes(context, batch, workunit, ownVotes(workunit), out, now);
}

function judgeVotes(
  context: MasterContext,
  batch: Batch,
  workunit: Workunit,
  votes: readonly Vote[],
  out: number,
  now: MonoMs,
): Verdict {
  const {policy} = batch.row;
  const how = {
    another: () => isAnotherThere(context, batch, workunit),
    isHopeless: isHopeless(workunit, now),
    ...(workunit.lostAlone === undefined ? {} : {lost: workunit.lostAlone}),
    ...(policy.compare ? {standing: look(context, batch, workunit, policy.compare, votes)} : {}),
  };
  return decide(policy, votes, out, countedOf(workunit), how);
}

/** A result that stands alone must still be one that could be compared. */
function fitOf(context: MasterContext, batch: Batch, workunit: Workunit, alone: Verdict): Verdict {
  const {compare} = batch.row.policy;
  if (alone.kind !== 'canonical' || !compare) return alone;
  const {waiting, valid} = look(context, batch, workunit, compare, workunit.votes);
  if (waiting > 0) return {kind: 'open', wanted: 0};
  if (valid > 0) return alone;
  workunit.alone = undefined;
  const {votes, replicas} = workunit;
  return decide(batch.row.policy, votes, replicas.length, countedOf(workunit));
}

/** How the votes stand; asks what has to be asked. */
export function look(
  context: MasterContext,
  batch: Batch,
  workunit: Workunit,
  compare: Compare,
  votes: readonly Vote[],
): Standing {
  workunit.sight ??= new Sight(compare);
  const {sight} = workunit;
  const {standing, ask} = standingOf(sight, votes);
  takeOutUnfit(context, batch, workunit, sight);
  const [a, b] = ask ? sight.pair(...ask.pair) : [];
  if (!ask || !a || !b || sight.isAsking) return standing;
  sight.isAsking = true;
  const question: CompareQuestion = {
    batchId: batch.row.id,
    index: workunit.index,
    compare,
    nodeId: ask.nodeId,
    a,
    b,
  };
  context.emit({type: 'compare', question});
  return standing;
}

/** An output that cannot be compared was never a result: from now on its vote is an error. */
function takeOutUnfit(
  context: MasterContext,
  batch: Batch,
  workunit: Workunit,
  sight: Sight,
): void {
  workunit.votes.forEach((vote, at) => {
    if (!isDone(vote)) return;
    const reason = sight.faultOf(vote.output);
    if (reason === undefined) return;
    const {output: _, suspicion: __, ...head} = vote;
    const unfit: Vote = {...head, status: 'unfit', reason};
    workunit.votes[at] = unfit;
    const {nodeId, replicaNo} = vote;
    const key = voteKey(batch.row.id, workunit.index, nodeId, replicaNo);
    context.save(put('vote', key, encodeVote(unfit)));
    batch.counters.results -= 1;
    batch.counters.errors += 1;
    context.dirtyBatches.add(batch);
    context.roster.addCredit(nodeId, {errors: 1});
    const name = workunitId(batch.row.id, workunit.index);
    context.note('warn', 'an output cannot be compared', {node: nodeId, workunit: name, reason});
  });
}

/** Takes an answer in; undefined = nobody waits for it any more. */
export function hear(
  context: MasterContext,
  question: CompareQuestion,
  comparison: Comparison,
): {readonly batch: Batch; readonly workunit: Workunit} | undefined {
  const batch = context.batches.get(question.batchId);
  const workunit = batch?.open.get(question.index);
  if (!batch?.running || !workunit?.sight) return undefined;
  const {sight} = workunit;
  sight.isAsking = false;
  sight.learn(sight.noOf(question.a), sight.noOf(question.b), comparison);
  if (comparison.kind === 'failed' && !sameOutput(question.a, question.b))
    context.note('warn', 'a comparison failed', {
      workunit: workunitId(batch.row.id, workunit.index),
      reason: comparison.reason,
    });
  return {batch, workunit};
}

/** A node that is up and could be given a replica of this workunit, be it now or later. */
function isAnotherThere(context: MasterContext, batch: Batch, workunit: Workunit): boolean {
  if (context.isYoung) return true;
  const never = (): number => Number.POSITIVE_INFINITY;
  for (const node of context.roster.all()) {
    if (!node.up || !mayRunLater(batch, node)) continue;
    const machine = machineOf(batch.row.policy, node.row);
    if (mayHold(workunit, node.row.nodeId, never, machine)) return true;
  }
  return false;
}

export function settleAllLater(context: MasterContext): void {
  for (const batch of context.running)
    for (const workunit of batch.open.values()) settleLater(context, batch, workunit);
}

/** A restart brought it up: the end of the turn judges it, if more than the bytes of its votes count. */
export function settleLater(context: MasterContext, batch: Batch, workunit: Workunit): void {
  const {votes} = workunit;
  const isSuspicious = votes.some(vote => isDone(vote) && vote.suspicion !== undefined);
  const isToJudge =
    votes.length > 0 && (batch.row.policy.compare || isSuspicious || wasProbe(votes));
  if (isToJudge || whyGone(context, workunit) !== undefined) context.toSettle.add(workunit);
}
