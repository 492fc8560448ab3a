// One workunit after the other, and how long each takes: from the call of submit() to the event that says
// `done`, on a stream that is open already.

import type {OperatorClient} from '../../src/http/client.ts';

export class Singles {
  readonly #client: OperatorClient;
  readonly #stop = new AbortController();
  readonly #done = new Map<number, () => void>();
  readonly #finished = new Set<number>();
  readonly #watching: Promise<void>;

  constructor(client: OperatorClient) {
    this.#client = client;
    this.#watching = this.#watch();
  }

  async #watch(): Promise<void> {
    try {
      for await (const event of this.#client.events({}, this.#stop.signal))
        if (event.kind === 'batch' && event.batch.state !== 'running') {
          this.#finished.add(event.batch.id);
          this.#done.get(event.batch.id)?.();
        }
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error;
    }
  }

  /** Milliseconds of one. */
  async one(): Promise<number> {
    const since = performance.now();
    const {batchId} = await this.#client.submit({
      name: 'single',
      app: 'echo',
      args: [],
      input: {kind: 'range', start: 0, end: 1, chunk: 1},
      policy: {minQuorum: 1, targetReplicas: 1},
    });
    await new Promise<void>(resolve => {
      this.#done.set(batchId, resolve);
      if (this.#finished.has(batchId)) resolve();
    });
    this.#done.delete(batchId);
    this.#finished.delete(batchId);
    return performance.now() - since;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }
}
