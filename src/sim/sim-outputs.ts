// Outputs of a stage as the master's shell puts them together: of what is on its disk, after a while. The name of the
// blob stands for every output and its place, so that a checker can tell whether the right ones went in.

import type {BatchId} from '../base/types.ts';
import type {Gathered} from '../core/lookups.ts';
import type {GatherHow} from '../core/stages.ts';
import {
  decodePage,
  decodeReportRow,
  PAGE_WORKUNITS,
  pageKey,
  pageNoOf,
  reportKey,
} from '../core/tables.ts';
import type {Outputs} from '../runtime/ports.ts';
import {decodeResults} from '../wire/codec.ts';
import type {OutputRef} from '../wire/message.ts';
import {outputName} from './model-names.ts';
import type {SimClock} from './sim-clock.ts';
import type {SimStore} from './sim-store.ts';
import {EVENT} from './timeline.ts';
import {blobIdOf} from './truth.ts';

export class SimOutputs implements Outputs {
  readonly #clock: Pick<SimClock, 'after'>;
  readonly #disk: SimStore;
  readonly #readMs: () => number;

  constructor(clock: Pick<SimClock, 'after'>, disk: SimStore, readMs: () => number) {
    this.#clock = clock;
    this.#disk = disk;
    this.#readMs = readMs;
  }

  gather(stage: BatchId, count: number, how: GatherHow, done: (gathered: Gathered) => void): void {
    this.#clock.after(this.#readMs(), EVENT.inputs, () => {
      const names: string[] = [];
      for (let index = 0; index < count; index++) {
        const output = this.#outputOf(stage, index);
        if (!output) return done({kind: 'failed', reason: `${stage}/${index} has no output`});
        names.push(outputName(output));
      }
      done({kind: 'source', source: gatheredOf(names, how)});
    });
  }

  #outputOf(stage: BatchId, index: number): OutputRef | undefined {
    const page = this.#row('page', pageKey(stage, pageNoOf(index)));
    const decision = page && decodePage(page).get(index % PAGE_WORKUNITS);
    if (decision?.kind !== 'done') return undefined;
    const report = this.#row('report', reportKey(decision.reportNo));
    const item = report && decodeResults(decodeReportRow(report).body)?.[decision.item];
    return item?.status === 'done' ? item.output : undefined;
  }

  #row(table: 'page' | 'report', key: string): Uint8Array | undefined {
    const [row] = this.#disk.rows(table, key, `${key}~`);
    return row?.[1];
  }
}

/** What these outputs make, in their order. */
export function gatheredOf(
  names: readonly string[],
  how: GatherHow,
): Extract<Gathered, {kind: 'source'}>['source'] {
  const blobId = blobIdOf(`outputs ${names.join(' ')}`);
  const size = 1_000 * names.length;
  if (how === 'whole') return {kind: 'blob', blobId, size, count: 1};
  const indexBlobId = blobIdOf(`parts ${how.halo} of ${blobId}`);
  return {kind: 'parts', blobId, size, indexBlobId, count: names.length};
}
