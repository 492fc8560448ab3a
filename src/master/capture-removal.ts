// Captures that go at an operator's word: statements in slices, then the capture's own row, so that no turn
// and no commit grows with it. It is gone for everybody from the first moment. A master that dies meanwhile
// goes on with it; its number never comes again. Files that nothing names any more go with the blobs' sweep.

import {addMono, type CaptureId, type MonoMs, NEVER, type Now} from '../base/types.ts';
import {CAPTURES_KEY, type CapturesRow} from '../core/operator-rows.ts';
import {captureKey, encodeJson, put} from '../core/tables.ts';
import {type Capture, shotKey} from './capture-row.ts';
import type {MasterContext} from './context.ts';

/** Statements that one turn deletes. */
const SHOTS_PER_SLICE = 1_024;
/** Others have their turn between two slices. */
const SLICE_MS = 20;

type Going = {readonly id: CaptureId; readonly keys: string[]};

export class CaptureRemoval {
  readonly #context: MasterContext;
  readonly #going: Going[] = [];
  #sliceAt: MonoMs = NEVER;

  constructor(context: MasterContext) {
    this.#context = context;
  }

  /** @param lastId the highest number that was given out */
  begin(capture: Capture, lastId: CaptureId, now: Now): void {
    const {row} = capture;
    const context = this.#context;
    context.save(put('capture', captureKey(row.id), encodeJson({...row, deleting: true})));
    context.save(put('meta', CAPTURES_KEY, encodeJson({lastId} satisfies CapturesRow)));
    this.goOn(capture, now.mono);
    context.announceCapture(row.id);
  }

  /** One whose removal this life or an earlier one began. */
  goOn({row, shots}: Capture, mono: MonoMs): void {
    const keys = [...shots.values()]
      .filter(({statement}) => statement !== undefined)
      .map(({shot, nodeId}) => shotKey(row.id, shot, nodeId));
    this.#going.push({id: row.id, keys});
    this.#sliceAt = Math.min(this.#sliceAt, mono) as MonoMs;
  }

  wakeAt(): MonoMs {
    return this.#sliceAt;
  }

  tick(now: Now): void {
    const [going] = this.#going;
    if (!going || now.mono < this.#sliceAt) return;
    for (const key of going.keys.splice(0, SHOTS_PER_SLICE)) this.#context.drop('shot', key);
    if (going.keys.length === 0) {
      this.#context.drop('capture', captureKey(going.id));
      this.#context.note('info', 'capture is gone from the disk', {capture: going.id});
      this.#going.shift();
    }
    this.#sliceAt = this.#going.length === 0 ? NEVER : addMono(now.mono, SLICE_MS);
  }
}
