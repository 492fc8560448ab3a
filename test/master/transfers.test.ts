import test from 'ava';
import {viewTransfers} from '../../src/master/transfer-view.ts';
import {only, sentTo} from './look.ts';
import {
  BLOCKS,
  blobNo,
  commandsOf,
  deliveriesOf,
  fetchersOf,
  fetching,
  kindsOf,
  LIST_HASH,
  news,
  offersTo,
  ordersOf,
  pass,
  placesOf,
  prepared,
  push,
  reports,
  roomOf,
  rowsOf,
  SIZE,
  sending,
  stepsTo,
  unnamedOf,
  viewOf,
} from './pushing.ts';
import type {TestNode} from './test-node.ts';

test('a transfer is hashed first, and offered and sent to who is meant then', t => {
  const {rig, a, b} = roomOf(2);
  const {id, effects} = push(rig, {rate: 5_000_000});
  t.deepEqual(ordersOf(effects), [
    {kind: 'prepare', transferId: id, blobId: blobNo(1), size: SIZE},
  ]);
  t.like(rowsOf(rig)[0], {id, state: 'open', nodes: [a.id, b.id], rate: 5_000_000});
  t.is(viewOf(rig, id).state, 'preparing');
  const begun = prepared(rig, id);
  const [order] = ordersOf(begun);
  if (order?.kind !== 'send') return t.fail();
  t.like(order, {nodes: [a.id, b.id], bitsPerSecond: 5_000_000});
  t.like(order.offer, {transferId: id, blobId: blobNo(1), size: SIZE, fileName: 'a.bin'});
  t.deepEqual(order.offer.listHash, LIST_HASH);
  t.is(order.offer.key.length, 32);
  t.like(commandsOf(begun)[0], {transferId: id, key: order.offer.key, port: 6_274});
  t.deepEqual(offersTo(begun, a), [], 'one command for all');
  t.is(viewOf(rig, id).state, 'sending');
  t.is(kindsOf(prepared(rig, id)).length, 0, 'prepared once');
});

test('a target that is too long for a command is offered in each session', t => {
  const {rig, a, b} = roomOf(2);
  const labels = Array.from({length: 14}, (_, i) => `${i}${'x'.repeat(60)}`);
  const {id} = push(rig, {target: {labels, nodes: [a.id]}});
  const begun = prepared(rig, id);
  t.deepEqual(commandsOf(begun), []);
  t.like(offersTo(begun, a)[0], {transferId: id});
  t.deepEqual(offersTo(begun, b), [], 'not meant');
});

test('one after the other, in the order in which they were asked for', t => {
  const {rig, a} = roomOf(1);
  const ids = [1, 2, 3].map(no => push(rig, {blobId: blobNo(no)}).id);
  t.deepEqual(
    ids.map(id => viewOf(rig, id).state),
    ['preparing', 'waiting', 'waiting'],
  );
  prepared(rig, 1);
  t.deepEqual(kindsOf(reports(rig, a, 1, 'whole')), ['report']);
  const next = news(rig, 1, {kind: 'over'});
  t.like(ordersOf(next), [{kind: 'prepare', transferId: 2}]);
  t.is(viewOf(rig, 1).state, 'ended');
  rig.ask({kind: 'cancelTransfer', transferId: 3});
  news(rig, 2, {kind: 'failed', reason: 'the file is gone'});
  t.like(viewOf(rig, 2), {state: 'failed', reason: 'the file is gone'});
  t.deepEqual(
    viewTransfers(rig.core).map(({id}) => id),
    [3, 2, 1],
    'the newest first',
  );
});

test('what a node says last is durable before it is heard, and it need not say it again', t => {
  const {rig, a, b} = roomOf(2);
  const id = sending(rig);
  reports(rig, a, id, 'listening');
  t.is(placesOf(rig, id)['n0'], 'listening');
  const effects = reports(rig, a, id, 'whole');
  const saved = effects.findIndex(it => it.type === 'save' && it.op.table === 'delivery');
  const heard = effects.findIndex(it => it.type === 'send' && it.message.type === 'transferOrder');
  t.true(saved >= 0);
  t.true(heard >= 0);
  t.deepEqual(stepsTo(effects, a), [`${id} heard`]);
  t.false(only(effects, 'send').some(({early}) => early === true));
  const again = reports(rig, a, id, 'whole');
  t.deepEqual([stepsTo(again, a), only(again, 'save'), kindsOf(again)], [[`${id} heard`], [], []]);
  t.deepEqual(stepsTo(reports(rig, a, id, 'gaveUp'), a), [`${id} heard`]);
  t.is(placesOf(rig, id)['n0'], 'whole', 'its first last word counts');
  t.deepEqual(Object.values(deliveriesOf(rig)), ['whole']);
  t.deepEqual(stepsTo(reports(rig, b, id, 'declined'), b), [`${id} heard`]);
  t.is(placesOf(rig, id)['n1'], 'declined: because declined');
});

