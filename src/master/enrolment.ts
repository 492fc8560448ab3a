// How a node comes in: a session (wire) → Hello, which proves the identity key and shows a join token's
// use once → Welcome, which ends the node's cold start. A repeat of Hello gets a repeat of Welcome. Without a
// token it asks (pending.ts) until the operator approves it; a revoked one gets nothing but a Refusal.

import {concat, equalBytes, fromHex, toHex} from '../base/bytes.ts';
import {keepNewest} from '../base/newest.ts';
import {
  type Address,
  asPeerId,
  type MonoMs,
  type NodeId,
  type Now,
  type PeerId,
} from '../base/types.ts';
import {MINUTE_MS, SECOND_MS} from '../base/units.ts';
import type {MasterEvent} from '../core/core.ts';
import type {NodeRow} from '../core/tables.ts';
import {nodeIdOf} from '../wire/identity.ts';
import {SESSIONS_MAX} from '../wire/limits.ts';
import type {Hello, RefusalReason} from '../wire/message.ts';
import {judgeBoot} from './boots.ts';
import type {Commands} from './commands.ts';
import type {MasterContext} from './context.ts';
import {heartbeatMs} from './liveness.ts';
import {Pending} from './pending.ts';
import {isStopped, type NodeState, peerOf, saveNode} from './roster.ts';

/**
 * A node may have seen epochs that an old backup of the master has not, and shows a proof of its Welcome. One
 * without (of an older version, or no honest one) is believed so far and no further: epochs are 32 bits on the
 * wire, and each raise costs a Welcome for every node. Counted from the first epoch of this life, so that nodes
 * which raise it again and again do not use them up either.
 */
const EPOCH_LEAP_MAX = 65_536;
/** One node raises the epoch no more often than this; refused, an honest one asks again later. */
const RAISE_AGAIN_MS = 5 * SECOND_MS;

/** `refused`: the reason that was noted last. */
type Linked = Extract<MasterEvent, {type: 'linked'}> & {refused?: RefusalReason};

/** Two machines with one key may go on for days. */
const CLONE_NOTE_MS = 10 * MINUTE_MS;

export class Enrolment {
  readonly pending = new Pending();
  readonly #context: MasterContext;
  readonly #commands: Commands;
  readonly #release: (node: NodeState, now: Now) => void;
  readonly #returned: (node: NodeState, now: Now) => void;
  readonly #links = new Map<PeerId, Linked>();
  readonly #epochMax: number;
  /** When a node last raised the epoch. */
  readonly #raisedAt = new Map<NodeId, MonoMs>();

  /**
   * @param release takes all leases of a node back
   * @param returned it is welcomed, in a new session
   */
  constructor(
    context: MasterContext,
    commands: Commands,
    release: (node: NodeState, now: Now) => void,
    returned: (node: NodeState, now: Now) => void,
  ) {
    this.#context = context;
    this.#commands = commands;
    this.#release = release;
    this.#returned = returned;
    this.#epochMax = context.epoch + EPOCH_LEAP_MAX;
  }

  onLinked(event: Linked): void {
    this.#links.delete(event.peer);
    this.#links.set(event.peer, event);
    keepNewest(this.#links, SESSIONS_MAX);
    const node = this.#context.roster.byPeer(event.peer);
    if (node) node.address = event.from;
  }

  onHello(peer: PeerId, hello: Hello, now: Now): void {
    const link = this.#links.get(peer);
    const staticKey = fromHex(peer);
    if (!link || !staticKey) return; // a Hello of a session that another has replaced
    const {crypto} = this.#context;
    const bound = crypto.verify(
      hello.identityKey,
      'bind',
      hello.binding,
      concat(link.handshakeHash, staticKey),
    );
    const nodeId = nodeIdOf(crypto, hello.identityKey);
    const fault = bound ? this.#faultOf(nodeId, link, hello, now) : 'binding';
    if (fault !== undefined) {
      this.#refuse(peer, nodeId, fault);
      return;
    }
    const node = this.#place(nodeId, link, hello, now);
    this.#notice(node, hello, now);
    this.#welcome(node, peer, now);
  }

  /** Why this node is not welcomed; what it takes for being welcomed is spent and noted on the way. */
  #faultOf(nodeId: NodeId, link: Linked, hello: Hello, now: Now): RefusalReason | undefined {
    const {roster} = this.#context;
    const known = roster.byPeer(link.peer);
    const node = roster.node(nodeId);
    if (isRevoked(known) || isRevoked(node)) return 'revoked';
    if (known && known !== node) return 'identity';
    if (!this.#mayRaise(nodeId, hello, now)) return 'epoch';
    if (known) return this.#judgeBoot(known, toHex(hello.bootId), link.from, now);
    return this.#admit(nodeId, link, hello, now);
  }

  #raises({epochSeen, instanceSeen}: Hello): boolean {
    const {config, epoch} = this.#context;
    const isOther = instanceSeen.length > 0 && !equalBytes(instanceSeen, config.instanceId);
    return epochSeen > epoch || (epochSeen === epoch && isOther);
  }

