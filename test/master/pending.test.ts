import test from 'ava';
import {asAddress, asNodeId} from '../../src/base/types.ts';
import {MINUTE_MS} from '../../src/base/units.ts';
import {encodeMessage} from '../../src/wire/codec.ts';
import {STRANGERS_MAX, STRANGERS_PER_HOST_MAX} from '../../src/wire/limits.ts';
import {only, sentTo, stateOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {crypto, TestNode} from './test-node.ts';

/** A session and a Hello without a token, from this host; the reason of the Refusal. */
function asks(rig: MasterRig, node: TestNode, host = '10.0.0.9'): string | undefined {
  node.handshakeHash = crypto.random(32);
  const {peer, handshakeHash} = node;
  const from = asAddress(`${host}:4000`);
  rig.turn({type: 'linked', peer, handshakeHash, tokenId: 0, from});
  return sentTo(rig.says(node, node.hello()), node, 'refusal')[0]?.reason;
}

const pendingIds = (rig: MasterRig) => rig.core.pending.view(rig.now).map(({nodeId}) => nodeId);

test('a node that asks is listed with its fingerprint and gets nothing', t => {
  const rig = MasterRig.ready();
  const id = rig.submit();
  const node = new TestNode('a');
  const rows = rig.rows.size;
  t.is(asks(rig, node), 'pending');
  t.like(rig.core.pending.view(rig.now), [{nodeId: node.id, name: 'a', address: '10.0.0.9:4000'}]);
  const words = [rig.pullOf(node), rig.reportOf(node, []), {type: 'timeProbe', nonce: 1} as const];
  t.deepEqual(rig.says(node, ...words), []);
  t.is(rig.core.context.batches.get(id)?.out, 0);
  t.is(rig.rows.size, rows, 'nothing is stored');
});

test('the answer to one that asks is shorter than its question', t => {
  const rig = MasterRig.ready();
  const node = new TestNode('a');
  rig.link(node, 0);
  for (let i = 0; i < 50; i++) {
    const hello = node.hello({name: '', labels: [], arch: '', engine: '', version: ''});
    const effects = only(rig.says(node, hello), 'send');
    const out = effects.reduce((sum, {message}) => sum + encodeMessage(message).length, 0);
    t.true(out > 0 && out <= encodeMessage(hello).length, `${out} bytes`);
  }
});

test('an approved node is welcomed at its next Hello, also after a restart', t => {
  const rig = MasterRig.ready();
  const [a, b] = [new TestNode('a'), new TestNode('b')];
  t.is(asks(rig, a, '10.0.0.1'), 'pending');
  t.is(asks(rig, b, '10.0.0.2'), 'pending');
  t.deepEqual(rig.ask({kind: 'approveNode', nodeId: a.id}), {ok: true, nodes: [a.id]});
  t.deepEqual(pendingIds(rig), [b.id]);
  t.false(stateOf(rig, a).welcomed);
  t.is(sentTo(rig.says(a, a.hello()), a, 'welcome').length, 1);
  rig.kill();
  t.is(sentTo(rig.join(a, {}, 0), a, 'welcome').length, 1);
  t.is(asks(rig, b, '10.0.0.2'), 'pending', 'who is not approved is not remembered');
});

test('all that ask are approved at once', t => {
  const rig = MasterRig.ready();
  const nodes = ['a', 'b', 'c'].map(name => new TestNode(name));
  nodes.forEach((node, i) => {
    asks(rig, node, `10.0.0.${i}`);
  });
  t.deepEqual(rig.ask({kind: 'approveNode'}), {ok: true, nodes: nodes.map(({id}) => id)});
  t.is(rig.core.context.roster.size, 3);
  t.deepEqual(rig.ask({kind: 'approveNode'}), {ok: true, nodes: []});
});

test('a wrong fingerprint approves nobody and says so', t => {
  const rig = MasterRig.ready();
  asks(rig, new TestNode('a'));
  const nodeId = asNodeId('0123456789abcdef'.repeat(2));
  for (const kind of ['approveNode', 'denyNode'] as const)
    t.deepEqual(rig.ask({kind, nodeId}), {
      ok: false,
      code: 'VOLLEY_NOT_PENDING',
      fields: {fingerprint: '0123 4567 89ab cdef 0123 4567 89ab cdef'},
    });
  t.is(rig.core.context.roster.size, 0);
});

test('a denied node is told so and does not show up again for ten minutes', t => {
  const rig = MasterRig.ready();
  const node = new TestNode('a');
  asks(rig, node);
  t.true(rig.ask({kind: 'denyNode', nodeId: node.id}).ok);
  t.is(asks(rig, node), 'denied');
  t.deepEqual(pendingIds(rig), []);
  t.false(rig.ask({kind: 'approveNode', nodeId: node.id}).ok);
  rig.mono += 9 * MINUTE_MS;
  t.is(asks(rig, node), 'denied', 'asking does not keep the denial fresh, and does not end it');
  rig.mono += MINUTE_MS;
  t.is(asks(rig, node), 'pending');
});

test('one that has not asked for ten minutes is forgotten', t => {
  const rig = MasterRig.ready();
  const [a, b] = [new TestNode('a'), new TestNode('b')];
  asks(rig, a);
  rig.mono += 6 * MINUTE_MS;
  asks(rig, b);
  asks(rig, a);
  rig.mono += 6 * MINUTE_MS;
  t.deepEqual(pendingIds(rig), [a.id, b.id]);
  asks(rig, b);
  rig.mono += 4 * MINUTE_MS;
  t.deepEqual(pendingIds(rig), [b.id]);
});

test('one that comes with a token after all asks no more', t => {
  const rig = MasterRig.ready();
  const node = new TestNode('a');
  t.is(asks(rig, node), 'pending');
  t.is(sentTo(rig.join(node), node, 'welcome').length, 1);
  t.deepEqual(pendingIds(rig), []);
});

test('few of one address and few in all may ask at a time', t => {
  const rig = MasterRig.ready();
  const reasons = (count: number, host: (i: number) => string) =>
    Array.from({length: count}, (_, i) => asks(rig, new TestNode(`n${i}`), host(i)));
  const same = reasons(STRANGERS_PER_HOST_MAX + 2, () => '10.9.9.9');
  t.is(same.filter(reason => reason === 'pending').length, STRANGERS_PER_HOST_MAX);
  t.deepEqual(same.slice(STRANGERS_PER_HOST_MAX), ['full', 'full']);
  const others = reasons(STRANGERS_MAX, i => `10.1.${i >> 8}.${i & 255}`);
  t.is(others.filter(reason => reason === 'pending').length, STRANGERS_MAX - same.length + 2);
  t.is(pendingIds(rig).length, STRANGERS_MAX);
});

test('an approved identity does not take the session key of a member over', t => {
  const rig = MasterRig.ready();
  const [a, thief] = [new TestNode('a'), new TestNode('thief')];
  thief.staticKey = a.staticKey;
  asks(rig, a, '10.0.0.1');
  asks(rig, thief, '10.0.0.2');
  rig.ask({kind: 'approveNode', nodeId: a.id});
  t.false(rig.ask({kind: 'approveNode', nodeId: thief.id}).ok);
  t.is(rig.core.context.roster.byPeer(a.peer)?.row.nodeId, a.id);
});

test('a member with a new static key and no token asks, and keeps what it earned when approved', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 1});
  const node = rig.node('a');
  rig.report(node, rig.pull(node, 1));
  node.staticKey = crypto.x25519KeyPair();
  t.is(asks(rig, node), 'pending');
  t.true(rig.ask({kind: 'approveNode', nodeId: node.id}).ok);
  t.is(sentTo(rig.says(node, node.hello()), node, 'welcome').length, 1);
  t.is(stateOf(rig, node).credit.credit, 1);
  t.is(rig.core.context.roster.size, 1);
});
