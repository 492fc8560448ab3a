// How a node comes in: a session (wire) → Hello, which proves the identity key and shows a join token's
// use once → Welcome, which ends the node's cold start. A repeat of Hello gets a repeat of Welcome.

import {concat, fromHex, toHex} from '../base/bytes.ts';
import type {NodeId, Now, PeerId} from '../base/types.ts';
import type {MasterEvent} from '../core/core.ts';
import type {NodeRow} from '../core/tables.ts';
import {nodeIdOf} from '../wire/identity.ts';
import {SESSIONS_MAX} from '../wire/limits.ts';
import type {Hello} from '../wire/message.ts';
import type {Commands} from './commands.ts';
import type {MasterContext} from './context.ts';
import {heartbeatMs} from './liveness.ts';
import {type NodeState, peerOf, saveNode} from './roster.ts';

/**
 * A node may have seen epochs that an old backup of the master has not; further ahead than this it is no
 * honest one. Epochs are 32 bits on the wire: one Hello must not use them up.
 */
const EPOCH_LEAP_MAX = 65_536;

type Linked = Extract<MasterEvent, {type: 'linked'}>;

export class Enrolment {
  readonly #context: MasterContext;
  readonly #commands: Commands;
  readonly #release: (node: NodeState, now: Now) => void;
  readonly #links = new Map<PeerId, Linked>();

  /** @param release takes all leases of a node back */
  constructor(
    context: MasterContext,
    commands: Commands,
    release: (node: NodeState, now: Now) => void,
  ) {
    this.#context = context;
    this.#commands = commands;
    this.#release = release;
  }

  onLinked(event: Linked): void {
    this.#links.delete(event.peer);
    this.#links.set(event.peer, event);
    if (this.#links.size > SESSIONS_MAX)
      for (const oldest of this.#links.keys()) {
        this.#links.delete(oldest);
        break;
      }
    const node = this.#context.roster.byPeer(event.peer);
    if (node) node.address = event.from;
  }

  onHello(peer: PeerId, hello: Hello, now: Now): void {
    const link = this.#links.get(peer);
    const staticKey = fromHex(peer);
    if (!link || !staticKey) return; // a Hello of a session that another has replaced
    const {crypto, roster} = this.#context;
    const bound = crypto.verify(
      hello.identityKey,
      'bind',
      hello.binding,
      concat(link.handshakeHash, staticKey),
    );
    const nodeId = nodeIdOf(crypto, hello.identityKey);
    const known = roster.byPeer(peer);
    let fault: string | undefined;
    if (!bound) fault = 'binding';
    else if (known && known.row.nodeId !== nodeId) fault = 'identity';
    else if (hello.epochSeen > this.#context.epoch + EPOCH_LEAP_MAX) fault = 'epoch';
    else if (!known && !this.#admit(nodeId, link.tokenId, now)) fault = 'token';
    if (fault !== undefined) {
      this.#refuse(peer, fault);
      return;
    }
    const node = this.#place(nodeId, peer, hello, now);
    node.address = link.from;
    this.#notice(node, hello, now);
    this.#welcome(node, peer, now);
  }

  /** A new node, or a known one with a new static key, spends one use of its token. */
  #admit(nodeId: NodeId, tokenId: number, now: Now): boolean {
    const {roster} = this.#context;
    const token = roster.token(tokenId, now.wall);
    if (!token || (roster.full && !roster.node(nodeId))) return false;
    this.#context.save(roster.spendToken(token));
    this.#context.note('info', 'node enrolled', {node: nodeId, token: tokenId});
    return true;
  }

  #place(nodeId: NodeId, peer: PeerId, hello: Hello, now: Now): NodeState {
    const {roster, crypto, config} = this.#context;
    const before = roster.node(nodeId);
    const row = rowOf(nodeId, peer, hello, before?.row.enrolledAt ?? now.wall);
    const blobKey = crypto.hmacSha256(config.groupKey, hello.identityKey);
    const changed = !before || JSON.stringify(before.row) !== JSON.stringify(row);
    const node = roster.place(row, before?.blobKey ?? blobKey);
    if (changed) this.#context.save(saveNode(row));
    return node;
  }

  /** What a Hello tells beside who it is: a new start of the daemon, an epoch we do not know. */
  #notice(node: NodeState, hello: Hello, now: Now): void {
    const bootId = toHex(hello.bootId);
    if (node.bootId !== bootId) {
      node.bootId = bootId;
      node.lastPull = undefined;
      this.#release(node, now);
    }
    if (hello.receiptHead > this.#context.journalNo)
      this.#context.note(
        'alarm',
        'a node holds a receipt above our journal: acknowledged state is lost',
        {
          node: node.row.nodeId,
          receipt: hello.receiptHead,
          journal: this.#context.journalNo,
        },
      );
    if (hello.epochSeen > this.#context.epoch) {
      this.#context.note('alarm', 'a node has seen a later epoch: old backup or second master', {
        node: node.row.nodeId,
        seen: hello.epochSeen,
        epoch: this.#context.epoch,
      });
      this.#context.raiseEpoch(hello.epochSeen + 1);
    }
  }

  #welcome(node: NodeState, peer: PeerId, now: Now): void {
    const wasUp = node.up;
    node.up = true;
    node.welcomed = true;
    node.heardAt = now.mono;
    node.heardWall = now.wall;
    this.#sayWelcome(node, peer, now);
    if (!wasUp) this.#context.announceNode(node.row.nodeId);
  }

  /** The epoch was raised since its Welcome: it would hear no command until it is told. */
  tellEpoch(node: NodeState, now: Now): void {
    if (node.epochTold !== this.#context.epoch) this.#sayWelcome(node, peerOf(node), now);
  }

  #sayWelcome(node: NodeState, peer: PeerId, now: Now): void {
    const {config, roster, epoch, state} = this.#context;
    node.epochTold = epoch;
    this.#context.emit({
      type: 'send',
      to: peer,
      message: {
        type: 'welcome',
        clusterId: config.clusterId,
        epoch,
        seqFloor: this.#commands.seq,
        groupKey: config.groupKey,
        groupKeyId: config.groupKeyId,
        heartbeatMs: heartbeatMs(roster.size),
        blobPort: config.blobPort,
        blobKey: node.blobKey,
        state,
        wallMs: this.#context.instant(now.mono),
        trust: config.signedTrust,
      },
    });
  }

  #refuse(peer: PeerId, reason: string): void {
    this.#context.emit({type: 'send', to: peer, message: {type: 'refusal', reason}});
    this.#context.note('warn', 'node refused', {peer, reason});
  }
}

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
  runtimes: hello.runtimes,
  actions: hello.actions,
  version: hello.version,
  enrolledAt,
});
