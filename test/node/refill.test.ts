import test from 'ava';
import type {ReplicaId} from '../../src/base/types.ts';
import type {NodeEffect} from '../../src/core/core.ts';
import type {Report} from '../../src/wire/message.ts';
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
  t.is(rig.core.spool.size, 0);
  t.deepEqual(alarms(rig.hears(rig.welcome({journalNo: 207}))), []);
});

test('a Welcome that ends below the receipts of earlier sessions is one', t => {
  const {rig, report} = reported();
  rig.hears(rig.receiptOf(report, {journalNo: 208}));
  rig.link();
  t.deepEqual(alarms(rig.hears(rig.welcome({journalNo: 207}))), [
    'the master has forgotten what it acknowledged',
  ]);
});
