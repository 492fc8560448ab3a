// A node at work: datagrams are opened by the link (sessions) and the command receiver (multicast), events
// go through the driver to the core, effects come back out. The same under real UDP and in the simulator.

import {assertNever} from '../base/assert.ts';
import {equalBytes, toHex} from '../base/bytes.ts';
import type {Address, MonoMs} from '../base/types.ts';
import type {NodeEffect, NodeEvent} from '../core/core.ts';
import type {Head} from '../core/journal.ts';
import type {NodeCore} from '../node/node.ts';
import type {JoinSecret} from '../wire/attempt.ts';
import type {CommandReceiver, CommandWay} from '../wire/command.ts';
import type {Crypto} from '../wire/crypto.ts';
import type {Received} from '../wire/link.ts';
import type {NodeLink} from '../wire/session-node.ts';
import {Alarm} from './alarm.ts';
import {Driver} from './driver.ts';
import type {Actions, BulkEar, Clock, Journal, Network, NodeBlobs, Runner, Store} from './ports.ts';

export type NodePorts = {
  readonly clock: Clock;
  readonly network: Network;
  readonly store: Store;
  readonly journal: Journal;
  readonly runner: Runner;
  readonly blobs: NodeBlobs;
  readonly actions: Actions;
  readonly bulkEar: BulkEar;
  readonly crypto: Crypto;
  readonly fatal: (error: unknown) => void;
};

export type NodeRuntimeOptions = {
  readonly core: NodeCore;
  readonly link: NodeLink;
  readonly commands: CommandReceiver;
  readonly ports: NodePorts;
  readonly head: Head;
  /** A newer trust document: the shell makes it durable before it returns, or throws. */
  readonly onTrust?: (signedTrust: Uint8Array, rootFingerprint: Uint8Array) => void;
  /** After the first Welcome: the shell stores the trust document and where the master was. */
  readonly onJoined?: (trust: Uint8Array | undefined, master: Address | undefined) => void;
  /** The master answers, and does not want this node, or not yet; volley.proto lists the reasons. */
  readonly onRefused?: (reason: string) => void;
  /** While a master is looked for: a beacon that our root did not sign. */
  readonly onBadTrust?: (frame: Uint8Array, from: Address) => void;
  readonly afterTurn?: () => void;
};

/** A result waits so long for those behind it in the slots. */
const PATIENCE_MS = 1;

/** First byte of a command frame. */
const COMMAND_TYPE = 7;

type News = Extract<Received, {kind: 'trust'}>;
type Performed = Exclude<NodeEffect, {type: 'save'}>;

export class NodeRuntime {
  readonly core: NodeCore;
  readonly #options: NodeRuntimeOptions;
  readonly #ports: NodePorts;
  readonly #link: NodeLink;
  readonly #driver: Driver<NodeEvent, Performed>;
  readonly #alarm: Alarm;
  #master: Address | undefined;
  #watchedAt: MonoMs | undefined;
  /** Results that wait for a turn. */
  #computed = 0;

