import test from 'ava';
import {DAY_MS} from '../../src/base/units.ts';
import {notesOf} from './look.ts';
import {
  blobNo,
  deliveriesOf,
  fetchersOf,
  fetching,
  kindsOf,
  later,
  news,
  offersTo,
  ordersOf,
  pass,
  placesOf,
  reports,
  roomOf,
  sending,
  stepsTo,
  unnamedOf,
  viewOf,
} from './pushing.ts';
import type {TestNode} from './test-node.ts';

test('who is left behind fetches the rest when the multicast is over', t => {
  const {rig, nodes, a, b} = roomOf(2);
  const id = sending(rig);
  for (const node of nodes) reports(rig, node, id, 'listening');
  const left = news(rig, id, {kind: 'aside', nodeId: a.id, reason: 'lossy'});
  t.true(notesOf(left).includes('a node is left behind by a transfer'));
  t.regex(placesOf(rig, id)['n0'] ?? '', /^aside: it loses more than every tenth datagram/);
  t.deepEqual(fetchersOf(left, nodes), [], 'not while it is sent');
  reports(rig, b, id, 'whole');
  const over = news(rig, id, {kind: 'over'});
  t.like(offersTo(over, a)[0], {transferId: id});
  t.deepEqual(stepsTo(over, a), [`${id} fetch`]);
  t.deepEqual(stepsTo(over, b), []);
  const whole = reports(rig, a, id, 'whole');
  t.deepEqual(unnamedOf(whole), [blobNo(1)]);
  t.deepEqual(placesOf(rig, id), {n0: 'whole', n1: 'whole'});
});

test('a node that leaves by itself is heard, and sent to fetch once', t => {
  const {rig, nodes, a} = roomOf(2);
  const id = sending(rig);
  const effects = reports(rig, a, id, 'aside');
  t.deepEqual([stepsTo(effects, a), kindsOf(effects)], [[`${id} heard`], ['report']]);
  t.regex(placesOf(rig, id)['n0'] ?? '', /^aside: what it heard was not what the master sent/);
  t.deepEqual(fetchersOf(news(rig, id, {kind: 'over'}), [a]), ['n0']);
  const late = reports(rig, a, id, 'aside');
  t.deepEqual(stepsTo(late, a), [`${id} heard`], 'an old word: it fetches already');
  t.is(placesOf(rig, id)['n0']?.split(':')[0], 'fetching');
  t.is(nodes.length, 2);
});

test('four fetch at once, and one beside a multicast', t => {
  const {rig, nodes} = roomOf(7);
  const first = sending(rig);
  const over = news(rig, first, {kind: 'over'});
  t.deepEqual(fetchersOf(over, nodes), ['n0', 'n1', 'n2', 'n3']);
  const second = sending(rig, {blobId: blobNo(2)});
  const steps = nodes
    .slice(0, 4)
    .flatMap(node => fetchersOf(reports(rig, node, first, 'whole'), nodes));
  t.deepEqual(steps, ['n4'], 'when the last of them has made room');
  news(rig, second, {kind: 'failed', reason: 'gone'});
  t.deepEqual(
    nodes.slice(4).map(({name}) => placesOf(rig, first)[name]),
    ['fetching', 'fetching', 'fetching'],
    'nothing is sent any more',
  );
});

test('the room of who is revoked or cancelled is for the next', t => {
  const {rig, nodes} = roomOf(6);
  const first = fetching(rig);
  const [a, b, c, d, e] = nodes as [TestNode, TestNode, TestNode, TestNode, TestNode];
  for (const node of [b, c, d]) reports(rig, node, first, 'whole');
  const {effects} = rig.asked({kind: 'revokeNode', nodeId: a.id});
  t.deepEqual(stepsTo(effects, a), []);
  t.like(placesOf(rig, first), {n0: 'missed: it was revoked', n4: 'fetching', n5: 'fetching'});
  const second = fetching(rig, {blobId: blobNo(2)});
  t.is(Object.values(placesOf(rig, second)).filter(it => it === 'fetching').length, 2);
  const {effects: freed} = rig.asked({kind: 'cancelTransfer', transferId: first});
  t.is(stepsTo(freed, e)[0], `${first} cancel`);
  t.is(Object.values(placesOf(rig, second)).filter(it => it === 'fetching').length, 4);
});

test('who fetches is told again each two seconds, until it is not heard of for half a minute', t => {
  const {rig, nodes, a} = roomOf(6);
  const id = fetching(rig);
  t.deepEqual(fetchersOf(pass(rig, 1_000, ...nodes), [a]), []);
  t.deepEqual(fetchersOf(pass(rig, 10_000, ...nodes), [a]).length, 5);
  reports(rig, a, id, 'listening', {blocks: 2});
  const later = pass(rig, 25_000, ...nodes);
  t.is(placesOf(rig, id)['n0'], 'fetching', 'it was heard of');
  t.true(fetchersOf(later, nodes).includes('n4'), 'the others have made room');
  t.is(placesOf(rig, id)['n1'], 'aside');
});

