import test from 'ava';
import {ByteWriter} from '../../src/base/bytes.ts';
import type {ReplicaId} from '../../src/base/types.ts';
import type {NodeEffect} from '../../src/core/core.ts';
import type {Report, Welcome} from '../../src/wire/message.ts';
import {NodeRig, only, sent} from './rig.ts';

const alarms = (effects: readonly NodeEffect[]): string[] =>
  only(effects, 'note').flatMap(({note}) => (note.level === 'alarm' ? [note.what] : []));

function reported(): {rig: NodeRig; report: Report} {
  const rig = NodeRig.working(1);
  const done = rig.computed('1/0/0' as ReplicaId, {kind: 'inline', bytes: new Uint8Array(3)});
  const [report] = sent(rig.turn(done), 'report');
  if (!report) throw new Error('no report');
  return {rig, report};
}

test('a receipt that overtakes the Welcome of its session is no sign of a forgetful master', t => {
  const {rig, report} = reported();
  rig.link();
  rig.hears(rig.receiptOf(report, {journalNo: 208}));
  t.is(rig.core.spool.size, 1, 'of which epoch, nobody knows: it is said again');
  t.deepEqual(alarms(rig.hears(rig.welcome({journalNo: 207}))), []);
  const [again] = sent(rig.pass(400), 'report');
  if (!again) return t.fail();
  rig.hears(rig.receiptOf(again, {journalNo: 208}));
  t.is(rig.core.spool.size, 0);
});

test('a Welcome that ends below the receipts of earlier sessions is one', t => {
  const {rig, report} = reported();
  rig.hears(rig.receiptOf(report, {journalNo: 208}));
  rig.link();
  t.deepEqual(alarms(rig.hears(rig.welcome({journalNo: 207}))), [
    'the master has forgotten what it acknowledged',
  ]);
});

test('a Welcome of a session that was given up is no sign of one, however late it comes', t => {
  const {rig, report} = reported();
  const late = rig.welcome({journalNo: 207});
  rig.hears(rig.receiptOf(report, {journalNo: 208}));
  t.true(only(rig.pass(10_000), 'forget').length === 1);
  t.deepEqual(alarms(rig.hears(late)), []);
  t.false(rig.core.welcomed);
  t.deepEqual(alarms(rig.join({journalNo: 208})), []);
  t.true(rig.core.welcomed);
});

/** A node whose report has a receipt of this number, from the epoch that it is in. */
function receipted(journalNo: number): {rig: NodeRig; report: Report} {
  const {rig, report} = reported();
  rig.hears(rig.receiptOf(report, {journalNo}));
  rig.pass(10_000);
  return {rig, report};
}

/** Different reports that are offered again. */
const offered = (rig: NodeRig, changes: Partial<Welcome>): number =>
  new Set(sent([...rig.join(changes), ...rig.pass(2_000)], 'report').map(({nonce}) => nonce)).size;

test('a journal that lost its end and grew beyond it since is found out by its start', t => {
  const grown = {journalNo: 400, bootJournalNo: 199};
  for (const killed of [false, true]) {
    const {rig, report} = receipted(200);
    if (killed) rig.kill();
    rig.epoch += 1;
    const effects = [...rig.join(grown), ...rig.pass(400)];
    t.deepEqual(alarms(effects), ['the master has forgotten what it acknowledged']);
    const [again] = sent(effects, 'report');
    t.deepEqual(again?.body, report.body);
    if (!again) return;
    rig.hears(rig.receiptOf(again, {journalNo: 401}));
    rig.pass(10_000);
    if (killed) rig.kill();
    t.is(offered(rig, {...grown, journalNo: 402}), 0, 'its second receipt is of this epoch');
  }
});

test('receipts of this life of the master are good however far its journal has grown', t => {
  const {rig} = receipted(200);
  t.is(offered(rig, {journalNo: 400, bootJournalNo: 100}), 0);
});

test('a master that goes on to a later epoch in one life has lost nothing', t => {
  const {rig} = receipted(200);
  const {instanceId} = rig.welcome();
  rig.epoch += 1_000;
  t.is(offered(rig, {journalNo: 400, bootJournalNo: 100, instanceId}), 0);
});

test('receipts up to the end of the last life are good', t => {
  const {rig} = receipted(200);
  rig.epoch += 1;
  t.is(offered(rig, {journalNo: 400, bootJournalNo: 200}), 0);
});

test('a recovered store voids receipts above what was good, whenever the node comes back', t => {
  const {rig} = receipted(200);
  rig.epoch += 1_010;
  const later = {journalNo: 9_000, bootJournalNo: 8_000};
  t.is(offered(rig, {...later, lostEpoch: rig.epoch - 5, lostAfter: 200}), 0, 'it was good');
  t.is(offered(rig, {...later, lostEpoch: rig.epoch - 5, lostAfter: 199}), 1);
});

test('a recovery before a receipt does not void it', t => {
  const {rig} = receipted(200);
  const recovered = {lostEpoch: rig.epoch, lostAfter: 20};
  rig.epoch += 3;
  t.is(offered(rig, {journalNo: 400, bootJournalNo: 300, ...recovered}), 0);
});

test('what is kept from before receipts named their epochs counts as of the first', t => {
  const {rig} = receipted(200);
  for (const [key] of rig.rows)
    if (key.startsWith('kept/')) rig.rows.set(key, new ByteWriter().varint(200).bytes());
  rig.kill();
  t.is(offered(rig, {journalNo: 400, bootJournalNo: 199}), 1);
});
