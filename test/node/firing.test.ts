import test from 'ava';
import {
  asBatchId,
  asCaptureId,
  asMonoMs,
  asNodeId,
  asWallMs,
  type MonoMs,
} from '../../src/base/types.ts';
import type {NodeEffect} from '../../src/core/core.ts';
import {
  ackOf,
  blobOf,
  MASTER_WALL,
  NODE_ID,
  NodeRig,
  only,
  savedKeys,
  sent,
  statementOf,
} from './rig.ts';

const statements = (effects: readonly NodeEffect[]) => sent(effects, 'shotReport').map(statementOf);
const acks = (effects: readonly NodeEffect[]) => sent(effects, 'commandAck').map(ackOf);

test('a fire command fires at its instant, on our clock', t => {
  const rig = NodeRig.joined();
  const effects = rig.turn(rig.fire(300));
  const [fire] = only(effects, 'fire');
  t.like(fire, {
    captureId: asCaptureId(1),
    shot: 1,
    action: 'camera',
    fireAtWall: MASTER_WALL + rig.mono + 300,
  });
  t.true(Math.abs((fire?.fireAt ?? 0) - (rig.mono + 300)) < 0.01);
});

test('the floor is saved in the turn of the fire, before the fire', t => {
  const rig = NodeRig.joined();
  const effects = rig.turn(rig.fire(300));
  const floor = effects.findIndex(effect => effect.type === 'save' && effect.op.key === 'floor');
  const fire = effects.findIndex(effect => effect.type === 'fire');
  t.true(floor >= 0 && fire > floor);
});

test('a shot that a new master commands again is fired once', t => {
  const rig = NodeRig.joined();
  t.is(only(rig.turn(rig.fire(5_000)), 'fire').length, 1);
  rig.join({epoch: 6, seqFloor: 0});
  const again = [
    ...rig.turn({...rig.fire(5_000, {ackWindowMs: 10}), epoch: 6} as never),
    ...rig.pass(20),
  ];
  t.is(only(again, 'fire').length, 0);
  t.like(acks(again)[0], {epoch: 6, verdict: 'accepted'});
});

test('fire on hearing fires now', t => {
  const rig = NodeRig.joined();
  const [fire] = only(rig.turn(rig.fire(0, {}, {atWallMs: 0 as never})), 'fire');
  t.is(fire?.fireAt, asMonoMs(rig.mono));
});

test('a command is acknowledged once, within its window', t => {
  const rig = NodeRig.joined();
  const start = rig.mono;
  const effects = [...rig.turn(rig.fire(300, {ackWindowMs: 200}))];
  const times: number[] = [];
  for (let ms = 0; ms < 1_000; ms++) {
    const more = rig.pass(1);
    for (const _ of sent(more, 'commandAck')) times.push(rig.mono - start);
    effects.push(...more);
  }
  t.is(acks(effects).length, 1);
  t.true((times[0] ?? 0) <= 201);
  t.like(acks(effects)[0], {epoch: 5, seq: 1, verdict: 'accepted'});
});

test('no acknowledgement where none is wanted', t => {
  const rig = NodeRig.joined();
  const effects = [...rig.turn(rig.fire(300, {ackWindowMs: 0})), ...rig.pass(1_000)];
  t.is(only(effects, 'fire').length, 1);
  t.is(acks(effects).length, 0);
});

test('a duplicate repeats the acknowledgement and fires nothing', t => {
  const rig = NodeRig.joined();
  const first = [...rig.turn(rig.fire(300)), ...rig.pass(100)];
  const again = [...rig.turn({type: 'duplicateCommand', epoch: 5, seq: 1}), ...rig.pass(100)];
  t.is(only(again, 'fire').length, 0);
  t.deepEqual(acks(again), acks(first));
});

test('a duplicate while the acknowledgement still waits does not double it', t => {
  const rig = NodeRig.joined();
  const duplicate = {type: 'duplicateCommand', epoch: 5, seq: 1} as const;
  const effects = [...rig.turn(rig.fire(300), duplicate, duplicate), ...rig.pass(500)];
  t.is(acks(effects).length, 1);
});

