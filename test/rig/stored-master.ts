// Stores as a master leaves them, made in a second: the real core takes real signed reports, each turn is
// one journaled commit to a real LevelDB.

import {Level} from 'level';
import type {MasterEffect, MasterEvent} from '../../src/core/core.ts';
import {EMPTY_HEAD, type Head, journalOps} from '../../src/core/journal.ts';
import type {Op} from '../../src/core/tables.ts';
import {type LevelStore, openLevelStore} from '../../src/io/level-store.ts';
import {MasterRig} from '../master/rig.ts';
import {APP, crypto, inline, type TestNode, TOKEN_ID} from '../master/test-node.ts';

/** Writes down what each turn saves. */
export class RecordingRig extends MasterRig {
  readonly commits: Op[][] = [];

  override turn(...events: readonly MasterEvent[]): MasterEffect[] {
    const effects = super.turn(...events);
    const ops = effects.flatMap(effect => (effect.type === 'save' ? [effect.op] : []));
    if (ops.length > 0) this.commits.push(ops);
    return effects;
  }
}

export type Load = {
  readonly workunits: number;
  readonly nodes: number;
  /** Each so often a pull; what is left at the end stays open, with votes. */
  readonly rounds?: number;
  readonly outputBytes?: number;
};

/** Two batches of quorum 2, worked on by `nodes`; some workunits stay open, some have one vote. */
export function loadedRig(load: Load): {readonly rig: RecordingRig; readonly nodes: TestNode[]} {
  const rig = new RecordingRig();
  rig.turn();
  rig.ask({kind: 'addApp', app: APP});
  rig.addToken(TOKEN_ID, 1_000);
  const nodes = rig.nodes(load.nodes);
  const half = Math.ceil(load.workunits / 2);
  for (let i = 0; i < 2; i++) rig.submit({minQuorum: 2}, range(half));
  const text = 'x'.repeat(load.outputBytes ?? 100);
  for (let round = 0; round < (load.rounds ?? Number.POSITIVE_INFINITY); round++) {
    let got = 0;
    for (const node of nodes) {
      const work = rig.pull(node, 16);
      got += work.length;
      if (work.length > 0) rig.report(node, work, ({index}) => inline(`${index} ${text}`));
    }
    if (got === 0) break;
  }
  return {rig, nodes};
}

const range = (end: number) => ({kind: 'range', start: 0, end, chunk: 1}) as const;

const committed = (store: LevelStore, ops: readonly Op[]): Promise<void> =>
  new Promise((resolve, reject) => store.commit(ops, error => (error ? reject(error) : resolve())));

/** Journals and commits; answers the new head. */
export async function writeAll(
  store: LevelStore,
  commits: Iterable<readonly Op[]>,
  onCommit: (head: Head) => void = () => {},
): Promise<Head> {
  let head = EMPTY_HEAD;
  for (const ops of commits) {
    const made = journalOps(crypto, head, ops);
    await committed(store, made.ops);
    head = made.head;
    onCommit(head);
  }
  return head;
}

/** `log`: nothing but LevelDB's log; `tables`: all compacted; `both`: some tables and a log. */
export type Shape = 'log' | 'tables' | 'both';

/** What LevelDB has beside the interface of `level`. */
type Compacting = {compactRange(start: string, end: string): Promise<void>};

export async function writeStore(folder: string, rig: RecordingRig, shape: Shape): Promise<Head> {
  const writeBufferBytes = shape === 'both' ? 192 * 1_024 : 64 * 1_024 * 1_024;
  const store = await openLevelStore(folder, {writeBufferBytes});
  const head = await writeAll(store, rig.commits);
  await store.close();
  if (shape !== 'tables') return head;
  const raw = new Level<string, Uint8Array>(folder, {valueEncoding: 'view', compression: true});
  await (raw as unknown as Compacting).compactRange('', '~');
  await raw.close();
  return head;
}
