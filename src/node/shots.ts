// The way of shots, settings and transfers through the node's core: command → acknowledgement and effect; what came
// of it → what the master is told.

import {assertNever} from '../base/assert.ts';
import type {MonoMs, Now} from '../base/types.ts';
import type {ActionEvent} from '../core/action-events.ts';
import type {ClockSync} from '../core/clock-sync.ts';
import type {NodeEffect, NodeEvent} from '../core/core.ts';
import type {FreeSpace} from '../core/free-space.ts';
import type {TransferEvent} from '../core/transfer-events.ts';
import type {TransferReport} from '../wire/bulk-message.ts';
import type {Message} from '../wire/message.ts';
import type {CommandDesk, FireAnswer} from './command-desk.ts';
import type {Membership} from './memory.ts';
import type {Outbox} from './outbox.ts';

const NOTHING = new Uint8Array();

type CommandEvent = Extract<NodeEvent, {type: 'command'}>;
type Done = Extract<NodeEvent, {type: 'shotDone'}> | ActionEvent | TransferEvent;
type TransferWord = Extract<Message, {type: 'transferOffer' | 'transferOrder'}>;

export class Shots {
  readonly #desk: CommandDesk;
  readonly #outbox: Outbox;
  readonly #clock: () => ClockSync;

  constructor(desk: CommandDesk, outbox: Outbox, clock: () => ClockSync) {
    this.#desk = desk;
    this.#outbox = outbox;
    this.#clock = clock;
  }

  /** A command to fire or not to, to set an action, or to say who would fire. */
  onCommand(
    event: CommandEvent,
    member: Membership | undefined,
    space: FreeSpace,
    now: Now,
  ): NodeEffect[] {
    if (!member) return [];
    const {what} = event.command;
    if (what.kind === 'transferOffer') return this.#desk.transfers.onOffer(what, now.mono);
    const {body, effects = [], refusal} = this.#answer(event, space, now);
    this.#desk.acknowledge(event, body, now.mono);
    return [...effects, ...(refusal ? [this.#outbox.add('shot', member, refusal, now.mono)] : [])];
  }

  #answer(event: CommandEvent, space: FreeSpace, now: Now): FireAnswer {
    const clock = this.#clock();
    const {what} = event.command;
    switch (what.kind) {
      case 'setAction':
        return this.#desk.setAction(event, clock, now);
      case 'cancelCapture':
        return this.#desk.cancel(event, clock, now);
      case 'pulse': // the next Pull is the answer
        this.#desk.ear.heardPulse(event.epoch, what.no, clock.toWall(event.heardAt));
        return {body: NOTHING};
      case 'rollCall':
        return this.#desk.rollCall(event, clock, now, space);
      default:
        return this.#desk.fire(event, clock, now, space.isFull);
    }
  }

  /** What the master says of a transfer in the session. */
  onTransfer(word: TransferWord, now: Now): NodeEffect[] {
    const {transfers} = this.#desk;
    return word.type === 'transferOrder'
      ? transfers.onOrder(word)
      : transfers.onOffer(word, now.mono);
  }

  onDone(event: Done, member: Membership | undefined, now: Now): NodeEffect[] {
    switch (event.type) {
      case 'actionSaid':
      case 'actionSet':
        if (event.type === 'actionSet') this.#desk.times.forget(event.action);
        return this.#desk.news.heard(event, now.mono).map(op => ({type: 'save', op}));
      case 'shotDone': {
        const body = this.#desk.shotDone(event, this.#clock(), now);
        if (!body || !member) return [];
        const saves = this.#desk.shelf.takeOps().map(op => ({type: 'save', op}) as const);
        return [...saves, this.#outbox.add('shot', member, body, now.mono)];
      }
      case 'transferTold':
      case 'transferOver': {
        const {ops, report} = this.#desk.transfers.onEvent(event, now.wall, now.mono);
        const saves = ops.map(op => ({type: 'save', op}) as const);
        return report && member ? [...saves, told(member, report)] : saves;
      }
      default:
        return assertNever(event);
    }
  }

  /** Acknowledgements and news of actions. */
  due(member: Membership, now: MonoMs): NodeEffect[] {
    const news = this.#desk.news.due(now);
    return [
      ...this.#outbox.acks(member, this.#desk.takeAcks(now)),
      ...news.map(message => ({type: 'send', to: member.peer, message}) as const),
      ...this.#desk.transfers
        .due(now)
        .map(message => ({type: 'send', to: member.peer, message}) as const),
    ];
  }
}

/** Promises nothing: the last word about a transfer is said until it is heard, and is saved before. */
const told = ({peer: to}: Membership, message: TransferReport): NodeEffect => ({
  type: 'send',
  to,
  message,
  early: true,
});
