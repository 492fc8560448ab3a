// A master that has forgotten what it signed receipts for (a disk that lied, an old backup, a store that was
// rebuilt) gets what is still kept of it; when all of that has a receipt again, Hello tells it so.

import type {MonoMs} from '../base/types.ts';
import type {NodeEffect} from '../core/core.ts';
import type {Greeting} from './greeting.ts';
import type {NodeMemory} from './memory.ts';
import type {Outbox} from './outbox.ts';

export class Refill {
  readonly #memory: NodeMemory;
  readonly #outbox: Outbox;
  readonly #greeting: Greeting;
  /** Reports are offered again, and not all of them have their second receipt. */
  #isUnderWay = false;
  #headAtLink = 0;

  constructor(memory: NodeMemory, outbox: Outbox, greeting: Greeting) {
    this.#memory = memory;
    this.#outbox = outbox;
    this.#greeting = greeting;
  }

  /** A session is made. A receipt that comes in it may overtake its Welcome, and is no sign of anything. */
  linked(): void {
    this.#headAtLink = this.#memory.receiptHead;
  }

  /** Its Welcome is here, from a master whose journal ends at `journalNo`. */
  begin(journalNo: number, now: MonoMs): NodeEffect[] {
    const receipt = this.#headAtLink;
    if (journalNo >= receipt) return [];
    const offered = this.#outbox.onJournal(journalNo, now);
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
