import test from 'ava';
import type {ReplicaId} from '../../src/base/types.ts';
import {Kept} from '../../src/node/kept.ts';
import type {OutputRef, Report} from '../../src/wire/message.ts';
import {NodeRig, notesOf, sent} from './rig.ts';

const bytes = (length: number): OutputRef => ({kind: 'inline', bytes: new Uint8Array(length)});
const of = (journalNo: number) => ({journalNo, epoch: 1, instance: '0102030405060708'});
const report = (length = 10) => ({body: new Uint8Array(length), signature: new Uint8Array(64)});

test('the newest 256 reports are kept, an older one goes with the save of a newer one', t => {
  const kept = new Kept();
  for (let nonce = 1; nonce <= 256; nonce++) t.is(kept.add(nonce, report(), of(nonce)).length, 1);
  const ops = kept.add(257, report(), of(257));
  t.deepEqual(
    ops.map(({type, table, key}) => `${type} ${table}/${key}`),
    ['put kept/00000101', 'del spool/00000001', 'del kept/00000001'],
  );
  t.is(kept.size, 256);
});

test('no more than a mebibyte is kept', t => {
  const kept = new Kept();
  for (let nonce = 1; nonce <= 20; nonce++) kept.add(nonce, report(100_000), of(nonce));
  t.is(kept.size, 10);
});

test('what was acknowledged above a number is taken out, the rest stays', t => {
  const kept = new Kept();
  const above30 = ({journalNo}: {journalNo: number}): boolean => journalNo > 30;
  for (let nonce = 1; nonce <= 5; nonce++) kept.add(nonce, report(), of(nonce * 10));
  t.deepEqual(
    kept.takeVoid(above30).map(([nonce]) => nonce),
    [4, 5],
  );
  t.is(kept.size, 3);
  t.deepEqual(kept.takeVoid(above30), []);
});

/** A node with one report that the master acknowledged in commit `journalNo`. */
function acknowledged(journalNo: number): {rig: NodeRig; first: Report} {
  const rig = NodeRig.working(1);
  const [first] = sent(rig.turn(rig.computed('1/0/0' as ReplicaId, bytes(3))), 'report');
  if (!first) throw new Error('no report');
  rig.hears(rig.receiptOf(first, {journalNo}));
  rig.pass(10_000);
  return {rig, first};
}

test('a master whose journal ends below a receipt is offered the report again', t => {
  for (const killed of [false, true]) {
    const {rig, first} = acknowledged(50);
    t.is(rig.spooled(), 0);
    if (killed) rig.kill();
    const effects = [...rig.join({journalNo: 49}), ...rig.pass(400)];
    t.true(notesOf(effects).includes('the master has forgotten what it acknowledged'));
    const [again] = sent(effects, 'report');
    t.deepEqual(again?.body, first.body);
    t.deepEqual(again?.signature, first.signature);
    if (!again) return;
    const hellos = sent(
      [...rig.hears(rig.receiptOf(again, {journalNo: 50})), ...rig.pass(10)],
      'hello',
    );
    t.is(hellos[0]?.receiptHead, 50, 'Hello says that all is there again');
    rig.pass(10_000);
    t.is(rig.spooled(), 0);
    rig.kill();
    t.is(sent([...rig.join({journalNo: 50}), ...rig.pass(400)], 'report').length, 0);
  }
});

test('a master that has all that it acknowledged is offered nothing', t => {
  const {rig} = acknowledged(50);
  rig.kill();
  const effects = [...rig.join({journalNo: 50}), ...rig.pass(2_000)];
  t.is(sent(effects, 'report').length, 0);
  t.false(notesOf(effects).includes('the master has forgotten what it acknowledged'));
});

test('a kill between receipt and late save only makes the report said once more', t => {
  const rig = NodeRig.working(1);
  const [first] = sent(rig.turn(rig.computed('1/0/0' as ReplicaId, bytes(3))), 'report');
  if (!first) return t.fail();
  rig.hears(rig.receiptOf(first, {journalNo: 50}));
  rig.kill();
  t.is(rig.spooled(), 1);
  t.true(sent([...rig.join(), ...rig.pass(400)], 'report').length > 0);
});
