// A master at work: datagrams are opened by the link, events go through the driver to the core, effects
// come back out. The same under real UDP and in the simulator.

import {assertNever} from '../base/assert.ts';
import type {Address, MonoMs, PeerId} from '../base/types.ts';
import type {Announcement, MasterEffect, MasterEvent} from '../core/core.ts';
import type {NamedBlob} from '../core/input-source.ts';
import type {Head} from '../core/journal.ts';
import type {OperatorAnswer, OperatorRequest} from '../core/operator-request.ts';
import type {Actor} from '../core/operator-rows.ts';
import type {HeldKey} from '../master/group-keys.ts';
import type {MasterCore} from '../master/master.ts';
import {sealCommand} from '../wire/command.ts';
import type {Crypto} from '../wire/crypto.ts';
import type {Received} from '../wire/link.ts';
import type {Welcome} from '../wire/message.ts';
import {journalNoBytes} from '../wire/receipt.ts';
import type {MasterLink} from '../wire/session-master.ts';
import {Alarm} from './alarm.ts';
import {Driver} from './driver.ts';
import type {
  Bulk,
  Clock,
  Comparer,
  Inputs,
  Journal,
  MasterNetwork,
  Outputs,
  Shelf,
  Singles,
  Store,
} from './ports.ts';

export type MasterPorts = {
  readonly clock: Clock;
  readonly network: MasterNetwork;
  readonly store: Store;
  readonly journal: Journal;
  readonly inputs: Inputs;
  readonly singles: Singles;
  readonly shelf: Shelf;
  readonly comparer: Comparer;
  readonly outputs: Outputs;
  readonly bulk: Bulk;
  readonly crypto: Crypto;
  readonly fatal: (error: unknown) => void;
};

export type MasterRuntimeOptions = {
  readonly core: MasterCore;
  readonly link: MasterLink;
  readonly ports: MasterPorts;
  /** Ed25519 secret key that signs commands and receipts. */
  readonly commandSecretKey: Uint8Array;
  readonly head: Head;
  /** Time between beacons; 0 = none. */
  readonly beaconMs: number;
  readonly onAnnounce?: (about: Announcement) => void;
  /** Rows that named these blobs are gone for good. */
  readonly onUnnamed?: (blobs: readonly NamedBlob[]) => void;
  readonly afterTurn?: () => void;
};

type Performed = Exclude<MasterEffect, {type: 'save'}>;

export class MasterRuntime {
  readonly core: MasterCore;
  readonly #options: MasterRuntimeOptions;
  readonly #ports: MasterPorts;
  readonly #link: MasterLink;
  readonly #driver: Driver<MasterEvent, Performed>;
  readonly #alarm: Alarm;
  readonly #answers = new Map<number, (answer: OperatorAnswer) => void>();
  readonly #fences: (() => void)[] = [];
  #requestId = 0;
  #beaconAt = 0;

