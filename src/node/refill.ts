// A master that has forgotten what it signed receipts for (a disk that lied, an old backup, a store that was
// rebuilt) gets what is still kept of it; when all of that has a receipt again, Hello tells it so.

import {toHex} from '../base/bytes.ts';
import type {MonoMs} from '../base/types.ts';
import type {NodeEffect} from '../core/core.ts';
import type {Welcome} from '../wire/message.ts';
import type {Greeting} from './greeting.ts';
import type {Acknowledged} from './kept.ts';
import type {NodeMemory} from './memory.ts';
import type {Outbox} from './outbox.ts';

/**
 * Whether a receipt is for what the master has lost. Its journal may have grown beyond the number since: then the
 * number where this life of it began tells. (Not the epoch: one life goes on to a later one when it hears of it.)
 */
function isVoid(receipt: Acknowledged, welcome: Welcome): boolean {
  const {epoch, journalNo, instance} = receipt;
  if (journalNo > welcome.journalNo) return true;
  if (instance !== toHex(welcome.instanceId) && journalNo > welcome.bootJournalNo) return true;
  return epoch < welcome.lostEpoch && journalNo > welcome.lostAfter;
}

export class Refill {
  readonly #memory: NodeMemory;
  readonly #outbox: Outbox;
  readonly #greeting: Greeting;
  /** Reports are offered again, and not all of them have their second receipt. */
  #isUnderWay = false;

  constructor(memory: NodeMemory, outbox: Outbox, greeting: Greeting) {
    this.#memory = memory;
    this.#outbox = outbox;
    this.#greeting = greeting;
  }

  /** Its Welcome is here. */
  begin(welcome: Welcome, now: MonoMs): NodeEffect[] {
    const {journalNo} = welcome;
    const receipt = this.#memory.receiptHead;
    const offered = this.#outbox.offerAgain(each => isVoid(each, welcome), journalNo, now);
    if (offered === 0 && journalNo >= receipt) return [];
    this.#isUnderWay = true;
    this.endIfDone(now);
    const what = 'the master has forgotten what it acknowledged';
    return [{type: 'note', note: {level: 'alarm', what, fields: {receipt, journalNo, offered}}}];
  }

  /** After each receipt. */
  endIfDone(now: MonoMs): void {
    if (!this.#isUnderWay || this.#outbox.spool.offered > 0) return;
    this.#isUnderWay = false;
    this.#greeting.again(now);
  }
}
