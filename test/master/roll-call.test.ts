// Before a capture that leaves its lead to the master, or asks for so many nodes: who would fire?

import test from 'ava';
import {asCaptureId, type CaptureId} from '../../src/base/types.ts';
import type {CaptureView} from '../../src/core/views.ts';
import {leadFor} from '../../src/master/roll-call.ts';
import {viewCaptures, viewOneCapture} from '../../src/master/status.ts';
import {windowOf} from '../../src/master/windows.ts';
import type {AckStatement, ActionState, Command} from '../../src/wire/message.ts';
import {only} from './look.ts';
import {MasterRig} from './rig.ts';
import type {TestNode} from './test-node.ts';

type Issued = {readonly epoch: number; readonly seq: number; readonly command: Command};
type Effects = ReturnType<MasterRig['turn']>;

const rolls = (effects: Effects): readonly Issued[] =>
  only(effects, 'multicast').filter(({command}) => command.what.kind === 'rollCall');
const fires = (effects: Effects): readonly Issued[] =>
  only(effects, 'multicast').filter(({command}) => command.what.kind === 'fire');

function view(rig: MasterRig, id: CaptureId): CaptureView {
  const found = viewOneCapture(rig.core, id);
  if (!found) throw new Error('no capture');
  return found;
}

function answer(rig: MasterRig, node: TestNode, to: Issued, said: Partial<AckStatement> = {}) {
  const {epoch, seq} = to;
  return rig.says(node, rig.ackOf(node, {epoch, seq, ...said}));
}

const stateOf = (phase: ActionState['phase'], warmUpMs: number, serial = 1): ActionState => ({
  ...{type: 'actionState', action: 'camera', serial, phase, error: '', model: '', warmUpMs},
  ...{sensorPeriodMs: 0, settings: '{}', settingsId: 0, refusal: ''},
});

function called(request: Parameters<MasterRig['capture']>[0], count = 3) {
  const rig = MasterRig.ready();
  const nodes = rig.nodes(count, {actions: ['camera']});
  for (const node of nodes) rig.says(node, stateOf('ready', 0));
  const {id, effects} = rig.capture({leadMs: undefined, ...request} as never);
  const [roll] = rolls(effects);
  if (!roll) throw new Error('the roll is not called');
  return {rig, nodes, id, effects, roll};
}

test('without a lead the roll is called, and the lead is twice what delivery took', t => {
  const {rig, nodes, id, effects, roll} = called({});
  t.is(fires(effects).length, 0);
  t.true(view(rig, id).calling);
  rig.pass(90);
  const late = nodes.flatMap(node => answer(rig, node, roll));
  const [fire] = fires([...late, ...rig.pass(1)]);
  t.truthy(fire, 'as soon as all have answered');
  const {rollCall, calling, atWallMs} = view(rig, id);
  t.is(calling, undefined);
  t.like(rollCall, {asked: 3, ready: 3, unready: []});
  t.true(Math.abs((rollCall?.deliveryMs ?? 0) - 90.5) < 2);
  t.is(rollCall?.leadMs, Math.ceil(2 * (rollCall?.deliveryMs ?? 0)) + 100);
  t.is(fire?.command.what.kind === 'fire' && fire.command.what.atWallMs, atWallMs[0] as never);
});

test('a lead is long enough for delivery and for a camera that warms up, and has an end', t => {
  t.is(leadFor({deliveryMs: 3}, 0), 250);
  t.is(leadFor({deliveryMs: 400}, 0), 900);
  t.is(leadFor({deliveryMs: 3}, 4_000), 4_100);
  t.is(leadFor({deliveryMs: 3}, 400_000), 10_000);
});

test('a program that is not ready and has not said how long it warms up gets half a second', t => {
  const leadOf = (states: readonly (ActionState | undefined)[]): number | undefined => {
    const rig = MasterRig.ready();
    const nodes = rig.nodes(states.length, {actions: ['camera']});
    nodes.forEach((node, no) => {
      const state = states[no];
      if (state) rig.says(node, state);
    });
    const {id, effects} = rig.capture({leadMs: undefined} as never);
    for (const roll of rolls(effects)) for (const node of nodes) answer(rig, node, roll);
    rig.pass(1);
    return view(rig, id).rollCall?.leadMs;
  };
  const ready = stateOf('ready', 0);
  t.is(leadOf([ready, stateOf('ready', 900)]), 250);
  t.is(leadOf([ready, undefined]), 600, 'it never ran');
  t.is(leadOf([ready, stateOf('off', 0)]), 600);
  t.is(leadOf([ready, stateOf('arming', 900)]), 1_000);
  t.is(leadOf([stateOf('off', 120)]), 250, 'it has said that it is quick');
});

