import test from 'ava';
import type {CaptureId} from '../../src/base/types.ts';
import type {MasterEffect} from '../../src/core/core.ts';
import type {CaptureRequest, CaptureStep} from '../../src/core/operator-request.ts';
import type {CaptureView} from '../../src/core/views.ts';
import {callsOf, nameOf, unionOf} from '../../src/master/capture-steps.ts';
import {EVERY_NODE} from '../../src/master/commands.ts';
import {viewOneCapture} from '../../src/master/status.ts';
import {only} from './look.ts';
import {MasterRig} from './rig.ts';
import {EPOCH_WALL, type TestNode} from './test-node.ts';

const LAMPS = {labels: ['lamps'], nodes: []};
const RING = {labels: ['ring'], nodes: []};
const step = (atMs: number, action: string, more: Partial<CaptureStep> = {}): CaptureStep => ({
  ...{atMs, action, args: []},
  ...more,
});
const LIT = [
  step(300, 'light', {args: ['off'], target: LAMPS}),
  step(0, 'light', {args: ['on'], target: LAMPS}),
  step(200, 'camera', {target: RING}),
];
const lit = (request: Partial<CaptureRequest> = {}) => ({
  ...{action: '', args: [], steps: LIT, shots: 3},
  ...request,
});

function room(): {rig: MasterRig; lamp: TestNode; cameras: readonly TestNode[]} {
  const rig = MasterRig.ready();
  const lamp = rig.node('lamp', {labels: ['lamps'], actions: ['light']});
  const cameras = ['a', 'b'].map(name =>
    rig.node(name, {labels: ['ring'], actions: ['camera', 'light']}),
  );
  return {rig, lamp, cameras};
}

function view(rig: MasterRig, id: CaptureId): CaptureView {
  const found = viewOneCapture(rig.core, id);
  if (!found) throw new Error('no capture');
  return found;
}

/** First commands to fire, by shot. */
function firesOf(effects: readonly MasterEffect[]) {
  const fires = new Map<
    number,
    {action: string; args: readonly string[]; labels: readonly string[]; at: number}
  >();
  for (const {command} of only(effects, 'multicast')) {
    const {what, target} = command;
    if (what.kind !== 'fire' || fires.has(what.shot)) continue;
    const {action, args, atWallMs: at} = what;
    fires.set(what.shot, {action, args, labels: target.labels, at});
  }
  return [...fires.values()];
}

test('each step is a shot of its own action, nodes and instant, in the order of their times', t => {
  const {rig, lamp, cameras} = room();
  const {id, effects} = rig.capture(lit({leadMs: 500}));
  const start = EPOCH_WALL + rig.mono + 500;
  t.deepEqual(firesOf([...effects, ...rig.pass(400)]), [
    {action: 'light', args: ['on'], labels: ['lamps'], at: start},
    {action: 'camera', args: [], labels: ['ring'], at: start + 200},
    {action: 'light', args: ['off'], labels: ['lamps'], at: start + 300},
  ]);
  const {rows, action, steps} = view(rig, id);
  t.is(action, 'light+camera');
  t.deepEqual(
    steps?.map(each => each.args),
    [['on'], [], ['off']],
  );
  t.deepEqual(
    rows.map(({nodeId, shot}) => [nodeId, shot]),
    [[lamp.id, 1], ...cameras.map(node => [node.id, 2]), [lamp.id, 3]],
    'nobody is asked for what is not his',
  );
});

test('a row of steps is repeated, and the capture is over when all of it is told', t => {
  const {rig, lamp, cameras} = room();
  const {id} = rig.capture(lit({leadMs: 1_000, shots: 6, intervalMs: 2_000}));
  const start = view(rig, id).atWallMs[0] ?? 0;
  t.deepEqual(
    view(rig, id).atWallMs.map(at => at - start),
    [0, 200, 300, 2_000, 2_200, 2_300],
  );
  rig.pass(100);
  for (const shot of [1, 3, 4, 6]) rig.says(lamp, rig.shotOf(lamp, {captureId: id, shot}));
  for (const shot of [2, 5])
    for (const node of cameras) rig.says(node, rig.shotOf(node, {captureId: id, shot}));
  rig.pass(2_000);
  t.is(view(rig, id).state, 'done');
  t.is(view(rig, id).rows.length, 8);
});

