import test from 'ava';
import type {MasterCore} from '../../src/master/master.ts';
import {planOf} from '../../src/sim/draw.ts';
import {OrderChecker} from '../../src/sim/order-checker.ts';
import {runSeed} from '../../src/sim/swarm.ts';

type Held = {
  suspended?: object;
  replicas?: number;
  hold?: string;
  leases?: number;
  paused?: boolean;
};

/** A master with one batch and one node. */
const core = ({suspended, replicas = 0, hold, leases = 0, paused = false}: Held): MasterCore => {
  const batch = {row: {id: 1}, counters: {replicas}, control: suspended ? {suspended} : {}};
  const node = {
    row: {nodeId: 'a', name: 'a'},
    control: hold ? {hold: {kind: hold}} : {},
    out: new Set(Array.from({length: leases}, (_, i) => i)),
  };
  const context = {batches: new Map([[1, batch]]), roster: {all: () => [node]}, state: {paused}};
  return {context} as unknown as MasterCore;
};

/** What the checker says of these turns, one after the other. */
const told = (...turns: readonly Held[]): string => {
  const checker = new OrderChecker();
  try {
    for (const turn of turns) checker.turned(core(turn));
    return '';
  } catch (error) {
    return String(error);
  }
};

test('a suspended batch that hands out more is told', t => {
  t.is(told({replicas: 1}, {suspended: {}, replicas: 2}, {suspended: {}, replicas: 2}), '');
  t.regex(told({suspended: {}, replicas: 2}, {suspended: {}, replicas: 3}), /batch 1 is suspended/);
  t.is(told({suspended: {}, replicas: 2}, {replicas: 3}, {suspended: {}, replicas: 4}), '');
});

test('a suspended node that holds leases is told, one that drains is not', t => {
  t.regex(told({hold: 'suspended'}, {hold: 'suspended', leases: 1}), /a is suspended and holds/);
  t.is(told({leases: 2}, {hold: 'draining', leases: 2}, {hold: 'draining', leases: 1}), '');
});

test('a node that drains and is given more is told', t => {
  t.regex(told({hold: 'draining', leases: 1}, {hold: 'draining', leases: 2}), /a drains and/);
});

test('a suspended cluster that hands out work is told', t => {
  t.is(told({replicas: 1}, {paused: true, replicas: 2}, {paused: true, replicas: 2}), '');
  t.regex(told({paused: true}, {paused: true, replicas: 1}), /the cluster is suspended/);
});

test('seeds with orders hold every promise', t => {
  t.timeout(120_000);
  let looks = 0;
  let given = 0;
  let deleted = 0;
  let retried = 0;
  const isEnough = (): boolean => deleted > 0 && retried > 0;
  for (let seed = 1, ran = 0; ran < 6 || (ran < 40 && !isEnough()); seed++) {
    if ((planOf(seed).orders ?? []).length === 0) continue;
    const {failure, world} = runSeed(seed);
    t.is(failure, undefined, `npm run sim -- --seed ${seed}`);
    looks += world.checkers.orderChecker.looks;
    given += world.orders.given;
    const {orders, batches} = world.checkers.masterChecker.model;
    deleted += orders.deleted.size;
    for (const {retries = 0} of batches.values()) retried += retries;
    ran += 1;
  }
  t.true(looks > 100 && given > 10, `${looks} looks, ${given} orders`);
  t.true(isEnough(), `${deleted} batches deleted, ${retried} retried`);
});
