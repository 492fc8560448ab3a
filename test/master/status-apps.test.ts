// What a face shows of how a node does with each app.

import test from 'ava';
import {viewNodes} from '../../src/master/status.ts';
import type {OutputRef} from '../../src/wire/message.ts';
import {MasterRig} from './rig.ts';
import {APP, inline} from './test-node.ts';

const RANGE = {kind: 'range', start: 0, end: 20, chunk: 1} as const;

const appsOf = (rig: MasterRig, nodeId: string) =>
  viewNodes(rig.core).find(node => node.nodeId === nodeId)?.apps;

test('a node that had nothing of an app is not shown with it', t => {
  const rig = MasterRig.ready();
  const node = rig.node('a');
  rig.submit({minQuorum: 2}, RANGE);
  t.is(appsOf(rig, node.id), undefined);
});

test('validated results in a row count for a node, and its pace', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 2}, RANGE);
  const [a, b] = [rig.node('a'), rig.node('b')];
  for (let i = 0; i < 3; i++) for (const node of [a, b]) rig.report(node, rig.pull(node, 2));
  const [app] = appsOf(rig, a.id) ?? [];
  t.like(app, {app: 'primes', version: APP.version, validatedInRow: 6});
  t.true((app?.pace ?? 0) > 0);
});

test('one that others contradict begins at nothing, and is shown by its pace', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 2, targetReplicas: 3}, RANGE);
  const [bad, a, b] = [rig.node('bad'), rig.node('a'), rig.node('b')];
  const turn = (output?: () => OutputRef) => {
    rig.report(bad, rig.pull(bad, 1), output);
    for (const node of [a, b]) rig.report(node, rig.pull(node, 1));
  };
  turn();
  t.like(appsOf(rig, bad.id)?.[0], {validatedInRow: 1});
  turn(() => inline('wrong'));
  t.like(appsOf(rig, bad.id)?.[0], {validatedInRow: 0});
});

test('what only a master says is not heard from a node', t => {
  const rig = MasterRig.ready();
  const node = rig.node('a');
  const said = rig.says(node, {
    type: 'refusal',
    reason: 'shuttingDown',
    trust: new Uint8Array(),
  } as never);
  t.deepEqual(
    said.filter(({type}) => type === 'send'),
    [],
  );
});
