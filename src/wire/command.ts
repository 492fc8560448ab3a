// Multicast commands: one signed datagram that every node hears. Group OSCORE's group mode (RFC 10021)
// with protobuf for CoAP: the group key keeps strangers out for 4 µs each, the signature under it says
// that it was the master, not another node.
//
// A node checks cheap things first (CommandReceiver.open): size, version, key id; epoch and seq from the
// header; token bucket; AEAD; target; another bucket; signature; and only then marks the seq as seen. Who
// holds no group key cannot use up the bucket of signatures, and what the master itself says by unicast needs
// neither: a flood of forgeries delays a command and does not stop it. Before join() it obeys nothing: after
// a boot the epoch and the group key come from a handshake, never from a disk or a clock.

import {assert} from '../base/assert.ts';
import {concat, equalBytes, viewOf} from '../base/bytes.ts';
import {addMono, type MonoMs, type NodeId, type WallMs} from '../base/types.ts';
import {MINUTE_MS} from '../base/units.ts';
import {decodeCommand, encodeCommand} from './codec.ts';
import {COMMAND_COPY_OVERHEAD_BYTES} from './codec-sizes.ts';
import type {Crypto} from './crypto.ts';
import {
  COMMAND_BYTES_MAX,
  COMMAND_OVERHEAD_BYTES,
  COMMAND_REPEATS_HEARD_MS,
  COMMAND_SEALS_PER_SECOND,
  COMMANDS_PER_SECOND,
  DATAGRAM_BYTES_MAX,
  PLAINTEXT_BYTES_MAX,
} from './limits.ts';
import type {DropReason} from './link.ts';
import type {Command, Target} from './message.ts';
import {ReplayWindow} from './replay-window.ts';
import {FRAME} from './session.ts';
import {TokenBucket} from './token-bucket.ts';

const VERSION = 1;
const HEADER_BYTES = 24;
const SIGNATURE_BYTES = 64;
/** After a rotation commands under the old group key are still on their way for this long. */
const PREVIOUS_KEY_LIFE_MS = MINUTE_MS;
/** Datagrams that proved authentic, kept to know their repeats by a comparison of bytes. */
const RECENT_DATAGRAMS = 4;

/**
 * A command of more bytes than this (encodeCommand) goes out by multicast but does not fit into a
 * CommandCopy, so that nodes which missed it can not be told by unicast.
 */
export const REPAIRABLE_COMMAND_BYTES_MAX =
  PLAINTEXT_BYTES_MAX - COMMAND_COPY_OVERHEAD_BYTES - COMMAND_OVERHEAD_BYTES;

export type CommandSeal = {
  /** 0 … 255 */
  readonly keyId: number;
  /** 32 bytes. */
  readonly groupKey: Uint8Array;
  /** 1 … 2^32-1, one more at every start of the master. */
  readonly epoch: number;
  /** 1 … 2^32-1, never twice in an epoch: it makes the nonce. */
  readonly seq: number;
};

type Header = {readonly keyId: number; readonly epoch: number; readonly seq: number};

function headerOf({keyId, epoch, seq}: Header): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  header[0] = FRAME.command;
  header[1] = VERSION;
  header[3] = keyId;
  const view = viewOf(header);
  view.setUint32(8, epoch);
  view.setUint32(16, seq);
  return header;
}

/** Epoch u32, then seq u64: no pair comes twice under one group key. */
function commandNonce(epoch: number, seq: number): Uint8Array {
  const nonce = new Uint8Array(12);
  const view = viewOf(nonce);
  view.setUint32(0, epoch);
  view.setUint32(8, seq);
  return nonce;
}

/** The datagram to multicast, of encodeCommand's bytes + 104. */
export function sealCommand(
  crypto: Crypto,
  commandSecretKey: Uint8Array,
  seal: CommandSeal,
  command: Command,
): Uint8Array {
  const {groupKey, epoch, seq} = seal;
  assert(seq > 0 && seq < 2 ** 32 && epoch >= 0 && epoch < 2 ** 32, `command ${epoch}/${seq}`);
  const header = headerOf(seal);
  const body = encodeCommand(command);
  assert(body.length <= COMMAND_BYTES_MAX, `command of ${body.length} bytes`);
  const signature = crypto.sign(commandSecretKey, 'command', header, body);
  const nonce = commandNonce(epoch, seq);
  return concat(header, crypto.seal(groupKey, nonce, header, concat(body, signature)));
}

