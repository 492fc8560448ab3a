// The disk of a plan: every row that the master writes is looked at, counted and forgotten. Kept are the
// results of workunits that are not decided, by what the reports say, and one bit for each that is: each
// decision of a page is held against them once.

import type {BatchId} from '../base/types.ts';
import {
  type Decision,
  decodePage,
  decodePageKey,
  decodeReportRow,
  type Op,
  PAGE_WORKUNITS,
  type TableName,
} from '../core/tables.ts';
import {decodeResults} from '../wire/codec.ts';
import {holds} from './fabric.ts';
import {isTrue, wordOf} from './plan-truth.ts';

/** Of one report: its number, the place in it, the output. */
type Result = {readonly reportNo: number; readonly item: number; readonly word: number};

export class PlanStore {
  readonly #batchId: BatchId;
  readonly #quorum: number;
  readonly #decided: Uint8Array;
  readonly #results = new Map<number, Result[]>();
  readonly rows = new Map<TableName, number>();
  done = 0;
  failed = 0;
  singles = 0;
  /** Decisions whose canonical result is wrong. */
  wrong = 0;

  constructor(batchId: BatchId, workunits: number, quorum: number) {
    this.#batchId = batchId;
    this.#quorum = quorum;
    this.#decided = new Uint8Array(Math.ceil(workunits / 8));
  }

  /** Workunits with results and without a decision. */
  get waiting(): number {
    return this.#results.size;
  }

  apply(op: Op): void {
    this.rows.set(op.table, (this.rows.get(op.table) ?? 0) + 1);
    if (op.type !== 'put') return;
    if (op.table === 'report') this.#report(Number.parseInt(op.key, 16), op.value);
    else if (op.table === 'page') this.#page(op.key, op.value);
  }

  #report(reportNo: number, value: Uint8Array): void {
    const items = decodeResults(decodeReportRow(value).body);
    holds(items, 'P1', () => `report ${reportNo} cannot be read`);
    items.forEach((result, item) => {
      const {batchId, index} = result;
      if (batchId !== this.#batchId || result.status !== 'done' || this.#isDecided(index)) return;
      const word = wordOf(index, result.output);
      holds(word !== undefined, 'P3', () => `report ${reportNo} has no output of ${index}`);
      const results = this.#results.get(index);
      if (results) results.push({reportNo, item, word});
      else this.#results.set(index, [{reportNo, item, word}]);
    });
  }

  #page(key: string, value: Uint8Array): void {
    const {batchId, pageNo} = decodePageKey(key);
    holds(batchId === this.#batchId, 'P4', () => `a page of batch ${batchId}`);
    for (const [offset, decision] of decodePage(value)) {
      const index = pageNo * PAGE_WORKUNITS + offset;
      if (this.#isDecided(index)) continue;
      this.#decide(index, decision);
      this.#decided[index >> 3] = (this.#decided[index >> 3] ?? 0) | (1 << (index & 7));
      this.#results.delete(index);
    }
  }

  #isDecided(index: number): boolean {
    return (((this.#decided[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
  }

  #decide(index: number, decision: Decision): void {
    if (decision.kind === 'failed') {
      this.failed += 1;
      return;
    }
    const results = this.#results.get(index) ?? [];
    const canonical = results.find(
      ({reportNo, item}) => reportNo === decision.reportNo && item === decision.item,
    );
    holds(canonical, 'P3', () => `workunit ${index} is decided by a result that nobody reported`);
    const {word} = canonical;
    const equal = results.reduce((sum, result) => sum + (result.word === word ? 1 : 0), 0);
    const story = (): string => `workunit ${index} is decided by ${equal} equal results`;
    holds(decision.single === true || equal >= this.#quorum, 'P3', story);
    this.done += 1;
    if (decision.single) this.singles += 1;
    if (!isTrue(word)) this.wrong += 1;
  }
}