test('repeats of an acknowledgement wait for the slot of their node too', t => {
  const rig = NodeRig.joined();
  rig.turn(rig.fire(300, {ackWindowMs: 1_000}));
  rig.pass(1_000);
  const slotMs = (Number.parseInt(NODE_ID.slice(0, 8), 16) / 2 ** 32) * 1_000;
  for (let i = 0; i < 3; i++) {
    const start = rig.mono;
    rig.turn({type: 'duplicateCommand', epoch: 5, seq: 1});
    let waited = -1;
    for (let ms = 0; ms < 1_001 && waited < 0; ms++)
      if (sent(rig.pass(1), 'commandAck').length > 0) waited = rig.mono - start;
    t.true(Math.abs(waited - slotMs) <= 1, `${waited} of ${slotMs} ms`);
    rig.pass(40);
    rig.link();
    rig.hears(rig.welcome());
  }
});

test('duplicates that come one after the other are answered every 40 ms', t => {
  const rig = NodeRig.joined();
  const duplicate = {type: 'duplicateCommand', epoch: 5, seq: 1} as const;
  t.is(acks([...rig.turn(rig.fire(300, {ackWindowMs: 1})), ...rig.pass(50)]).length, 1);
  const again = Array.from({length: 10}, () => [...rig.turn(duplicate), ...rig.pass(4)]).flat();
  t.is(acks([...again, ...rig.pass(100)]).length, 2);
  t.is(acks([...rig.turn(duplicate), ...rig.pass(2)]).length, 1);
});

test('what is fired on hearing does not wait for the disk', t => {
  const rig = NodeRig.joined();
  const [order] = only(rig.turn(rig.fire(0, {}, {atWallMs: asWallMs(0)})), 'fire');
  t.true(order?.early);
});

test('what has an instant waits for the disk', t => {
  const rig = NodeRig.joined();
  const [order] = only(rig.turn(rig.fire(300)), 'fire');
  t.is(order?.early, undefined);
});

test('a duplicate of what was never heard is not answered', t => {
  const rig = NodeRig.joined();
  t.is(
    acks([...rig.turn({type: 'duplicateCommand', epoch: 5, seq: 44}), ...rig.pass(100)]).length,
    0,
  );
});

test('an expired command fires nothing and says so', t => {
  const rig = NodeRig.joined();
  const old = rig.fire(
    0,
    {issuedWallMs: rig.masterWall(-10_000), ttlMs: 5_000},
    {atWallMs: 0 as never},
  );
  const effects = [...rig.turn(old), ...rig.pass(100)];
  t.is(only(effects, 'fire').length, 0);
  t.deepEqual(
    acks(effects).map(({verdict}) => verdict),
    ['expired'],
  );
});

test('a command for others changes nothing but the floor', t => {
  const rig = NodeRig.joined();
  const other = asNodeId('0'.repeat(32));
  for (const target of [
    {labels: ['ring2'], nodes: []},
    {labels: [], nodes: [other]},
  ]) {
    const effects = [...rig.turn(rig.fire(300, {target})), ...rig.pass(200)];
    t.is(only(effects, 'fire').length, 0);
    t.is(acks(effects).length, 0);
    t.true(savedKeys(effects).includes('put meta/floor'));
  }
});

test('a command for our label, or for our id, is for us', t => {
  const rig = NodeRig.joined();
  for (const target of [
    {labels: ['ring2', 'ring1'], nodes: []},
    {labels: [], nodes: [NODE_ID]},
  ])
    t.is(only(rig.turn(rig.fire(300, {target}, {shot: rig.mono++})), 'fire').length, 1);
});

test('an action that the owner does not allow: a signed statement, no fire', t => {
  const rig = NodeRig.joined();
  const effects = [...rig.turn(rig.fire(300, {}, {action: 'reboot'})), ...rig.pass(100)];
  t.is(only(effects, 'fire').length, 0);
  t.deepEqual(
    acks(effects).map(({verdict}) => verdict),
    ['notAllowed'],
  );
  const [said] = statements(effects);
  t.like(said, {verdict: 'forbidden', firedWallMs: 0, files: []});
  t.regex(said?.reason ?? '', /reboot/);
  t.is(rig.spooled(), 1);
});

