// Whoever sits at a node ends one replica: what stops, what begins, what the master hears of it.

import test from 'ava';
import type {ReplicaId, WorkunitId} from '../../src/base/types.ts';
import type {NodeEffect, NodeEvent} from '../../src/core/core.ts';
import {meantOf, viewNodeStatus} from '../../src/node/status.ts';
import {itemsOf, NodeRig, notesOf, only, runs, savedKeys, sent} from './rig.ts';

const abort = (id: string): NodeEvent => ({type: 'aborted', replicaId: id as ReplicaId});
const order = (suspended: boolean): NodeEvent => ({type: 'ordered', by: 'owner', suspended});
const OUTPUT = {kind: 'inline', bytes: new Uint8Array(1)} as const;
const done = (rig: NodeRig, id: string): NodeEvent => rig.computed(id as ReplicaId, OUTPUT);
const failed = (id: string): NodeEvent => ({
  type: 'failed',
  replicaId: id as ReplicaId,
  reason: 'runnerLost',
  detail: 'killed',
  cpuMs: 3,
});
const stops = (effects: readonly NodeEffect[]) =>
  only(effects, 'stop').map(({replicaId, keepsState}) => `${replicaId} ${keepsState}`);
/** What is reported; a report that is said again counts once. */
const told = (effects: readonly NodeEffect[]) => {
  const reports = new Map(sent(effects, 'report').map(report => [report.nonce, report]));
  return [...reports.values()].flatMap(itemsOf).map(item => ({
    replica: `${item.batchId}/${item.index}/${item.replicaNo}`,
    status: item.status,
    reason: item.status === 'done' ? '' : item.reason,
  }));
};
const refused = (replica: string) => ({
  replica,
  status: 'refused',
  reason: 'aborted by the owner of the node',
});

test('what runs is stopped without its state, reported, and the slot begins the next', t => {
  const rig = NodeRig.working(3);
  const effects = rig.turn(abort('1/0/0'));
  t.deepEqual(stops(effects), ['1/0/0 false']);
  t.deepEqual(runs(effects), ['1/2/0' as ReplicaId]);
  t.is(only(effects, 'run')[0]?.order.slot, 0);
  t.deepEqual(notesOf(effects), ['workunit failed']);
  const order = effects.map(({type}) => type).filter(type => type === 'stop' || type === 'run');
  t.deepEqual(order, ['stop', 'run'], 'the runner has the slot free before it is given more');
  t.deepEqual(told([...effects, ...rig.pass(50)]), [refused('1/0/0')]);
  t.false(rig.core.slots.has('1/0/0' as ReplicaId));
});

test('the status names what runs and the first of what waits, so that it can be aborted', t => {
  const few = viewNodeStatus(NodeRig.working(4).core);
  t.deepEqual(
    few.running.map(({replica}) => replica),
    ['1/0/0', '1/1/0'] as ReplicaId[],
  );
  t.deepEqual(few.waits, ['1/2/0', '1/3/0'] as ReplicaId[]);
  const many = viewNodeStatus(NodeRig.working(60).core);
  t.is(many.waiting, 58);
  t.deepEqual(
    many.waits,
    Array.from({length: 16}, (_, i) => `1/${i + 2}/0` as ReplicaId),
  );
});

test('what waits is taken out of hand too, with the state of an earlier run', t => {
  const rig = NodeRig.working(3);
  const effects = rig.turn(abort('1/2/0'));
  t.deepEqual(stops(effects), ['1/2/0 false']);
  t.deepEqual(runs(effects), []);
  t.deepEqual(told([...effects, ...rig.pass(50)]), [refused('1/2/0')]);
  t.deepEqual([rig.core.slots.ordered, rig.core.slots.waiting], [2, 0]);
});

test('what is not in hand is nothing to abort', t => {
  const rig = NodeRig.working(3);
  for (const id of ['1/9/0', '1/0/1', '2/0/0', '1/0'])
    t.deepEqual(rig.turn(abort(id)), [], `${id} changes nothing`);
  t.is(rig.core.slots.size, 3);
});

test('a result of the stopped run comes too late, and an abort after the result', t => {
  const rig = NodeRig.working(3);
  const first = [...rig.turn(abort('1/0/0')), ...rig.pass(50)];
  const late = [...rig.turn(done(rig, '1/0/0')), ...rig.turn(failed('1/0/0'))];
  t.deepEqual(told([...first, ...late, ...rig.pass(50)]), [refused('1/0/0')]);
  const both = rig.turn(done(rig, '1/1/0'), abort('1/1/0'));
  t.deepEqual(stops(both), []);
  const [item] = told([...both, ...rig.pass(50)]).filter(({replica}) => replica === '1/1/0');
  t.is(item?.status, 'done');
});

