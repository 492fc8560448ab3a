import test from 'ava';
import {asNodeId, type NodeId} from '../../src/base/types.ts';
import type {ActionSettings} from '../../src/core/action-settings.ts';
import {exportRig} from '../../src/core/rig-export.ts';
import {differencesOf, ordersOf, positionsOf, type Rig} from '../../src/core/rig-plan.ts';
import type {NodeView} from '../../src/core/views.ts';
import {nodeView} from '../http/rig.ts';

const idOf = (n: number): NodeId => asNodeId(n.toString(16).padStart(2, '0').repeat(16));
const camera = (n: number, settings?: ActionSettings, more: Partial<NodeView> = {}): NodeView => ({
  ...nodeView(idOf(n)),
  name: `cam-${n}`,
  actions: ['testcard', 'camera', 'python+files'],
  ...(settings && {
    actionStates: [
      {
        ...{action: 'camera', serial: 1, phase: 'ready', error: '', model: ''},
        ...{warmUpMs: 0, sensorPeriodMs: 0, settings, settingsId: 1, refusal: ''},
      },
    ],
  }),
  ...more,
});
const rigOf = (nodes: Rig['nodes'], settings: ActionSettings = {}): Rig => {
  return {name: 'r', nodes, actions: new Map([['camera', settings]])};
};
const short = (rig: Rig, views: readonly NodeView[]): string[] =>
  differencesOf(rig, views).map(
    ({kind, name, key, wanted, found}) => `${kind} ${name} ${key}: ${wanted} < ${found}`,
  );

test('a rig that is as the file says differs in nothing, and nothing is to be done', t => {
  const rig = rigOf([{name: 'cam-1', labels: ['a'], action: 'camera'}, {name: 'cam-2'}], {
    gain: '1.50',
  });
  const views = [
    camera(1, {gain: '1.5', shutter: '9'}, {labels: ['own', 'a']}),
    camera(2, {gain: '1.50'}, {labels: ['x'], givenLabels: ['x']}),
    camera(3, {}, {state: 'revoked'}),
  ];
  t.deepEqual(short(rig, views), []);
  t.deepEqual(ordersOf(rig, views), {labels: [], settings: []});
});

test('who is missing, surplus, down, named otherwise or twice is told', t => {
  const id = idOf(5).slice(0, 8);
  const rig = rigOf([{name: 'cam-1'}, {name: 'gone'}, {name: 'new', id}, {name: 'twin'}]);
  const views = [
    camera(1, {}, {state: 'silent'}),
    camera(5, {}),
    camera(6, {}),
    camera(7, {}, {name: 'twin'}),
    camera(8, {}, {name: 'twin'}),
  ];
  t.deepEqual(short(rig, views), [
    'down cam-1 : up < silent',
    'missing gone : a node < ',
    'name cam-5 : new < cam-5',
    'ambiguous twin : a node < 2 nodes: give the id',
    'surplus cam-6 :  < a node',
  ]);
});

test('labels are given and taken, those of the node itself stay; silent nodes get theirs too', t => {
  const rig = rigOf([
    {name: 'cam-1', labels: ['a', 'b']},
    {name: 'cam-2', labels: []},
  ]);
  const views = [
    camera(1, {}, {labels: ['own', 'a', 'old'], givenLabels: ['a', 'old'], state: 'silent'}),
    camera(2, {}, {labels: ['own']}),
  ];
  t.deepEqual(short(rig, views), [
    'label cam-1 : b < ',
    'label cam-1 :  < old',
    'down cam-1 : up < silent',
  ]);
  t.deepEqual(ordersOf(rig, views).labels, [
    {nodeId: idOf(1), name: 'cam-1', add: ['b'], remove: ['old']},
  ]);
});

