import test from 'ava';
import type {CaptureId} from '../../src/base/types.ts';
import type {CaptureView} from '../../src/core/views.ts';
import {viewOneCapture} from '../../src/master/status.ts';
import type {ShotFile} from '../../src/wire/message.ts';
import {notesOf, only, receiptsOf, sentTo} from './look.ts';
import {MasterRig} from './rig.ts';
import {blobOf, EPOCH_WALL, type TestNode} from './test-node.ts';

const fileOf = (name: string): ShotFile => ({name, ...blobOf(name)});
const cameras = (rig: MasterRig, count: number): TestNode[] =>
  rig.nodes(count, {actions: ['camera']});

function view(rig: MasterRig, id: CaptureId): CaptureView {
  const found = viewOneCapture(rig.core, id);
  if (!found) throw new Error('no capture');
  return found;
}

const rowOf = (rig: MasterRig, id: CaptureId, node: TestNode) => {
  const row = view(rig, id).rows.find(({nodeId}) => nodeId === node.id);
  if (!row) throw new Error('no row');
  return row;
};

test('a capture that no node is meant by is refused', t => {
  const rig = MasterRig.ready();
  const request = {
    kind: 'capture',
    capture: {
      action: 'camera',
      args: [],
      target: {labels: ['ring9'], nodes: []},
      leadMs: 300,
      shots: 1,
      intervalMs: 0,
    },
  } as const;
  t.like(rig.ask(request), {ok: false, code: 'VOLLEY_NO_NODES'});
  cameras(rig, 1);
  t.like(rig.ask(request), {ok: false, code: 'VOLLEY_NO_NODES'});
  t.is(rig.scan('capture').length, 0);
});

test('a capture of nodes that are all silent is refused', t => {
  const rig = MasterRig.ready();
  cameras(rig, 2);
  rig.pass(10_000);
  const {answer} = rig.asked({
    kind: 'capture',
    capture: {
      action: 'camera',
      args: [],
      target: {labels: [], nodes: []},
      leadMs: 0,
      shots: 1,
      intervalMs: 0,
    },
  });
  t.like(answer, {ok: false, code: 'VOLLEY_NO_NODES'});
});

test('a capture is durable before its command leaves', t => {
  const rig = MasterRig.ready();
  cameras(rig, 1);
  const {effects} = rig.capture();
  t.true(only(effects, 'save').some(({op}) => op.table === 'capture'));
  t.like(only(effects, 'multicast')[0]?.command.what, {
    kind: 'fire',
    shot: 1,
    action: 'camera',
    atWallMs: EPOCH_WALL + rig.mono + 300,
  });
});

test('each shot has its own command and instant; those far ahead wait', t => {
  const rig = MasterRig.ready();
  cameras(rig, 1);
  const {id, effects} = rig.capture({leadMs: 30_000, shots: 3, intervalMs: 5_000});
  t.is(only(effects, 'multicast').length, 0);
  const start = EPOCH_WALL + rig.mono;
  t.deepEqual(
    view(rig, id).atWallMs,
    [30_000, 35_000, 40_000].map(ms => start + ms),
  );
  const shots = new Map<number, number>();
  for (let ms = 0; ms < 41_000; ms += 100)
    for (const {command} of only(rig.pass(100), 'multicast'))
      if (command.what.kind === 'fire' && !shots.has(command.what.shot)) {
        shots.set(command.what.shot, command.what.atWallMs);
        t.true(command.issuedWallMs < command.what.atWallMs);
        t.true(command.ttlMs >= command.what.atWallMs - command.issuedWallMs);
      }
  t.deepEqual([...shots.values()], [...view(rig, id).atWallMs]);
});

