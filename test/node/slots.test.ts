import test from 'ava';
import type {ReplicaId} from '../../src/base/types.ts';
import type {NodeEffect} from '../../src/core/core.ts';
import {decodeResults} from '../../src/wire/codec.ts';
import {NodeRig, sent} from './rig.ts';

const output = {kind: 'inline', bytes: new Uint8Array(3)} as const;

/** Suspicions of the results in all reports. */
const suspicions = (effects: readonly NodeEffect[]): unknown[] =>
  sent(effects, 'report').flatMap(({body}) =>
    (decodeResults(body) ?? []).map(item => item.status === 'done' && item.suspicion),
  );

function running(count: number): NodeRig {
  const rig = new NodeRig();
  const pull = sent(rig.join(), 'pull')[0];
  if (!pull) throw new Error('no pull');
  rig.hears(rig.assignOf(pull, count));
  return rig;
}

test('a result that ran while the machine slept says so', t => {
  const rig = running(1);
  rig.wallStepMs += 5_000;
  t.deepEqual(suspicions(rig.turn(rig.computed('1/0/0' as ReplicaId, output))), [1]);
});

test('what is stopped and begun anew after the sleep says nothing', t => {
  const rig = running(1);
  rig.wallStepMs += 5_000;
  rig.turn();
  rig.turn(rig.command({kind: 'state'}, {state: {generation: 1, paused: true}}));
  rig.turn(rig.command({kind: 'state'}, {state: {generation: 2, paused: false}}));
  t.deepEqual(suspicions(rig.turn(rig.computed('1/0/0' as ReplicaId, output))), [undefined]);
});

test('what waited during the sleep, or ran while a clock was set by a little, says nothing', t => {
  const rig = running(3); // two slots: the third one waits
  rig.wallStepMs += 900;
  const first = rig.turn(rig.computed('1/0/0' as ReplicaId, output));
  const second = rig.turn(rig.computed('1/1/0' as ReplicaId, output));
  const third = rig.turn(rig.computed('1/2/0' as ReplicaId, output));
  const found = suspicions([...first, ...second, ...third, ...rig.pass(100)]);
  t.deepEqual(found, [undefined, undefined, undefined]);
});
