import {type IncomingMessage, request} from 'node:http';
import {setTimeout as sleep} from 'node:timers/promises';
import test from 'ava';
import {VolleyError} from '../../src/base/errors.ts';
import {asBatchId, asCaptureId} from '../../src/base/types.ts';
import {Coalescer} from '../../src/http/coalescer.ts';
import type {EventFilter} from '../../src/http/events.ts';
import {
  BEARER,
  batchView,
  captureView,
  NODE,
  openRig,
  type Rig,
  transferView,
  until,
} from './rig.ts';

type Seen = {readonly at: number; readonly text: string};

/** Collects what a watcher sees, as short words, until the rig ends. */
async function watch({client, hub}: Rig, filter: EventFilter = {}): Promise<Seen[]> {
  const seen: Seen[] = [];
  const before = hub.watcherCount;
  const read = async (): Promise<void> => {
    for await (const event of client.events(filter)) {
      const text =
        event.kind === 'batch'
          ? `batch ${event.batch.id} ${event.batch.state} ${event.batch.done}`
          : event.kind === 'capture'
            ? `capture ${event.capture.id} ${event.capture.state}`
            : event.kind === 'transfer'
              ? `transfer ${event.transfer.id} ${event.transfer.state}`
              : `node ${event.node.nodeId}`;
      seen.push({at: performance.now(), text});
    }
  };
  read().catch(() => undefined);
  await until(() => hub.watcherCount > before);
  return seen;
}

const texts = (seen: readonly Seen[]): string[] => seen.map(({text}) => text);

test('a watcher of one transfer is told its present state first, and of nothing else', async t => {
  const rig = await openRig(t, {}, {windowMs: 5});
  rig.handle.transferViews.set(1, transferView(1));
  rig.handle.transferViews.set(2, transferView(2));
  const seen = await watch(rig, {transferId: 1});
  await until(() => seen.length === 1);
  rig.handle.announce({kind: 'transfer', transferId: 2});
  rig.handle.transferViews.set(1, transferView(1, {state: 'ended'}));
  rig.handle.announce({kind: 'transfer', transferId: 1});
  await until(() => seen.length === 2);
  t.deepEqual(texts(seen), ['transfer 1 sending', 'transfer 1 ended']);
});

test('a watcher of one batch is told its present state first, then the changes in order', async t => {
  const rig = await openRig(t, {}, {windowMs: 5});
  rig.handle.batchViews.set(1, batchView(1, {done: 3}));
  rig.handle.batchViews.set(2, batchView(2));
  const seen = await watch(rig, {batchId: asBatchId(1)});
  await until(() => seen.length === 1);
  for (const done of [4, 5, 6]) {
    rig.handle.change(1, {done});
    rig.handle.change(2, {done});
    await until(() => texts(seen).includes(`batch 1 running ${done}`));
  }
  t.deepEqual(
    texts(seen),
    [3, 4, 5, 6].map(done => `batch 1 running ${done}`),
  );
});

test('many changes become few events: the first at once, the last never lost', async t => {
  const rig = await openRig(t);
  rig.handle.batchViews.set(1, batchView(1));
  const seen = await watch(rig);
  const begun = performance.now();
  for (let done = 1; done <= 1_000; done++) {
    rig.handle.change(1, {done});
    if (done % 10 === 0) await sleep(1);
  }
  const lasted = performance.now() - begun;
  await until(() => texts(seen).includes('batch 1 running 1000'));
  t.is(seen[0]?.text, 'batch 1 running 1');
  t.true(seen.length <= lasted / 50 + 2, `${seen.length} events in ${lasted} ms`);
  t.true(seen.length >= 3);
});

test('the end of a batch is told at once, inside the window too', async t => {
  const rig = await openRig(t, {}, {windowMs: 10_000});
  rig.handle.batchViews.set(1, batchView(1));
  const seen = await watch(rig);
  rig.handle.change(1, {done: 1});
  rig.handle.change(1, {done: 2});
  const begun = performance.now();
  rig.handle.change(1, {done: 3, state: 'done'});
  rig.handle.change(1, {disagreements: 1});
  await until(() => seen.length === 2);
  t.deepEqual(texts(seen), ['batch 1 running 1', 'batch 1 done 3']);
  const lastedMs = (seen[1]?.at ?? 0) - begun;
  t.log(`${lastedMs.toFixed(2)} ms from announcement to watcher`);
  t.true(lastedMs < 1_000);
});

