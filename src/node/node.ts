// The node's core: all control flow of the node is here, the parts it calls decide.
//
//   session ─▶ Hello ─▶ Welcome: the cold start is over, ask for work, learn the clock
//   Assign ─▶ slots ─▶ computed ─▶ reporter ─▶ spool (durable) ─▶ Report ─▶ Receipt: spool row goes
//   command ─▶ floor (durable) ─▶ act, acknowledge
//
// Every handler is right under loss, duplication, reordering and delay.

import {assertNever} from '../base/assert.ts';
import {equalBytes} from '../base/bytes.ts';
import type {Prng} from '../base/prng.ts';
import {
  asMonoMs,
  type BatchId,
  type BlobId,
  type MonoMs,
  type Now,
  type PeerId,
} from '../base/types.ts';
import type {ClockSync} from '../core/clock-sync.ts';
import type {Core, NodeEffect, NodeEvent, Note} from '../core/core.ts';
import {FreeSpace} from '../core/free-space.ts';
import {encodeJson, put} from '../core/tables.ts';
import {encodeResults} from '../wire/codec.ts';
import type {Crypto} from '../wire/crypto.ts';
import type {Message, ResultItem, Target, Welcome} from '../wire/message.ts';
import {TrustPin} from '../wire/trust.ts';
import type {CommandDesk} from './command-desk.ts';
import {Floor} from './floor.ts';
import {Greeting} from './greeting.ts';
import {
  ENROLLED_KEY,
  joinGroupBy,
  type Membership,
  type NodeConfig,
  type NodeMemory,
} from './memory.ts';
import {Orders} from './orders.ts';
import {Outbox} from './outbox.ts';
import {Puller} from './puller.ts';
import {Refill} from './refill.ts';
import {Reporter} from './reporter.ts';
import {Shots} from './shots.ts';
import type {Slots} from './slots.ts';
import type {Spool} from './spool.ts';
import {Timekeeper} from './timekeeper.ts';
import {type Ended, Work} from './work.ts';

export class NodeCore implements Core<NodeEvent, NodeEffect> {
  readonly #config: NodeConfig;
  readonly #memory: NodeMemory;
  readonly #outbox: Outbox;
  readonly #floor: Floor;
  readonly #refill: Refill;
  readonly #work: Work;
  readonly #puller: Puller;
  readonly #greeting: Greeting;
  readonly #time: Timekeeper;
  readonly #reporter = new Reporter();
  readonly #space = new FreeSpace();
  readonly #desk: CommandDesk;
  readonly #shots: Shots;
  readonly #trust: TrustPin;
  #member: Membership | undefined;
  #welcomed = false;
  readonly #orders = new Orders();
  #load = 0;
  readonly #effects: NodeEffect[] = [];

  constructor(parts: {
    config: NodeConfig;
    crypto: Crypto;
    prng: Prng;
    memory: NodeMemory;
    spool: Spool;
    desk: CommandDesk;
  }) {
    this.#config = parts.config;
    this.#memory = parts.memory;
    this.#outbox = new Outbox(parts.config.identity, parts.crypto, parts.memory, parts.spool);
    this.#puller = new Puller(parts.prng, now => parts.desk.ear.take(this.clock.boundMs(now)));
    this.#greeting = new Greeting(parts.config, parts.crypto, parts.prng);
    this.#time = new Timekeeper(parts.prng);
    this.#refill = new Refill(parts.memory, this.#outbox, this.#greeting);
    this.#desk = parts.desk;
    this.#trust = new TrustPin(parts.crypto, parts.config.rootFingerprint, parts.config.trust);
    this.#shots = new Shots(parts.desk, this.#outbox, () => this.clock);
    this.#emitAll(parts.desk.news.begin());
    const emit = (effect: NodeEffect): void => this.#emit(effect);
    this.#floor = new Floor(parts.memory, this.#outbox, emit);
    const {slots: slotCount} = parts.config;
    this.#work = new Work({slotCount, memory: parts.memory, orders: this.#orders, emit});
  }

