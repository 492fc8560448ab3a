// Room on the node's disk, and what comes when nobody asked for it.

import test from 'ava';
import {hex32} from '../../src/base/bytes.ts';
import type {ReplicaId} from '../../src/base/types.ts';
import type {NodeEffect} from '../../src/core/core.ts';
import {blobOf, itemsOf, NodeRig, notesOf, only, runs, sent} from './rig.ts';

const space = (freeBytes: number) => ({type: 'freeSpace', freeBytes, floorBytes: 100}) as const;

test('a disk without room asks for no work, and for some again when there is room', t => {
  const rig = new NodeRig();
  const answer = (effects: readonly NodeEffect[], wanted: boolean) => {
    const pulls = sent(effects, 'pull');
    t.true(pulls.length > 0);
    for (const pull of pulls) {
      t.is(pull.wanted > 0, wanted);
      rig.hears(rig.assignOf(pull, 0));
    }
  };
  answer(rig.join(), true);
  t.deepEqual(notesOf(rig.turn(space(50))), ['the disk is nearly full: no work is asked for']);
  t.deepEqual(notesOf(rig.turn(space(50))), []);
  for (let beat = 0; beat < 5; beat++) answer(rig.pass(1_000), false);
  t.deepEqual(notesOf(rig.turn(space(500))), ['the disk has room again']);
  answer(rig.pass(1_000), true);
});

test('a workunit that found no room is given up, and is no failure of the app', t => {
  const rig = NodeRig.working(1);
  t.deepEqual(runs(rig.first), ['1/0/0' as ReplicaId]);
  const effects = rig.turn({type: 'noRoom', replicaId: '1/0/0' as ReplicaId});
  t.deepEqual(notesOf(effects), ['the disk is nearly full: no work is asked for']);
  const later = rig.pass(20_000);
  t.deepEqual(sent([...effects, ...later], 'report'), []);
  t.is(rig.spooled(), 0);
});

test('what ended of a workunit that is not held any more is not reported', t => {
  const rig = NodeRig.working(1);
  const replicaId = '7/7/7' as ReplicaId;
  const failed = {type: 'failed', replicaId, reason: 'trapped', detail: '', cpuMs: 1} as const;
  const computed = rig.computed(replicaId, {kind: 'inline', bytes: new Uint8Array(1)});
  t.deepEqual(sent([...rig.turn(failed, computed), ...rig.pass(5_000)], 'report'), []);
});

test('a lease that is told twice is computed and reported once', t => {
  const rig = new NodeRig();
  const [pull] = sent(rig.join(), 'pull');
  if (!pull) return t.fail();
  const assign = rig.assignOf(pull, 1);
  const doubled = {...assign, batches: [...assign.batches, ...assign.batches]};
  t.deepEqual(runs(rig.hears(doubled)), ['1/0/0' as ReplicaId]);
  const output = {kind: 'inline', bytes: new Uint8Array(1)} as const;
  const [report] = sent(rig.turn(rig.computed('1/0/0' as ReplicaId, output)), 'report');
  t.is(report && itemsOf(report).length, 1);
});

test("a node's own words, said by a master, do nothing", t => {
  const rig = NodeRig.joined();
  rig.pass(200);
  const copy = {type: 'commandCopy', datagram: new Uint8Array(9)} as const;
  const effects = rig.hears(copy, {type: 'timeProbe', nonce: 3});
  t.deepEqual(only(effects, 'save'), []);
  t.deepEqual(only(effects, 'send'), []);
});

test('a Welcome of an earlier epoch that comes late is passed over', t => {
  const rig = NodeRig.joined();
  const welcome = rig.welcome({epoch: rig.epoch - 1});
  const effects = rig.hears(welcome);
  t.deepEqual(notesOf(effects), []);
  t.deepEqual(only(effects, 'joinGroup'), []);
});

test('a spool that is full is noted, asks for no work, and is not said all at once', t => {
  const rig = NodeRig.working(1);
  const output = {kind: 'inline', bytes: new Uint8Array(1)} as const;
  rig.turn(rig.computed('1/0/0' as ReplicaId, output));
  const [row] = [...rig.rows].find(([key]) => key.startsWith('spool/'))?.slice(1) ?? [];
  if (!(row instanceof Uint8Array)) return t.fail();
  for (let nonce = 2; nonce <= 4_096; nonce++) rig.rows.set(`spool/${hex32(nonce)}`, row);
  rig.kill();
  const joined = rig.join();
  const [pull] = sent(joined, 'pull');
  if (!pull) return t.fail();
  t.is(pull.wanted, 0);
  rig.mono += 1_000;
  t.is(sent(rig.turn(), 'report').length, 64);
  rig.hears(rig.assignOf(pull, 1));
  const effects = rig.turn(rig.computed('1/0/0' as ReplicaId, output));
  t.deepEqual(notesOf(effects), ['spool is full, no more work is asked for']);
});

test('an output that the full disk of the master turns away waits, and its report with it', t => {
  const rig = NodeRig.working(1);
  const blob = blobOf('picture');
  rig.turn(rig.computed('1/0/0' as ReplicaId, {kind: 'blob', ...blob}));
  const failed = {type: 'uploadFailed', blobId: blob.blobId, reason: 'full', isFull: true} as const;
  t.deepEqual(notesOf(rig.turn(failed)), ['upload failed']);
  const later = rig.pass(2_000);
  t.is(sent(later, 'report').length, 0, 'it would not be acknowledged');
  t.true(only(later, 'upload').length > 0, 'asked again');
  t.is(rig.spooled(), 1);
  t.is(sent(rig.turn({type: 'uploaded', blobId: blob.blobId}), 'report').length, 1);
});
