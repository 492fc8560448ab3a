// A master that is asked of its own rows, and answered when a test says so: what rests on a revoked node.

import type {BatchId, NodeId} from '../../src/base/types.ts';
import {type CheckState, decodeChecks, nodeOfCheckKey} from '../../src/core/checks.ts';
import type {MasterEffect} from '../../src/core/core.ts';
import type {InputSource} from '../../src/core/input-source.ts';
import {type BatchRow, batchKey, decodeJson} from '../../src/core/tables.ts';
import {SimSingles} from '../../src/sim/sim-singles.ts';
import {creditOf, notesOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {crypto, inline, type TestNode} from './test-node.ts';

type Ask = Extract<MasterEffect, {type: 'listSingles' | 'readChecks'}>;

/** Answers what a master wants to know of its own rows, when the test says so. */
export class Desk {
  readonly rig: MasterRig;
  readonly notes: string[] = [];
  #asks: Ask[] = [];

  constructor(rig = MasterRig.ready()) {
    this.rig = rig;
    const turn = rig.turn.bind(rig);
    this.rig.turn = (...events) => {
      const effects = turn(...events);
      for (const effect of effects)
        if (effect.type === 'listSingles' || effect.type === 'readChecks') this.#asks.push(effect);
      this.notes.push(...notesOf(effects));
      return effects;
    };
  }

  get asked(): readonly Ask['type'][] {
    return this.#asks.map(({type}) => type);
  }

  /** Answers one question; false = there was none. */
  answer(): boolean {
    const ask = this.#asks.shift();
    if (!ask) return false;
    const {rig} = this;
    const {nodeId} = ask;
    const disk = {
      get: (table: never, key: string) => rig.rows.get(`${table}/${key}`),
      rows: rig.scan.bind(rig),
    };
    const clock = {after: (_ms: number, _kind: unknown, act: () => void) => act()};
    const singles = new SimSingles(clock as never, disk as never, crypto, () => 0);
    if (ask.type === 'listSingles')
      singles.list(nodeId, ask.batches, (pages, total) => {
        rig.turn({type: 'singlesListed', nodeId, pages, ...(total === undefined ? {} : {total})});
      });
    else
      singles.read(nodeId, ask.after, (pages, isLast) => {
        rig.turn({type: 'checksRead', nodeId, pages, isLast});
      });
    return true;
  }

  answerAll(): void {
    for (let i = 0; this.answer(); i++)
      if (i > 10_000) throw new Error('the master asks over and over');
  }

  kill(): void {
    this.#asks = [];
    this.rig.killAndRest();
  }

  revoke(node: TestNode): void {
    this.rig.ask({kind: 'revokeNode', nodeId: node.id});
  }

  /** Computes what is wanted, as `answer` says, until there is nothing more. */
  compute(node: TestNode, answer: string): number {
    let count = 0;
    for (;;) {
      this.rig.feed();
      const work = this.rig.pull(node, 64);
      if (work.length === 0) return count;
      count += work.length;
      this.rig.report(node, work, ({index}) => inline(`${answer}${index}`));
    }
  }

  checks(): [NodeId, number, CheckState][] {
    return this.rig.scan('check').flatMap(([key, row]) => {
      const pageNo = Number.parseInt(key.slice(8, 16), 16);
      return [...decodeChecks(row)].map(([offset, {state}]): [NodeId, number, CheckState] => [
        nodeOfCheckKey(key),
        pageNo * 64 + offset,
        state,
      ]);
    });
  }

  row(id: BatchId): BatchRow {
    return decodeJson(this.rig.rows.get(`batch/${batchKey(id)}`) ?? new Uint8Array()) as BatchRow;
  }

  creditOf(...nodes: TestNode[]): number[] {
    return nodes.map(node => creditOf(this.rig, node).credit);
  }
}

export const rangeOf = (end: number) => ({kind: 'range', start: 0, end, chunk: 1}) as const;

/** A batch with a quorum of 1, all of it computed by a node that is revoked then. */
export function computedBy(answer: string, input: InputSource = rangeOf(100)) {
  const desk = new Desk();
  const {rig} = desk;
  const id = rig.submit({minQuorum: 1}, input);
  const bad = rig.node('bad');
  desk.compute(bad, answer);
  const good = rig.node('good');
  return {desk, rig, id, bad, good};
}