test('nodes and captures are told to those who watch everything or that capture', async t => {
  const rig = await openRig(t);
  rig.handle.captureViews.set(1, captureView(1));
  rig.handle.batchViews.set(1, batchView(1));
  const all = await watch(rig);
  const one = await watch(rig, {captureId: asCaptureId(1)});
  await until(() => one.length === 1);
  rig.handle.announce({kind: 'node', nodeId: NODE});
  rig.handle.announce({kind: 'capture', captureId: asCaptureId(1)});
  rig.handle.change(1, {});
  rig.handle.announce({kind: 'batch', batchId: asBatchId(99)});
  await until(() => all.length === 3 && one.length === 2);
  t.deepEqual(texts(all), [`node ${NODE}`, 'capture 1 running', 'batch 1 running 0']);
  t.deepEqual(texts(one), ['capture 1 running', 'capture 1 running']);
});

test('a capture is shown once in a window, however many nodes say something', async t => {
  const rig = await openRig(t, {}, {windowMs: 10_000});
  rig.handle.captureViews.set(1, captureView(1));
  const seen = await watch(rig, {captureId: asCaptureId(1)});
  await until(() => seen.length === 1);
  const before = rig.handle.captureLooks;
  for (let i = 0; i < 1_000; i++) rig.handle.announce({kind: 'capture', captureId: asCaptureId(1)});
  await until(() => seen.length === 2);
  t.is(rig.handle.captureLooks - before, 1);
  rig.handle.captureViews.set(1, {...captureView(1), state: 'done'});
  rig.handle.announce({kind: 'capture', captureId: asCaptureId(1)});
  await until(() => seen.length === 3);
  t.is(seen[2]?.text, 'capture 1 done', 'its end is told at once');
});

test('what takes long to tell is told less often', async t => {
  const told: {readonly since: number; readonly until: number}[] = [];
  const coalescer = new Coalescer<string>(1, () => {
    const since = performance.now();
    while (performance.now() < since + 20);
    told.push({since, until: performance.now()});
  });
  coalescer.touch('a');
  coalescer.touch('a');
  await until(() => told.length === 2);
  const [first, second] = told;
  // a timer may be early by a part of a millisecond
  t.true((second?.since ?? 0) - (first?.until ?? 0) >= 9 * 20);
  coalescer.clear();
});

test('the master is watched only while somebody watches', async t => {
  const rig = await openRig(t);
  t.is(rig.handle.listeners.size, 0);
  const aborter = new AbortController();
  const events = rig.client.events({}, aborter.signal);
  const first = events.next();
  await until(() => rig.handle.listeners.size === 1);
  aborter.abort();
  t.deepEqual(await first, {value: undefined, done: true});
  await until(() => rig.handle.listeners.size === 0);
  t.is(rig.hub.watcherCount, 0);
});

test('a quiet stream carries heartbeats', async t => {
  const rig = await openRig(t, {}, {heartbeatMs: 10});
  const response = await openStream(rig.url);
  let text = '';
  response.on('data', part => {
    text += part;
  });
  await until(() => text.split(':\n\n').length > 3);
  t.is(response.headers['content-type'], 'text/event-stream');
  response.destroy();
});

test('a watcher that does not read is cut, the others go on', async t => {
  const rig = await openRig(t, {}, {windowMs: 1, unreadBytesMax: 100_000});
  rig.handle.batchViews.set(1, batchView(1));
  const slow = await openStream(rig.url);
  await until(() => rig.hub.watcherCount === 1);
  const seen = await watch(rig);
  const reason = 'x'.repeat(100_000);
  for (let done = 1; rig.hub.watcherCount === 2; done++) {
    rig.handle.change(1, {done, reason});
    await sleep(2);
  }
  const closed = new Promise(resolve => slow.once('close', resolve));
  slow.on('error', () => undefined).resume();
  await closed;
  const last = seen.length;
  rig.handle.change(1, {state: 'done', reason: ''});
  await until(() => seen.length > last && texts(seen).at(-1)?.startsWith('batch 1 done') === true);
  t.is(rig.hub.watcherCount, 1);
});

test('a stream ends as unreachable when the master goes', async t => {
  const rig = await openRig(t);
  const events = rig.client.events();
  const first = events.next();
  await until(() => rig.hub.watcherCount === 1);
  rig.hub.close();
  const error = await t.throwsAsync(first, {instanceOf: VolleyError});
  t.is(error?.code, 'VOLLEY_MASTER_UNREACHABLE');
});

function openStream(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(`${url}/v1/events`, {headers: BEARER, agent: false}, resolve).on('error', reject).end();
  });
}

test('who watches a batch that is deleted is cut, who watches all is not', async t => {
  const rig = await openRig(t, {}, {windowMs: 5});
  rig.handle.batchViews.set(1, batchView(1));
  await watch(rig, {batchId: asBatchId(1)});
  await watch(rig);
  rig.handle.batchViews.delete(1);
  rig.handle.announce({kind: 'batch', batchId: asBatchId(1)});
  await until(() => rig.hub.watcherCount === 1);
  t.pass();
});