  get welcomed(): boolean {
    return this.#welcomed;
  }
  /** Is a command with this target for this node? */
  isTarget(target: Target): boolean {
    return this.#desk.isTarget(target);
  }
  get work(): Work {
    return this.#work;
  }
  get slots(): Slots {
    return this.#work.slots;
  }
  get epoch(): number {
    return this.#memory.epoch;
  }
  get spool(): Spool {
    return this.#outbox.spool;
  }
  get clock(): ClockSync {
    return this.#time.clock;
  }

  /** Load average of the machine, for the master's view. */
  setLoad(load: number): void {
    this.#load = load;
  }

  handle(event: NodeEvent, now: Now): NodeEffect[] {
    const jump = this.#time.jumped(now);
    if (jump) this.#onJump(jump, now);
    this.#dispatch(event, now);
    return this.#effects.splice(0);
  }

  #learnClock(mono: MonoMs, note?: Note): void {
    this.#tell(note ? [note] : []);
    this.#time.forget();
    this.#greeting.forgetSent();
    if (this.#welcomed) this.#time.begin(mono);
  }

  #dispatch(event: NodeEvent, now: Now): void {
    switch (event.type) {
      case 'linked':
        this.#leave();
        return this.#greeting.begin(event.peer, event.handshakeHash, now.mono);
      case 'message':
        return this.#onMessage(event, now);
      case 'command':
        return this.#onCommand(event, now);
      case 'trust': // the link has taken it, so the pins agree
        return this.#trust.learn(event.signedTrust) && event.rekeyed ? this.#leave() : undefined;
      case 'duplicateCommand':
        return this.#desk.onDuplicate(event.epoch, event.seq, now.mono);
      case 'laterEpoch':
        return this.#greeting.again(now.mono);
      case 'computed':
      case 'failed':
      case 'aborted':
        return this.#onEnded(event, now);
      case 'noRoom':
        this.#work.giveBack(event.replicaId);
        return this.#onSpace(this.#space.failed());
      case 'progress':
      case 'sampled':
      case 'preferred':
      case 'ordered':
        return this.#work.onNews(event, now.mono);
      case 'freeSpace':
        this.#emitAll(this.#desk.shelf.see(event).map(op => ({type: 'save', op})));
        return this.#onSpace(this.#space.see(event));
      case 'uploaded':
        this.#desk.shelf.uploaded(event.blobId);
        return this.#outbox.spool.uploaded(event.blobId, now.mono);
      case 'uploadFailed':
        // One that is wanted later is not given up: its report waits, and it is uploaded again.
        if (!event.isFull) this.#outbox.spool.refused(event.blobId);
        return this.#note('warn', 'upload failed', {blob: event.blobId, reason: event.reason});
      case 'shotDone':
      case 'actionSaid':
      case 'actionSet':
      case 'transferTold':
      case 'transferOver':
        return this.#emitAll(this.#shots.onDone(event, this.#member, now));
      case 'tick':
        return; // what is due is done at the end of each turn
      default:
        return assertNever(event);
    }
  }

  #onSpace(changed: boolean): void {
    if (changed) this.#emit({type: 'note', note: this.#space.note('no work is asked for')});
  }

  #onMessage({peer, message, heardAt}: Extract<NodeEvent, {type: 'message'}>, now: Now): void {
    this.#puller.heard();
    switch (message.type) {
      case 'welcome':
        return this.#onWelcome(peer, message, heardAt, now);
      case 'refusal':
        return this.#tell(this.#greeting.refused(message.reason, now.mono));
      case 'groupKey':
        return this.#onGroupKey(message.groupKey, message.groupKeyId);
      case 'assign':
        return this.#onAssign(message, now);
      case 'receipt':
        return this.#onReceipt(message, now);
      case 'timeReply':
        return this.#time.onReply(message, heardAt);
      case 'preferences':
        return this.#work.onWishes(message, now.mono);
      case 'collect':
        return this.#emitAll(this.#desk.shelf.uploads(message.blobIds));
      case 'transferOffer':
      case 'transferOrder':
        return this.#emitAll(this.#shots.onTransfer(message, now));
      case 'actionHeard':
        return this.#desk.news.onHeard(message.action, message.serial);
      case 'commandCopy': // the runtime opens it and gives a `command`
      case 'hello':
      case 'pull':
      case 'report':
      case 'commandAck':
      case 'timeProbe':
      case 'shotReport':
      case 'trustUpdate':
      case 'actionState':
      case 'transferReport':
        return;
      default:
        return assertNever(message);
    }
  }

  /** The next Pull names it: until then the master says it again. */
  #onGroupKey(groupKey: Uint8Array, groupKeyId: number): void {
    if (!this.#welcomed) return;
    this.#puller.groupKeyId = groupKeyId;
    this.#emit({type: 'rotateGroup', groupKey, groupKeyId});
  }

  #leave(): void {
    this.#welcomed = false;
    this.#greeting.end();
    this.#puller.end();
    this.#time.end();
  }

  #onWelcome(peer: PeerId, welcome: Welcome, heardAt: MonoMs, now: Now): void {
    if (!this.#greeting.isFor(peer)) return; // of a session that another has replaced
    const trust = this.#trust.learn(welcome.trust) ? this.#trust.document : undefined;
    if (!trust || !equalBytes(trust.clusterId, welcome.clusterId)) {
      this.#note('alarm', 'welcome without the trust of our root', {});
      return;
    }
    if (welcome.epoch < this.#memory.epoch) {
      if (this.#welcomed) return; // a late word of the master's life before this one
      const epochs = {epoch: welcome.epoch, seen: this.#memory.epoch};
      this.#note('alarm', 'the master is in an earlier epoch than we have seen', epochs);
      return; // Hello told it; it comes back with a later one
    }
    const sentAt = this.#greeting.welcomed();
    const isNew = !this.#welcomed;
    this.#welcomed = true;
    this.#member = {peer, clusterId: welcome.clusterId, commandKey: trust.commandKey};
    this.#floor.welcome(welcome);
    this.#orders.welcome(welcome);
    this.#orders.isSuspended = welcome.suspended;
    this.#desk.givenLabels = welcome.labels;
    this.#emit(joinGroupBy(welcome, trust.commandKey, this.#memory.seq));
    this.#puller.groupKeyId = welcome.groupKeyId;
    const {blobPort: port, blobKey: key} = welcome;
    this.#emit({type: 'blobAccess', port, key, appKeys: trust.appKeys});
    this.#emit({type: 'save', op: put('meta', ENROLLED_KEY, encodeJson({at: now.wall}))});
    if (!isNew) return;
    this.#emitAll(this.#desk.welcomed(now.mono));
    this.#time.welcomed(sentAt, welcome, heardAt, now.mono);
    this.#emitAll(this.#refill.begin(welcome, now.mono));
    const owes = this.spool.againSoon(now.mono);
    this.#puller.begin(welcome.heartbeatMs, welcome.epoch, now.mono, owes);
    this.#note('info', 'joined', {epoch: welcome.epoch, spooled: this.#outbox.spool.size});
  }

  /** One that overtakes the Welcome of its session is of nobody knows which epoch; it comes again. */
  #onReceipt(receipt: Extract<Message, {type: 'receipt'}>, {mono}: Now): void {
    if (!this.#welcomed) return;
    if (this.#member && !this.#outbox.onReceipt(receipt, this.#member, mono))
      this.#note('alarm', 'receipt refused', {nonce: receipt.nonce});
    this.#refill.endIfDone(mono);
  }

  #onAssign(assign: Extract<Message, {type: 'assign'}>, now: Now): void {
    if (this.#time.contradicts(assign.wallMs, now.mono)) this.#learnClock(now.mono);
    if (!this.#puller.onAssign(assign, now.mono)) return; // perhaps of an earlier start of the master
    this.#orders.assign(assign.state);
    this.#orders.isSuspended = assign.suspended;
    for (const batchId of assign.closed) this.#dropBatch(batchId);
    this.#work.take(assign.batches, now.mono);
  }

  #dropBatch(batchId: BatchId): void {
    this.#work.dropBatch(batchId);
    this.#reporter.drop(item => item.batchId === batchId);
  }

  #onJump(jump: Note, now: Now): void {
    this.slots.jumped(Number(jump.fields['ms']));
    this.#learnClock(now.mono, jump);
  }

  #onEnded(event: Ended, now: Now): void {
    const item = this.#work.ended(event);
    if (item) this.#report(item, now);
  }

  /** A spool that the master does not empty is a reason to stop asking, not to fill the disk. */
  #report(item: ResultItem, now: Now): void {
    this.#reporter.add(item, now.mono);
    if (this.#outbox.isFull)
      this.#note('warn', 'spool is full, no more work is asked for', {at: now.wall});
  }

  #onCommand(event: Extract<NodeEvent, {type: 'command'}>, now: Now): void {
    const {command, epoch, seq} = event;
    if (this.#orders.command(command, epoch)) this.#puller.wake(now.mono, command.ackWindowMs);
    this.#floor.raise(epoch, seq, command.what.kind, now.mono);
    const what = this.#desk.judge(event, this.clock, now);
    if (!what) return;
    switch (what.kind) {
      case 'workAvailable':
        return this.#puller.called(now.mono, what.spreadMs);
      case 'cancelBatch':
        return this.#dropBatch(what.batchId);
      case 'state':
        return;
      default:
        return this.#emitAll(this.#shots.onCommand(event, this.#member, this.#space, now));
    }
  }

  endTurn(now: Now): NodeEffect[] {
    const {mono} = now;
    if (this.#member)
      for (const items of this.#reporter.take(mono, this.slots.size === 0))
        this.#emit(this.#outbox.add('report', this.#member, encodeResults(items), mono));
    if (this.#work.endTurn(mono)) this.#puller.wake(mono, 0); // it may work again
    const hello = this.#greeting.next(this.#memory, mono);
    if (hello) this.#emit({type: 'send', ...hello});
    if (this.#welcomed && this.#member) this.#speak(this.#member, mono);
    const saving = this.#effects.some(effect => effect.type === 'save');
    const isNeeded = (blobId: BlobId): boolean =>
      this.#reporter.names(blobId) || this.#desk.shelf.of([blobId]).length > 0;
    this.#emitAll(this.#outbox.lateEffects(mono, saving, isNeeded));
    return this.#effects.splice(0);
  }

  /** What is due to the master. */
  #speak(member: Membership, mono: MonoMs): void {
    const to = member.peer;
    this.#emitAll(this.#outbox.due(to, mono));
    this.#emitAll(this.#shots.due(member, mono));
    const probe = this.#time.next(mono);
    if (probe) this.#emit({type: 'send', to, message: probe});
    if (this.#work.hasNews) this.#puller.soon(mono);
    const isFull = this.#outbox.isFull || this.#space.isFull || this.spool.isCatchingUp(mono);
    const paused = isFull || this.#work.isResting || this.#orders.rests;
    this.#puller.stateGeneration = this.#orders.generation;
    const {slots} = this.#config;
    const pull = this.#puller.next(this.slots, slots, paused, this.#load, mono, this.#work);
    if (pull) this.#emit({type: 'send', to, message: pull});
    if (!this.#puller.isLost) return;
    this.#note('warn', 'the master does not answer', {});
    this.#leave();
    this.#emit({type: 'forget', peer: to});
  }

  wakeAt(): MonoMs {
    const own = [this.#greeting, this.#reporter, this.#work];
    const more = this.#welcomed ? [this.#puller, this.#outbox.spool, this.#desk, this.#time] : [];
    return asMonoMs(Math.min(this.#outbox.lateAt(), ...[...own, ...more].map(it => it.wakeAt())));
  }

  check(): void {
    this.#work.check();
  }

  #note(level: Note['level'], what: string, fields: Note['fields']): void {
    this.#emit({type: 'note', note: {level, what, fields}});
  }

  #tell(notes: readonly Note[]): void {
    for (const note of notes) this.#emit({type: 'note', note});
  }

  #emitAll(effects: readonly NodeEffect[]): void {
    for (const effect of effects) this.#emit(effect);
  }

  #emit(effect: NodeEffect): void {
    this.#effects.push(effect);
  }
}