test('an instant that is past by more than the grace: missed, by how much', t => {
  const rig = NodeRig.joined();
  const effects = [...rig.turn(rig.fire(-50)), ...rig.pass(100)];
  t.is(only(effects, 'fire').length, 0);
  const [said] = statements(effects);
  t.is(said?.verdict, 'missed');
  t.regex(said?.reason ?? '', /50\.0 ms/);
  t.deepEqual(
    acks(effects).map(({verdict}) => verdict),
    ['expired'],
  );
});

test('an instant that is past by a moment still fires', t => {
  const rig = NodeRig.joined();
  t.is(only(rig.turn(rig.fire(-4)), 'fire').length, 1);
});

test('a Welcome that came after several Hellos gives a clock with an honest bound', t => {
  const rig = new NodeRig();
  rig.link();
  rig.pass(1_000);
  rig.hears(rig.welcome());
  t.true(rig.core.clock.known);
  t.true(rig.core.clock.boundMs(rig.now.mono) >= 500);
});

test('a clock that is known less well than the operator allows does not fire', t => {
  const rig = NodeRig.joined();
  const boundMs = rig.core.clock.boundMs(asMonoMs(rig.mono));
  t.true(boundMs > 0 && boundMs < 250, `${boundMs}`);
  const wide = rig.turn(rig.fire(300, {}, {toleranceMs: boundMs + 1}));
  t.is(only(wide, 'fire').length, 1);
  const effects = rig.turn(rig.fire(300, {}, {shot: 2, toleranceMs: boundMs / 2}));
  t.is(only(effects, 'fire').length, 0);
  const [shot] = statements([...effects, ...rig.pass(100)]);
  t.like(shot, {shot: 2, verdict: 'missed', firedWallMs: 0});
  t.regex(shot?.reason ?? '', /^its clock may be \d+\.\d ms off$/);
});

test('a clock known too widely does not fire at an instant, and on hearing still fires', t => {
  const rig = new NodeRig();
  rig.link();
  rig.pass(1_000);
  rig.hears(rig.welcome());
  const effects = [...rig.turn(rig.fire(3_000)), ...rig.pass(10)];
  t.is(only(effects, 'fire').length, 0);
  t.regex(statements(effects)[0]?.reason ?? '', /clock/);
  t.is(only(rig.turn(rig.fire(0, {}, {shot: 2, atWallMs: 0 as never})), 'fire').length, 1);
});

test('a shot that is over is said in a signed statement with its instants and files', t => {
  const rig = NodeRig.joined();
  const heardAt = asMonoMs(rig.mono);
  rig.turn({...rig.fire(300), heardAt});
  rig.mono += 400;
  const file = {name: 'a.jpg', ...blobOf('a')};
  const firedAt = (heardAt + 301) as MonoMs;
  const effects = [...rig.turn(rig.shotDone({firedAt, files: [file]})), ...rig.pass(10)];
  const [said] = statements(effects);
  t.like(said, {verdict: 'fired', reason: '', epoch: 5, seq: 1, files: [file]});
  t.true(Math.abs((said?.firedWallMs ?? 0) - (MASTER_WALL + heardAt + 301)) < 0.01);
  t.true(Math.abs((said?.heardWallMs ?? 0) - (MASTER_WALL + heardAt)) < 0.01);
  t.true((said?.clockBoundMs ?? -1) >= 0);
  t.is(rig.spooled(), 1);
});

test('a shot that failed says so', t => {
  const rig = NodeRig.joined();
  rig.turn(rig.fire(300));
  rig.mono += 400;
  const failed = rig.shotDone({firedAt: undefined, failure: 'no lens'});
  t.like(statements([...rig.turn(failed), ...rig.pass(10)])[0], {
    verdict: 'failed',
    reason: 'no lens',
    firedWallMs: 0,
  });
});