test('where nobody answers the lead is of the time that was waited in vain', t => {
  const {rig, id} = called({});
  rig.pass(3_000);
  const {rollCall} = view(rig, id);
  t.is(rollCall?.ready, 0);
  t.true((rollCall?.deliveryMs ?? 0) >= 600);
  t.true((rollCall?.leadMs ?? 0) > 1_200);
});

test('when too few are ready nothing fires, and it is said who is not and why', t => {
  const {rig, nodes, id, roll} = called({needs: 'all', leadMs: 500});
  const [a, b] = nodes;
  if (!a || !b) return t.fail();
  answer(rig, a, roll);
  answer(rig, b, roll, {unready: 'no camera: is it plugged in?'});
  const later = rig.pass(3_000);
  t.is(fires(later).length, 0);
  const {state, refused, rollCall, rows} = view(rig, id);
  t.is(state, 'done');
  t.is(refused, '1 of 3 nodes are ready, 3 are needed');
  t.deepEqual(
    rollCall?.unready.map(({name, why}) => [name, why]),
    [
      ['n1', 'no camera: is it plugged in?'],
      ['n2', 'it did not answer'],
    ],
  );
  t.is(rows.length, 0);
  t.is(fires(rig.pass(60_000)).length, 0, 'ever');
});

test('a node that is down counts among those that are meant', t => {
  const rig = MasterRig.ready();
  const [a, b] = rig.nodes(2, {actions: ['camera']});
  if (!a || !b) return t.fail();
  for (let i = 0; i < 20; i++) {
    rig.pass(1_000);
    rig.pull(b);
  }
  t.false(rig.core.context.roster.node(a.id)?.up);
  const {id, effects} = rig.capture({needs: '95%', leadMs: 500});
  const [roll] = rolls(effects);
  if (!roll) return t.fail();
  answer(rig, b, roll);
  rig.pass(1);
  t.is(view(rig, id).refused, '1 of 2 nodes are ready, 2 are needed');
  t.is(view(rig, id).rollCall?.unready[0]?.why, 'it is down');
});

test('where enough are ready it goes on after the answers are in, and all that are up are meant', t => {
  const {rig, nodes, id, roll} = called({needs: '2', leadMs: 500});
  for (const node of nodes.slice(0, 2)) answer(rig, node, roll);
  t.true(view(rig, id).calling, 'the third is waited for');
  const [fire] = fires(rig.pass(3_000));
  t.truthy(fire);
  const {rows, refused} = view(rig, id);
  t.is(rows.length, 3);
  t.is(refused, undefined);
});

test('a dry run fires nothing, is listed nowhere and is not kept', t => {
  const {rig, nodes, id, roll} = called({dryRun: true});
  const effects = nodes.flatMap(node => answer(rig, node, roll));
  effects.push(...rig.pass(2_000));
  t.is(fires(effects).length, 0);
  t.like(view(rig, id), {state: 'done', dryRun: true, rollCall: {ready: 3}});
  t.is(viewCaptures(rig.core).length, 0);
  t.is(rig.scan('capture').length, 0);
  rig.pass(61_000);
  t.is(viewOneCapture(rig.core, id), undefined);
});

test('a master that is killed while the roll is called fires nothing afterwards, and says so', t => {
  const {rig, nodes, id} = called({needs: 'all'});
  rig.kill();
  for (const node of nodes) rig.join(node, {actions: ['camera']});
  const effects = rig.pass(30_000);
  t.is(fires(effects).length, 0);
  t.like(view(rig, id), {
    state: 'done',
    refused: 'the master was restarted before it fired',
  });
  rig.kill();
  rig.pass(10);
  t.is(view(rig, id).refused, 'the master was restarted before it fired', 'for good');
});