/** What Welcome and the trust document tell a node about the group. */
export type Membership = {
  readonly clusterId: Uint8Array;
  /** The master's Ed25519 key, from the trust document. */
  readonly commandKey: Uint8Array;
  readonly groupKey: Uint8Array;
  readonly groupKeyId: number;
  readonly epoch: number;
  /** Commands up to and including this seq are history. */
  readonly seqFloor: number;
};

export type ReceivedCommand =
  | {
      readonly kind: 'command';
      readonly command: Command;
      readonly epoch: number;
      readonly seq: number;
    }
  /** Authentic, and handed out before: repeat the acknowledgement, do nothing else. */
  | {readonly kind: 'duplicate'; readonly epoch: number; readonly seq: number}
  /** A copy from the master's own session, of an epoch that no Welcome told us of yet. */
  | {readonly kind: 'later'}
  | {readonly kind: 'drop'; readonly reason: DropReason};

type GroupKey = {readonly id: number; readonly key: Uint8Array; readonly until: MonoMs | undefined};
type Group = {
  readonly clusterId: Uint8Array;
  readonly commandKey: Uint8Array;
  readonly epoch: number;
  readonly window: ReplayWindow;
  readonly current: GroupKey;
  readonly previous: GroupKey | undefined;
};

/** A datagram that proved authentic. */
type Recent = {readonly datagram: Uint8Array; readonly at: MonoMs};
/** By multicast, where anybody can say it again, or inside the session with the master. */
export type CommandWay = 'group' | 'copy';

const drop = (reason: DropReason): ReceivedCommand => ({kind: 'drop', reason});

export class CommandReceiver {
  readonly #crypto: Crypto;
  readonly #isMeant: (target: Target) => boolean;
  readonly #seals = new TokenBucket(COMMAND_SEALS_PER_SECOND);
  readonly #signatures = new TokenBucket(COMMANDS_PER_SECOND);
  #group: Group | undefined;
  #recent: Recent[] = [];

  /** @param isMeant is a command with this target for this node? What is not is dropped unverified */
  constructor(crypto: Crypto, isMeant: (target: Target) => boolean = () => true) {
    this.#crypto = crypto;
    this.#isMeant = isMeant;
  }

  /**
   * Ends the cold start, or brings news: a later epoch starts a new window, a new group key leaves the old
   * one valid for a minute. Within an epoch the window stays: what was executed is known, and what is under
   * way may still come, although the Welcome that is repeated meanwhile calls it history.
   */
  join(membership: Membership, now: MonoMs): void {
    const {clusterId, commandKey, groupKey, groupKeyId, epoch, seqFloor} = membership;
    const old = this.#group;
    const current = {id: groupKeyId, key: groupKey, until: undefined};
    const isSame = old?.epoch === epoch && equalBytes(old.clusterId, clusterId);
    if (old === undefined || !isSame) {
      const window = new ReplayWindow(seqFloor);
      this.#recent = [];
      this.#group = {clusterId, commandKey, epoch, window, current, previous: undefined};
      return;
    }
    this.#group = {...old, commandKey};
    this.rotate(groupKey, groupKeyId, now);
  }

  /** A new group key of the same epoch; the one before stays good for a minute. */
  rotate(groupKey: Uint8Array, groupKeyId: number, now: MonoMs): void {
    const old = this.#group;
    if (old === undefined || equalBytes(old.current.key, groupKey)) return;
    const current = {id: groupKeyId, key: groupKey, until: undefined};
    const previous = {...old.current, until: addMono(now, PREVIOUS_KEY_LIFE_MS)};
    this.#group = {...old, current, previous};
  }

  /** Back to the cold start: revoked, or no longer of this cluster. */
  leave(): void {
    this.#group = undefined;
    this.#recent = [];
  }

