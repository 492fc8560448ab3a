import test from 'ava';
import {asBatchId} from '../../src/base/types.ts';
import type {ActionReport} from '../../src/core/action-events.ts';
import type {NodeEvent} from '../../src/core/core.ts';
import {ackOf, NodeRig, only, savedKeys, sent, statementOf} from './rig.ts';

const report = (changes: Partial<ActionReport> = {}): ActionReport => ({
  phase: 'ready',
  error: '',
  model: 'imx708',
  warmUpMs: 900,
  sensorPeriodMs: 33.3,
  settings: {},
  ...changes,
});
const said = (changes: Partial<ActionReport> = {}): NodeEvent => ({
  type: 'actionSaid',
  action: 'camera',
  report: report(changes),
});
const set = (rig: NodeRig, settings: object, id = 7, action = 'camera'): NodeEvent =>
  rig.command(
    {kind: 'setAction', action, settings: JSON.stringify(settings), id},
    {ackWindowMs: 10},
  );

test('the master is told how an action is, again and again until it has heard it', t => {
  const rig = NodeRig.joined();
  const [told] = sent(rig.turn(said()), 'actionState');
  t.like(told, {
    action: 'camera',
    phase: 'ready',
    model: 'imx708',
    sensorPeriodMs: 33.3,
    serial: 1,
  });
  const repeats = sent(rig.pass(1_500), 'actionState');
  t.true(repeats.length >= 2 && repeats.length < 10);
  rig.hears({type: 'actionHeard', action: 'camera', serial: 0});
  t.true(sent(rig.pass(800), 'actionState').length > 0, 'of another state');
  rig.hears({type: 'actionHeard', action: 'camera', serial: 1});
  t.deepEqual(sent(rig.pass(2_500), 'actionState'), []);
});

test('a new session hears of every action again', t => {
  const rig = NodeRig.joined();
  rig.turn(said({phase: 'unable', error: 'no camera'}));
  rig.hears({type: 'actionHeard', action: 'camera', serial: 1});
  const again = [...rig.join({epoch: 6, seqFloor: 0}), ...rig.pass(100)];
  t.like(sent(again, 'actionState')[0], {phase: 'unable', error: 'no camera', serial: 1});
});

test('settings are saved before anything else, given once, acknowledged, and told when they hold', t => {
  const rig = NodeRig.joined();
  const command = set(rig, {gain: '2', shutter: '500'});
  const effects = rig.turn(command);
  const floor = effects.findIndex(effect => effect.type === 'save' && effect.op.key === 'floor');
  const at = effects.findIndex(effect => effect.type === 'setAction');
  t.true(floor >= 0 && at > floor);
  const [order] = only(effects, 'setAction');
  t.like(order, {action: 'camera', id: 7, settings: {gain: '2', shutter: '500'}, isKept: false});
  t.like(sent(rig.pass(20), 'commandAck').map(ackOf)[0], {verdict: 'accepted'});
  if (!order) return t.fail();
  const {action, id, settings} = order;
  const holds = {...settings, awb: 'auto'};
  const done = rig.turn({
    type: 'actionSet',
    action,
    id,
    settings,
    applied: {ok: true, settings: holds},
  });
  t.deepEqual(savedKeys(done), ['put meta/action/camera']);
  t.like(sent(done, 'actionState')[0], {
    settingsId: 7,
    refusal: '',
    settings: JSON.stringify(holds),
  });
  // changes come on top of what is kept, and an empty value takes one out
  const [next] = only(rig.turn(set(rig, {gain: '', ev: '1'}, 8)), 'setAction');
  t.deepEqual(next?.settings, {shutter: '500', ev: '1'});
  const [third] = only(rig.turn(set(rig, {a: '1'}, 9)), 'setAction');
  t.deepEqual(
    third?.settings,
    {shutter: '500', ev: '1', a: '1'},
    'before the one before was answered',
  );
});

test('settings that are refused change nothing, and say why', t => {
  const rig = NodeRig.joined();
  const [order] = only(rig.turn(set(rig, {gain: '99'})), 'setAction');
  if (!order) return t.fail();
  const {action, id, settings} = order;
  const applied = {ok: false, reason: 'gain goes from 1 to 16'} as const;
  const done = rig.turn({type: 'actionSet', action, id, settings, applied});
  t.deepEqual(savedKeys(done), []);
  t.like(sent(done, 'actionState')[0], {settingsId: 7, refusal: 'gain goes from 1 to 16'});
  t.deepEqual(only(rig.turn(set(rig, {ev: '1'}, 8)), 'setAction')[0]?.settings, {ev: '1'});
});

