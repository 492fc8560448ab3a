import test from 'ava';
import {Prng} from '../../src/base/prng.ts';
import {addMono, asMonoMs, asWallMs} from '../../src/base/types.ts';
import {Puller} from '../../src/node/puller.ts';
import {Slots} from '../../src/node/slots.ts';
import type {Assign} from '../../src/wire/message.ts';

const NOW = asMonoMs(1_000);

/** The answer that there is nothing, with the heartbeat as it is now. */
const nothing = (nonce: number, waitMs: number): Assign => ({
  type: 'assign',
  nonce,
  batches: [],
  waitMs,
  state: {generation: 0, paused: false},
  closed: [],
  wallMs: asWallMs(0),
  part: 0,
  parts: 1,
});

test('the heartbeat follows the size of the cluster: each answer names it', t => {
  const puller = new Puller(new Prng(1));
  const slots = new Slots(1);
  puller.begin(1_000, NOW);
  const pull = puller.next(slots, 1, false, 0, NOW);
  t.true(puller.onAssign(nothing(pull?.nonce ?? 0, 10_000), NOW));
  t.true(puller.wakeAt() >= addMono(NOW, 7_000));
  t.true(puller.wakeAt() <= addMono(NOW, 10_000));
});

test('a call that comes while a question is under way is not lost in its empty answer', t => {
  const puller = new Puller(new Prng(1));
  const slots = new Slots(1);
  puller.begin(1_000, NOW);
  const pull = puller.next(slots, 1, false, 0, NOW);
  puller.wake(NOW, 0);
  puller.onAssign(nothing(pull?.nonce ?? 0, 1_000), NOW);
  t.is(puller.next(slots, 1, false, 0, NOW)?.wanted, 192);
});