  constructor(options: NodeRuntimeOptions) {
    this.core = options.core;
    this.#options = options;
    this.#ports = options.ports;
    this.#link = options.link;
    this.#alarm = new Alarm(options.ports.clock);
    this.#driver = new Driver<NodeEvent, Performed>({
      core: options.core,
      clock: this.#alarm.channel('core'),
      store: options.ports.store,
      crypto: options.ports.crypto,
      head: options.head,
      perform: effect => this.#perform(effect),
      fatal: options.ports.fatal,
      afterTurn: () => {
        this.#computed = 0;
        options.afterTurn?.();
      },
    });
  }

  get idle(): boolean {
    return this.#driver.idle;
  }

  start(): void {
    this.#driver.start();
    this.#tend();
  }

  stop(): void {
    this.#driver.stop();
    this.#alarm.stop();
  }

  /** One datagram from the network, by unicast or by multicast. */
  datagram(bytes: Uint8Array, from: Address): void {
    const {mono} = this.#ports.clock.now();
    if (bytes[0] === COMMAND_TYPE) return this.#command(bytes, mono, 'group');
    for (const received of this.#link.receive(bytes, from, mono)) {
      if (received.kind === 'drop' && received.reason === 'badTrust')
        this.#options.onBadTrust?.(bytes, from);
      this.#receive(received, mono);
    }
    this.#sendOutgoing();
    this.#watchLink();
  }

  /** Makes a new session, by this token or without one. */
  joinBy(token: JoinSecret | undefined): void {
    this.#link.joinBy(token, this.#ports.clock.now().mono);
    this.#tend();
  }

  #receive(received: Received, heardAt: MonoMs): void {
    switch (received.kind) {
      case 'message': {
        const {peer, message} = received;
        if (message.type === 'refusal') this.#options.onRefused?.(message.reason);
        if (message.type === 'commandCopy') return this.#command(message.datagram, heardAt, 'copy');
        return this.#postHeard({type: 'message', peer, message, heardAt});
      }
      case 'linked': {
        const {peer, handshakeHash, tokenId, from} = received;
        this.#master = from;
        return this.#postHeard({type: 'linked', peer, handshakeHash, tokenId, from});
      }
      case 'trust':
        return this.#onTrust(received);
      case 'drop':
        return this.#ports.journal.count(`drop.${received.reason}`);
      default:
        return assertNever(received);
    }
  }

  /** Durable before it is used: after a power cut no older document may be believed again. */
  #onTrust({signedTrust, rootFingerprint, version, rekeyed}: News): void {
    try {
      this.#options.onTrust?.(signedTrust, rootFingerprint);
    } catch (error) {
      this.stop();
      return this.#ports.fatal(error);
    }
    if (rekeyed) this.#options.commands.leave();
    const fields = {version, root: toHex(rootFingerprint), rekeyed};
    this.#ports.journal.note({level: 'info', what: 'trust document learnt', fields});
    this.post({type: 'trust', signedTrust, rekeyed});
  }

  #command(datagram: Uint8Array, heardAt: MonoMs, way: CommandWay): void {
    const opened = this.#options.commands.open(datagram, heardAt, way);
    switch (opened.kind) {
      case 'command': {
        const {command, epoch, seq} = opened;
        this.#postHeard({type: 'command', command, epoch, seq, heardAt});
        // fired on hearing: each wait of the event loop would be in the path of the shot
        if (command.what.kind === 'fire' && command.what.atWallMs === 0) this.#driver.hurry();
        return;
      }
      case 'duplicate':
        return this.#postHeard({
          type: 'duplicateCommand',
          epoch: opened.epoch,
          seq: opened.seq,
        });
      case 'later':
        return this.#postHeard({type: 'laterEpoch'});
      case 'drop':
        return this.#ports.journal.count(`drop.${opened.reason}`);
      default:
        return assertNever(opened);
    }
  }

  /** What the master says may be dropped: it is said again. */
  #postHeard(event: NodeEvent): void {
    if (!this.#driver.post(event)) this.#ports.journal.count('drop.inboxFull');
  }

  /** Events of this process: runner, uploads, actions. */
  post(event: NodeEvent): void {
    // Runs of microseconds end one after the other: their turns would cost more than they do.
    const more = event.type === 'computed' && this.core.slots.ordered > ++this.#computed;
    this.#driver.postOwn(event, more ? PATIENCE_MS : 0);
  }

  #perform(effect: Performed): void {
    const {ports, commands} = this.#options;
    switch (effect.type) {
      case 'send': {
        const {to, message, session} = effect;
        const sealed = this.#link.seal(to, message, ports.clock.now().mono, session);
        if (sealed) ports.network.send(sealed.to, sealed.datagram);
        else ports.journal.count('unsent.noSession');
        return this.#watchLink();
      }
      case 'joinGroup':
        return this.#joinGroup(effect);
      case 'rotateGroup': {
        const {groupKey, groupKeyId} = effect;
        return commands.rotate(groupKey, groupKeyId, ports.clock.now().mono);
      }
      case 'blobAccess': {
        const host = (this.#master ?? '').split(':')[0] ?? '';
        return ports.blobs.access(host, effect.port, effect.key, effect.appKeys);
      }
      case 'run':
        return ports.runner.run(effect.order);
      case 'stop':
        return ports.runner.stop(effect.replicaId, effect.keepsState);
      case 'pace':
        return ports.runner.pace(effect.held, effect.cpuPercent);
      case 'upload':
        return ports.blobs.upload(effect.blobId, effect.size, effect.purpose);
      case 'dropBlob':
        return ports.blobs.drop(effect.blobId);
      case 'fire':
        return ports.actions.fire(effect);
      case 'cancelShot':
        return ports.actions.cancel(effect);
      case 'setAction':
        return ports.actions.set(effect);
      case 'receive':
      case 'fetchRest':
      case 'dropTransfer':
        return ports.bulkEar.order(effect);
      case 'note':
        return ports.journal.note(effect.note);
      case 'forget':
        commands.leave();
        this.#link.forget(effect.peer, ports.clock.now().mono);
        return this.#watchLink();
      default:
        return assertNever(effect);
    }
  }

  #joinGroup(effect: Extract<Performed, {type: 'joinGroup'}>): void {
    // The commit that this waited for may have been overtaken by a document that names another key.
    const trusted = this.#link.trustDocument()?.commandKey;
    if (trusted !== undefined && !equalBytes(trusted, effect.commandKey)) return;
    this.#options.commands.join(effect, this.#ports.clock.now().mono);
    this.#link.enrolled();
    this.#options.onJoined?.(this.#link.trust(), this.#master);
  }

  #sendOutgoing(): void {
    for (const {to, datagram} of this.#link.takeOutgoing()) this.#ports.network.send(to, datagram);
  }

  #tend(): void {
    this.#watchedAt = undefined;
    this.#link.tick(this.#ports.clock.now().mono);
    this.#sendOutgoing();
    this.#watchLink();
  }

  /** A send may bring the link's alarm forward (an answer is waited for from now on). */
  #watchLink(): void {
    const at = this.#link.wakeAt();
    if (at === this.#watchedAt) return;
    this.#watchedAt = at;
    this.#alarm.channel('link').alarmAt(at, () => this.#tend());
  }
}