test('the shots of a burst have instants close to each other, and each its own command', t => {
  const rig = MasterRig.ready();
  cameras(rig, 1);
  const {id, effects} = rig.capture({
    ...{leadMs: 1_000, shots: 5, intervalMs: 10_000},
    ...{burst: 2, burstMs: 40},
  });
  const start = EPOCH_WALL + rig.mono;
  t.deepEqual(
    view(rig, id).atWallMs,
    [1_000, 1_040, 11_000, 11_040, 21_000].map(ms => start + ms),
  );
  const fires = only([...effects, ...rig.pass(100)], 'multicast').map(({command: {what}}) => what);
  const shots = fires.flatMap(what => (what.kind === 'fire' ? [what.shot] : []));
  t.deepEqual([...new Set(shots)], [1, 2], 'each as long before its instant');
});

test('a tolerance goes with the roll call and with the command, and not with a shot on hearing', t => {
  const rig = MasterRig.ready();
  cameras(rig, 1);
  const {effects} = rig.capture({leadMs: 300, toleranceMs: 2});
  t.like(only(effects, 'multicast')[0]?.command.what, {kind: 'fire', toleranceMs: 2});
  const called = rig.capture({leadMs: 300, toleranceMs: 2, needs: 'all'});
  t.like(only(called.effects, 'multicast')[0]?.command.what, {kind: 'rollCall', toleranceMs: 2});
  const capture = {
    ...{action: 'camera', args: [], target: {labels: [], nodes: []}},
    ...{leadMs: 0, shots: 1, intervalMs: 0, toleranceMs: 2},
  };
  t.like(rig.asked({kind: 'capture', capture}).answer, {ok: false, code: 'VOLLEY_USAGE'});
});

test('a burst on hearing is commanded shot by shot', t => {
  const rig = MasterRig.ready();
  cameras(rig, 1);
  rig.capture({leadMs: 0, shots: 3, intervalMs: 5_000, burst: 3, burstMs: 100});
  const first = new Map<number, number>([[1, 0]]);
  for (let ms = 10; ms < 1_000; ms += 10)
    for (const {command} of only(rig.pass(10), 'multicast'))
      if (command.what.kind === 'fire' && !first.has(command.what.shot))
        first.set(command.what.shot, ms);
  t.deepEqual([...first.values()], [0, 100, 200]);
});

test('a burst that is longer than the time to the next is refused', t => {
  const rig = MasterRig.ready();
  cameras(rig, 1);
  const capture = {
    ...{action: 'camera', args: [], target: {labels: [], nodes: []}, leadMs: 0},
    ...{shots: 6, intervalMs: 100, burst: 3, burstMs: 60},
  };
  const {answer} = rig.asked({kind: 'capture', capture});
  t.like(answer, {
    ok: false,
    code: 'VOLLEY_USAGE',
    fields: {reason: 'a burst of 3 takes 120 ms, and the next begins after 100 ms'},
  });
  t.like(rig.ask({kind: 'capture', capture: {...capture, shots: 3}}), {ok: true});
});

test('a statement is stored, acknowledged and shown', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 1) as [TestNode];
  const {id} = rig.capture();
  const at = view(rig, id).atWallMs[0] ?? 0;
  const effects = rig.says(a, rig.shotOf(a, {captureId: id, firedWallMs: (at + 2) as never}));
  t.is(receiptsOf(effects, a).length, 1);
  t.true(only(effects, 'save').some(({op}) => op.table === 'shot'));
  t.like(rowOf(rig, id, a), {verdict: 'fired', heard: true, lateMs: 2, clockBoundMs: 0.5});
});

test('a repeated statement is acknowledged again and changes nothing', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 1) as [TestNode];
  const {id} = rig.capture();
  const said = rig.shotOf(a, {captureId: id});
  rig.says(a, said);
  const before = view(rig, id);
  const effects = rig.says(a, said);
  t.is(receiptsOf(effects, a).length, 1);
  t.is(only(effects, 'save').length, 0);
  t.deepEqual(view(rig, id), before);
});

test('a second statement that says otherwise does not replace the first', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 1) as [TestNode];
  const {id} = rig.capture();
  rig.says(a, rig.shotOf(a, {captureId: id}));
  rig.says(a, rig.shotOf(a, {captureId: id, verdict: 'failed'}));
  t.is(rowOf(rig, id, a).verdict, 'fired');
});