test('a capture that cannot be done is refused before anybody is asked', t => {
  const rig = MasterRig.ready();
  rig.nodes(3, {actions: ['camera']});
  const refused = (more: object): unknown => {
    const capture = {action: 'camera', args: [], target: {labels: [], nodes: []}};
    const request = {...capture, shots: 1, intervalMs: 0, ...more};
    const {answer, effects} = rig.asked({kind: 'capture', capture: request});
    t.is(only(effects, 'multicast').length, 0);
    return answer.ok ? 'ok' : answer.fields['reason'];
  };
  t.is(refused({needs: '4'}), '4 nodes are needed, and 3 are meant');
  t.is(refused({needs: 'most'}), '"most" is none of all, 95% and 12');
  t.regex(`${refused({leadMs: 0, sweepMs: 10})}`, /cannot fire on hearing/);
  t.regex(`${refused({sweepMs: 30_000})}`, /a sweep takes at most 45 s/);
  t.is(rig.scan('capture').length, 0);
});

test('a sweep goes around by label and name, each node later than the one before', t => {
  const rig = MasterRig.ready();
  const nodes = [
    ['cam-10', 'ring1'],
    ['cam-2', 'ring1'],
    ['cam-1', 'ring2'],
  ].map(([name = '', label = '']) => rig.node(name, {actions: ['camera'], labels: [label]}));
  const {id, effects} = rig.capture({leadMs: 500, sweepMs: 20});
  const [fire] = fires(effects);
  const what = fire?.command.what;
  if (what?.kind !== 'fire') return t.fail();
  const [ten, two, one] = nodes.map(node => node.id.slice(0, 16));
  t.deepEqual(what.sweep, {stepMs: 20, from: 0, nodes: [two, ten, one] as string[]});
  const {rows, sweepMs} = view(rig, id);
  t.is(sweepMs, 20);
  t.is(rows.length, 3);
  t.true(view(rig, id).missing === undefined);
  rig.pass(500 + 700 + 10);
  t.is(view(rig, id).missing, undefined, 'the last is 40 ms later');
  rig.pass(60);
  t.is(view(rig, id).missing?.length, 3);
});

test('a sweep of more nodes than a datagram names takes several commands', t => {
  const rig = MasterRig.ready();
  const nodes = rig.nodes(200, {actions: ['camera']});
  const parts = fires(rig.capture({leadMs: 2_000, sweepMs: 5}).effects);
  t.true(parts.length > 1);
  const named = new Set<string>();
  for (const {command} of parts) {
    const {what} = command;
    if (what.kind !== 'fire' || !what.sweep) return t.fail();
    t.is(what.sweep.from, named.size);
    for (const node of what.sweep.nodes) named.add(node);
  }
  t.is(named.size, nodes.length);
});

test('acknowledgements are spread, and over before the instant', t => {
  t.is(windowOf(1), 5);
  t.is(windowOf(120), 60);
  t.is(windowOf(10_000), 1_000);
  t.is(windowOf(10_000, 300), 100);
  t.is(windowOf(4, 9), 5);
});

test('a dry run that is deleted leaves nothing on the disk either', t => {
  const {rig, id} = called({dryRun: true});
  t.true(rig.ask({kind: 'deleteCapture', captureId: id, force: true}).ok);
  t.is(rig.scan('capture').length, 0);
  t.is(fires(rig.pass(5_000)).length, 0);
  t.is(viewOneCapture(rig.core, id), undefined);
});

test('the number of a dry run is given to nobody else, also after a restart', t => {
  const {rig, nodes, id} = called({dryRun: true});
  rig.kill();
  for (const node of nodes) rig.join(node, {actions: ['camera']});
  t.is(rig.capture({leadMs: 500}).id, asCaptureId(id + 1));
});

test('after a restart nobody is named as missing before the last place of a sweep', t => {
  const rig = MasterRig.ready();
  const nodes = rig.nodes(3, {actions: ['camera']});
  const {id} = rig.capture({leadMs: 500, sweepMs: 5_000});
  rig.pass(100);
  rig.kill();
  for (const node of nodes) rig.join(node, {actions: ['camera']});
  rig.pass(10_000);
  t.is(view(rig, id).missing, undefined);
  rig.pass(2_000);
  t.is(view(rig, id).missing?.length, 3);
});