  /**
   * Takes a datagram whose first byte is 7, or that came in a CommandCopy.
   * @param way a copy was sent by the master in its session: a flood must not hold it up
   */
  open(datagram: Uint8Array, now: MonoMs, way: CommandWay = 'group'): ReceivedCommand {
    const header = readHeader(datagram);
    if (typeof header === 'string') return drop(header);
    const group = this.#group;
    if (group === undefined) return drop('coldStart');
    const key = keyOf(group, header.keyId, now);
    if (key === undefined) return drop('unknownKey');
    // A later epoch has a group key of its own and comes with a Welcome.
    const isCopy = way === 'copy';
    if (header.epoch < group.epoch) return drop('oldEpoch');
    if (header.epoch > group.epoch) return isCopy ? {kind: 'later'} : drop('unknownKey');
    const {epoch, seq} = header;
    const wasDone = group.window.marked(seq);
    const known = wasDone
      ? this.#again(header, datagram, now, way)
      : group.window.check(seq) || drop('replayed');
    if (typeof known === 'object') return known;
    if (!isCopy && !this.#seals.take(now)) return drop('rateLimited');
    const mayVerify = (): boolean => isCopy || this.#signatures.take(now);
    const command = this.#authentic(group, key, header, datagram, mayVerify);
    if (typeof command === 'string') return drop(command);
    const last = this.#recent.slice(0, RECENT_DATAGRAMS - 1);
    this.#recent = [{datagram: datagram.slice(), at: now}, ...last];
    if (wasDone) return {kind: 'duplicate', epoch, seq};
    group.window.mark(seq);
    return {kind: 'command', command, epoch, seq};
  }

  /** A number that was marked. Known by its bytes it costs nobody anything; undefined = to be verified. */
  #again(
    {epoch, seq}: Header,
    datagram: Uint8Array,
    now: MonoMs,
    way: CommandWay,
  ): ReceivedCommand | undefined {
    const recent = this.#recent.find(it => equalBytes(it.datagram, datagram));
    const isRepeat = recent !== undefined && now - recent.at <= COMMAND_REPEATS_HEARD_MS;
    if (isRepeat || (recent && way === 'copy')) return {kind: 'duplicate', epoch, seq};
    return way === 'group' ? drop('replayed') : undefined;
  }

  /** @param budgetAt now, where the budget of signatures counts: the master's session needs none */
  #authentic(
    group: Group,
    key: Uint8Array,
    {epoch, seq}: Header,
    datagram: Uint8Array,
    mayVerify: () => boolean,
  ): Command | DropReason {
    const header = datagram.slice(0, HEADER_BYTES);
    const sealed = datagram.slice(HEADER_BYTES);
    const opened = this.#crypto.open(key, commandNonce(epoch, seq), header, sealed);
    if (opened === undefined) return 'badSeal';
    const body = opened.slice(0, opened.length - SIGNATURE_BYTES);
    const signature = opened.slice(opened.length - SIGNATURE_BYTES);
    const command = decodeCommand(body);
    if (typeof command === 'string') return command;
    if (!equalBytes(command.clusterId, group.clusterId)) return 'notForUs';
    // Before the signature, which costs twenty times as much: the sender knows the group key at least.
    if (!this.#isMeant(command.target)) return 'notForUs';
    if (!mayVerify()) return 'rateLimited';
    const authentic = this.#crypto.verify(group.commandKey, 'command', signature, header, body);
    return authentic ? command : 'badSignature';
  }
}

/** Malformed also when a bit is set that version 1 leaves zero. */
function readHeader(datagram: Uint8Array): Header | DropReason {
  if (datagram.length < COMMAND_OVERHEAD_BYTES) return 'tooSmall';
  if (datagram.length > DATAGRAM_BYTES_MAX) return 'tooLarge';
  const view = viewOf(datagram);
  const isOurs = datagram[0] === FRAME.command && datagram[1] === VERSION && datagram[2] === 0;
  // Epoch and seq have room for 64 bits and are 32 in version 1, as everywhere else in the protocol.
  if (!isOurs || view.getUint32(4) !== 0 || view.getUint32(12) !== 0 || view.getUint32(20) !== 0) {
    return 'malformed';
  }
  return {keyId: view.getUint8(3), epoch: view.getUint32(8), seq: view.getUint32(16)};
}

function keyOf(group: Group, id: number, now: MonoMs): Uint8Array | undefined {
  if (group.current.id === id) return group.current.key;
  const {previous} = group;
  if (previous?.id !== id || previous.until === undefined) return undefined;
  return now < previous.until ? previous.key : undefined;
}

/** Is this command past its time to live? @param wallMs the master's clock, as the node knows it */
export const commandExpired = (command: Command, wallMs: WallMs): boolean =>
  wallMs > command.issuedWallMs + command.ttlMs;

/** Is a node with this id and these labels meant? */
export function targets(target: Target, nodeId: NodeId, labels: readonly string[]): boolean {
  if (target.labels.length === 0 && target.nodes.length === 0) return true;
  return target.nodes.includes(nodeId) || target.labels.some(label => labels.includes(label));
}
