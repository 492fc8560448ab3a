// The sending end of a bulk transfer: one multicast stream of symbols for all nodes, repaired by what they report.
//
//   inviting   the offer is out; begins when all listen, or after a moment when some do
//   fresh      each block once, eight interleaved; what reports ask for goes first
//   ending     nothing new is left: polls, and what is asked for
//   over       each node is whole, has failed, or was left behind (`aside`) to fetch the rest by itself
//
// A poll is a number in each datagram. Every node that lacks something answers a new number once, by unicast in its
// session; nobody keeps silent for another's sake, since all of them together are fewer bytes than one repair (NORM and
// UFTP weigh it otherwise for groups of unknown size). Who joins late, or loses far more than the middle one, has what it
// hears, and its rest when all others are done: of late ones if there are enough of them, of one that loses always.

import {addMono, type MonoMs, NEVER, type NodeId} from '../base/types.ts';
import type {TransferReport} from '../wire/bulk-message.ts';
import {type DeficitRun, unpackDeficits} from './bulk-deficits.ts';
import type {BulkLayout} from './bulk-layout.ts';
import {BulkLedger, type SymbolPick} from './bulk-ledger.ts';
import {type AsideReason, type BulkMember, BulkMembers} from './bulk-members.ts';
import type {BulkNews} from './bulk-orders.ts';
import {BulkParity} from './bulk-parity.ts';
import {BulkPolls, type PollRhythm} from './bulk-polls.ts';
import {BulkRate} from './bulk-rate.ts';

/** Who has not said by then that it listens joins under way. */
const START_MS = 150;
/** Blocks whose symbols take turns: of a burst of 32 losses each has four. */
const INTERLEAVED = 8;
/** Blocks that may be under way at once, from the first that somebody lacks: nodes have memory for more. */
const WINDOW_BLOCKS = 128;
/** Waiting so long for the nodes that lag most, we go on without them. */
const WINDOW_MS = 2_000;
/** A node lacks so much, and is late: symbols, or this part of all. */
const LATE_SYMBOLS = 2_048;
const LATE_PART = 0.05;
/** So many late ones are worth a pass of their own. */
const LATE_NODES = 4;

export type BulkSendEffect =
  | {
      readonly type: 'datagram';
      readonly sequence: number;
      readonly poll: number;
      readonly isEnding: boolean;
      readonly answerMs: number;
      /** undefined = it only polls. */
      readonly symbol: SymbolPick | undefined;
    }
  | {readonly type: 'news'; readonly news: BulkNews};

export type BulkSenderOptions = {
  readonly layout: BulkLayout;
  readonly nodes: readonly NodeId[];
  /** Bits per second on the wire: to begin with, and at most. */
  readonly rate: {readonly first: number; readonly most: number};
  readonly datagramBytes: number;
  readonly now: MonoMs;
};

type Need = {readonly block: number; readonly symbols: number};
type Phase = 'inviting' | 'fresh' | 'ending' | 'over';

export class BulkSender {
  readonly #layout: BulkLayout;
  readonly #ledger: BulkLedger;
  readonly #rate: BulkRate;
  readonly #parity: BulkParity;
  readonly #begunAt: MonoMs;
  readonly members: BulkMembers;
  #phase: Phase = 'inviting';
  #sequence = 0;
  readonly #polls: BulkPolls;
  /** Blocks that somebody lacked before it began, and of which the first pass is still to come: 1. */
  readonly #fresh: Uint8Array;
  #freshLeft = 0;
  #freshAt = 0;
  /** Blocks under way in turns. */
  #group: number[] = [];
  #turn = 0;
  #forgotten = 0;
  #blockedSince: MonoMs | undefined;
  #servesLate = false;
  #effects: BulkSendEffect[] = [];

  constructor({layout, nodes, rate, datagramBytes, now}: BulkSenderOptions) {
    this.#layout = layout;
    this.#ledger = new BulkLedger(layout);
    this.#rate = new BulkRate({...rate, datagramBytes});
    this.#parity = new BulkParity();
    this.#fresh = new Uint8Array(layout.blocks);
    this.members = new BulkMembers(nodes, now);
    this.#begunAt = now;
    this.#polls = new BulkPolls(now);
  }

  get phase(): Phase {
    return this.#phase;
  }

  get bitsPerSecond(): number {
    return this.#rate.bitsPerSecond;
  }

  get sent(): number {
    return this.#sequence;
  }