test('a node that slept sets nothing until it has asked for the time again: nobody knows how old it is', t => {
  const rig = NodeRig.joined();
  rig.wallStepMs += 3_600_000;
  const effects = [...rig.turn(set(rig, {gain: '2'})), ...rig.pass(20)];
  t.is(only(effects, 'setAction').length, 0);
  t.like(sent(effects, 'commandAck').map(ackOf)[0], {verdict: 'expired'});
  t.like(sent(effects, 'actionState')[0], {
    settingsId: 7,
    refusal: 'the clock of the master is not known yet',
  });
  const foreign = sent(rig.turn(set(rig, {gain: '2'}, 8, 'flash')), 'actionState')[0];
  t.regex(foreign?.refusal ?? '', /does not allow "flash"/);
});

test('an action that the owner does not allow is not set, and neither is nonsense', t => {
  const rig = NodeRig.joined();
  const effects = [...rig.turn(set(rig, {gain: '2'}, 7, 'flash')), ...rig.pass(20)];
  t.is(only(effects, 'setAction').length, 0);
  t.like(sent(effects, 'commandAck').map(ackOf)[0], {verdict: 'notAllowed'});
  t.like(sent(effects, 'actionState')[0], {
    action: 'flash',
    refusal: 'the owner of this node does not allow "flash"',
  });
  for (const settings of ['{', '[]', '{"gain":2}', '{"-o":"x"}']) {
    const what = {kind: 'setAction', action: 'camera', settings, id: 9} as const;
    const odd = rig.turn(rig.command(what, {ackWindowMs: 10}));
    t.is(only(odd, 'setAction').length, 0, settings);
    t.like(sent(odd, 'actionState').at(-1), {settingsId: 9, refusal: 'these are no settings'});
  }
  for (let i = 0; i < 8; i++) {
    const many = Object.fromEntries(
      Array.from({length: 5}, (_, k) => [`s${i}${k}`, 'x'.repeat(40)]),
    );
    const [order] = only(rig.turn(set(rig, many, 20 + i)), 'setAction');
    if (!order) continue;
    const {action, id, settings} = order;
    rig.turn({type: 'actionSet', action, id, settings, applied: {ok: true, settings: {}}});
  }
  t.regex(sent(rig.pass(300), 'actionState').at(-1)?.refusal ?? '', /together exceed 512/);
});

test('what was set comes back with the next life of the node, and is not saved anew', t => {
  const rig = NodeRig.joined();
  const [order] = only(rig.turn(set(rig, {gain: '2'})), 'setAction');
  if (!order) return t.fail();
  const {action, id, settings} = order;
  rig.turn({type: 'actionSet', action, id, settings, applied: {ok: true, settings}});
  rig.kill();
  const effects = rig.join({epoch: 6, seqFloor: 0});
  t.deepEqual(only(effects, 'setAction'), [
    {type: 'setAction', action: 'camera', id: 7, settings: {gain: '2'}, isKept: true},
  ]);
  rig.turn(said());
  t.like(sent(rig.pass(1_000), 'actionState')[0], {settingsId: 7});
});

test('a statement says how far a sensor that runs by itself may be behind', t => {
  const rig = NodeRig.joined();
  rig.turn(said());
  const [fire] = only(rig.turn(rig.fire(300)), 'fire');
  if (!fire) return t.fail();
  const {captureId, shot, fireAt} = fire;
  rig.pass(400);
  const done = {type: 'shotDone', captureId, shot, doneAt: fireAt, files: []} as const;
  const effects = rig.turn({...done, firedAt: fireAt, failure: undefined});
  t.is(sent(effects, 'shotReport').map(statementOf)[0]?.sensorPeriodMs, 33.3);
  t.is(
    only(rig.turn(rig.command({kind: 'cancelBatch', batchId: asBatchId(1)})), 'setAction').length,
    0,
  );
});

test('a preview is fired as one', t => {
  const rig = NodeRig.joined();
  t.is(only(rig.turn(rig.fire(300)), 'fire')[0]?.preview, undefined);
  t.true(only(rig.turn(rig.fire(300, {}, {preview: true, shot: 2})), 'fire')[0]?.preview);
});
