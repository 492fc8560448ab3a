import test from 'ava';
import type {MasterEffect} from '../../src/core/core.ts';
import {viewTransfers} from '../../src/master/transfer-view.ts';
import {sentTo} from './look.ts';
import {
  blobNo,
  commandsOf,
  deliveriesOf,
  fetching,
  kindsOf,
  later,
  news,
  ordersOf,
  placesOf,
  prepared,
  push,
  reports,
  roomOf,
  rowsOf,
  sending,
  stepsTo,
  viewOf,
} from './pushing.ts';
import type {TestNode} from './test-node.ts';

test('a master that starts anew begins again what was open, and holds to what it was told', t => {
  for (const [i, go] of [push, sending, fetching].entries()) {
    const {rig, nodes, a, b} = roomOf(3);
    const begun = go(rig);
    const id = typeof begun === 'number' ? begun : begun.id;
    reports(rig, a, id, 'whole');
    const waiting = push(rig, {blobId: blobNo(2)}).id;
    let orders: string[] = [];
    rig.kill(effects => {
      orders = kindsOf(effects);
    });
    t.deepEqual(orders, [], `${i}: its nodes are not back`);
    t.is(viewOf(rig, id).nodes.find(({name}) => name === 'n0')?.state, 'whole');
    const back = nodes.flatMap(node => rig.join(node));
    t.deepEqual(preparesOf([...back, ...rig.turn()]), [id]);
    t.deepEqual(stepsTo(reports(rig, b, id, 'whole'), b), [`${id} heard`], 'of the life before');
    const effects = prepared(rig, id);
    t.like(ordersOf(effects)[0], {kind: 'send', nodes: [nodes[2]?.id]});
    reports(rig, nodes[2] as TestNode, id, 'gaveUp');
    news(rig, id, {kind: 'over'});
    t.deepEqual(placesOf(rig, id), {n0: 'whole', n1: 'whole', n2: 'gaveUp: because gaveUp'});
    t.is(viewOf(rig, waiting).state, 'preparing');
  }
});

const preparesOf = (effects: readonly MasterEffect[]): number[] =>
  ordersOf(effects).flatMap(order => (order.kind === 'prepare' ? [order.transferId] : []));

test('after a restart a multicast waits for those who come back, and not for those who do not', t => {
  const {rig, nodes, a} = roomOf(4);
  const id = push(rig).id;
  rig.kill();
  t.deepEqual(preparesOf(later(rig, 400)), []);
  for (const node of nodes.slice(0, 2)) t.deepEqual(preparesOf(rig.join(node)), []);
  t.deepEqual(preparesOf(later(rig, 400)), [], 'others may be on their way');
  rig.join(nodes[2] as TestNode);
  t.deepEqual(preparesOf(later(rig, 499)), []);
  t.deepEqual(preparesOf(later(rig, 2)), [id], 'quiet for half a second');
  t.is(
    ordersOf(prepared(rig, id)).flatMap(each => (each.kind === 'send' ? each.nodes : [])).length,
    3,
  );
  t.truthy(a);
});

test('who was revoked is not waited for after a restart; nobody back is not waited for long', t => {
  const {rig, a, b} = roomOf(2);
  const id = push(rig).id;
  rig.kill();
  rig.join(a);
  const effects = [...rig.asked({kind: 'revokeNode', nodeId: b.id}).effects, ...rig.turn()];
  t.deepEqual(preparesOf(effects), [id]);
  rig.kill();
  t.deepEqual(preparesOf(later(rig, 60_000)), [id]);
  t.deepEqual(kindsOf(prepared(rig, id)), ['stop'], 'nobody is here to send to');
  t.is(viewOf(rig, id).state, 'fetching');
});

test('a last word about one of a lost past settles nothing under its number', t => {
  const {rig, a, b} = roomOf(2);
  const id = sending(rig);
  const lost = {salt: (rig.core.transfers.get(id)?.row.salt ?? 0) ^ 1};
  t.deepEqual(stepsTo(reports(rig, a, id, 'whole', lost), a), [`${id} heard`]);
  t.deepEqual(stepsTo(reports(rig, a, id, 'aside', lost), a), [`${id} cancel`]);
  const told = reports(rig, a, id, 'listening', {...lost, blocks: 1});
  t.deepEqual([stepsTo(told, a), kindsOf(told)], [[`${id} cancel`], []]);
  t.is(sentTo(told, a, 'transferOrder')[0]?.salt, lost.salt);
  t.deepEqual([deliveriesOf(rig), placesOf(rig, id)], [{}, {n0: 'invited', n1: 'invited'}]);
  reports(rig, b, id, 'whole');
  t.is(placesOf(rig, id)['n1'], 'whole');
});

test('each life of the master offers another key', t => {
  const {rig, a} = roomOf(1);
  const id = push(rig).id;
  const first = commandsOf(prepared(rig, id))[0]?.key;
  rig.kill();
  rig.join(a);
  const second = commandsOf(prepared(rig, id))[0]?.key;
  t.truthy(first && second);
  t.notDeepEqual(first, second);
});

test('what is over stays over in the next life, with its numbers and reasons', t => {
  const {rig, a} = roomOf(2);
  const ended = sending(rig);
  reports(rig, a, ended, 'whole');
  rig.ask({kind: 'cancelTransfer', transferId: ended});
  const failed = push(rig).id;
  news(rig, failed, {kind: 'failed', reason: 'EIO'});
  const before = viewTransfers(rig.core);
  let effects: unknown[] = [];
  rig.kill(made => {
    effects = ordersOf(made);
  });
  t.deepEqual(effects, []);
  const shown = viewTransfers(rig.core).map(view =>
    view.nodes.map(({state, reason}) => [state, reason]),
  );
  t.deepEqual(
    shown,
    before.map(view => view.nodes.map(({state, reason}) => [state, reason])),
  );
  t.is(push(rig).id, failed + 1);
});

test('of those that are over the newest hundred are kept, rows and all', t => {
  const {rig, a} = roomOf(1);
  for (let i = 0; i < 105; i++) {
    const id = sending(rig, {blobId: blobNo(i)});
    reports(rig, a, id, 'whole');
    news(rig, id, {kind: 'over'});
  }
  t.is(push(rig).id, 106);
  t.is(rowsOf(rig).length, 101, 'with the one that is open');
  t.is(Object.keys(deliveriesOf(rig)).length, 100);
  t.is(rowsOf(rig)[0]?.id, 6);
  rig.kill();
  t.is(viewTransfers(rig.core).length, 101);
  t.is(push(rig).id, 107, 'no number comes twice');
});

test('what ended last is shown, however long ago it was asked for', t => {
  const {rig, a, b} = roomOf(2);
  const first = fetching(rig, {target: {labels: [], nodes: [b.id]}});
  for (let i = 0; i < 101; i++) {
    rig.mono += 1;
    const id = sending(rig, {target: {labels: [], nodes: [a.id]}});
    reports(rig, a, id, 'whole');
    news(rig, id, {kind: 'over'});
  }
  rig.mono += 1;
  reports(rig, b, first, 'whole');
  push(rig);
  t.is(viewOf(rig, first).state, 'ended');
});