test('a forged statement is refused: no receipt, nothing stored', t => {
  const rig = MasterRig.ready();
  const [a, b] = cameras(rig, 2) as [TestNode, TestNode];
  const {id} = rig.capture();
  const effects = rig.says(a, rig.shotOf(a, {captureId: id}, b.identity));
  t.deepEqual(receiptsOf(effects, a), []);
  t.is(only(effects, 'save').length, 0);
  t.true(notesOf(effects).includes('statement refused'));
  t.is(rowOf(rig, id, a).verdict, 'waiting');
});

test('a statement about a shot that was never asked for changes no other', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 1) as [TestNode];
  const {id} = rig.capture();
  for (const change of [{shot: 9}, {captureId: 77 as CaptureId}]) {
    const effects = rig.says(a, rig.shotOf(a, {captureId: id, ...change}));
    t.is(receiptsOf(effects, a).length, 1);
    t.is(only(effects, 'save').length, 0);
  }
  t.is(view(rig, id).rows.length, 1);
});

test('missed, forbidden, failed and silent nodes are shown as such', t => {
  const rig = MasterRig.ready();
  const [a, b, c, d] = cameras(rig, 4) as [TestNode, TestNode, TestNode, TestNode];
  const {id} = rig.capture();
  const none = {captureId: id, firedWallMs: 0 as never, doneWallMs: 0 as never};
  rig.says(a, rig.shotOf(a, {...none, verdict: 'missed', reason: 'heard late'}));
  rig.says(b, rig.shotOf(b, {...none, verdict: 'forbidden'}));
  rig.says(c, rig.shotOf(c, {...none, verdict: 'failed', reason: 'no lens'}));
  t.is(rowOf(rig, id, d).verdict, 'waiting');
  rig.pass(62_000);
  t.is(view(rig, id).state, 'done');
  t.deepEqual(
    [a, b, c, d].map(node => rowOf(rig, id, node).verdict),
    ['missed', 'forbidden', 'failed', 'silent'],
  );
  t.is(rowOf(rig, id, a).reason, 'heard late');
});

test('a node that acknowledged is heard, even if it never says more', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 1) as [TestNode];
  const {id, effects} = rig.capture();
  const [sent] = only(effects, 'multicast');
  rig.says(a, rig.ackOf(a, {epoch: sent?.epoch ?? 0, seq: sent?.seq ?? 0}));
  t.like(rowOf(rig, id, a), {heard: true, verdict: 'waiting', heardAt: rig.now.wall});
});

test('the spread of a shot is its latest less its earliest instant', t => {
  const rig = MasterRig.ready();
  const [a, b, c] = cameras(rig, 3) as [TestNode, TestNode, TestNode];
  const {id} = rig.capture();
  t.deepEqual(view(rig, id).spreadMs, [-1]);
  const at = view(rig, id).atWallMs[0] ?? 0;
  for (const [node, late] of [
    [a, 1],
    [b, 4.5],
    [c, 2],
  ] as const)
    rig.says(node, rig.shotOf(node, {captureId: id, firedWallMs: (at + late) as never}));
  t.deepEqual(view(rig, id).spreadMs, [3.5]);
});

test('a capture is over as soon as all have spoken and all files are here', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 1) as [TestNode];
  const {id} = rig.capture();
  const file = fileOf('a.jpg');
  rig.says(a, rig.shotOf(a, {captureId: id, files: [file]}));
  rig.pass(1_500);
  t.is(view(rig, id).state, 'running');
  rig.turn({type: 'blobStored', blobId: file.blobId, size: file.size});
  rig.pass(1_500);
  t.is(view(rig, id).state, 'done');
  t.true(rowOf(rig, id, a).files[0]?.collected);
});

