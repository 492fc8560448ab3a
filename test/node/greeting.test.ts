import test from 'ava';
import {encodeJson} from '../../src/core/tables.ts';
import {NodeRig, notesOf, only, runs, savedKeys, sent, strangeTrust} from './rig.ts';

test('Hello is said at once and repeated with back-off until Welcome', t => {
  const rig = new NodeRig();
  t.is(sent(rig.link(), 'hello').length, 1);
  const start = rig.mono;
  const times: number[] = [];
  for (let ms = 0; ms < 60_000; ms += 10)
    for (const _ of sent(rig.pass(10), 'hello')) times.push(rig.mono - start);
  t.true(times.length >= 8 && times.length <= 16, `${times.length} times a minute`);
  t.true((times[0] ?? 0) < 400);
  const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0));
  t.true((gaps.at(-1) ?? 0) > 5_000 && gaps.every(gap => gap <= 12_100));
  rig.hears(rig.welcome());
  t.is(sent(rig.pass(60_000), 'hello').length, 0);
});

test('nothing but Hello is said before Welcome', t => {
  const rig = new NodeRig();
  const effects = [...rig.link(), ...rig.pass(20_000)];
  t.deepEqual([...new Set(only(effects, 'send').map(({message}) => message.type))], ['hello']);
  t.false(rig.core.welcomed);
});

test('cold start: a command before Welcome fires nothing and answers nothing', t => {
  const rig = new NodeRig();
  rig.link();
  const effects = [...rig.turn(rig.fire(100)), ...rig.pass(2_000)];
  t.is(only(effects, 'fire').length, 0);
  t.is(sent(effects, 'commandAck').length, 0);
  t.is(sent(effects, 'shotReport').length, 0);
});

test('Welcome ends the cold start: floor saved, group joined, work asked for, clock probed', t => {
  const rig = new NodeRig();
  rig.link();
  const effects = rig.hears(rig.welcome({seqFloor: 9}));
  t.true(rig.core.welcomed);
  t.true(savedKeys(effects).includes('put meta/floor'));
  t.like(only(effects, 'joinGroup')[0], {epoch: 5, seqFloor: 9, groupKeyId: 1});
  t.is(only(effects, 'blobAccess')[0]?.port, 6_274);
  t.like(sent(effects, 'pull')[0], {running: [], load: 0});
  t.is(sent(effects, 'timeProbe').length, 1);
});

test('a node that missed the Welcome of a later epoch says Hello again, once', t => {
  const rig = NodeRig.joined();
  const asked = [...rig.turn({type: 'laterEpoch'}), ...rig.turn({type: 'laterEpoch'})];
  t.is(sent(asked, 'hello').length, 1);
  const effects = rig.hears(rig.welcome({epoch: 6}));
  t.is(only(effects, 'joinGroup')[0]?.epoch, 6);
  t.true(rig.core.welcomed);
  t.is(sent(rig.pass(5_000), 'hello').length, 0);
});

test('a repeat of Welcome begins nothing anew', t => {
  const rig = NodeRig.joined();
  const effects = rig.hears(rig.welcome());
  t.deepEqual(sent(effects, 'pull'), []);
  t.false(notesOf(effects).includes('joined'));
});

test('a Welcome without the trust of our root changes nothing', t => {
  const rig = new NodeRig();
  rig.link();
  for (const changes of [
    {trust: strangeTrust()},
    {trust: new Uint8Array(100)},
    {clusterId: new Uint8Array(16)},
  ]) {
    const effects = rig.hears(rig.welcome(changes));
    t.false(rig.core.welcomed);
    t.is(only(effects, 'joinGroup').length, 0);
    t.true(only(effects, 'note').some(({note}) => note.level === 'alarm'));
  }
});

test('a Welcome of an earlier epoch than we have seen is an alarm and no Welcome', t => {
  const rig = NodeRig.joined();
  rig.kill();
  rig.link();
  const effects = rig.hears(rig.welcome({epoch: 4}));
  t.false(rig.core.welcomed);
  t.is(only(effects, 'joinGroup').length, 0);
  t.true(only(effects, 'note').some(({note}) => note.level === 'alarm'));
});

test('Hello tells the epoch and the receipt that were seen in earlier lives', t => {
  const rig = NodeRig.joined();
  rig.rows.set('meta/receipt', encodeJson({journalNo: 321}));
  rig.kill();
  t.like(sent(rig.link(), 'hello')[0], {
    epochSeen: 5,
    receiptHead: 321,
    instanceSeen: new Uint8Array(8).fill(5),
    epochProof: new Uint8Array(8).fill(2),
  });
});

test('after a restart the floor is the higher of ours and the Welcome', t => {
  const rig = NodeRig.joined();
  rig.turn(rig.fire(1_000), rig.fire(1_000, {}, {shot: 2}));
  rig.kill();
  t.like(only(rig.join({seqFloor: 0}), 'joinGroup')[0], {epoch: 5, seqFloor: 2});
  rig.kill();
  t.like(only(rig.join({seqFloor: 7}), 'joinGroup')[0], {seqFloor: 7});
  rig.kill();
  t.like(
    only(rig.join({epoch: 6, seqFloor: 0}), 'joinGroup')[0],
    {epoch: 6, seqFloor: 0},
    'a new epoch',
  );
});

test('a refusal is asked again later', t => {
  const rig = new NodeRig();
  rig.link();
  rig.hears({type: 'refusal', reason: 'token'});
  t.is(sent(rig.pass(7_000), 'hello').length, 0);
  t.is(sent(rig.pass(6_000), 'hello').length, 1);
});

