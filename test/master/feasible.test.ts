import test from 'ava';
import {asNodeId} from '../../src/base/types.ts';
import {type Candidate, type Wish, whatIsMissing} from '../../src/master/feasible.ts';
import {viewBatch} from '../../src/master/status.ts';
import {MasterRig} from './rig.ts';
import {APP, EXEC_APP} from './test-node.ts';

const node = (no: number, changes: Partial<Candidate> = {}): Candidate => ({
  nodeId: asNodeId(`${no}`.repeat(32)),
  labels: [],
  arch: 'x64',
  memoryMib: 1_024,
  cores: 4,
  engine: 'node-20.20.2/v8-11.3',
  runtimes: ['wasm'],
  actions: [],
  isMember: true,
  up: true,
  isHeld: false,
  ...changes,
});
const wish = (minQuorum: number, changes: Partial<Wish> = {}): Wish => ({
  runtime: 'wasm',
  action: '',
  policy: {minQuorum} as Wish['policy'],
  ...changes,
});

test('what is missing is named by the first thing that too few nodes have', t => {
  const exec = {runtime: 'exec', action: 'camera'} as const;
  const py = {runtimes: ['exec'], actions: ['py']};
  const box = {runtime: 'container', action: 'container:a:1'} as const;
  const ring = {target: {labels: ['ring1']}};
  for (const [wanted, nodes, expected] of [
    [wish(2), [node(1), node(2)], /^$/],
    [wish(2), [], /needs 2 different nodes \(minQuorum\), and 0 have joined/],
    [wish(2), [node(1), node(2, {isMember: false})], /and 1 has joined/],
    [wish(1, ring), [node(1)], /needs a node .* 0 of 1 known nodes are what its target selects/],
    [wish(1, ring), [node(1, {labels: ['ring1']})], /^$/],
    [wish(1, {target: {archs: ['arm64']}}), [node(1)], /its target selects/],
    [wish(1, {target: {...ring.target, archs: ['arm64']}}), [node(1, {arch: 'arm64'})], /target/],
    [wish(1, {target: {nodes: [node(2).nodeId]}}), [node(1), node(2)], /^$/],
    [wish(1, {target: {memoryMib: 1_025}}), [node(1)], /its target selects/],
    [wish(1, {target: {memoryMib: 1_024, cores: 4}}), [node(1)], /^$/],
    [wish(1, {target: {cores: 5}}), [node(1), node(2, {cores: 8})], /^$/],
    [wish(2, {target: {cores: 5}}), [node(1), node(2, {cores: 8})], /1 of 2 .* target selects/],
    [wish(1, exec), [node(1)], /0 of 1 known nodes are allowed the action "camera"/],
    [wish(1, exec), [node(1, {runtimes: ['exec'], actions: ['camera']})], /^$/],
    [wish(1, {...exec, action: 'py+files'}), [node(1, py)], /programs from the app .*"py"$/],
    [wish(1, box), [node(1, py)], /able and allowed to run the image "a:1"/],
    [wish(1, box), [node(1, {runtimes: ['container'], actions: ['container:a:*']})], /^$/],
    [wish(2), [node(1), node(2, {up: false})], /1 of 2 known nodes is up and could run it/],
    [wish(2), [node(1), node(2, {isHeld: true})], /1 of 2 .* neither suspended, draining nor/],
  ] as const)
    t.regex(whatIsMissing(wanted, nodes), expected);
});

test('a homogeneous policy needs enough nodes of one kind', t => {
  const arch = {policy: {minQuorum: 2, homogeneous: 'arch'} as Wish['policy']};
  const engine = {policy: {minQuorum: 2, homogeneous: 'engine'} as Wish['policy']};
  const arm = {arch: 'arm64'};
  for (const [wanted, nodes, expected] of [
    [wish(2, arch), [node(1), node(2)], /^$/],
    [wish(2, arch), [node(1), node(2), node(3, arm)], /^$/],
    [wish(2, arch), [node(1), node(2, arm)], /2 different nodes of one arch .* no more than 1 are/],
    [wish(2, arch), [node(1)], /1 has joined/],
    [wish(2, arch), [node(1), node(2, arm), node(3, {...arm, up: false})], /could run it now no/],
    [wish(2, engine), [node(1), node(2, {engine: 'node-22/v8-12'})], /of one engine/],
    [wish(2, engine), [node(1), node(2, {engine: 'node-20.9.0/v8-11.3'})], /^$/],
    [wish(1, {policy: {minQuorum: 1, homogeneous: 'arch'} as Wish['policy']}), [node(1)], /^$/],
  ] as const)
    t.regex(whatIsMissing(wanted, nodes), expected);
});

const range = {kind: 'range', start: 0, end: 4, chunk: 1} as const;
const batch = {name: '', app: APP.name, args: [], input: range, policy: {minQuorum: 2}};

test('a batch that waits says why at once, shows it, and runs when the nodes are there', t => {
  const rig = MasterRig.ready();
  const answer = rig.ask({kind: 'submitBatch', batch});
  t.regex(String(answer.ok && answer.warning), /needs 2 different nodes/);
  const id = answer.ok ? answer.batchId : undefined;
  if (id === undefined) throw new Error('no batch');
  t.regex(viewBatch(rig.core, id, rig.now)?.waiting ?? '', /0 have joined/);
  rig.nodes(2);
  t.is(viewBatch(rig.core, id, rig.now)?.waiting, undefined);
});

test('strict refuses what would wait, and nothing is stored', t => {
  const rig = MasterRig.ready();
  const answer = rig.ask({kind: 'submitBatch', batch: {...batch, strict: true}});
  t.like(answer, {ok: false, code: 'VOLLEY_TOO_FEW_NODES'});
  t.is(rig.scan('batch').length, 0);
  rig.nodes(2);
  t.true(rig.ask({kind: 'submitBatch', batch: {...batch, strict: true}}).ok);
  const exec = {...batch, app: EXEC_APP.name, strict: true};
  t.like(rig.ask({kind: 'submitBatch', batch: exec}), {ok: false});
});

test('a batch with a target goes to those nodes only, also by labels that come later', t => {
  const rig = MasterRig.ready();
  const target = {labels: ['ring1'], archs: ['arm64']};
  const answer = rig.ask({kind: 'submitBatch', batch: {...batch, policy: {minQuorum: 1}, target}});
  const id = answer.ok ? answer.batchId : undefined;
  if (id === undefined) throw new Error('no batch');
  const a = rig.node('a', {arch: 'arm64'});
  const b = rig.node('b', {labels: ['ring1']});
  t.deepEqual([rig.pull(a), rig.pull(b)], [[], []]);
  t.regex(viewBatch(rig.core, id, rig.now)?.waiting ?? '', /target/);
  rig.ask({kind: 'labelNode', nodeId: a.id, add: ['ring1'], remove: []});
  t.true(rig.pull(a).length > 0);
  rig.killAndRest();
  rig.join(a, {arch: 'arm64'});
  rig.join(b, {labels: ['ring1']});
  t.deepEqual(rig.pull(b), []);
});