test('the end: rows say what became of it at each, and its blob is let go', t => {
  const {rig, nodes} = roomOf(3);
  const id = sending(rig);
  for (const [i, state] of (['whole', 'declined', 'gaveUp'] as const).entries())
    reports(rig, nodes[i] as TestNode, id, state);
  t.is(viewOf(rig, id).state, 'sending', 'until the sender says so');
  const effects = news(rig, id, {kind: 'over'});
  t.deepEqual(unnamedOf(effects), [blobNo(1)]);
  t.like(rowsOf(rig)[0], {state: 'ended', blob: blobNo(1).slice(0, 16)});
  t.deepEqual(placesOf(rig, id), {
    n0: 'whole',
    n1: 'declined: because declined',
    n2: 'gaveUp: because gaveUp',
  });
  t.is(viewOf(rig, id).nodes[0]?.part, 1);
});

test('a report says how far a node is, and never further than there is', t => {
  const {rig, a, b} = roomOf(2);
  const id = sending(rig);
  t.deepEqual(kindsOf(reports(rig, a, id, 'listening', {blocks: 2})), ['report']);
  t.is(viewOf(rig, id).nodes[0]?.part, 2 / BLOCKS);
  reports(rig, a, id, 'listening', {blocks: 4_000_000});
  t.is(viewOf(rig, id).nodes[0]?.part, 1);
  t.is(viewOf(rig, id).nodes[0]?.state, 'listening', 'and is no whole for that');
  const blocks = [[b.id, 3]] as const;
  news(rig, id, {kind: 'progress', sent: 77, bitsPerSecond: 1e6, blocks});
  t.like(viewOf(rig, id), {sent: 77, bitsPerSecond: 1_000_000});
  t.is(viewOf(rig, id).nodes[1]?.part, 3 / BLOCKS);
});

test('who has not answered is offered it again, in its session', t => {
  const {rig, a, b} = roomOf(2);
  const id = sending(rig);
  const effects = news(rig, id, {kind: 'invite', nodes: [b.id]});
  t.like(offersTo(effects, b)[0], {transferId: id});
  t.deepEqual(offersTo(effects, a), []);
});

test('a push is for who was meant when it was asked for', t => {
  const {rig, a} = roomOf(1);
  const id = sending(rig);
  const late = rig.node('late');
  t.deepEqual(Object.keys(placesOf(rig, id)), ['n0']);
  const effects = reports(rig, late, id, 'listening');
  t.deepEqual([stepsTo(effects, late), kindsOf(effects)], [[`${id} cancel`], []]);
  const whole = reports(rig, late, id, 'whole');
  t.deepEqual([stepsTo(whole, late), deliveriesOf(rig)], [[`${id} heard`], {}]);
  t.is(placesOf(rig, id)['n0'], 'invited');
  t.truthy(a);
});

test('of what it does not know or is over a node is told: heard, and wanted no more', t => {
  const {rig, a} = roomOf(1);
  const steps = (['listening', 'aside', 'whole', 'declined', 'gaveUp'] as const).map(
    state => stepsTo(reports(rig, a, 99, state), a)[0],
  );
  t.deepEqual(steps, ['99 cancel', '99 cancel', '99 heard', '99 heard', '99 heard']);
  const {id} = push(rig);
  rig.ask({kind: 'cancelTransfer', transferId: id});
  t.deepEqual(stepsTo(reports(rig, a, id, 'aside'), a), [`${id} cancel`]);
  t.deepEqual(only(reports(rig, a, id, 'whole'), 'save'), []);
});

test('cancelled in any state: nothing is sent, who waits is told, its blob goes, the next begins', t => {
  const {rig, a} = roomOf(2);
  const begin = [push, sending, fetching];
  for (const [i, go] of begin.entries()) {
    const begun = go(rig, {blobId: blobNo(i)});
    const id = typeof begun === 'number' ? begun : begun.id;
    if (i > 0) reports(rig, a, id, 'listening');
    const next = push(rig, {blobId: blobNo(9)}).id;
    const {answer, effects} = rig.asked({kind: 'cancelTransfer', transferId: id});
    t.true(answer.ok);
    t.is(kindsOf(effects).includes('stop'), i < 2, `${i}`);
    t.deepEqual(stepsTo(effects, a), [`${id} cancel`]);
    t.deepEqual(unnamedOf(effects), [blobNo(i)]);
    t.is(viewOf(rig, next).state, 'preparing');
    t.deepEqual(Object.values(placesOf(rig, id)), ['missed: cancelled', 'missed: cancelled']);
    t.deepEqual(only(news(rig, id, {kind: 'over'}), 'save'), [], 'what was on its way');
    rig.ask({kind: 'cancelTransfer', transferId: next});
  }
});

