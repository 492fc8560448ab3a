import test from 'ava';
import {asMonoMs} from '../../src/base/types.ts';
import type {Sample} from '../../src/core/guest.ts';
import {Guest} from '../../src/node/guest.ts';

const NOW = asMonoMs(0);
const cool: Sample = {minuteOfWeek: 0, thermometers: [{name: 'cpu', celsius: 40}]};
const hot: Sample = {minuteOfWeek: 0, thermometers: [{name: 'cpu', celsius: 95}]};
const words = (guest: Guest): string => guest.allowed.reasons.map(({by}) => by).join();

test('owner and operator each hold a node, and both must let it go', t => {
  const guest = new Guest(4);
  t.true(guest.order({suspended: true, by: 'operator'}, NOW));
  t.true(guest.order({suspended: true, by: 'owner'}, NOW));
  t.false(guest.order({suspended: true, by: 'owner'}, NOW));
  t.deepEqual([guest.isSuspended, words(guest)], [true, 'owner,operator']);
  guest.order({suspended: false, by: 'operator'}, NOW);
  t.true(guest.isSuspended);
  guest.order({suspended: false, by: 'owner'}, NOW);
  t.false(guest.isSuspended);
});

test('of two wishes the stricter counts, whoever has it', t => {
  const guest = new Guest(4);
  guest.prefer('owner', {cores: 2, cpuPercent: 80, suspendAboveCelsius: 90}, NOW);
  guest.prefer('operator', {cores: 3, cpuPercent: 40, suspendAboveCelsius: 99}, NOW);
  guest.sample(cool, false, NOW);
  t.like(guest.allowed, {slots: 2, cpuPercent: 40});
  guest.sample(hot, true, NOW);
  t.deepEqual([guest.isSuspended, words(guest)], [true, 'temperature']);
});

test('the smaller buffer counts, and without a wish a short one', t => {
  const guest = new Guest(4);
  t.is(guest.bufferMs, 250);
  guest.prefer('operator', {bufferSeconds: 600}, NOW);
  t.is(guest.bufferMs, 600_000);
  guest.prefer('owner', {bufferSeconds: 60}, NOW);
  t.is(guest.bufferMs, 60_000);
});

test('draining is not suspended: what runs goes on', t => {
  const guest = new Guest(4);
  guest.drain({draining: true, by: 'owner'}, NOW);
  t.deepEqual([guest.isDraining, guest.isSuspended, words(guest)], [true, false, 'drain']);
  guest.drain({draining: false, by: 'owner'}, NOW);
  t.false(guest.isDraining);
});

test('what holds a node is noted when it changes, not for each tenth of a degree', t => {
  const guest = new Guest(4);
  guest.prefer('owner', {suspendAboveCelsius: 80}, NOW);
  guest.sample(hot, true, NOW);
  for (let i = 0; i < 20; i++)
    guest.sample({minuteOfWeek: 0, thermometers: [{name: 'cpu', celsius: 95 + i / 10}]}, true, NOW);
  guest.sample(cool, false, NOW);
  t.deepEqual(
    guest.takeNotes().map(({what}) => what),
    ['work is suspended', 'work may run'],
  );
});

test('an earlier life left it suspended, and left wishes', t => {
  const guest = new Guest(4, {cores: 1}, true);
  t.deepEqual([guest.isSuspended, words(guest)], [true, 'owner']);
  guest.order({suspended: false, by: 'owner'}, NOW);
  t.is(guest.allowed.slots, 1);
});