  constructor(options: MasterRuntimeOptions) {
    this.core = options.core;
    this.#options = options;
    this.#ports = options.ports;
    this.#link = options.link;
    this.#alarm = new Alarm(options.ports.clock);
    this.core.context.journalNo = options.head.journalNo;
    this.core.context.bootJournalNo = options.head.journalNo;
    this.#driver = new Driver<MasterEvent, Performed>({
      core: options.core,
      clock: this.#alarm.channel('core'),
      store: options.ports.store,
      crypto: options.ports.crypto,
      head: options.head,
      perform: (effect, journalNo) => this.#perform(effect, journalNo),
      fatal: options.ports.fatal,
      ...(options.afterTurn ? {afterTurn: options.afterTurn} : {}),
    });
  }

  get journalNo(): number {
    return this.#driver.journalNo;
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

  /** One datagram from the network. */
  datagram(bytes: Uint8Array, from: Address): void {
    const now = this.#ports.clock.now();
    for (const received of this.#link.receive(bytes, from, now.mono)) this.#receive(received);
    this.#sendOutgoing();
  }

  #receive(received: Received): void {
    switch (received.kind) {
      case 'message': {
        const {peer, message} = received;
        if (message.type === 'timeProbe') return this.#answerProbe(received);
        const heardAt = this.#ports.clock.now().mono;
        return this.#postHeard({type: 'message', peer, message, heardAt}, peer);
      }
      case 'linked': {
        const {peer, handshakeHash, tokenId, from} = received;
        return this.#postHeard({type: 'linked', peer, handshakeHash, tokenId, from}, peer);
      }
      case 'trust':
        return; // a node's: the master's own is in its folder
      case 'drop':
        return this.#ports.journal.count(`drop.${received.reason}`);
      default:
        return assertNever(received);
    }
  }

  /** As close to the socket as can be: a turn's wait would be taken for the way of the packet. */
  #answerProbe({peer, message}: Extract<Received, {kind: 'message'}>): void {
    if (message.type !== 'timeProbe' || !this.core.context.roster.byPeer(peer)?.welcomed) return;
    const {mono} = this.#ports.clock.now();
    const instant = this.core.context.instant(mono);
    const reply = this.#link.seal(
      peer,
      {type: 'timeReply', nonce: message.nonce, receivedWallMs: instant, sentWallMs: instant},
      mono,
    );
    if (reply) this.#ports.network.sendToMember(reply.to, reply.datagram);
  }

  /** What peers say may be dropped: they say it again. */
  #postHeard(event: MasterEvent, peer: PeerId): void {
    if (this.#driver.post(event, peer)) return;
    this.#ports.journal.count('drop.inboxFull');
    // nobody says this again: what the node says in that session would be judged by the one before
    if (event.type === 'linked') this.#link.forget(peer, this.#ports.clock.now().mono);
  }

  /** Events of this process: uploads, inputs, the operator. */
  post(event: MasterEvent): void {
    this.#driver.postOwn(event);
  }

  /** Resolves when all that was posted before is handled, and its rows are durable; never once it is stopped. */
  fence(): Promise<void> {
    return new Promise(resolve => {
      this.#fences.push(resolve);
      this.post({type: 'fence'});
    });
  }

  /** The answer comes once the change is durable. */
  operator(
    request: OperatorRequest,
    answer: (answer: OperatorAnswer) => void,
    actor?: Actor,
  ): void {
    const requestId = ++this.#requestId;
    this.#answers.set(requestId, answer);
    this.post({type: 'operator', requestId, request, ...(actor ? {actor} : {})});
  }

  #perform(effect: Performed, journalNo: number): void {
    const {ports, commandSecretKey} = this.#options;
    this.core.context.journalNo = journalNo;
    switch (effect.type) {
      case 'send':
        return this.#send(effect.to, effect.message);
      case 'multicast':
        return ports.network.multicast(this.#seal(effect, this.#keys.sending));
      case 'repair':
        return this.#send(effect.to, {
          type: 'commandCopy',
          datagram: this.#seal(effect, this.#keys.newest),
        });
      case 'receipt': {
        const {to, nonce, bodyHash} = effect;
        const {clusterId} = this.core.context.config;
        const number = journalNoBytes(journalNo);
        const key = commandSecretKey;
        const signature = ports.crypto.sign(key, 'receipt', clusterId, bodyHash, number);
        return this.#send(to, {type: 'receipt', nonce, journalNo, signature});
      }
      case 'answer':
        return this.#answer(effect);
      case 'readInputs':
        return this.#readInputs(effect);
      case 'compare':
        return ports.comparer.compare(effect.question, comparison =>
          this.post({type: 'compared', question: effect.question, comparison}),
        );
      case 'listSingles':
        return this.#listSingles(effect);
      case 'readChecks': {
        const {nodeId, after} = effect;
        return this.#ports.singles.read(nodeId, after, (pages, isLast) =>
          this.post({type: 'checksRead', nodeId, pages, isLast}),
        );
      }
      case 'listPages':
        return this.#listPages(effect);
      case 'listReports':
        return this.#listReports(effect);
      case 'gather':
        return this.#gather(effect);
      case 'bulk':
        return ports.bulk.order(effect.order);
      case 'unnamed':
        return this.#options.onUnnamed?.(effect.blobs);
      case 'fence':
        return this.#fences.shift()?.();
      case 'announce':
        if (effect.row) this.core.onDurable(effect.row);
        return this.#options.onAnnounce?.(effect.about);
      case 'note':
        return ports.journal.note(effect.note);
      case 'forget':
        return this.#link.forget(effect.peer, ports.clock.now().mono);
      default:
        return assertNever(effect);
    }
  }

  #answer({requestId, answer}: Extract<Performed, {type: 'answer'}>): void {
    const waiting = this.#answers.get(requestId);
    this.#answers.delete(requestId);
    waiting?.(answer);
  }

  #listPages({batchId, from, count}: Extract<Performed, {type: 'listPages'}>): void {
    this.#ports.shelf.pages(batchId, from, count, pages =>
      this.post({type: 'pagesListed', batchId, from, count, pages}),
    );
  }

  #listReports({batchId, from, to}: Extract<Performed, {type: 'listReports'}>): void {
    this.#ports.shelf.reports(from, to, (reports, next) =>
      this.post({type: 'reportsListed', batchId, reports, next}),
    );
  }

  #gather({batchId, stage, count, how}: Extract<Performed, {type: 'gather'}>): void {
    this.#ports.outputs.gather(stage, count, how, gathered =>
      this.post({type: 'gathered', batchId, stage, gathered}),
    );
  }

  #send(to: Parameters<MasterLink['seal']>[0], message: Parameters<MasterLink['seal']>[1]): void {
    const {mono} = this.#ports.clock.now();
    const timed = message.type === 'welcome' ? this.#timed(message, mono) : message;
    const sealed = this.#link.seal(to, timed, mono);
    if (sealed) this.#ports.network.sendToMember(sealed.to, sealed.datagram);
    else this.#ports.journal.count('unsent.noSession');
  }

  /**
   * A node takes its first sample of our clock from Welcome: it must not be older than the Hello of the
   * session that it goes out in, which may be newer than the Hello that it answers. Nor may its journal end
   * before a receipt that left earlier in this turn.
   */
  #timed(welcome: Welcome, mono: MonoMs): Welcome {
    const {context} = this.core;
    return {...welcome, wallMs: context.instant(mono), journalNo: context.journalNo};
  }

  get #keys() {
    return this.core.context.groupKeys;
  }

  #seal(
    effect: Extract<Performed, {type: 'multicast' | 'repair'}>,
    {id: keyId, key: groupKey}: HeldKey,
  ): Uint8Array {
    const {epoch, seq, command} = effect;
    const {crypto} = this.#ports;
    const head = {keyId, groupKey, epoch, seq};
    return sealCommand(crypto, this.#options.commandSecretKey, head, command);
  }

  #readInputs(effect: Extract<Performed, {type: 'readInputs'}>): void {
    const {batchId, source, from, count} = effect;
    this.#ports.inputs.read(source, from, count, read => {
      if (read.kind === 'inputs')
        this.post({type: 'inputsRead', batchId, from, inputs: read.inputs});
      else this.post({type: 'inputsFailed', batchId, reason: read.reason});
    });
  }

  #listSingles({nodeId, batches}: Extract<Performed, {type: 'listSingles'}>): void {
    this.#ports.singles.list(nodeId, batches, (pages, total) =>
      this.post({
        type: 'singlesListed',
        nodeId,
        pages,
        ...(total === undefined ? {} : {total}),
      }),
    );
  }

  #sendOutgoing(): void {
    for (const {to, datagram} of this.#link.takeOutgoing()) this.#ports.network.send(to, datagram);
  }

  /** Sessions and beacons: what is due beside the core. */
  #tend(): void {
    const {mono} = this.#ports.clock.now();
    this.#link.tick(mono);
    this.#sendOutgoing();
    const {beaconMs} = this.#options;
    if (beaconMs > 0 && mono >= this.#beaconAt) {
      this.#ports.network.multicast(this.#link.beacon());
      this.#beaconAt = mono + beaconMs;
    }
    const next = Math.min(this.#link.wakeAt(), beaconMs > 0 ? this.#beaconAt : Infinity);
    this.#alarm.channel('link').alarmAt(next as typeof mono, () => this.#tend());
  }
}
