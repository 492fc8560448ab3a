import test from 'ava';
import {viewTransfers} from '../../src/master/transfer-view.ts';
import {
  blobNo,
  commandsOf,
  deliveriesOf,
  fetching,
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
      orders = ordersOf(effects).map(
        order => `${order.kind} ${'transferId' in order ? order.transferId : ''}`,
      );
    });
    t.deepEqual(orders, [`prepare ${id}`], `${i}`);
    t.is(viewOf(rig, id).nodes.find(({name}) => name === 'n0')?.state, 'whole');
    for (const node of nodes) rig.join(node);
    t.deepEqual(stepsTo(reports(rig, b, id, 'whole'), b), [`${id} heard`], 'of the life before');
    const effects = prepared(rig, id);
    t.like(ordersOf(effects)[0], {kind: 'send', nodes: [nodes[2]?.id]});
    reports(rig, nodes[2] as TestNode, id, 'gaveUp');
    news(rig, id, {kind: 'over'});
    t.deepEqual(placesOf(rig, id), {n0: 'whole', n1: 'whole', n2: 'gaveUp: because gaveUp'});
    t.is(viewOf(rig, waiting).state, 'preparing');
  }
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
