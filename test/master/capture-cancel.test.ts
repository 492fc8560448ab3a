import test from 'ava';
import type {CaptureId} from '../../src/base/types.ts';
import type {MasterEffect} from '../../src/core/core.ts';
import type {CaptureView} from '../../src/core/views.ts';
import {viewOneCapture} from '../../src/master/status.ts';
import {notesOf, only} from './look.ts';
import {MasterRig} from './rig.ts';
import {blobOf, type TestNode} from './test-node.ts';

const cameras = (rig: MasterRig, count: number): TestNode[] =>
  rig.nodes(count, {actions: ['camera']});

function view(rig: MasterRig, id: CaptureId): CaptureView {
  const found = viewOneCapture(rig.core, id);
  if (!found) throw new Error('no capture');
  return found;
}

const cancel = (rig: MasterRig, captureId: CaptureId) =>
  rig.asked({kind: 'cancelCapture', captureId});

/** What nodes hear of captures, by multicast or in their session. */
const heard = (effects: readonly MasterEffect[], kind: 'fire' | 'cancelCapture') =>
  [...only(effects, 'multicast'), ...only(effects, 'repair')].filter(
    ({command}) => command.what.kind === kind,
  );

const UNFIRED = {firedWallMs: 0 as never, verdict: 'cancelled', reason: 'by the operator'} as const;

test('who was commanded is told not to fire, and says what became of it', t => {
  const rig = MasterRig.ready();
  const [a, b] = cameras(rig, 2) as [TestNode, TestNode];
  const {id} = rig.capture({leadMs: 5_000, shots: 2, intervalMs: 100});
  rig.pass(200);
  const {answer, effects} = cancel(rig, id);
  t.true(answer.ok);
  const save = effects.findIndex(({type}) => type === 'save');
  const say = effects.findIndex(({type}) => type === 'multicast');
  t.true(save >= 0 && say > save, 'durable before it is said');
  const [said] = heard(effects, 'cancelCapture');
  const {salt} = rig.core.captures.capture(id)?.row ?? {};
  t.deepEqual(said?.command.what, {kind: 'cancelCapture', captureId: id, salt: salt ?? -1});
  t.true((said?.command.ttlMs ?? 0) > 5_000, 'as long as anything is left to cancel');
  t.like(view(rig, id), {state: 'running', cancelled: 'master'});
  for (const node of [a, b])
    for (const shot of [1, 2]) rig.says(node, rig.shotOf(node, {captureId: id, shot, ...UNFIRED}));
  rig.pass(100);
  t.is(view(rig, id).state, 'done', 'nobody is waited for');
  t.deepEqual([...new Set(view(rig, id).rows.map(({verdict}) => verdict))], ['cancelled']);
  t.deepEqual(view(rig, id).missing, [], 'nobody is missing');
});

test('a node that has not answered is told again; of the shots it hears no more', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 2) as [TestNode];
  const {id} = rig.capture({leadMs: 4_000});
  const {effects} = cancel(rig, id);
  const [said] = heard(effects, 'cancelCapture');
  rig.says(a, rig.ackOf(a, {epoch: said?.epoch ?? 0, seq: said?.seq ?? 0}));
  const later: MasterEffect[] = [];
  for (let ms = 0; ms < 2_000; ms += 50) later.push(...rig.pass(50));
  t.true(heard(later, 'cancelCapture').length > 3);
  t.deepEqual(
    only(later, 'repair').filter(({to}) => to === a.peer),
    [],
  );
  t.deepEqual(heard(later, 'fire'), []);
});

test('shots that were not commanded are over at once, those that were fired stay', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 1) as [TestNode];
  const {id} = rig.capture({leadMs: 300, shots: 4, intervalMs: 30_000});
  rig.pass(400);
  const file = {name: 'a.jpg', ...blobOf('a')};
  rig.says(a, rig.shotOf(a, {captureId: id, shot: 1, files: [file]}));
  const {effects} = cancel(rig, id);
  t.deepEqual(heard(effects, 'cancelCapture'), [], 'nothing is left at a node');
  t.like(view(rig, id), {state: 'running', cancelled: 'master'}, 'its file is still to come');
  rig.turn({type: 'blobStored', blobId: file.blobId, size: file.size});
  rig.pass(1_500);
  const {state, rows, missing} = view(rig, id);
  t.is(state, 'done');
  t.deepEqual(
    rows.map(({verdict}) => verdict),
    ['fired', 'cancelled', 'cancelled', 'cancelled'],
  );
  t.deepEqual(missing, []);
  const later: MasterEffect[] = [];
  for (let s = 0; s < 120; s++) later.push(...rig.pass(1_000));
  t.deepEqual(heard(later, 'fire'), []);
});

test('while the roll is called nothing has been commanded, and nothing is', t => {
  const rig = MasterRig.ready();
  cameras(rig, 2);
  const {id} = rig.capture({leadMs: undefined as never, needs: 'all'});
  t.true(view(rig, id).calling);
  const {effects} = cancel(rig, id);
  t.like(view(rig, id), {state: 'done', refused: 'cancelled by master'});
  t.deepEqual(heard([...effects, ...rig.pass(5_000)], 'fire'), []);
});

test('what is over, had its instants, or is not there cannot be cancelled; twice is once', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 1) as [TestNode];
  const {id} = rig.capture({leadMs: 300});
  rig.pass(301);
  t.regex(JSON.stringify(cancel(rig, id).answer), /all shots .* have had their instant/);
  rig.says(a, rig.shotOf(a, {captureId: id}));
  rig.pass(100);
  t.regex(JSON.stringify(cancel(rig, id).answer), /capture 1 is over/);
  t.like(cancel(rig, 99 as CaptureId).answer, {ok: false, code: 'VOLLEY_UNKNOWN_CAPTURE'});
  const second = rig.capture({leadMs: 5_000}).id;
  const both = [cancel(rig, second), cancel(rig, second)];
  t.deepEqual(
    both.map(({answer}) => answer.ok),
    [true, true],
  );
  t.is(both.flatMap(({effects}) => heard(effects, 'cancelCapture')).length, 1);
  t.is(
    both.flatMap(({effects}) => notesOf(effects).filter(what => what === 'capture cancelled'))
      .length,
    1,
  );
});

test('the next master knows that it is cancelled, and tells nodes that may not have heard', t => {
  const rig = MasterRig.ready();
  const nodes = cameras(rig, 2);
  const {id} = rig.capture({leadMs: 10_000, shots: 3, intervalMs: 15_000});
  rig.pass(100);
  cancel(rig, id);
  rig.kill();
  const effects = nodes.flatMap(node => rig.join(node, {actions: ['camera']}));
  for (let ms = 0; ms < 60_000; ms += 500) {
    effects.push(...rig.pass(500));
    for (const node of nodes) effects.push(...rig.says(node, rig.pullOf(node, 0)));
  }
  t.deepEqual(heard(effects, 'fire'), []);
  t.true(heard(effects, 'cancelCapture').length > 0);
  t.like(view(rig, id), {cancelled: 'master'});
  t.deepEqual(
    view(rig, id)
      .rows.filter(({nodeId}) => nodeId === nodes[0]?.id)
      .map(({verdict}) => verdict),
    ['waiting', 'cancelled', 'cancelled'],
    'of the first nobody knows',
  );
});
