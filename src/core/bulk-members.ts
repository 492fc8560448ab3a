// The nodes of a bulk transfer, as its sender knows them: who listens, how far each is, what each loses; and who is left
// to fetch the rest by itself, because all others would wait for it.

import {addMono, type MonoMs, NEVER, type NodeId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {TransferReport} from '../wire/bulk-message.ts';

/** An offer is repeated to who has not said that it listens. */
const INVITE_MS = 250;
/** Who says nothing for so long is waited for no more: while symbols flow, and when nothing else is left. */
const SILENT_MS = 3 * SECOND_MS;
const SILENT_ENDING_MS = 1.5 * SECOND_MS;
/** A node that loses more than this while the middle one is well: its cable, its switch port, its power. */
const LOSSY = 0.1;
const HEALTHY = 0.03;
/** … from report to report, so many times and over so many datagrams at least: a burst is no bad cable. */
const LOSSY_REPORTS = 3;
const LOSSY_DATAGRAMS = 512;
/** Datagrams between two reports from which a loss can be told. */
const TOLD_DATAGRAMS = 32;
/** When nothing new is sent: who asks for so long without getting on, or lies, is waited for no more. */
const STUCK_MS = 5 * SECOND_MS;
/** No memory left for so long: its disk is too slow. */
const FULL_MS = 5 * SECOND_MS;

/** `spoiled` is the node's own word. */
export type AsideReason = 'silent' | 'lossy' | 'slow' | 'late' | 'spoiled';

export type BulkMember = {
  readonly nodeId: NodeId;
  state: 'invited' | 'ready' | 'over';
  heardAt: MonoMs;
  /** When it last had more whole blocks than before. */
  grownAt: MonoMs;
  /** As its last report said it. */
  sequence: number;
  heard: number;
  blocks: number;
  /** First block that is not whole. */
  from: number;
  /** What was lost between its last two reports, until it was counted. */
  loss: number | undefined;
  /** Reports in a row that told of a great loss, and the datagrams between them. */
  lossy: {reports: number; datagrams: number};
  /** What it lost of late, for the middle of all. */
  lately: number | undefined;
  fullSince: MonoMs | undefined;
  /** It came so late, or loses so much, that it would hold up the others: it gets what it hears until they are done. */
  isLate: boolean;
  /** It is for its losses. */
  isLossy: boolean;
};

export class BulkMembers {
  readonly #members = new Map<NodeId, BulkMember>();
  #invitedAt: MonoMs;

  constructor(nodes: readonly NodeId[], now: MonoMs) {
    this.#invitedAt = now;
    for (const nodeId of nodes) this.add(nodeId, now);
  }

  add(nodeId: NodeId, now: MonoMs): BulkMember {
    const known = this.#members.get(nodeId);
    if (known !== undefined) return known;
    const member: BulkMember = {
      nodeId,
      state: 'invited',
      heardAt: now,
      grownAt: now,
      sequence: 0,
      heard: 0,
      blocks: 0,
      from: 0,
      loss: undefined,
      lossy: {reports: 0, datagrams: 0},
      lately: undefined,
      fullSince: undefined,
      isLate: false,
      isLossy: false,
    };
    this.#members.set(nodeId, member);
    return member;
  }

  get(nodeId: NodeId): BulkMember | undefined {
    return this.#members.get(nodeId);
  }

  all(): IterableIterator<BulkMember> {
    return this.#members.values();
  }

  get count(): number {
    return this.#members.size;
  }

  get open(): BulkMember[] {
    return [...this.#members.values()].filter(({state}) => state !== 'over');
  }

  get ready(): BulkMember[] {
    return [...this.#members.values()].filter(({state}) => state === 'ready');
  }

  /** Those that all others wait for. */
  get prompt(): BulkMember[] {
    return this.ready.filter(({isLate}) => !isLate);
  }

  /** The first block that one of those lacks. */
  get lowest(): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const {state, isLate, from} of this.#members.values())
      if (state === 'ready' && !isLate && from < lowest) lowest = from;
    return lowest;
  }

  /** Takes the figures of a report. false = it is older than what is known. */
  note(member: BulkMember, report: TransferReport, now: MonoMs): boolean {
    const {sequence, heard} = report;
    member.heardAt = now;
    // A node that has started anew counts from nothing.
    if (heard === 0) [member.sequence, member.heard] = [0, 0];
    if (sequence < member.sequence) return false;
    const sent = sequence - member.sequence;
    if (member.heard > 0 && sent >= TOLD_DATAGRAMS) noteLoss(member, sent, heard - member.heard);
    member.sequence = sequence;
    member.heard = heard;
    if (report.blocks > member.blocks) member.grownAt = now;
    member.blocks = report.blocks;
    member.from = report.from;
    if (report.room > 0 || member.isLate) member.fullSince = undefined;
    else member.fullSince ??= now;
    return true;
  }

  /** Nodes to be offered the transfer once more. */
  invite(now: MonoMs): NodeId[] {
    if (now < addMono(this.#invitedAt, INVITE_MS)) return [];
    this.#invitedAt = now;
    return this.open.filter(({state}) => state === 'invited').map(({nodeId}) => nodeId);
  }

  inviteAt(): MonoMs {
    const isWanted = this.open.some(({state}) => state === 'invited');
    return isWanted ? addMono(this.#invitedAt, INVITE_MS) : NEVER;
  }

  /** What the middle one of those that told of it lost; each loss counts once. undefined = too few told. */
  middleLoss(): number | undefined {
    const ready = this.ready.filter(({isLossy}) => !isLossy);
    const told = ready.filter(({loss}) => loss !== undefined);
    if (told.length * 2 < ready.length || told.length === 0) return undefined;
    const middle = middleOf(told.map(({loss}) => loss ?? 0));
    for (const member of told) member.loss = undefined;
    return middle;
  }

  /** Who is left behind now, and why. */
  hopeless(now: MonoMs, isEnding: boolean): [BulkMember, AsideReason][] {
    const silentMs = isEnding ? SILENT_ENDING_MS : SILENT_MS;
    return this.open.flatMap((member): [BulkMember, AsideReason][] => {
      if (now - member.heardAt > silentMs) return [[member, 'silent']];
      const {fullSince} = member;
      const isFull = fullSince !== undefined && !member.isLate && now - fullSince > FULL_MS;
      const isStuck = isEnding && !member.isLate && now - member.grownAt > STUCK_MS;
      return isFull || isStuck ? [[member, member.isLossy ? 'lossy' : 'slow']] : [];
    });
  }

  /** Who loses much more than the middle one, and is not known for it yet. */
  lossy(): BulkMember[] {
    const ready = this.ready.filter(({isLossy}) => !isLossy);
    const told = ready.flatMap(({lately}) => (lately === undefined ? [] : [lately]));
    if (told.length * 2 < ready.length || middleOf(told) > HEALTHY) return [];
    const isLossy = ({lossy}: BulkMember): boolean =>
      lossy.reports >= LOSSY_REPORTS && lossy.datagrams >= LOSSY_DATAGRAMS;
    return ready.filter(isLossy);
  }
}

/** @param sent datagrams since its last report, of which it heard `heard` */
function noteLoss(member: BulkMember, sent: number, heard: number): void {
  const loss = Math.max(0, 1 - heard / sent);
  const {lossy} = member;
  member.loss = loss;
  member.lately = loss;
  member.lossy =
    loss > LOSSY
      ? {reports: lossy.reports + 1, datagrams: lossy.datagrams + sent}
      : {reports: 0, datagrams: 0};
}

/** The lower one of two in the middle: better a healthy room than a sick one. 1 of none. */
function middleOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 1;
}
