// What a test looks for in the effects of a turn and in the state of the core.

import type {BatchId} from '../../src/base/types.ts';
import type {MasterEffect} from '../../src/core/core.ts';
import type {Assign, Message, OutputRef, Renewal, ResultItem} from '../../src/wire/message.ts';
import type {MasterRig} from './rig.ts';
import {inline, type TestNode, type Work} from './test-node.ts';

type Effect<T extends MasterEffect['type']> = Extract<MasterEffect, {type: T}>;
type Sent<T extends Message['type']> = Extract<Message, {type: T}>;

export const resultsOf = (
  work: readonly Work[],
  output: (work: Work) => OutputRef = ({index}) => inline(`out${index}`),
): ResultItem[] =>
  work.map(each => ({...refOf(each), cpuMs: 5, status: 'done', output: output(each)}));

export const refOf = ({batchId, index, replicaNo, proof}: Work) => ({
  batchId,
  index,
  replicaNo,
  proof,
});

export const renewalsOf = (work: readonly Work[]): Renewal[] =>
  work.map(({batchId, index, replicaNo, proof}) => ({
    batchId,
    index,
    replicaNo,
    permille: 0,
    proof,
  }));

export const only = <T extends MasterEffect['type']>(
  effects: readonly MasterEffect[],
  type: T,
): Effect<T>[] => effects.filter((effect): effect is Effect<T> => effect.type === type);

export const sentTo = <T extends Message['type']>(
  effects: readonly MasterEffect[],
  node: TestNode,
  type: T,
): Sent<T>[] =>
  only(effects, 'send')
    .filter(({to, message}) => to === node.peer && message.type === type)
    .map(({message}) => message as Sent<T>);

export const assignsOf = (effects: readonly MasterEffect[], node: TestNode): Assign[] =>
  sentTo(effects, node, 'assign');

export const workOf = (effects: readonly MasterEffect[], node: TestNode): Work[] =>
  assignsOf(effects, node).flatMap(({batches}) =>
    batches.flatMap(({batchId, leases}) => leases.map(lease => ({...lease, batchId}))),
  );

export const receiptsOf = (effects: readonly MasterEffect[], node: TestNode): number[] =>
  only(effects, 'receipt')
    .filter(({to}) => to === node.peer)
    .map(({nonce}) => nonce);

export const notesOf = (effects: readonly MasterEffect[]): string[] =>
  only(effects, 'note').map(({note}) => note.what);

export const batchOf = (rig: MasterRig, id: BatchId) => {
  const batch = rig.core.context.batches.get(id);
  if (!batch) throw new Error(`no batch ${id}`);
  return batch;
};

export const creditOf = (rig: MasterRig, node: TestNode) => {
  const state = rig.core.context.roster.node(node.id);
  if (!state) throw new Error(`no node ${node.name}`);
  return state.credit;
};

export const stateOf = (rig: MasterRig, node: TestNode) => {
  const state = rig.core.context.roster.node(node.id);
  if (!state) throw new Error(`no node ${node.name}`);
  return state;
};