test('who does not get on with it has five turns, and has missed it then', t => {
  const {rig, a} = roomOf(1);
  const id = fetching(rig);
  let turns = 0;
  let before = '';
  for (let seconds = 0; seconds < 900 && viewOf(rig, id).state !== 'ended'; seconds++) {
    const at = placesOf(rig, id)['n0'] ?? '';
    if (at === 'fetching' && before !== at) turns += 1;
    before = at;
    pass(rig, 1_000, a);
  }
  t.is(turns, 5);
  t.is(placesOf(rig, id)['n0'], 'missed: it does not get on with fetching the rest');
  t.deepEqual(Object.values(deliveriesOf(rig)), ['missed']);
  t.deepEqual(stepsTo(reports(rig, a, id, 'listening'), a), [`${id} cancel`]);
});

test('a node that is given up is told so', t => {
  const {rig, a} = roomOf(1);
  const id = fetching(rig);
  t.true(stepsTo(pass(rig, 600_000, a), a).includes(`${id} cancel`));
});

test('who is away is waited for a day, however often it came and went; then it has missed it', t => {
  const {rig, a, b} = roomOf(2);
  const id = fetching(rig);
  for (let i = 0; i < 6; i++) {
    rig.join(b);
    pass(rig, 60_000, a);
    t.is(placesOf(rig, id)['n1']?.split(':')[0], 'away', `${i}`);
  }
  reports(rig, a, id, 'whole');
  const effects = later(rig, DAY_MS - 400_000);
  t.is(viewOf(rig, id).state, 'fetching');
  effects.push(...later(rig, 60_000));
  t.deepEqual(unnamedOf(effects), [blobNo(1)]);
  t.deepEqual(placesOf(rig, id), {n0: 'whole', n1: 'missed: it did not come back within a day'});
  t.is(viewOf(rig, id).state, 'ended');
});

test('a transfer that took longer than a day leaves nobody behind who is there', t => {
  const {rig, a, b} = roomOf(2);
  const id = sending(rig, {size: 2 ** 31, rate: 100_000});
  later(rig, DAY_MS + 60_000);
  rig.join(a);
  const over = news(rig, id, {kind: 'over'});
  t.deepEqual(fetchersOf(over, [a]), ['n0']);
  pass(rig, 5_000, a);
  t.is(placesOf(rig, id)['n1']?.split(':')[0], 'away');
  t.deepEqual(fetchersOf(rig.join(b), [b]), ['n1']);
});

test('who is there and has its turn at the end of the day is left to it', t => {
  const {rig, a} = roomOf(2);
  const id = fetching(rig);
  later(rig, DAY_MS - 20_000);
  rig.join(a);
  for (let i = 0; i < 40; i++) {
    reports(rig, a, id, 'listening');
    pass(rig, 1_000, a);
  }
  t.is(placesOf(rig, id)['n0'], 'fetching');
  t.is(placesOf(rig, id)['n1'], 'missed: it did not come back within a day');
  reports(rig, a, id, 'whole');
  t.is(viewOf(rig, id).state, 'ended');
});

test('a node that was silent when the multicast was over fetches as soon as it is heard again', t => {
  const {rig, a, b} = roomOf(2);
  const id = sending(rig);
  reports(rig, a, id, 'listening');
  pass(rig, 60_000, b);
  t.is(placesOf(rig, id)['n0'], 'away');
  reports(rig, b, id, 'whole');
  t.deepEqual(fetchersOf(news(rig, id, {kind: 'over'}), [a]), []);
  t.deepEqual(fetchersOf(pass(rig, 20_000, a, b), [a]).slice(0, 1), ['n0'], 'in the same session');
});

test('who waits for its turn or is away wakes nobody', t => {
  const {rig, nodes} = roomOf(6);
  fetching(rig);
  for (const node of nodes) rig.join(node);
  pass(rig, 40_000, ...nodes);
  t.notThrows(() => rig.pass(600_000), 'all are away, some with a turn that has come');
});

test('a node that comes back is offered it again: it joins what is sent, or fetches', t => {
  const {rig, a, b} = roomOf(2);
  const id = sending(rig);
  reports(rig, a, id, 'listening');
  const back = rig.join(a);
  t.deepEqual(ordersOf(back), [{kind: 'join', transferId: id, nodeId: a.id}]);
  t.like(offersTo(back, a)[0], {transferId: id});
  t.is(placesOf(rig, id)['n0'], 'invited');
  reports(rig, b, id, 'whole');
  t.deepEqual(ordersOf(rig.join(b)), [], 'it has it');
  news(rig, id, {kind: 'over'});
  const again = rig.join(a);
  t.like(offersTo(again, a)[0], {transferId: id});
  t.deepEqual(stepsTo(again, a), [`${id} fetch`]);
});