test('a file that cannot be read any more: it failed, why, and nobody listens on', t => {
  const {rig, a} = roomOf(1);
  const id = sending(rig);
  reports(rig, a, id, 'listening');
  const effects = news(rig, id, {kind: 'failed', reason: 'EIO'});
  t.deepEqual(stepsTo(effects, a), [`${id} cancel`]);
  t.deepEqual(unnamedOf(effects), [blobNo(1)]);
  t.like(viewOf(rig, id), {state: 'failed', reason: 'EIO'});
  t.deepEqual(placesOf(rig, id), {n0: 'missed: EIO'});
});

test('a revoked node is waited for no more, in each state', t => {
  for (const go of [push, sending, fetching]) {
    const {rig, a, b} = roomOf(2);
    const begun = go(rig);
    const id = typeof begun === 'number' ? begun : begun.id;
    const {effects} = rig.asked({kind: 'revokeNode', nodeId: a.id});
    t.is(placesOf(rig, id)['n0'], 'missed: it was revoked');
    t.is(kindsOf(effects).includes('leave'), go === sending);
    if (go === push) t.like(ordersOf(prepared(rig, id))[0], {kind: 'send', nodes: [b.id]});
    rig.asked({kind: 'revokeNode', nodeId: b.id});
    if (go !== fetching) news(rig, id, {kind: 'over'});
    t.is(viewOf(rig, id).state, 'ended');
  }
});

test('all that were meant are revoked before its turn or its hashes: it is over', t => {
  const {rig, a, b} = roomOf(2);
  const first = push(rig, {target: {labels: [], nodes: [a.id]}}).id;
  const second = push(rig, {target: {labels: [], nodes: [a.id]}}).id;
  const third = push(rig, {target: {labels: [], nodes: [b.id]}}).id;
  rig.ask({kind: 'revokeNode', nodeId: a.id});
  const effects = prepared(rig, first);
  t.deepEqual(
    [first, second].map(id => viewOf(rig, id).state),
    ['ended', 'ended'],
  );
  t.like(ordersOf(effects), [
    {kind: 'stop', transferId: first},
    {kind: 'prepare', transferId: third},
  ]);
});

test('nobody is up: nothing is sent, and who comes fetches', t => {
  const {rig, a, b} = roomOf(2);
  pass(rig, 60_000);
  const id = push(rig).id;
  t.deepEqual(
    ordersOf(prepared(rig, id)).filter(({kind}) => kind === 'send'),
    [],
  );
  t.is(viewOf(rig, id).state, 'fetching');
  t.deepEqual(fetchersOf(rig.join(b), [a, b]), ['n1']);
});

test('who does not say why is told of so', t => {
  const {rig, a} = roomOf(1);
  const id = sending(rig);
  reports(rig, a, id, 'gaveUp', {reason: ''});
  t.is(placesOf(rig, id)['n0'], 'gaveUp: it does not say why');
});

test('a sender that speaks of what is not under way changes nothing', t => {
  const {rig, a} = roomOf(1);
  const {id} = push(rig);
  const early = news(rig, id, {kind: 'over'});
  t.deepEqual([only(early, 'save'), viewOf(rig, id).state], [[], 'preparing']);
  t.deepEqual(prepared(rig, 44), []);
  prepared(rig, id);
  news(rig, id, {kind: 'over'});
  const late = news(rig, id, {kind: 'aside', nodeId: a.id, reason: 'slow'});
  t.deepEqual([sentTo(late, a, 'transferOrder'), placesOf(rig, id)['n0']], [[], 'fetching']);
});

test('a node that loses much goes last, and everybody is told why; what becomes whole has no fault', t => {
  const {rig, a, b} = roomOf(2);
  const id = sending(rig);
  reports(rig, a, id, 'listening');
  const effects = news(rig, id, {kind: 'lossy', nodeId: a.id});
  const notes = only(effects, 'note').map(({note}) => note);
  t.like(notes, [{level: 'warn', fields: {transfer: id, node: a.id}}]);
  t.regex(placesOf(rig, id)['n0'] ?? '', /listening: it loses more than every tenth datagram/);
  reports(rig, a, id, 'whole');
  t.is(placesOf(rig, id)['n0'], 'whole');
  t.deepEqual(only(news(rig, id, {kind: 'lossy', nodeId: a.id}), 'note'), [], 'told too late');
  t.truthy(b);
});
