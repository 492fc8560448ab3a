// From a session to membership: Hello, repeated with back-off until Welcome or Refusal.

import {concat, fromHex} from '../base/bytes.ts';
import type {Prng} from '../base/prng.ts';
import {addMono, type MonoMs, NEVER, type PeerId} from '../base/types.ts';
import type {Note} from '../core/core.ts';
import type {Crypto} from '../wire/crypto.ts';
import {fingerprintText, nodeIdOf} from '../wire/identity.ts';
import {RETRY_MS_LIVELY, RETRY_MS_MAX, RETRY_MS_MIN} from '../wire/limits.ts';
import type {Hello} from '../wire/message.ts';
import type {NodeConfig, NodeMemory} from './memory.ts';

/** Hellos of a session before they grow rare: a room that comes back at once must not drown its master. */
const LIVELY_HELLOS = 6;

type Greeted = {
  readonly peer: PeerId;
  readonly handshakeHash: Uint8Array;
  readonly binding: Uint8Array;
  nextAt: MonoMs;
  retryMs: number;
  said: number;
  sentAt: MonoMs | undefined;
  /** The clock stood still since a Hello of this session was sent: its Welcome may be from before that. */
  isUntimed: boolean;
};

export class Greeting {
  readonly #config: NodeConfig;
  readonly #crypto: Crypto;
  readonly #prng: Prng;
  #greeted: Greeted | undefined;
  #refusedFor = '';

  constructor(config: NodeConfig, crypto: Crypto, prng: Prng) {
    this.#config = config;
    this.#crypto = crypto;
    this.#prng = prng;
  }

  begin(peer: PeerId, handshakeHash: Uint8Array, now: MonoMs): void {
    const {identity, staticKey} = this.#config;
    const bound = concat(handshakeHash, staticKey);
    const binding = this.#crypto.sign(identity.secretKey, 'bind', bound);
    this.#greeted = {
      ...{peer, handshakeHash, binding, nextAt: now, retryMs: RETRY_MS_MIN, said: 0},
      sentAt: undefined,
      isUntimed: false,
    };
  }

  /** What comes of that session from now on is late. */
  end(): void {
    this.#greeted = undefined;
  }

  isFor(peer: PeerId): boolean {
    return this.#greeted?.peer === peer;
  }

  /**
   * Hello needs no repeat; when it was sent first. Whichever Hello this Welcome answers, the master wrote
   * it after that instant: a sample of the clock with a true bound, so that a welcomed node knows whether a
   * command is past its time to live. undefined = the clock stood still since: the first probe will tell.
   */
  welcomed(): MonoMs | undefined {
    this.#refusedFor = '';
    if (this.#greeted) this.#greeted.nextAt = NEVER;
    return this.#greeted?.sentAt;
  }

  /** The clock stood still: a sample from before would be wrong, and so would one of a Welcome that was on its way. */
  forgetSent(): void {
    if (!this.#greeted || this.#greeted.said === 0) return;
    this.#greeted.sentAt = undefined;
    this.#greeted.isUntimed = true;
  }

  /** Says Hello once more in the same session: what it tells has changed, or what its Welcome told. */
  again(now: MonoMs): void {
    const greeted = this.#greeted;
    if (!greeted || greeted.nextAt !== NEVER) return; // asked already
    greeted.nextAt = now;
    greeted.retryMs = RETRY_MS_MIN;
  }

  /**
   * Asked again later: the operator may approve it, a clone may end. For most reasons the shell ends the
   * process. What is to be noted, when the reason is news.
   */
  refused(reason: string, now: MonoMs): Note[] {
    if (!this.#greeted) return [];
    this.#greeted.retryMs = RETRY_MS_MAX;
    this.#greeted.nextAt = addMono(now, this.#prng.jitter(RETRY_MS_MAX));
    if (reason === this.#refusedFor) return [];
    this.#refusedFor = reason;
    if (reason !== 'pending')
      return [{level: 'warn', what: 'the master refuses this node', fields: {reason}}];
    const nodeId = nodeIdOf(this.#crypto, this.#config.identity.publicKey);
    const fields = {fingerprint: fingerprintText(nodeId)};
    return [{level: 'info', what: 'waiting to be approved on the master', fields}];
  }

  next(
    memory: NodeMemory,
    now: MonoMs,
  ): {readonly to: PeerId; readonly message: Hello; readonly session: Uint8Array} | undefined {
    const greeted = this.#greeted;
    if (!greeted || greeted.nextAt > now) return undefined;
    if (!greeted.isUntimed) greeted.sentAt ??= now;
    greeted.nextAt = addMono(now, this.#prng.jitter(greeted.retryMs));
    greeted.said += 1;
    const restMs = greeted.said < LIVELY_HELLOS ? RETRY_MS_LIVELY : RETRY_MS_MAX;
    greeted.retryMs = Math.min(greeted.retryMs * 2, Math.max(greeted.retryMs, restMs));
    const config = this.#config;
    const message: Hello = {
      type: 'hello',
      identityKey: config.identity.publicKey,
      binding: greeted.binding,
      name: config.name,
      labels: config.labels,
      arch: config.arch,
      engine: config.engine,
      cores: config.cores,
      slots: config.slots,
      memoryMib: config.memoryMib,
      runtimes: config.runtimes,
      actions: config.actions,
      version: config.version,
      receiptHead: memory.receiptHead,
      epochSeen: memory.epoch,
      instanceSeen: fromHex(memory.instance) ?? new Uint8Array(0),
      epochProof: fromHex(memory.epochProof) ?? new Uint8Array(0),
      bootId: config.bootId,
      sandboxLevel: config.sandboxLevel,
      speed: config.speed ?? 0,
    };
    // In a session that has replaced this one meanwhile its binding would look like another's keys.
    return {to: greeted.peer, message, session: greeted.handshakeHash};
  }

  wakeAt(): MonoMs {
    return this.#greeted?.nextAt ?? NEVER;
  }
}
