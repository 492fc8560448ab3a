// What the master's core does beside the parts it calls: a full disk, questions for the time.

import test from 'ava';
import {replicaId} from '../../src/base/types.ts';
import {viewNodes, viewStatus} from '../../src/master/status.ts';
import {assignsOf, notesOf, receiptsOf, resultsOf, sentTo} from './look.ts';
import {MasterRig} from './rig.ts';
import {APP, TestNode} from './test-node.ts';

const SHELL = {journalNo: 0, startedAt: 0, counters: {}};
const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;
const space = (freeBytes: number) => ({type: 'freeSpace', freeBytes, floorBytes: 100.5}) as const;

test('a full disk takes no batch, no app, no result and no file, and goes on when there is room', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(4));
  const a = rig.node('a');
  const work = rig.pull(a, 2);
  const upload = {kind: 'replica', replicaId: replicaId(id, 0, 0)} as const;
  t.is(rig.core.mayUpload(a.id, upload, 10), 'wanted');
  t.deepEqual(notesOf(rig.turn(space(100))), ['the disk is nearly full: nothing new is taken']);
  t.deepEqual(notesOf(rig.turn(space(99))), [], 'said once');
  t.is(rig.core.mayUpload(a.id, upload, 10), 'full');
  t.like(rig.ask({kind: 'addApp', app: APP}), {ok: false, code: 'VOLLEY_NO_SPACE'});
  t.throws(() => rig.submit(), {message: /VOLLEY_NO_SPACE/});
  const report = rig.reportOf(a, resultsOf(work));
  t.deepEqual(receiptsOf(rig.says(a, report), a), []);
  const [alarm] = viewStatus(rig.core, SHELL).alarms;
  t.like(alarm, {kind: 'diskFull'});
  t.regex(alarm?.text ?? '', /99 bytes free, below 101/);
  t.deepEqual(notesOf(rig.turn(space(105))), [], 'a little more is not enough');
  t.deepEqual(notesOf(rig.turn(space(200))), ['the disk has room again']);
  t.deepEqual(viewStatus(rig.core, SHELL).alarms, []);
  t.is(receiptsOf(rig.says(a, report), a).length, 1);
});

test('a question for the time is answered with the time of the cluster', t => {
  const rig = MasterRig.ready();
  const a = rig.node('a');
  const wall = rig.core.context.instant(rig.now.mono);
  t.deepEqual(sentTo(rig.says(a, {type: 'timeProbe', nonce: 5}), a, 'timeReply'), [
    {type: 'timeReply', nonce: 5, receivedWallMs: wall, sentWallMs: wall},
  ]);
});

test('before its Welcome a node is given nothing but an answer to Hello', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 1}, rangeOf(4));
  const stranger = new TestNode('stranger');
  rig.link(stranger);
  t.deepEqual(assignsOf(rig.says(stranger, rig.pullOf(stranger)), stranger), []);
});

test('a node that was silent for long is shown as such, and its slots are not counted', t => {
  const rig = MasterRig.ready();
  rig.node('a');
  t.like(viewStatus(rig.core, SHELL).nodes, {known: 1, up: 1, slots: 4});
  rig.pass(60_000);
  t.like(viewStatus(rig.core, SHELL).nodes, {known: 1, up: 0, slots: 0});
  t.is(viewNodes(rig.core)[0]?.state, 'silent');
});