  #mayRaise(nodeId: NodeId, hello: Hello, now: Now): boolean {
    if (!this.#raises(hello)) return true;
    const raisedAt = this.#raisedAt.get(nodeId) ?? Number.NEGATIVE_INFINITY;
    if (now.mono < raisedAt + RAISE_AGAIN_MS) return false;
    const {epochSeen, epochProof} = hello;
    return (
      epochSeen <= this.#epochMax || equalBytes(epochProof, this.#context.epochProof(epochSeen))
    );
  }

  /** A new node, or a known one with a new static key, spends one use of its token, or asks without one. */
  #admit(nodeId: NodeId, link: Linked, hello: Hello, now: Now): RefusalReason | undefined {
    const {roster} = this.#context;
    const {tokenId, peer, from} = link;
    const before = roster.node(nodeId);
    if (roster.full && !before) return 'full';
    if (tokenId === 0) {
      const row = rowOf(nodeId, peer, hello, before?.row.enrolledAt ?? now.wall);
      return this.pending.ask(row, from, now);
    }
    const fault = roster.tokens.faultOf(tokenId, now.wall);
    if (fault !== undefined) return fault;
    for (const op of roster.tokens.spend(tokenId)) this.#context.save(op);
    this.pending.take(nodeId, now); // it may have asked without it before
    this.#context.note('info', 'node enrolled', {node: nodeId, token: tokenId});
    return undefined;
  }

  #judgeBoot(node: NodeState, bootId: string, from: Address, now: Now): RefusalReason | undefined {
    const before = node.clone;
    const verdict = judgeBoot(node, bootId, from, now);
    if (verdict === 'new') {
      node.lastPull = undefined;
      this.#release(node, now);
    }
    const isNews = node.clone !== before && node.clone !== undefined;
    if (isNews && now.wall - (before?.at ?? 0) >= CLONE_NOTE_MS)
      this.#context.note('alarm', 'clone suspected: two machines have the key of one node', {
        node: node.row.nodeId,
        name: node.row.name,
        addresses: node.clone?.addresses.join(' and ') ?? '',
      });
    if (isNews) this.#context.announceNode(node.row.nodeId);
    return verdict === 'clone' ? 'clone' : undefined;
  }

  #place(nodeId: NodeId, link: Linked, hello: Hello, now: Now): NodeState {
    const before = this.#context.roster.node(nodeId);
    const node = this.#enter(rowOf(nodeId, link.peer, hello, before?.row.enrolledAt ?? now.wall));
    this.#judgeBoot(node, toHex(hello.bootId), link.from, now);
    node.address = link.from;
    return node;
  }

  /** Durable if anything changed. */
  #enter(told: NodeRow): NodeState {
    const {roster, crypto, config} = this.#context;
    const before = roster.node(told.nodeId);
    const wishes = before?.row.wishes;
    const row = wishes ? {...told, wishes} : told;
    const identity = fromHex(row.identityKey) ?? new Uint8Array();
    const blobKey = before?.blobKey ?? crypto.hmacSha256(config.blobSecret, identity);
    const changed = !before || JSON.stringify(before.row) !== JSON.stringify(row);
    if (changed) this.#context.save(saveNode(row));
    return roster.place(row, blobKey);
  }

  /** The operator lets a node in that asks; its next Hello is welcomed. false = it does not ask. */
  approve(nodeId: NodeId, now: Now): boolean {
    const {roster} = this.#context;
    const row = this.pending.take(nodeId, now);
    if (!row) return false;
    const other = roster.byPeer(asPeerId(row.peer));
    if ((other && other.row.nodeId !== nodeId) || (roster.full && !roster.node(nodeId)))
      return false;
    this.#enter(row);
    this.#context.note('info', 'node approved', {node: nodeId, name: row.name});
    this.#context.announceNode(nodeId);
    return true;
  }

  /** What a Hello tells beside who it is: a receipt or an epoch that we do not know. */
  #notice(node: NodeState, hello: Hello, now: Now): void {
    this.#noticeReceipt(node, hello.receiptHead, now);
    this.#noticeOther(node, hello, now);
  }

  /**
   * A master that does not know the epoch a node comes from, or that another instance was in it, runs on an old
   * backup or is not the only one. A later epoch than all that were seen keeps their commands apart.
   */
  #noticeOther(node: NodeState, hello: Hello, now: Now): void {
    if (!this.#raises(hello)) return;
    const {epoch} = this.#context;
    const {epochSeen} = hello;
    const what =
      epochSeen > epoch
        ? 'a node has seen a later epoch: old backup or second master'
        : 'another master was in our epoch: old backup or second master';
    this.#context.note('alarm', what, {node: node.row.nodeId, seen: epochSeen, epoch});
    this.#raisedAt.set(node.row.nodeId, now.mono);
    this.#context.raiseEpoch(epochSeen + 1);
  }

  /** A receipt of ours above the end of our journal: the disk lost what we signed for. */
  #noticeReceipt(node: NodeState, receipt: number, now: Now): void {
    const {journalNo, lost} = this.#context;
    const {nodeId} = node.row;
    if (receipt > journalNo) {
      if (lost.has(nodeId)) return;
      lost.set(nodeId, {receipt, journalNo, noticedAt: now.wall});
      this.#context.note(
        'alarm',
        'a node holds a receipt above our journal: acknowledged state is lost',
        {node: nodeId, receipt, journal: journalNo},
      );
    } else if (lost.delete(nodeId))
      this.#context.note('info', 'a node has brought back what it kept', {node: nodeId});
  }

  #welcome(node: NodeState, peer: PeerId, now: Now): void {
    const wasUp = node.up;
    node.up = true;
    node.welcomed = true;
    node.heardAt = now.mono;
    node.heardWall = now.wall;
    this.#sayWelcome(node, peer, now);
    if (!wasUp) this.#context.announceNode(node.row.nodeId);
    this.#returned(node, now);
  }

  /** The epoch was raised since its Welcome: it would hear no command until it is told. */
  tellEpoch(node: NodeState, now: Now): void {
    if (node.epochTold !== this.#context.epoch) this.#sayWelcome(node, peerOf(node), now);
  }

  /** What it was told in its Welcome has changed. */
  tell(node: NodeState, now: Now): void {
    if (node.welcomed) this.#sayWelcome(node, peerOf(node), now);
  }

  #sayWelcome(node: NodeState, peer: PeerId, now: Now): void {
    const {config, roster, epoch, state, groupKeys, recovered} = this.#context;
    groupKeys.begin(now);
    node.epochTold = epoch;
    this.#context.emit({
      type: 'send',
      to: peer,
      message: {
        type: 'welcome',
        clusterId: config.clusterId,
        instanceId: config.instanceId,
        epoch,
        epochProof: this.#context.epochProof(epoch),
        seqFloor: this.#commands.seq,
        groupKey: groupKeys.newest.key,
        groupKeyId: groupKeys.newest.id,
        heartbeatMs: heartbeatMs(roster.size),
        blobPort: config.blobPort,
        blobKey: node.blobKey,
        state,
        suspended: isStopped(node),
        labels: node.control.labels ?? [],
        wallMs: this.#context.instant(now.mono),
        trust: config.signedTrust,
        journalNo: this.#context.journalNo,
        bootJournalNo: this.#context.bootJournalNo,
        lostEpoch: recovered.epoch,
        lostAfter: recovered.journalNo,
      },
    });
  }

  /** Said again and again to one that asks again and again, and noted when it is news. */
  #refuse(peer: PeerId, nodeId: NodeId, reason: RefusalReason): void {
    this.#context.emit({type: 'send', to: peer, message: {type: 'refusal', reason}});
    const link = this.#links.get(peer);
    if (!link || link.refused === reason) return;
    link.refused = reason;
    if (reason === 'pending')
      this.#context.note('info', 'a node asks to be let in', {node: nodeId, address: link.from});
    else this.#context.note('warn', 'node refused', {node: nodeId, address: link.from, reason});
  }
}

const isRevoked = (node: NodeState | undefined): boolean => (node?.row.revokedAt ?? 0) > 0;

const rowOf = (nodeId: NodeId, peer: PeerId, hello: Hello, enrolledAt: number): NodeRow => ({
  nodeId,
  peer,
  identityKey: toHex(hello.identityKey),
  name: hello.name,
  labels: hello.labels,
  arch: hello.arch,
  engine: hello.engine,
  cores: hello.cores,
  slots: hello.slots,
  memoryMib: hello.memoryMib,
  sandboxLevel: hello.sandboxLevel,
  speed: hello.speed,
  runtimes: hello.runtimes,
  actions: hello.actions,
  version: hello.version,
  enrolledAt,
  revokedAt: 0,
  doubts: 0,
});
