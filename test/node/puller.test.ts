import test from 'ava';
import {Prng} from '../../src/base/prng.ts';
import {addMono, asBatchId, asBlobId, asMonoMs, asWallMs} from '../../src/base/types.ts';
import {Puller, wantedOf} from '../../src/node/puller.ts';
import {heldOf, Slots} from '../../src/node/slots.ts';
import {RENEWALS_PER_PULL} from '../../src/wire/codec-sizes.ts';
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
  suspended: false,
  wallMs: asWallMs(0),
  part: 0,
  parts: 1,
});

test('the heartbeat follows the size of the cluster: each answer names it', t => {
  const puller = new Puller(new Prng(1));
  const slots = new Slots(1);
  puller.begin(1_000, 1, NOW);
  const pull = puller.next(slots, 1, false, 0, NOW);
  t.true(puller.onAssign(nothing(pull?.nonce ?? 0, 10_000), NOW));
  t.true(puller.wakeAt() >= addMono(NOW, 7_000));
  t.true(puller.wakeAt() <= addMono(NOW, 10_000));
});

test('a call that comes while a question is under way is not lost in its empty answer', t => {
  const puller = new Puller(new Prng(1));
  const slots = new Slots(1);
  puller.begin(1_000, 1, NOW);
  const pull = puller.next(slots, 1, false, 0, NOW);
  puller.called(NOW, 0);
  puller.onAssign(nothing(pull?.nonce ?? 0, 1_000), NOW);
  t.is(puller.next(slots, 1, false, 0, NOW)?.wanted, 192);
});

test('a call is answered by whoever was told that there is nothing, and by nobody else', t => {
  const puller = new Puller(new Prng(1));
  const slots = new Slots(1);
  puller.begin(1_000, 1, NOW);
  const first = puller.next(slots, 1, false, 0, NOW);
  puller.onAssign(nothing(first?.nonce ?? 0, 1_000), NOW);
  t.is(puller.next(slots, 1, false, 0, NOW), undefined);
  puller.called(NOW, 0);
  const second = puller.next(slots, 1, true, 0, NOW);
  t.is(second?.wanted, 0, 'it is paused meanwhile, and wants nothing');
  puller.called(NOW, 0);
  puller.onAssign(nothing(second?.nonce ?? 0, 1_000), NOW);
  puller.called(NOW, 0);
  t.is(puller.next(slots, 1, true, 0, NOW), undefined, 'it says so once');
});

test('a question without an answer is asked again in the next session, not another one', t => {
  const puller = new Puller(new Prng(1));
  const slots = new Slots(1);
  puller.begin(1_000, 1, NOW);
  const pull = puller.next(slots, 1, false, 0, NOW);
  puller.end();
  puller.begin(1_000, 1, NOW);
  t.is(puller.next(slots, 1, false, 0, NOW)?.nonce, pull?.nonce, 'its leases are in that answer');
  puller.end();
  puller.begin(1_000, 2, NOW);
  const other = puller.next(slots, 1, false, 0, NOW)?.nonce;
  t.not(other, pull?.nonce, 'another life of the master gave no such answer');
});

test('an answer in other parts than the one begun is taken whole', t => {
  const puller = new Puller(new Prng(1));
  const slots = new Slots(1);
  puller.begin(1_000, 1, NOW);
  const nonce = puller.next(slots, 1, false, 0, NOW)?.nonce ?? 0;
  t.true(puller.onAssign({...nothing(nonce, 1_000), part: 0, parts: 2}, NOW));
  t.false(puller.onAssign({...nothing(nonce, 1_000), part: 0, parts: 2}, NOW));
  t.true(puller.onAssign(nothing(nonce, 1_000), NOW), 'the master has forgotten the first');
  const later = addMono(NOW, 2_000);
  t.not(puller.next(slots, 1, false, 0, later)?.nonce ?? nonce, nonce);
});

/** Asks from NOW on and is never answered. */
function unanswered(puller: Puller, ms: number, onMs: (at: number) => void = () => {}): number {
  const slots = new Slots(1);
  let said = 0;
  for (let at = 0; at < ms; at++) {
    onMs(at);
    if (puller.next(slots, 1, false, 0, addMono(NOW, at))) said += 1;
  }
  return said;
}

test('the master is lost after seconds without any word of it', t => {
  const puller = new Puller(new Prng(1));
  puller.begin(1_000, 1, NOW);
  unanswered(puller, 1_500);
  t.false(puller.isLost);
  unanswered(puller, 8_000);
  t.true(puller.isLost);
});

test('a master that is heard is not lost, whatever became of the question', t => {
  const puller = new Puller(new Prng(1));
  puller.begin(1_000, 1, NOW);
  const said = unanswered(puller, 20_000, at => {
    if (at % 2_000 === 0) puller.heard();
  });
  t.true(said > 20);
  t.false(puller.isLost);
});

