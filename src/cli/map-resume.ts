// `volley map --resume`: batches are begun as an earlier run noted them, and what is written is noted. Nothing is
// noted for each result: what there is goes down together, at most every 200 ms, and before a batch is deleted. A file
// of results gets its bytes in pieces, each of them noted before it is written (map-output.ts).

import {randomBytes} from 'node:crypto';
import {VolleyError} from '../base/errors.ts';
import type {BatchId} from '../base/types.ts';
import type {BatchView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import type {Line} from '../library/line-source.ts';
import type {Launched, Mapped} from '../library/map.ts';
import type {Cut} from '../library/map-cut.ts';
import {MapJournal, type Settings, spansOf} from '../library/map-journal.ts';
import type {MapOutput} from './map-output.ts';

const NOTE_MS = 200;

const SHARED =
  'volley: others write to standard output too: nothing is cut off it any more, and after a kill some outputs come twice';
const TWICE =
  'volley: others write to standard output too: outputs of the last moment before the kill may come twice';

export type Hearers = {
  /** Results of a batch are noted as written, all of them. */
  readonly whole: (batchId: BatchId) => void;
  readonly say: (text: string) => void;
};

type Submit = (name: string, inputs: readonly Line[]) => Promise<BatchId>;

export class Resumption {
  readonly journal: MapJournal;
  readonly #client: OperatorClient;
  readonly #output: MapOutput;
  readonly #hear: Hearers;
  /** Batches of an earlier run that were whole. */
  #leaving: Promise<void> = Promise.resolve();
  #byName: Promise<ReadonlyMap<string, BatchView>> | undefined;
  /** Written and not noted. */
  #written = new Map<number, number[]>();
  #failed = 0;
  #whole: BatchId[] = [];
  #timer: NodeJS.Timeout | undefined;
  #noting: Promise<void> = Promise.resolve();
  #fault: unknown;

  constructor(path: string, client: OperatorClient, output: MapOutput, hear: Hearers) {
    this.journal = new MapJournal(path);
    this.#client = client;
    this.#output = output;
    this.#hear = hear;
  }

  /** Throws VOLLEY_USAGE when the earlier run was another one. */
  begin(settings: Settings): void {
    if (this.journal.isNew) this.journal.begin(randomBytes(8).toString('hex'), settings);
    else this.journal.check(settings);
    if (this.journal.ended) return;
    const {journal} = this;
    if (this.#output.goBackTo(journal.stdout, journal.pieces)) this.#hear.say(TWICE);
    const {file} = this.#output;
    if (!file) return;
    journal.writesTo(file);
    this.#output.noteTo({
      next: (at, bytes) => journal.next(at, bytes),
      sync: () => journal.sync(),
      shared: found => {
        journal.writesTo(found);
        this.#hear.say(SHARED);
      },
    });
  }

  get counts(): readonly number[] {
    return this.journal.batches.map(({count}) => count);
  }

  async launch({inputs}: Cut<Line>, no: number, submit: Submit): Promise<Launched | undefined> {
    const {journal} = this;
    const known = journal.batches[no];
    if (!known) {
      const name = journal.intend(no, inputs);
      return {batchId: await this.#submitted(no, submit(name, inputs))};
    }
    journal.checkInputs(no, inputs);
    if (known.isWhole) {
      this.#leave(known);
      return undefined;
    }
    const isTaken = (index: number): boolean => known.taken.has(index);
    const batchId = (await this.#find(known)) ?? (await submit(known.name, inputs));
    if (batchId !== known.id) journal.submitted(no, batchId);
    return {batchId, isTaken};
  }

  async #submitted(no: number, submitting: Promise<BatchId>): Promise<BatchId> {
    const batchId = await submitting;
    this.journal.submitted(no, batchId);
    return batchId;
  }

  /** A kill between its note and its deletion left it at the master; who has another id is another one. */
  #leave({id, name}: {id?: BatchId; name: string}): void {
    const leaving = this.#all().then(all => {
      if (id !== undefined && all.get(name)?.id === id) this.#hear.whole(id);
    });
    // It is no fault of this run. All of them wait for one list.
    this.#leaving = leaving.catch(() => undefined);
  }

  #all(): Promise<ReadonlyMap<string, BatchView>> {
    this.#byName ??= this.#client
      .batches()
      .then(all => new Map(all.map(each => [each.name, each])));
    return this.#byName;
  }

  /** By its number, else by its name; one that was cancelled goes on. undefined = it has to be submitted again. */
  async #find({id, name}: {id?: BatchId; name: string}): Promise<BatchId | undefined> {
    const byId = id === undefined ? undefined : await this.#client.batch(id).catch(unknown);
    const found = byId?.name === name ? byId : (await this.#all()).get(name);
    if (!found) return undefined;
    const isCut = found.state !== 'running' && found.done + found.failed < found.count;
    if (!isCut) return found.id;
    const again = await this.#client.retryBatch(found.id).catch(refused);
    return again?.id;
  }

  /** The result was handed to standard output. */
  wrote({batch, index, state}: Mapped<Line>): void {
    const indexes = this.#written.get(batch.no);
    if (indexes) indexes.push(index);
    else this.#written.set(batch.no, [index]);
    if (state === 'failed') this.#failed += 1;
    this.#timer ??= setTimeout(() => void this.note(), NOTE_MS);
  }

  /** All of its results were. */
  whole(batchId: BatchId): void {
    this.#whole.push(batchId);
    this.#timer ??= setTimeout(() => void this.note(), NOTE_MS);
  }

  /** Rejects never: see `end`. */
  note(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#noting = this.#noting
      .then(() => this.#note())
      .catch((error: unknown) => {
        this.#fault ??= error;
      });
    return this.#noting;
  }

  async #note(): Promise<void> {
    const [written, failed, whole] = [this.#written, this.#failed, this.#whole];
    this.#written = new Map();
    this.#failed = 0;
    this.#whole = [];
    const size = await this.#output.flush();
    if (this.#output.fault) return;
    const spans = [...written].flatMap(([no, indexes]) => spansOf(no, indexes));
    if (spans.length > 0) this.journal.taken(spans, failed, size);
    for (const batchId of whole) this.#hear.whole(batchId);
  }

  /** Throws when something could not be noted. */
  async end(): Promise<void> {
    await this.#leaving;
    await this.note();
    clearTimeout(this.#timer);
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** Another run may have the state file. */
  async close(): Promise<void> {
    await this.note();
    clearTimeout(this.#timer);
    this.journal.close();
  }
}

function unknown(error: unknown): undefined {
  if (error instanceof VolleyError && error.code === 'VOLLEY_UNKNOWN_BATCH') return undefined;
  throw error;
}

/** What the master will not go on with is computed anew. */
function refused(error: unknown): undefined {
  if (error instanceof VolleyError && error.exitCode === 2) return undefined;
  throw error;
}
