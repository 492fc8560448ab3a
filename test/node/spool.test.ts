import test from 'ava';
import type {ReplicaId} from '../../src/base/types.ts';
import type {OutputRef} from '../../src/wire/message.ts';
import {NodeRig, sent} from './rig.ts';

const OUTPUT: OutputRef = {kind: 'inline', bytes: new Uint8Array(3)};

test('a report that is lost on the way is said again soon, again and again', t => {
  const rig = NodeRig.working(1);
  const [report] = sent(rig.turn(rig.computed('1/0/0' as ReplicaId, OUTPUT)), 'report');
  if (!report) return t.fail();
  let last = 0;
  let said = 0;
  for (let ms = 0; ms < 3_500; ms += 10) {
    if (sent(rig.pass(10), 'report').length === 0) continue;
    if (said < 3) t.true(ms - last <= 600, `${ms - last} ms`);
    last = ms;
    said += 1;
  }
  t.true(said >= 4, `${said} times in 3.5 s`);
});
