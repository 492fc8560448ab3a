import test from 'ava';
import {viewNodes} from '../../src/master/status.ts';
import type {ActionState} from '../../src/wire/message.ts';
import {only, sentTo} from './look.ts';
import {MasterRig} from './rig.ts';
import type {TestNode} from './test-node.ts';

const EVERYBODY = {labels: [], nodes: []};
const state = (changes: Partial<ActionState> = {}): ActionState => ({
  type: 'actionState',
  action: 'camera',
  serial: 1,
  phase: 'ready',
  error: '',
  model: 'imx708',
  warmUpMs: 900,
  sensorPeriodMs: 33.3,
  settings: '{"gain":"2"}',
  settingsId: 0,
  refusal: '',
  ...changes,
});
const seen = (rig: MasterRig, node: TestNode) =>
  viewNodes(rig.core).find(({nodeId}) => nodeId === node.id)?.actionStates;

test('what a node says of an action is acknowledged and shown, the newest word of its life', t => {
  const rig = MasterRig.ready();
  const [a] = rig.nodes(1, {actions: ['camera']});
  if (!a) return t.fail();
  t.is(seen(rig, a), undefined);
  const effects = rig.says(a, state({serial: 2}));
  t.deepEqual(sentTo(effects, a, 'actionHeard'), [
    {type: 'actionHeard', action: 'camera', serial: 2},
  ]);
  t.like(seen(rig, a)?.[0], {phase: 'ready', model: 'imx708', settings: {gain: '2'}});
  // an older word that was overtaken is acknowledged and changes nothing
  const late = rig.says(a, state({serial: 1, phase: 'arming'}));
  t.is(sentTo(late, a, 'actionHeard')[0]?.serial, 1);
  t.is(seen(rig, a)?.[0]?.phase, 'ready');
  rig.says(a, state({serial: 3, phase: 'unable', error: 'no camera', settings: 'no json'}));
  t.like(seen(rig, a)?.[0], {phase: 'unable', error: 'no camera', settings: {}});
});

test('a node can fill no memory with names of actions', t => {
  const rig = MasterRig.ready();
  const [a] = rig.nodes(1);
  if (!a) return t.fail();
  for (let i = 0; i < 200; i++) rig.says(a, state({action: `a${i}`}));
  t.true((seen(rig, a)?.length ?? 0) <= 48);
});

test('one command sets an action on all that allow it', t => {
  const rig = MasterRig.ready();
  const [a, b] = [rig.node('a', {actions: ['camera']}), rig.node('b', {actions: []})];
  const settings = {gain: '2'};
  const set = {action: 'camera', settings, target: EVERYBODY};
  const {answer, effects} = rig.asked({kind: 'setAction', set});
  t.true(answer.ok && (answer.settingsId ?? 0) > 0);
  t.deepEqual(answer.ok && answer.nodes, [a.id]);
  const [sent] = only(effects, 'multicast');
  t.like(sent?.command.what, {kind: 'setAction', action: 'camera', settings: '{"gain":"2"}'});
  t.true((sent?.command.ackWindowMs ?? 0) > 0);
  t.truthy(b);
});

test('settings are refused where nobody takes them, and where they are none', t => {
  const rig = MasterRig.ready();
  const a = rig.node('a', {actions: ['camera']});
  const ask = (action: string, settings: Record<string, string>, target = EVERYBODY as never) =>
    rig.ask({kind: 'setAction', set: {action, settings, target}});
  t.like(ask('flash', {gain: '2'}), {ok: false, code: 'VOLLEY_NO_NODES'});
  t.like(ask('camera', {'-o': '2'}), {ok: false, code: 'VOLLEY_USAGE'});
  const labels = Array.from({length: 16}, (_, i) => `${i}${'x'.repeat(60)}`);
  t.like(ask('camera', {gain: '2'}, {labels, nodes: [a.id]} as never), {
    ok: false,
    code: 'VOLLEY_USAGE',
  });
});