test('settings are those of the nodes that are up and have the action; one that differs sets all', t => {
  const rig = rigOf(
    [
      {name: 'cam-1', action: 'camera'},
      {name: 'cam-2'},
      {name: 'cam-3', action: 'flash'},
      {name: 'cam-4'},
      {name: 'cam-5'},
    ],
    {gain: '2'},
  );
  const views = [
    camera(1, {gain: '2'}),
    camera(2),
    camera(3, {gain: '1'}),
    camera(4, {gain: '1'}, {state: 'silent'}),
    camera(5, {}),
  ];
  t.deepEqual(short(rig, views), [
    'setting cam-2 camera gain: 2 < not told yet',
    'action cam-3 flash: allowed < ',
    'down cam-4 : up < silent',
    'setting cam-5 camera gain: 2 < ',
  ]);
  const [order, ...more] = ordersOf(rig, views).settings;
  t.deepEqual(more, []);
  t.deepEqual(order?.settings, {gain: '2'});
  t.deepEqual(
    order?.nodes.map(({name}) => name),
    ['cam-1', 'cam-2', 'cam-5'],
  );
  t.false(order?.isForAll, 'cam-3 has the action too, and is for another');
  const [all] = ordersOf(
    rig,
    [views[1], views[3], views[4]].flatMap(view => view ?? []),
  ).settings;
  t.true(all?.isForAll, 'one that is down and meant is no other');
});

test('positions are found by id and by a name that only one has', t => {
  const [x, angle] = [{x: 1}, {angle: 30}];
  const rig = rigOf([
    {name: 'any', id: idOf(1).slice(0, 4), position: x},
    {name: 'cam-2', position: angle},
    {name: 'twin', position: x},
    {name: 'cam-3'},
  ]);
  const known = [camera(1), camera(2), camera(3), camera(8, {}, {name: 'twin'})];
  t.deepEqual(
    [...positionsOf(rig, [...known, camera(9, {}, {name: 'twin'})])],
    [
      [idOf(1), x],
      [idOf(2), angle],
    ],
  );
});

test('an export folds nodes that are alike and differs from its cluster in nothing', t => {
  const views = [
    ...[10, 2, 1].map(n => camera(n, {gain: '2', awb: 'off'}, {labels: ['ring1', 'b']})),
    camera(3, {gain: '2', awb: 'auto'}, {labels: ['ring2'], givenLabels: ['ring2']}),
    camera(4, {gain: '2'}, {name: 'a,b', actions: ['testcard', 'camera', 'flash']}),
    camera(5, undefined, {name: 'off', state: 'silent'}),
    camera(6, {}, {name: 'gone', state: 'revoked'}),
    camera(7, undefined, {name: 'plain', actions: ['testcard']}),
    ...[8, 9].map(n => camera(n, {gain: '2'}, {name: 'twin'})),
  ];
  const {nodes, actions, notes} = exportRig(views);
  t.deepEqual(nodes, [
    {name: 'a,b', id: idOf(4), labels: []},
    {name: 'cam-[1-2,10]', labels: ['b', 'ring1'], action: 'camera'},
    {name: 'cam-3', labels: ['ring2'], action: 'camera'},
    {name: 'off', labels: [], action: 'camera'},
    {name: 'plain', labels: []},
    {name: 'twin', id: idOf(8), labels: [], action: 'camera'},
    {name: 'twin', id: idOf(9), labels: [], action: 'camera'},
  ]);
  t.deepEqual(actions, {camera: {gain: '2'}});
  t.deepEqual(notes, [
    'camera: awb differs: a,b -, cam-1 off, cam-2 off, cam-3 auto, cam-10 off, twin -, twin -',
  ]);
  const expanded = nodes.flatMap(({name, ...rest}) =>
    name === 'cam-[1-2,10]'
      ? [1, 2, 10].map(n => ({name: `cam-${n}`, ...rest}))
      : [{name, ...rest}],
  );
  const rig: Rig = {name: 'r', nodes: expanded, actions: new Map(Object.entries(actions))};
  t.deepEqual(short(rig, views), ['down off : up < silent']);
  t.deepEqual(ordersOf(rig, views), {labels: [], settings: []});
});

test('what a node has not told yet is left out of an export, and noted', t => {
  const {actions, notes} = exportRig([camera(1, {gain: '1'}), camera(2)]);
  t.deepEqual(actions, {});
  t.deepEqual(notes, [
    'camera: cam-2 has told nothing of it yet',
    'camera: gain differs: cam-1 1, cam-2 -',
  ]);
});