test('a shot that the sandbox forbids says so', t => {
  const rig = NodeRig.joined();
  rig.turn(rig.fire(300));
  rig.mono += 400;
  const why = {failure: 'the owner does not allow it', unfired: 'forbidden'} as const;
  const failed = rig.shotDone({firedAt: undefined, ...why});
  const [said] = statements([...rig.turn(failed), ...rig.pass(10)]);
  t.is(said?.verdict, 'forbidden');
});

test('a shot nobody heard of says nothing', t => {
  const rig = NodeRig.joined();
  t.deepEqual(statements([...rig.turn(rig.shotDone({shot: 9})), ...rig.pass(100)]), []);
});

test('a statement is repeated until its receipt', t => {
  const rig = NodeRig.joined();
  rig.turn(rig.fire(300));
  rig.mono += 400;
  const said = sent([...rig.turn(rig.shotDone()), ...rig.pass(1_000)], 'shotReport');
  t.true(said.length >= 2);
  t.is(new Set(said.map(({nonce}) => nonce)).size, 1);
  const [first] = said;
  if (!first) return t.fail();
  rig.hears(rig.receiptOf(first));
  t.is(sent(rig.pass(1_500), 'shotReport').length, 0);
  rig.join();
  rig.pass(8_000);
  t.is(rig.spooled(), 0);
});

test('the files of a shot are uploaded when the master collects them, also after a restart', t => {
  const rig = NodeRig.joined();
  rig.turn(rig.fire(300));
  rig.mono += 400;
  const file = {name: 'a.jpg', ...blobOf('a')};
  rig.turn(rig.shotDone({files: [file]}));
  const collect = {type: 'collect', blobIds: [file.blobId, blobOf('unknown').blobId]} as const;
  const upload = {
    type: 'upload',
    blobId: file.blobId,
    size: file.size,
    purpose: {kind: 'shot', captureId: asCaptureId(1), shot: 1},
  };
  t.deepEqual(only(rig.hears(collect), 'upload'), [upload]);
  rig.kill();
  rig.join();
  t.deepEqual(only(rig.hears(collect), 'upload'), [upload]);
});

test('a command of an earlier life is not done again: its seq is below the floor', t => {
  const rig = NodeRig.joined();
  rig.turn(rig.fire(300));
  rig.kill();
  const [joined] = only(rig.join(), 'joinGroup');
  t.true((joined?.seqFloor ?? 0) >= 1);
});

test('commands that come out of order never lower the floor', t => {
  const rig = NodeRig.joined();
  const [first, second] = [rig.fire(300), rig.fire(300, {}, {shot: 2})];
  rig.turn(second);
  const effects = rig.turn(first);
  t.is(only(effects, 'fire').length, 1);
  rig.kill();
  t.is(only(rig.join({seqFloor: 0}), 'joinGroup')[0]?.seqFloor, 2);
});

test('a cancelled batch stops what runs and waits of it, and nothing else', t => {
  const rig = NodeRig.working(5);
  const effects = rig.turn(
    rig.command({kind: 'cancelBatch', batchId: asBatchId(1)}, {ackWindowMs: 0}),
  );
  t.is(only(effects, 'stop').length, 5);
  t.is(rig.core.slots.size, 0);
  const late = rig.turn(
    rig.computed(only(effects, 'stop')[0]?.replicaId as never, {
      kind: 'inline',
      bytes: new Uint8Array(1),
    }),
  );
  t.is(sent([...late, ...rig.pass(100)], 'report').length, 0);
  t.is(only(rig.turn(rig.command({kind: 'cancelBatch', batchId: asBatchId(9)})), 'stop').length, 0);
});

test('work that is available is asked for within the spread', t => {
  const rig = NodeRig.joined();
  for (const pull of sent(rig.pass(100), 'pull')) rig.hears(rig.assignOf(pull, 0));
  const pulls = sent(
    rig.turn(rig.command({kind: 'workAvailable', batchId: asBatchId(1), spreadMs: 0})),
    'pull',
  );
  t.is(pulls.length, 1);
  t.true((pulls[0]?.wanted ?? 0) > 0);
});