test('files are asked of four nodes at a time, the next when one is done', t => {
  const rig = MasterRig.ready();
  const nodes = cameras(rig, 7);
  const {id} = rig.capture();
  const asked = new Set<string>();
  const note = (effects: ReturnType<MasterRig['turn']>) => {
    for (const {to, message} of only(effects, 'send'))
      if (message.type === 'collect') asked.add(to);
  };
  for (const node of nodes)
    note(rig.says(node, rig.shotOf(node, {captureId: id, files: [fileOf(node.name)]})));
  note(rig.pass(100));
  t.is(asked.size, 4);
  const first = nodes.find(node => asked.has(node.peer));
  if (!first) return t.fail();
  note(rig.turn({type: 'blobStored', ...blobOf(first.name)}));
  note(rig.pass(100));
  t.is(asked.size, 5);
});

test('a node that does not upload is asked again, and in the end no more', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 1) as [TestNode];
  const {id} = rig.capture();
  rig.says(a, rig.shotOf(a, {captureId: id, files: [fileOf('a')]}));
  let asks = 0;
  let gaveUp = false;
  for (let s = 0; s < 60; s++) {
    const effects = rig.pass(1_000);
    asks += sentTo(effects, a, 'collect').length;
    gaveUp ||= notesOf(effects).includes('files not collected');
    rig.says(a, rig.pullOf(a, 0));
  }
  t.true(asks >= 10 && asks <= 16, `${asks} times`);
  t.true(gaveUp);
});

test('files that are not here yet are asked for again after a restart', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 1) as [TestNode];
  const {id} = rig.capture();
  const [here, away] = [fileOf('here'), fileOf('away')];
  rig.says(a, rig.shotOf(a, {captureId: id, files: [here, away]}));
  rig.pass(10);
  rig.turn({type: 'blobStored', blobId: here.blobId, size: here.size});
  rig.kill();
  const effects = [...rig.join(a, {actions: ['camera']}), ...rig.pass(3_000)];
  t.deepEqual(sentTo(effects, a, 'collect')[0]?.blobIds, [away.blobId]);
});

test('a node may upload only files of its own signed statements', t => {
  const rig = MasterRig.ready();
  const [a, b] = cameras(rig, 2) as [TestNode, TestNode];
  const {id} = rig.capture();
  const file = fileOf('a.jpg');
  const purpose = {kind: 'shot', captureId: id, shot: 1} as const;
  t.is(rig.core.mayUpload(a.id, purpose, file.size), 'unwanted');
  rig.says(a, rig.shotOf(a, {captureId: id, files: [file]}));
  t.is(rig.core.mayUpload(a.id, purpose, file.size), 'wanted');
  t.is(rig.core.mayUpload(a.id, purpose, file.size + 1), 'unwanted');
  t.is(rig.core.mayUpload(b.id, purpose, file.size), 'unwanted');
  t.is(rig.core.mayUpload(a.id, {...purpose, shot: 2}, file.size), 'unwanted');
  t.is(rig.core.mayUpload(a.id, {...purpose, captureId: 9 as CaptureId}, file.size), 'unwanted');
});

test('a node may upload outputs of open workunits within the limit of the batch', t => {
  const rig = MasterRig.ready();
  const a = rig.node('a');
  const id = rig.submit(
    {minQuorum: 1, outputLimitBytes: 1_000},
    {kind: 'range', start: 0, end: 2, chunk: 1},
  );
  const [work] = rig.pull(a, 1);
  const purpose = {kind: 'replica', replicaId: `${id}/0/0` as never} as const;
  t.is(rig.core.mayUpload(a.id, purpose, 1_000), 'wanted');
  t.is(rig.core.mayUpload(a.id, purpose, 1_001), 'unwanted');
  t.is(rig.core.mayUpload(a.id, {kind: 'replica', replicaId: '99/0/0' as never}, 1), 'unwanted');
  t.is(rig.core.mayUpload(a.id, {kind: 'replica', replicaId: `${id}/7/0` as never}, 1), 'unwanted');
  t.is(rig.core.mayUpload(a.id, {kind: 'replica', replicaId: 'x' as never}, 1), 'unwanted');
  if (work) rig.report(a, [work]);
  t.is(rig.core.mayUpload(a.id, purpose, 1_000), 'unwanted', 'it is decided');
});