const KNOWN_SLOW = [80, 83, undefined] as const;

/** A row of shots, and what each node says that one takes it; its roll call is over when this returns. */
function closeShots(request: object, shotMs: readonly (number | undefined)[] = KNOWN_SLOW) {
  const it = called({shots: 20, intervalMs: 20, ...request});
  const answers = it.nodes.flatMap((node, no) => {
    const ms = shotMs[no];
    return answer(it.rig, node, it.roll, ms === undefined ? {} : {shotMs: ms});
  });
  const fired = fires([...answers, ...it.rig.pass(1_000)]);
  return {...it, fired, view: view(it.rig, it.id)};
}

test('shots that are closer together than some node can keep are not fired, and it is said what it can', t => {
  const {view, fired, rig} = closeShots({});
  t.is(fired.length + fires(rig.pass(60_000)).length, 0);
  t.is(
    view.refused,
    'shots are 20 ms apart, and 2 of 3 nodes need up to 90 ms for one: leave them 90 ms, or fire all the same with --require 0%',
  );
  t.like(view.rollCall, {asked: 3, ready: 1, slow: {nodes: 2, gapMs: 20, keepMs: 90}});
  t.deepEqual(
    view.rollCall?.unready.map(({name, why}) => [name, why]),
    [
      ['n0', 'a shot takes it up to 80 ms, and these are 20 ms apart'],
      ['n1', 'a shot takes it up to 90 ms, and these are 20 ms apart'],
    ],
  );
});

test('who says how many are needed has close shots of the others all the same', t => {
  t.is(closeShots({needs: '0%'}).view.refused, undefined);
  t.true(closeShots({needs: '0%'}).fired.length > 0);
  t.true(closeShots({needs: '1'}).fired.length > 0);
  t.is(closeShots({needs: 'all'}).view.refused, '1 of 3 nodes are ready, 3 are needed');
});

test('shots that all can keep, one shot, and those of whom nothing is known are fired', t => {
  t.true(closeShots({intervalMs: 83}).fired.length > 0);
  t.true(closeShots({shots: 1}).fired.length > 0);
  t.true(closeShots({}, []).fired.length > 0);
});

test('the shots of a burst, and its last and the next burst, are as close as they are', t => {
  const slow = (request: object) =>
    closeShots({shots: 6, burst: 3, ...request}).view.rollCall?.slow;
  t.is(slow({intervalMs: 1_000, burstMs: 40})?.gapMs, 40);
  t.is(slow({intervalMs: 250, burstMs: 100})?.gapMs, 50);
  t.is(slow({intervalMs: 300, burstMs: 100}), undefined);
});

test('steps of other actions and of other nodes are no shots in between', t => {
  const step = (atMs: number, action: string, nodes: readonly TestNode[] = []) => ({
    ...{atMs, action, args: []},
    target: {labels: [], nodes: nodes.map(({id}) => id)},
  });
  const gapOf = (stepsOf: (nodes: readonly TestNode[]) => object[]): number | undefined => {
    const rig = MasterRig.ready();
    const nodes = rig.nodes(2, {actions: ['camera', 'light']});
    const steps = stepsOf(nodes);
    const request = {action: '', steps, shots: 2 * steps.length, intervalMs: 1_000};
    const {id, effects} = rig.capture({...request, leadMs: undefined} as never);
    for (const roll of rolls(effects))
      for (const node of nodes) answer(rig, node, roll, {shotMs: 500});
    rig.pass(1_000);
    return view(rig, id).rollCall?.slow?.gapMs;
  };
  t.is(
    gapOf(() => [step(0, 'light'), step(100, 'camera')]),
    undefined,
  );
  t.is(
    gapOf(([a, b]) => [step(0, 'camera', [a as never]), step(100, 'camera', [b as never])]),
    undefined,
  );
  t.is(
    gapOf(() => [step(0, 'camera'), step(100, 'light'), step(300, 'camera')]),
    300,
  );
  t.is(
    gapOf(() => [step(0, 'camera'), step(800, 'camera')]),
    200,
    'the next row begins',
  );
});