test('a node that waits to be approved says its fingerprint once, and is welcomed in the same session', t => {
  const rig = new NodeRig();
  rig.link();
  const first = rig.hears({type: 'refusal', reason: 'pending'});
  const [note] = only(first, 'note');
  t.regex(String(note?.note.fields['fingerprint']), /^([0-9a-f]{4} ){7}[0-9a-f]{4}$/);
  t.deepEqual(notesOf(rig.hears({type: 'refusal', reason: 'pending'})), []);
  rig.hears(rig.welcome());
  t.true(rig.core.welcomed);
});

test('a new group key is taken, and the next pull names it', t => {
  const rig = NodeRig.joined();
  const groupKey = new Uint8Array(32).fill(9);
  const effects = rig.hears({type: 'groupKey', groupKey, groupKeyId: 2});
  t.deepEqual(only(effects, 'rotateGroup'), [{type: 'rotateGroup', groupKey, groupKeyId: 2}]);
  const ids: number[] = [];
  for (let s = 0; s < 20; s++)
    for (const pull of sent(rig.pass(250), 'pull')) {
      ids.push(pull.groupKeyId);
      rig.hears(rig.assignOf(pull, 0));
    }
  const first = ids.indexOf(2);
  t.true(first >= 0 && ids.slice(first).every(id => id === 2), ids.join(' '));
});

test('a group key before Welcome is not taken', t => {
  const rig = new NodeRig();
  rig.link();
  const groupKey = new Uint8Array(32).fill(9);
  t.deepEqual(only(rig.hears({type: 'groupKey', groupKey, groupKeyId: 2}), 'rotateGroup'), []);
});

test('a lost master is forgotten, and the next session begins with Hello', t => {
  const rig = NodeRig.joined();
  const effects = rig.pass(10_000);
  t.is(only(effects, 'forget').length, 1);
  t.true(notesOf(effects).includes('the master does not answer'));
  t.false(rig.core.welcomed);
  t.is(only(rig.pass(10_000), 'send').length, 0);
  t.is(sent(rig.link(), 'hello').length, 1);
  t.is(sent(rig.hears(rig.welcome()), 'pull').length, 1);
});

test('a node whose pulls are answered keeps its master', t => {
  const rig = NodeRig.joined();
  for (let s = 0; s < 60; s++)
    for (const pull of sent(rig.pass(500), 'pull')) rig.hears(rig.assignOf(pull, 0));
  t.true(rig.core.welcomed);
});

test('an idle node says one heartbeat a second and writes nothing', t => {
  const rig = NodeRig.joined();
  rig.pass(3_000);
  rig.join();
  let pulls = 0;
  const saves: string[] = [];
  const answered = new Set<number>();
  for (let ms = 0; ms < 60_000; ms += 10) {
    const effects = rig.pass(10);
    if (ms > 20_000) saves.push(...savedKeys(effects));
    for (const pull of sent(effects, 'pull')) {
      if (answered.has(pull.nonce)) continue;
      answered.add(pull.nonce);
      pulls += 1;
      rig.hears(rig.assignOf(pull, 0));
    }
  }
  t.true(pulls >= 55 && pulls <= 90, `${pulls} in a minute`);
  t.deepEqual(saves, []);
});

test('an Assign that is not the answer to our question starts nothing', t => {
  const rig = new NodeRig();
  const [pull] = sent(rig.join(), 'pull');
  if (!pull) return t.fail();
  t.deepEqual(runs(rig.hears({...rig.assignOf(pull, 2), nonce: pull.nonce + 1})), []);
  t.is(runs(rig.hears(rig.assignOf(pull, 2))).length, 2);
  t.deepEqual(runs(rig.hears(rig.assignOf(pull, 2))), [], 'a repeat');
});

test('an answer in several parts is complete when all are here, in any order', t => {
  const rig = new NodeRig();
  const [pull] = sent(rig.join(), 'pull');
  if (!pull) return t.fail();
  const part = (no: number) =>
    rig.assignOf(pull, 0, {batches: [rig.batchOf(no * 10, 1)], part: no, parts: 3});
  t.is(runs(rig.hears(part(2))).length, 1);
  t.is(runs(rig.hears(part(2))).length, 0);
  t.is(runs(rig.hears(part(0))).length, 1);
  const repeats = sent(rig.pass(200), 'pull');
  t.true(
    repeats.length > 0 && repeats.every(({nonce}) => nonce === pull.nonce),
    'asks for the rest',
  );
  rig.hears(part(1));
  t.is(rig.core.slots.size, 3);
  t.true(sent(rig.pass(1_100), 'pull').every(({nonce}) => nonce !== pull.nonce));
});

test('damaged rows are named', t => {
  for (const [key, value] of [
    ['meta/floor', new Uint8Array([1])],
    ['spool/00000001', new Uint8Array([0, 50])],
  ] as const) {
    const rig = NodeRig.joined();
    rig.rows.set(key, value);
    t.throws(() => rig.kill(), {code: 'VOLLEY_STORE_DAMAGED', message: new RegExp(key)});
  }
});

test('each Hello is for the session whose hash its binding holds', t => {
  const rig = new NodeRig();
  const sessions = [1, 2].map(() => {
    const [hello] = only(rig.link(), 'send');
    return hello?.session;
  });
  t.is(sessions[0]?.length, 32);
  t.notDeepEqual(sessions[0], sessions[1]);
});
