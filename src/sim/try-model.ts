// In which try each workunit is, as the rows of the master's store say. Part of model.ts.

import {decodePageKey, PAGE_WORKUNITS} from '../core/tables.ts';
import {decodeTries} from '../core/tries.ts';
import {type WorkunitKey, workunitKey} from './model-names.ts';

export class TryModel {
  readonly #tries = new Map<WorkunitKey, number>();

  copy(): TryModel {
    const copy = new TryModel();
    for (const [key, tryNo] of this.#tries) copy.#tries.set(key, tryNo);
    return copy;
  }

  /** A row of `tries`. @returns what is in a later try than before */
  put(rowKey: string, value: Uint8Array): WorkunitKey[] {
    const {batchId, pageNo} = decodePageKey(rowKey);
    const later: WorkunitKey[] = [];
    for (const [offset, tryNo] of decodeTries(value)) {
      const key = workunitKey(batchId, pageNo * PAGE_WORKUNITS + offset);
      if ((this.#tries.get(key) ?? 0) < tryNo) later.push(key);
      this.#tries.set(key, tryNo);
    }
    return later;
  }

  /** @param baseTry that of its batch */
  of(key: WorkunitKey, baseTry = 0): number {
    return Math.max(this.#tries.get(key) ?? 0, baseTry);
  }
}