test('the roll is called for each action among those that are to do it', t => {
  const {rig, lamp, cameras} = room();
  const {id, effects} = rig.capture(lit({leadMs: undefined as never, needs: 'all'}));
  const calls = only(effects, 'multicast').map(({command, epoch, seq}) => ({command, epoch, seq}));
  t.deepEqual(
    calls.map(({command: {what, target}}) => [
      what.kind === 'rollCall' ? what.action : '',
      target.labels,
    ]),
    [
      ['light', ['lamps']],
      ['camera', ['ring']],
    ],
  );
  const [light, camera] = calls;
  rig.says(lamp, rig.ackOf(lamp, {epoch: light?.epoch ?? 0, seq: light?.seq ?? 0}));
  for (const [i, node] of cameras.entries())
    rig.says(
      node,
      rig.ackOf(node, {
        ...{epoch: camera?.epoch ?? 0, seq: camera?.seq ?? 0},
        ...(i === 1 ? {unready: 'no camera is there'} : {}),
      }),
    );
  rig.pass(100);
  const {refused, rollCall} = view(rig, id);
  t.is(refused, '2 of 3 nodes are ready, 3 are needed');
  t.deepEqual(
    rollCall?.unready.map(({nodeId, why}) => [nodeId, why]),
    [[cameras[1]?.id, 'no camera is there']],
  );
});

test('who is asked for two actions and cannot do one of them is not ready, and counts once', t => {
  const {rig, cameras} = room();
  const steps = [step(0, 'light', {target: RING}), step(10, 'camera', {target: RING})];
  const {id, effects} = rig.capture(lit({steps, shots: 2, leadMs: undefined as never, needs: '1'}));
  const calls = only(effects, 'multicast');
  for (const [i, {epoch, seq}] of calls.entries())
    for (const node of cameras)
      rig.says(node, rig.ackOf(node, {epoch, seq, ...(i === 0 ? {unready: 'it is broken'} : {})}));
  rig.pass(100);
  t.like(view(rig, id).rollCall, {asked: 2, ready: 0});
  t.is(view(rig, id).refused, '0 of 2 nodes are ready, 1 are needed');
});

test('what makes no sense is refused, and nothing is kept', t => {
  const {rig} = room();
  const far = [step(0, 'light'), step(5_000, 'camera')];
  const long = LIT.map(each => ({...each, args: ['x'.repeat(1_200)]}));
  const cases: [Partial<CaptureRequest>, RegExp][] = [
    [{action: '', shots: 1}, /an action is missing/],
    [lit({action: 'camera'}), /either an action .* or steps/],
    [lit({args: ['x']}), /either an action .* or steps/],
    [lit({shots: 4}), /4 shots are no whole number of rows of 3 steps/],
    [lit({burst: 2, burstMs: 10}), /no burst/],
    [lit({sweepMs: 20}), /no sweep/],
    [lit({steps: far, shots: 4, intervalMs: 2_000}), /steps take 5000 ms/],
    [lit({steps: long}), /exceed \d+ bytes/],
  ];
  for (const [request, story] of cases) {
    const capture = {
      ...{action: 'camera', args: [], target: EVERY_NODE, leadMs: 300, shots: 1, intervalMs: 0},
      ...request,
    };
    const answer = rig.ask({kind: 'capture', capture});
    t.regex(JSON.stringify(answer), story);
  }
  t.is(rig.scan('capture').length, 0);
});

test('a step of which nobody is up is commanded to nobody', t => {
  const {rig} = room();
  const steps = [...LIT, step(100, 'camera', {target: {labels: ['ring9'], nodes: []}})];
  const {id, effects} = rig.capture(lit({steps, shots: 4}));
  t.is(firesOf([...effects, ...rig.pass(1_000)]).length, 3);
  t.deepEqual([...new Set(view(rig, id).rows.map(({shot}) => shot))], [1, 3, 4]);
});

test('the next master goes on with the steps that are left', t => {
  const {rig, lamp, cameras} = room();
  const {id} = rig.capture(lit({leadMs: 40_000, intervalMs: 0}));
  const asked = view(rig, id).atWallMs;
  rig.kill();
  const nodes = [lamp, ...cameras];
  const effects = nodes.flatMap(node => rig.join(node));
  for (let ms = 0; ms < 50_000; ms += 500) {
    effects.push(...rig.pass(500));
    for (const node of nodes) effects.push(...rig.says(node, rig.pullOf(node, 0)));
  }
  t.deepEqual(
    firesOf(effects).map(({action, at}) => [action, at]),
    ['light', 'camera', 'light'].map((action, i) => [action, asked[i]]),
  );
});

test('a cancel is for everybody who is in a step', t => {
  const {rig} = room();
  const {id} = rig.capture(lit({leadMs: 5_000}));
  const {effects} = rig.asked({kind: 'cancelCapture', captureId: id});
  const [said] = only(effects, 'multicast');
  t.deepEqual(said?.command.target, {labels: ['lamps', 'ring'], nodes: []});
});

test('targets, names and calls of steps', t => {
  t.deepEqual(unionOf([LAMPS, RING, LAMPS]), {labels: ['lamps', 'ring'], nodes: []});
  t.deepEqual(unionOf([LAMPS, EVERY_NODE]), EVERY_NODE);
  t.is(nameOf(LIT), 'light+camera');
  t.deepEqual(callsOf({action: 'x', target: RING}), [{action: 'x', target: RING}]);
});