test('a suspended node aborts what stands still and what waits, and begins nothing', t => {
  const rig = NodeRig.working(4);
  rig.turn(order(true));
  const effects = [...rig.turn(abort('1/0/0'), abort('1/3/0')), ...rig.pass(50)];
  t.deepEqual(stops(effects), ['1/0/0 false', '1/3/0 false']);
  t.deepEqual(runs(effects), []);
  t.deepEqual(told(effects), [refused('1/0/0'), refused('1/3/0')]);
  t.deepEqual(runs(rig.turn(order(false))), ['1/2/0' as ReplicaId]);
});

test('it is spooled in one turn with its report, and said until the receipt is here', t => {
  const rig = NodeRig.working(1);
  const effects = rig.turn(abort('1/0/0'));
  t.deepEqual(
    savedKeys(effects).map(key => key.replace(/[0-9a-f]{8}$/, '')),
    ['put spool/'],
  );
  t.is(rig.spooled(), 1);
  rig.kill();
  const again = [...rig.join(), ...rig.pass(3_000)];
  const reports = sent(again, 'report');
  t.true(reports.length > 1, 'again and again, also by the next life');
  t.deepEqual(told(again), [refused('1/0/0')]);
  const [report] = reports;
  if (report) rig.hears(rig.receiptOf(report));
  t.is(rig.core.spool.size, 0);
  t.deepEqual(told(rig.pass(10_000)), []);
});

test('aborted while the master is away, it is told when that is back', t => {
  const rig = NodeRig.working(2);
  const away = [...rig.link(), ...rig.turn(abort('1/0/0'))];
  t.deepEqual(told(away), []);
  t.deepEqual(told([...rig.pass(50)]), []);
  t.is(rig.spooled(), 1);
  t.deepEqual(told([...rig.hears(rig.welcome()), ...rig.pass(500)]), [refused('1/0/0')]);
});

test('pulls renew what is aborted no longer, and give nothing of it back', t => {
  const rig = NodeRig.working(3);
  rig.turn(abort('1/1/0'));
  const pulls = sent(rig.pass(5_000), 'pull');
  t.true(pulls.length > 0);
  for (const {running, returned = []} of pulls)
    t.false([...running, ...returned].some(({index}) => index === 1));
});

test('a replica is named by its number or by its workunit, and others by what is in hand', t => {
  const rig = NodeRig.working(3);
  const meant = (name: string) => meantOf(rig.core.slots, name as ReplicaId | WorkunitId);
  for (const name of ['1/2/0', '1/2'])
    t.deepEqual(meant(name), {kind: 'one', replicaId: '1/2/0' as ReplicaId});
  t.deepEqual(meant('1/2/1'), {
    kind: 'none',
    why: '"1/2/1" is not in hand at this node; in hand are 1/0/0, 1/1/0, 1/2/0 (waits)',
  });
  const idle = NodeRig.joined();
  t.deepEqual(meantOf(idle.core.slots, '1/2' as WorkunitId), {
    kind: 'none',
    why: '"1/2" is not in hand at this node; nothing is',
  });
  const many = NodeRig.working(40);
  const said = meantOf(many.core.slots, '9/9' as WorkunitId);
  t.regex(said.kind === 'none' ? said.why : '', /1\/15\/0 \(waits\) and 24 more$/);
});

test('two tries of one workunit in hand are told apart', t => {
  const rig = NodeRig.working(1);
  const [pull] = sent(rig.pass(1_100), 'pull');
  if (!pull) throw new Error('no pull');
  const batch = rig.batchOf(0, 1);
  const leases = batch.leases.map(lease => ({...lease, replicaNo: 256}));
  rig.hears(rig.assignOf(pull, 0, {batches: [{...batch, leases}]}));
  t.deepEqual(meantOf(rig.core.slots, '1/0' as WorkunitId), {
    kind: 'none',
    why: '"1/0" may be 1/0/0, 1/0/256: say which',
  });
  t.deepEqual(told([...rig.turn(abort('1/0/256')), ...rig.pass(50)]), [refused('1/0/256')]);
  t.true(rig.core.slots.has('1/0/0' as ReplicaId));
});
