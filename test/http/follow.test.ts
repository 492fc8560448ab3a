import {setMaxListeners} from 'node:events';
import test, {type ExecutionContext} from 'ava';
import {asBatchId} from '../../src/base/types.ts';
import {type Check, checkKey, encodeChecks} from '../../src/core/checks.ts';
import {
  type Decision,
  encodePage,
  encodeReportRow,
  PAGE_WORKUNITS,
  pageKey,
  reportKey,
} from '../../src/core/tables.ts';
import type {ResultView} from '../../src/core/views.ts';
import {OperatorClient} from '../../src/http/client.ts';
import type {FollowOrder} from '../../src/http/follow.ts';
import {encodeResults} from '../../src/wire/codec.ts';
import {ask, BEARER, batchView, NODE, openRig, type Rig, until} from './rig.ts';

const BATCH = asBatchId(1);
const COUNT = 200;

/** A batch whose workunits are decided by hand: the report of each has its own number. */
class Deciding {
  readonly #rig: Rig;
  readonly #decided = new Map<number, Decision>();

  constructor(rig: Rig) {
    this.#rig = rig;
    rig.handle.batchViews.set(1, batchView(1, {count: COUNT}));
  }

  decide(...indexes: number[]): void {
    const {handle} = this.#rig;
    for (const index of indexes) {
      const output = {kind: 'inline', bytes: Buffer.from(`out ${index}`)} as const;
      const head = {batchId: BATCH, index, replicaNo: 0, proof: 1, cpuMs: 1};
      const body = encodeResults([{...head, status: 'done', output}]);
      const row = encodeReportRow({nodeId: NODE, signature: new Uint8Array(64), body});
      handle.rows.set(`report/${reportKey(index)}`, row);
      this.#decided.set(index, {kind: 'done', reportNo: index, item: 0});
    }
    this.#write();
    handle.change(1, {done: this.#decided.size});
  }

  fail(index: number): void {
    this.#decided.set(index, {kind: 'failed', reason: 'too many errors'});
    this.#write();
    this.#rig.handle.change(1, {failed: 1});
  }

  end(state: 'done' | 'cancelled' = 'done'): void {
    this.#rig.handle.change(1, {state});
  }

  #write(): void {
    const pages = new Map<number, Map<number, Decision>>();
    for (const [index, decision] of this.#decided) {
      const no = Math.floor(index / PAGE_WORKUNITS);
      pages.set(no, (pages.get(no) ?? new Map()).set(index % PAGE_WORKUNITS, decision));
    }
    for (const [no, page] of pages)
      this.#rig.handle.rows.set(`page/${pageKey(BATCH, no)}`, encodePage(page));
  }
}

type Following = {readonly seen: number[]; readonly views: ResultView[]; ended: boolean};

function follow(rig: Rig, order: FollowOrder, from = 0, signal?: AbortSignal): Following {
  const following: Following = {seen: [], views: [], ended: false};
  const read = async (): Promise<void> => {
    for await (const view of rig.client.results(BATCH, {follow: order, from}, signal)) {
      following.seen.push(view.index);
      following.views.push(view);
    }
    following.ended = true;
  };
  read().catch(() => undefined);
  return following;
}

const listening = (rig: Rig, count: number) => until(() => rig.handle.listeners.size >= count);
const upTo = (end: number, from = 0): number[] =>
  Array.from({length: end - from}, (_, i) => from + i);

test('by index a result is sent once all before it are decided', async t => {
  const rig = await openRig(t);
  const batch = new Deciding(rig);
  const whole = follow(rig, 'index');
  const part = follow(rig, 'index', 70);
  await listening(rig, 2);
  batch.decide(1, 3, 71);
  batch.decide(0);
  await until(() => whole.seen.length === 2);
  batch.fail(2);
  await until(() => whole.seen.length === 4);
  t.deepEqual(whole.seen, [0, 1, 2, 3]);
  t.like(whole.views[2], {state: 'failed', reason: 'too many errors'});
  t.is(whole.views[3]?.text, 'out 3');
  batch.decide(...upTo(COUNT, 4));
  await until(() => whole.seen.length === COUNT && part.seen.length === COUNT - 70);
  t.deepEqual(whole.seen, upTo(COUNT));
  t.deepEqual(part.seen, upTo(COUNT, 70));
  t.false(whole.ended, 'the batch runs');
  batch.end();
  await until(() => whole.ended && part.ended);
  await until(() => rig.handle.listeners.size === 0);
});

test('by arrival a result is sent when it is decided, and once', async t => {
  const rig = await openRig(t);
  const batch = new Deciding(rig);
  const following = follow(rig, 'arrival');
  const {seen} = following;
  await listening(rig, 1);
  for (const index of [150, 3, 64, 199]) {
    batch.decide(index);
    await until(() => seen.includes(index));
  }
  t.deepEqual(seen, [150, 3, 64, 199]);
  for (const index of upTo(120, 65)) batch.decide(index);
  // The first one of a page last: those behind it are looked at when the page has become whole.
  const last = [0, 128];
  batch.decide(...upTo(COUNT).filter(index => !last.includes(index)));
  await until(() => seen.length === COUNT - last.length);
  batch.decide(...last);
  batch.end();
  await until(() => following.ended);
  t.deepEqual(
    [...seen].sort((a, b) => a - b),
    upTo(COUNT),
  );
});

test('of a batch that ended early what there is comes, without a wait for the rest', async t => {
  const rig = await openRig(t);
  const batch = new Deciding(rig);
  batch.decide(2, 190);
  const before = [follow(rig, 'index'), follow(rig, 'arrival')];
  await listening(rig, 2);
  batch.end('cancelled');
  const after = [follow(rig, 'index'), follow(rig, 'arrival')];
  const all = [...before, ...after];
  await until(() => all.every(({ended}) => ended));
  for (const {seen} of all) t.deepEqual(seen, [2, 190]);
});

test('a result that is checked again waits until it is decided', async t => {
  const rig = await openRig(t);
  const batch = new Deciding(rig);
  const at = checkKey(BATCH, 0, NODE);
  const open: Check = {state: 'open', reportNo: 1, item: 0, hash: new Uint8Array(32)};
  rig.handle.rows.set(`check/${at}`, encodeChecks(new Map([[1, open]])));
  const whole = follow(rig, 'index');
  const some = follow(rig, 'arrival');
  await listening(rig, 2);
  batch.decide(0, 1, 2);
  await until(() => whole.seen.length > 0 && some.seen.length > 1);
  t.deepEqual([whole.seen, some.seen], [[0], [0, 2]]);
  rig.handle.rows.set(`check/${at}`, encodeChecks(new Map([[1, {...open, state: 'confirmed'}]])));
  batch.decide(3);
  await until(() => whole.seen.length === 4 && some.seen.length === 4);
  t.is(whole.views[1]?.check, 'confirmed');
});

test('a follower that goes is forgotten, and a batch that is deleted ends it with its name', async t => {
  const rig = await openRig(t);
  const batch = new Deciding(rig);
  batch.decide(0);
  const stop = new AbortController();
  const gone = follow(rig, 'index', 0, stop.signal);
  await until(() => gone.seen.length === 1);
  stop.abort();
  await until(() => rig.handle.listeners.size === 0);
  const fault = t.throwsAsync(drain(rig, 'arrival'), {code: 'VOLLEY_UNKNOWN_BATCH'});
  await listening(rig, 1);
  rig.handle.batchViews.delete(1);
  rig.handle.announce({kind: 'batch', batchId: BATCH});
  await fault;
});

async function drain({client}: Rig, order: FollowOrder): Promise<void> {
  for await (const _ of client.results(BATCH, {follow: order}));
}

test('an order that is none is refused, and a token follows 24 at a time', async t => {
  const rig = await openRig(t);
  new Deciding(rig);
  const bad = await ask(`${rig.url}/v1/batches/1/results?follow=time`, {headers: BEARER});
  t.is(bad.status, 400);
  t.regex(bad.body, /follow must be index or arrival/);
  await heldBy(t, rig, 24);
});

async function heldBy(t: ExecutionContext, rig: Rig, limit: number): Promise<void> {
  const {token} = await rig.client.addAccess('read', 'wall');
  const client = new OperatorClient({url: rig.url, token});
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const held = {...rig, client};
  for (let i = 0; i < limit; i++) follow(held, 'index', 0, stop.signal);
  await listening(rig, limit);
  await t.throwsAsync(drain(held, 'index'), {code: 'VOLLEY_BUSY'});
  const owner = follow(rig, 'index', 0, stop.signal);
  await listening(rig, limit + 1);
  t.false(owner.ended);
  stop.abort();
  await until(() => rig.handle.listeners.size === 0);
  const again = follow(held, 'index');
  await listening(rig, 1);
  rig.handle.change(1, {state: 'done'});
  await until(() => again.ended);
  client.close();
}
