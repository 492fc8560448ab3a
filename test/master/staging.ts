// A master whose batches have several stages, a shell that puts outputs together from its rows, and nodes that compute
// what a test says.

import type {BatchId} from '../../src/base/types.ts';
import type {MasterEffect} from '../../src/core/core.ts';
import type {BatchRequest, OperatorAnswer} from '../../src/core/operator-request.ts';
import {type BatchRow, batchKey, decodeJson} from '../../src/core/tables.ts';
import type {Batch} from '../../src/master/batch.ts';
import {SimOutputs} from '../../src/sim/sim-outputs.ts';
import {batchOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {APP, inline, type TestNode} from './test-node.ts';

type Gather = Extract<MasterEffect, {type: 'gather'}>;
export const REDUCER = {...APP, name: 'total', appId: 'b2'.repeat(32) as typeof APP.appId};
/** What a workunit puts out, by the batch that it is of. */
export type Compute = (row: BatchRow, index: number) => string;

export class Staging {
  readonly rig: MasterRig;
  readonly nodes: readonly TestNode[];
  readonly gathers: Gather[] = [];

  constructor(nodes = 2) {
    this.rig = MasterRig.ready();
    const turn = this.rig.turn.bind(this.rig);
    this.rig.turn = (...events) => {
      const effects = turn(...events);
      for (const effect of effects) if (effect.type === 'gather') this.gathers.push(effect);
      return effects;
    };
    this.rig.ask({kind: 'addApp', app: REDUCER});
    this.nodes = this.rig.nodes(nodes);
  }

  ask(batch: Partial<BatchRequest>): OperatorAnswer {
    return this.rig.ask({
      kind: 'submitBatch',
      batch: {
        name: 'b',
        app: APP.name,
        args: ['7'],
        input: {kind: 'range', start: 0, end: 3, chunk: 1},
        policy: {},
        ...batch,
      },
    });
  }

  submit(batch: Partial<BatchRequest>): BatchId {
    const answer = this.ask(batch);
    if (!answer.ok || answer.batchId === undefined) throw new Error(JSON.stringify(answer));
    return answer.batchId;
  }

  batch(id: BatchId): Batch {
    return batchOf(this.rig, id);
  }

  /** As it is on disk; undefined = deleted. */
  row(id: BatchId | number): BatchRow | undefined {
    const value = this.rig.rows.get(`batch/${batchKey(id as BatchId)}`);
    return value && (decodeJson(value) as BatchRow);
  }

  /** All nodes compute what there is to compute. */
  compute(output: Compute = (row, index) => `${row.id}/${index}`): number {
    let count = 0;
    for (;;) {
      this.rig.feed();
      const before = count;
      for (const node of this.nodes) {
        const work = this.rig.pull(node, 64);
        count += work.length;
        if (work.length === 0) continue;
        this.rig.report(node, work, ({batchId, index}) =>
          inline(output(this.row(batchId) as BatchRow, index)),
        );
      }
      if (count === before) return count;
    }
  }

  /** Answers what is to be put together; false = nothing. */
  gather(): boolean {
    const ask = this.gathers.shift();
    if (!ask) return false;
    const clock = {after: (_ms: number, _kind: unknown, act: () => void) => act()};
    const outputs = new SimOutputs(clock, {rows: this.rig.scan.bind(this.rig)} as never, () => 0);
    const {batchId, stage, count, how} = ask;
    outputs.gather(stage, count, how, gathered => {
      this.rig.turn({type: 'gathered', batchId, stage, gathered});
    });
    return true;
  }

  /** Until nothing happens any more. */
  run(output?: Compute): void {
    for (let i = 0; i < 1_000; i++) {
      const computed = this.compute(output);
      if (!this.gather() && computed === 0) return;
    }
    throw new Error('it never ends');
  }

  kill(): void {
    this.gathers.length = 0;
    this.rig.kill(effects => {
      for (const effect of effects) if (effect.type === 'gather') this.gathers.push(effect);
    });
    for (const node of this.nodes) this.rig.join(node);
    this.rig.rest();
  }
}
