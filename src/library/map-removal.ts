// Batches of a map that are over are deleted at the master, one after the other, while others are computed.

import type {BatchId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {OperatorClient} from '../http/client.ts';
import {within} from './map-room.ts';

/** When all is over. */
const ANSWER_MS_MAX = 5 * SECOND_MS;

export class Removals {
  readonly #client: Pick<OperatorClient, 'deleteBatch'>;
  #last: Promise<void> = Promise.resolve();
  /** The first one that failed. It is no fault of the map: `volley batch ls` shows what is left. */
  fault: unknown;

  constructor(client: Pick<OperatorClient, 'deleteBatch'>) {
    this.#client = client;
  }

  remove(batchId: BatchId): void {
    this.#last = this.#last
      .then(() => this.#client.deleteBatch(batchId))
      .catch((error: unknown) => {
        this.fault ??= error;
      });
  }

  /** Resolves when all of them are gone, or the master does not answer. */
  done(): Promise<void> {
    return within(this.#last, ANSWER_MS_MAX);
  }
}