test('a lost answer costs less than a second, and a silent master is asked once a second', t => {
  const puller = new Puller(new Prng(1));
  puller.begin(1_000, 1, NOW);
  const first = unanswered(puller, 600);
  t.true(first >= 5, `${first} times in 600 ms`);
  const slots = new Slots(1);
  let said = 0;
  for (let at = 20_000; at < 30_000; at++)
    if (puller.next(slots, 1, false, 0, addMono(NOW, at))) said += 1;
  t.true(said >= 6 && said <= 13, `${said} times in 10 s`);
});

/** Replicas in hand since before NOW, none of them measured. */
function holding(count: number): Slots {
  const slots = new Slots(1);
  const batch = {
    batchId: asBatchId(1),
    appId: asBlobId('a1'.repeat(32)),
    args: [],
    leaseMs: 1,
    timeLimitMs: 1,
    memoryLimitMib: 1,
    outputLimitBytes: 1,
    leases: [],
  };
  for (let index = 0; index < count; index++) {
    const lease = {
      index,
      replicaNo: 1,
      proof: index + 7,
      input: {kind: 'range', start: 0, end: 1},
    } as const;
    slots.add(heldOf(batch, lease, asMonoMs(NOW - 1)));
  }
  return slots;
}

test('another life of the master is told all that is in hand before more is asked for', t => {
  const puller = new Puller(new Prng(1));
  const count = RENEWALS_PER_PULL * 2 + 1;
  const slots = holding(count);
  slots.noteRunMs(asBlobId('a1'.repeat(32)), 0.01);
  const proofs: number[] = [];
  const wanted: number[] = [];
  puller.begin(1_000, 1, NOW);
  for (let pulls = 0; pulls < 3; pulls++) {
    const pull = puller.next(slots, 1, false, 0, NOW);
    if (!pull) return t.fail('it waits');
    proofs.push(...pull.running.map(({proof}) => proof));
    wanted.push(pull.wanted);
    puller.onAssign(nothing(pull.nonce, 1_000), NOW);
  }
  t.is(new Set(proofs).size, count);
  t.true(proofs.every(proof => proof >= 7));
  t.deepEqual(wanted, [0, 0, wantedOf(slots)]);
  t.is(puller.next(slots, 1, false, 0, NOW), undefined, 'told once');
  puller.end();
  puller.begin(1_000, 1, addMono(NOW, 10));
  const again = puller.next(slots, 1, false, 0, addMono(NOW, 10));
  t.is(again?.running.length, RENEWALS_PER_PULL);
  t.is(again?.wanted, wantedOf(slots), 'the same life knows the rest');
});

/** Slots with measured work in hand: so many of so many milliseconds each. */
function stocked(count: number, runMs: number | undefined): Slots {
  const slots = new Slots(2);
  const appId = asBlobId('a'.repeat(64));
  if (runMs !== undefined) slots.noteRunMs(appId, runMs);
  for (let index = 0; index < count; index++) {
    const lease = {
      index,
      replicaNo: 0,
      proof: 0,
      input: {kind: 'range', start: 0, end: 1},
    } as const;
    const batch = {batchId: asBatchId(1), appId, args: [], leaseMs: 1, timeLimitMs: 1};
    const limits = {memoryLimitMib: 1, outputLimitBytes: 1, leases: [lease]};
    slots.add(heldOf({...batch, ...limits}, lease, NOW));
  }
  slots.start();
  return slots;
}

const asks = (slots: Slots, bufferMs: number) => {
  const puller = new Puller(new Prng(1));
  puller.begin(1_000, 1, NOW);
  const pull = puller.next(slots, 2, false, 0, NOW, {bufferMs});
  return {wanted: pull?.wanted, wantedMs: pull?.wantedMs};
};

test('with a buffer of a minute long work is asked for ahead, by its measured run time', t => {
  t.deepEqual(asks(stocked(2, 10_000), 60_000), {wanted: 1_024, wantedMs: 120_000});
  t.deepEqual(asks(stocked(6, 10_000), 60_000), {wanted: 1_020, wantedMs: 80_000});
  t.is(asks(stocked(10, 10_000), 60_000).wanted, 0, 'more than half of it is there');
  t.is(asks(stocked(2, 10_000), 250).wanted, 0, 'without a buffer it is left to others');
});

test('an app that never ran here is tried before more of it is kept ahead', t => {
  t.is(asks(stocked(2, undefined), 60_000).wanted, 0);
  t.is(asks(stocked(1, undefined), 60_000).wanted, 1);
});

test('a buffer of nothing asks for what the free slots can do', t => {
  t.is(asks(stocked(0, 1), 0).wanted, 2);
  t.is(asks(stocked(2, 1), 0).wanted, 0);
});