  /** A node to be served beside the others, also one that was left behind or is back after a restart. */
  join(nodeId: NodeId, now: MonoMs): void {
    if (this.#phase === 'over') return;
    const member = this.members.add(nodeId, now);
    member.state = 'invited';
    member.heardAt = now;
    member.grownAt = now;
  }

  /** We were cut off ourselves: nobody is left behind for a silence up to now. */
  excuse(now: MonoMs): void {
    for (const member of this.members.all()) [member.heardAt, member.grownAt] = [now, now];
  }

  /** It is not of the cluster any more. */
  leave(nodeId: NodeId): readonly BulkSendEffect[] {
    const member = this.members.get(nodeId);
    if (member) this.#end(member);
    return this.#take();
  }

  /** What a node told, authentic. Of others than members it is nothing. */
  report(nodeId: NodeId, report: TransferReport, now: MonoMs): readonly BulkSendEffect[] {
    const member = this.members.get(nodeId);
    if (member === undefined || this.#phase === 'over') return this.#take();
    if (report.state !== 'listening') {
      // What that was the master hears itself.
      if (report.state === 'whole') member.blocks = this.#layout.blocks;
      this.#end(member);
      return this.#take();
    }
    if (member.state === 'over') return this.#take();
    member.state = 'ready';
    if (this.members.note(member, report, now)) this.#hear(member, report, now);
    return this.#take();
  }

  /** Time goes by: as many datagrams as may leave now, and what else is due. */
  tick(now: MonoMs): readonly BulkSendEffect[] {
    if (this.#phase === 'over') return this.#take();
    const nodes = this.members.invite(now);
    if (nodes.length > 0) this.#tell({kind: 'invite', nodes});
    for (const member of this.members.lossy()) this.#postpone(member);
    for (const [member, reason] of this.members.hopeless(now, this.#phase === 'ending'))
      this.#leaveBehind(member, reason);
    if (this.#phase === 'inviting') this.#maybeBegin(now);
    if (this.#phase === 'fresh' || this.#phase === 'ending') this.#send(now);
    return this.#take();
  }

  /** When the next tick is due. Late is fine: what is more than a burst is forgotten. */
  wakeAt(now: MonoMs): MonoMs {
    if (this.#phase === 'over') return NEVER;
    const soon = this.members.inviteAt();
    if (this.#phase === 'inviting') return earliest(soon, this.#startAt(now));
    const isIdle = this.#ledger.needs === 0 && this.#isBlocked;
    const sendAt = isIdle ? this.#polls.dueAt(this.#rhythm(now)) : this.#rate.readyAt(now);
    return earliest(soon, sendAt);
  }

  #startAt(now: MonoMs): MonoMs {
    const {ready, open} = this.members;
    if (ready.length === open.length) return now;
    const at = addMono(this.#begunAt, START_MS);
    return at > now || ready.length > 0 ? at : addMono(now, START_MS);
  }

  #maybeBegin(now: MonoMs): void {
    if (this.members.ready.length === 0 || now < this.#startAt(now)) return;
    this.#freshLeft = this.#fresh.reduce((sum, each) => sum + each, 0);
    this.#phase = this.#freshLeft === 0 ? 'ending' : 'fresh';
    this.#polls.begin(this.#rhythm(now), now);
  }

  #hear(member: BulkMember, report: TransferReport, now: MonoMs): void {
    const {blocks} = this.#layout;
    if (report.from > blocks) return;
    const runs = unpackDeficits(report.deficits, blocks - report.from);
    if (runs === undefined) return;
    // Who is served last may well be full of what it lacks a little of.
    if (report.room === 0 && !member.isLate) this.#rate.slow(now);
    if (this.#phase !== 'inviting') {
      this.#ask(member, this.#begunIn(report.from, runs, report.sequence));
      return this.#forget();
    }
    let block = report.from;
    for (const {deficit, length} of runs) {
      if (deficit > 0) this.#fresh.fill(1, block, block + length);
      block += length;
    }
  }

  /** What is to be sent for it, of blocks whose first pass is not still to come. */
  #begunIn(from: number, runs: readonly DeficitRun[], heard: number): Need[] {
    const needs: Need[] = [];
    let block = from;
    for (const {deficit, length} of runs) {
      const end = block + length;
      for (; deficit > 0 && block < end; block++) {
        if (this.#fresh[block] === 1) continue;
        const symbols = this.#ledger.lacks(block, deficit, heard);
        if (symbols > 0) needs.push({block, symbols});
      }
      block = end;
    }
    return needs;
  }

  #ask(member: BulkMember, needs: readonly Need[]): void {
    const all = needs.reduce((sum, {symbols}) => sum + symbols, 0);
    const limit = Math.max(LATE_SYMBOLS, this.#layout.sources * LATE_PART);
    if (all > limit && !this.#servesLate) member.isLate = true;
    if (member.isLate) return;
    const spare = this.#phase === 'ending' ? this.#parity.spare : 0;
    for (const {block, symbols} of needs) this.#ledger.ask(block, symbols + spare);
  }

  /** What all have needs no books any more. */
  #forget(): void {
    const {lowest} = this.members;
    const end = Math.min(lowest, this.#layout.blocks, this.#group[0] ?? Number.POSITIVE_INFINITY);
    for (; this.#forgotten < end; this.#forgotten++) this.#ledger.forget(this.#forgotten);
  }

  /** What it loses nobody else waits for: it is sent when all others are done. TCP would take far longer over it. */
  #postpone(member: BulkMember): void {
    [member.isLate, member.isLossy] = [true, true];
    this.#tell({kind: 'lossy', nodeId: member.nodeId});
    this.#forgetNeeds();
  }

  #forgetNeeds(): void {
    this.#parity.forget();
    this.#ledger.forgetNeeds();
  }

  #leaveBehind(member: BulkMember, reason: AsideReason): void {
    this.#forgetNeeds();
    this.#tell({kind: 'aside', nodeId: member.nodeId, reason});
    this.#end(member);
  }

  #end(member: BulkMember): void {
    if (member.state === 'over') return;
    member.state = 'over';
    if (this.members.open.length > 0) return;
    this.#phase = 'over';
    this.#tell({kind: 'over'});
  }

  #tell(news: BulkNews): void {
    this.#effects.push({type: 'news', news});
  }

  #send(now: MonoMs): void {
    this.#maybePoll(now);
    this.#judgeLate(now);
    while (this.#rate.take(1, now) > 0) {
      const symbol = this.#pick(now);
      if (symbol === undefined) break;
      this.#datagram(symbol);
    }
    if (this.#phase === 'ending' || this.#isBlocked) this.#maybeSkip(now);
  }

  #pick(now: MonoMs): SymbolPick | undefined {
    const needed = this.#ledger.nextNeeded(this.#sequence + 1);
    if (needed) {
      if (needed.no >= this.#layout.sourcesOf(needed.block)) this.#parity.repaired();
      return needed;
    }
    return this.#nextFresh(now);
  }

  #nextFresh(now: MonoMs): SymbolPick | undefined {
    for (;;) {
      if (this.#group.length === 0 && !this.#nextGroup(now)) return undefined;
      const block = this.#group[this.#turn % this.#group.length] as number;
      const symbol = this.#ledger.nextFresh(block, this.#sequence + 1);
      if (symbol) {
        this.#turn += 1;
        return symbol;
      }
      this.#group = this.#group.filter(each => each !== block);
    }
  }

  #nextGroup(now: MonoMs): boolean {
    if (this.#phase === 'ending') return false;
    const first = this.#freshLeft === 0 ? -1 : this.#fresh.indexOf(1, this.#freshAt);
    if (first < 0) {
      this.#phase = 'ending';
      // Asked at once what is missing of the last ones.
      this.#nextPoll(now);
      return false;
    }
    if (first - this.members.lowest >= WINDOW_BLOCKS) {
      this.#blockedSince ??= now;
      return false;
    }
    this.#blockedSince = undefined;
    this.#freshAt = first;
    this.#turn = 0;
    for (let block = first; block >= 0 && this.#group.length < INTERLEAVED; ) {
      this.#group.push(block);
      this.#fresh[block] = 0;
      this.#freshLeft -= 1;
      block = this.#fresh.indexOf(1, block);
    }
    for (const block of this.#group) this.#ledger.begin(block, this.#parity.along(this.#freshLeft));
    return true;
  }

  get #isBlocked(): boolean {
    return this.#phase === 'ending' || this.#blockedSince !== undefined;
  }

  /** The nodes that all others have waited for are left behind. */
  #maybeSkip(now: MonoMs): void {
    if (this.#blockedSince === undefined || now - this.#blockedSince < WINDOW_MS) return;
    const {lowest, prompt} = this.members;
    this.#blockedSince = now;
    for (const member of prompt) {
      const reason = now - member.heardAt > WINDOW_MS / 2 ? 'silent' : 'slow';
      if (member.from === lowest) this.#leaveBehind(member, reason);
    }
  }

  /** When all others are done, the late ones have their turn: by multicast if they are enough, else each by itself. */
  #judgeLate(now: MonoMs): void {
    if (this.#phase !== 'ending' || this.#servesLate || this.members.prompt.length > 0) return;
    const late = this.members.ready;
    if (late.length === 0) return;
    const enough = Math.min(LATE_NODES, Math.ceil(this.members.count / 2));
    this.#servesLate = late.length >= enough || late.some(({isLossy}) => isLossy);
    for (const member of late) {
      member.isLate = false;
      member.grownAt = now;
      if (!this.#servesLate) this.#leaveBehind(member, 'late');
    }
  }

  // ---- polls -----------------------------------------------------------------------------------

  #rhythm(now: MonoMs): PollRhythm {
    return {
      nodes: this.members.ready.length,
      isBlocked: this.#isBlocked,
      symbolsPerBlock: this.#layout.symbolsPerBlock,
      packetsPerSecond: this.#rate.packetsPerSecond(now),
    };
  }

  #maybePoll(now: MonoMs): void {
    if (now >= this.#polls.dueAt(this.#rhythm(now))) this.#nextPoll(now);
  }

  #nextPoll(now: MonoMs): void {
    const loss = this.members.middleLoss();
    if (loss !== undefined) this.#rate.delivered(loss, now);
    this.#parity.polled();
    this.#polls.next(this.#rhythm(now), now);
    // While symbols flow each of them tells it.
    if (this.#isBlocked) this.#datagram(undefined);
  }

  #datagram(symbol: SymbolPick | undefined): void {
    this.#sequence += 1;
    this.#effects.push({
      type: 'datagram',
      sequence: this.#sequence,
      poll: this.#polls.no,
      isEnding: this.#phase === 'ending',
      answerMs: this.#polls.answerMs,
      symbol,
    });
  }

  #take(): readonly BulkSendEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}

const earliest = (a: MonoMs, b: MonoMs): MonoMs => (a < b ? a : b);
