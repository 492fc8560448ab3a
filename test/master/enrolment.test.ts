import test from 'ava';
import {asAddress} from '../../src/base/types.ts';
import {decodeJson} from '../../src/core/tables.ts';
import {viewStatus} from '../../src/master/status.ts';
import type {Hello} from '../../src/wire/message.ts';
import {batchOf, notesOf, only, sentTo, stateOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {crypto, EPOCH_WALL, TestNode, TOKEN_ID} from './test-node.ts';

const usesLeft = (rig: MasterRig, tokenId: number): unknown =>
  (decodeJson(rig.rows.get(`token/${tokenId}`) ?? new Uint8Array()) as {usesLeft: number}).usesLeft;

const welcomes = (rig: MasterRig, node: TestNode, hello: Hello) =>
  sentTo(rig.says(node, hello), node, 'welcome');

test('a node with a good token is welcomed and saved in the same turn', t => {
  const rig = MasterRig.ready();
  const node = new TestNode('a');
  rig.link(node);
  const effects = rig.says(node, node.hello({labels: ['ring1']}));
  const [welcome] = sentTo(effects, node, 'welcome');
  t.like(welcome, {epoch: rig.core.context.epoch, clusterId: rig.config.clusterId, groupKeyId: 1});
  t.deepEqual(welcome?.groupKey, rig.config.groupKey);
  const saves = only(effects, 'save').map(({op}) => op.table);
  t.true(saves.includes('node') && saves.includes('token'));
  t.is(usesLeft(rig, TOKEN_ID), 999);
  t.true(stateOf(rig, node).up);
});

test('no token: told to wait, given nothing, and nothing of it is stored', t => {
  const rig = MasterRig.ready();
  const node = new TestNode('a');
  rig.link(node, 0);
  const effects = rig.says(node, node.hello());
  t.deepEqual(sentTo(effects, node, 'welcome'), []);
  t.deepEqual(sentTo(effects, node, 'refusal'), [{type: 'refusal', reason: 'pending'}]);
  t.deepEqual(only(effects, 'send').length, 1);
  t.is(rig.core.context.roster.node(node.id), undefined);
  t.is(only(effects, 'save').length, 0);
});

test('an unknown token is refused', t => {
  const rig = MasterRig.ready();
  const node = new TestNode('a');
  t.deepEqual(sentTo(rig.join(node, {}, 12_345), node, 'welcome'), []);
});

test('an expired token is refused', t => {
  const rig = MasterRig.ready();
  rig.addToken(8, 5, EPOCH_WALL + rig.mono + 1_000);
  const [early, late] = [new TestNode('early'), new TestNode('late')];
  t.is(sentTo(rig.join(early, {}, 8), early, 'welcome').length, 1);
  rig.mono += 1_000;
  const refused = sentTo(rig.join(late, {}, 8), late, 'refusal');
  t.deepEqual(refused, [{type: 'refusal', reason: 'token-expired'}]);
});

test('a token lets in as many nodes as it has uses, also over a restart', t => {
  const rig = MasterRig.ready();
  rig.addToken(8, 2);
  const [a, b, c] = ['a', 'b', 'c'].map(name => new TestNode(name)) as [
    TestNode,
    TestNode,
    TestNode,
  ];
  t.is(sentTo(rig.join(a, {}, 8), a, 'welcome').length, 1);
  rig.kill();
  t.is(sentTo(rig.join(b, {}, 8), b, 'welcome').length, 1);
  t.deepEqual(sentTo(rig.join(c, {}, 8), c, 'refusal'), [{type: 'refusal', reason: 'token-used'}]);
});

test('a repeated Hello gets a repeat of Welcome and spends one use', t => {
  const rig = MasterRig.ready();
  const node = new TestNode('a');
  rig.link(node);
  const hello = node.hello();
  const [first] = welcomes(rig, node, hello);
  const [second] = welcomes(rig, node, hello);
  t.deepEqual(second, first);
  t.is(sentTo(rig.turn(rig.event(node, hello), rig.event(node, hello)), node, 'welcome').length, 2);
  t.is(usesLeft(rig, TOKEN_ID), 999);
});

test('a known node needs no token, also after a restart of the master', t => {
  const rig = MasterRig.ready();
  const node = rig.node('a');
  rig.kill();
  t.is(sentTo(rig.join(node, {}, 0), node, 'welcome').length, 1);
  t.is(usesLeft(rig, TOKEN_ID), 999);
});

test('a binding by another key, over another handshake or over another static key is refused', t => {
  const rig = MasterRig.ready();
  const node = new TestNode('a');
  const other = new TestNode('b');
  rig.link(node);
  const {secretKey} = node.identity;
  const bound = (hash: Uint8Array, key: Uint8Array) => new Uint8Array([...hash, ...key]);
  const {handshakeHash, staticKey} = node;
  for (const binding of [
    other.hello().binding,
    crypto.sign(other.identity.secretKey, 'bind', bound(handshakeHash, staticKey.publicKey)),
    crypto.sign(secretKey, 'bind', bound(crypto.random(32), staticKey.publicKey)),
    crypto.sign(secretKey, 'bind', bound(handshakeHash, other.staticKey.publicKey)),
    crypto.sign(secretKey, 'ack', bound(handshakeHash, staticKey.publicKey)),
  ]) {
    const effects = rig.says(node, node.hello({binding}));
    t.deepEqual(sentTo(effects, node, 'refusal'), [{type: 'refusal', reason: 'binding'}]);
  }
  t.is(rig.core.context.roster.size, 0);
  t.is(usesLeft(rig, TOKEN_ID), 1_000);
});

test('another identity on a known static key is refused', t => {
  const rig = MasterRig.ready();
  const node = rig.node('a');
  const thief = new TestNode('thief');
  thief.staticKey = node.staticKey;
  const effects = rig.join(thief);
  t.deepEqual(sentTo(effects, thief, 'refusal'), [{type: 'refusal', reason: 'identity'}]);
  t.is(rig.core.context.roster.size, 1);
  t.is(rig.core.context.roster.byPeer(node.peer)?.row.nodeId, node.id);
});

test('a node with a new static key spends a use and keeps what it earned', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 1});
  const node = rig.node('a');
  rig.report(node, rig.pull(node, 1));
  const old = node.peer;
  node.staticKey = crypto.x25519KeyPair();
  t.is(sentTo(rig.join(node), node, 'welcome').length, 1);
  t.is(usesLeft(rig, TOKEN_ID), 998);
  t.is(rig.core.context.roster.byPeer(old), undefined);
  t.is(stateOf(rig, node).credit.credit, 1);
  t.is(rig.core.context.roster.size, 1);
});

test('a Hello without a session is not answered', t => {
  const rig = MasterRig.ready();
  const node = new TestNode('a');
  t.deepEqual(sentTo(rig.says(node, node.hello()), node, 'welcome'), []);
});

test('a Hello of a session that another has replaced is refused', t => {
  const rig = MasterRig.ready();
  const node = new TestNode('a');
  rig.link(node);
  const old = node.hello();
  rig.link(node);
  t.deepEqual(sentTo(rig.says(node, old), node, 'welcome'), []);
  t.is(welcomes(rig, node, node.hello()).length, 1);
});

test('a node that has seen a later epoch raises ours above it, with an alarm', t => {
  const rig = MasterRig.ready();
  const node = new TestNode('a');
  rig.link(node);
  const effects = rig.says(node, node.hello({epochSeen: 40}));
  t.true(only(effects, 'note').some(({note}) => note.level === 'alarm'));
  t.is(sentTo(effects, node, 'welcome')[0]?.epoch, 41);
  rig.kill();
  t.is(rig.core.context.epoch, 42);
});

test('the present epoch, seen, is no alarm', t => {
  const rig = MasterRig.ready();
  const epochSeen = rig.core.context.epoch;
  const node = new TestNode('a');
  rig.link(node);
  t.false(
    only(rig.says(node, node.hello({epochSeen})), 'note').some(({note}) => note.level === 'alarm'),
  );
});

test('another master in our epoch raises it above both, with an alarm; our own name in it does not', t => {
  const rig = MasterRig.ready();
  const epochSeen = rig.core.context.epoch;
  const node = rig.node('a');
  rig.link(node);
  const own = rig.says(node, node.hello({epochSeen, instanceSeen: rig.config.instanceId}));
  t.false(only(own, 'note').some(({note}) => note.level === 'alarm'));
  rig.link(node);
  const other = rig.says(node, node.hello({epochSeen, instanceSeen: new Uint8Array(8).fill(7)}));
  const [alarm] = only(other, 'note').filter(({note}) => note.level === 'alarm');
  t.is(alarm?.note.what, 'another master was in our epoch: old backup or second master');
  t.is(sentTo(other, node, 'welcome')[0]?.epoch, epochSeen + 1);
});

test('a node that holds a receipt above our journal is an alarm: acknowledged state is lost', t => {
  const rig = MasterRig.ready();
  rig.core.context.journalNo = 10;
  const alarms = (receiptHead: number): string[] => {
    const node = new TestNode('a');
    rig.link(node);
    return only(rig.says(node, node.hello({receiptHead})), 'note')
      .filter(({note}) => note.level === 'alarm')
      .map(({note}) => note.what);
  };
  t.deepEqual(alarms(10), []);
  t.regex(alarms(11)[0] ?? '', /acknowledged state is lost/);
});

test('lost state is shown with what to do until its node has brought back what it kept', t => {
  const rig = MasterRig.ready();
  rig.core.context.journalNo = 10;
  const shown = () => {
    const shell = {journalNo: 10, startedAt: 0, counters: {}};
    return viewStatus(rig.core, shell).alarms.map(({text, advice}) => `${text}; ${advice}`);
  };
  t.deepEqual(shown(), []);
  const node = rig.node('a', {receiptHead: 12});
  t.is(shown().length, 1);
  t.regex(
    shown()[0] ?? '',
    /a holds a receipt of commit 12, our journal ended at 10.*volley recover/,
  );
  t.deepEqual(notesOf(rig.says(node, node.hello({receiptHead: 12}))), [], 'said once');
  t.deepEqual(notesOf(rig.says(node, node.hello({receiptHead: 10}))), [
    'a node has brought back what it kept',
  ]);
  t.deepEqual(shown(), []);
});

test('one node cannot use up the epochs of a cluster', t => {
  // P7. Epochs are 32 bits on the wire: a command of epoch 2^32 can never be sealed again.
  const rig = MasterRig.ready();
  const bad = new TestNode('bad');
  rig.link(bad);
  t.is(sentTo(rig.says(bad, bad.hello({epochSeen: 2 ** 32 - 1})), bad, 'refusal').length, 1);
  t.true(rig.core.context.epoch < 2 ** 31, `epoch ${rig.core.context.epoch}`);
  rig.kill();
  t.true(rig.core.context.epoch < 2 ** 31);
});

test('nodes that raise the epoch again and again do not use the epochs up either', t => {
  const rig = MasterRig.ready();
  const first = rig.core.context.epoch;
  const bad = new TestNode('bad');
  rig.link(bad);
  for (let i = 0; i < 50; i++) {
    rig.pass(6_000);
    rig.says(bad, bad.hello({epochSeen: rig.core.context.epoch + 60_000}));
  }
  t.true(rig.core.context.epoch > first);
  t.true(rig.core.context.epoch <= first + 65_537, `epoch ${rig.core.context.epoch}`);
});

test('a node that shows a proof of its epoch is believed however far a restored backup is behind', t => {
  // One insider leads the epoch far ahead in two lives; then the operator restores a backup from before.
  const rig = MasterRig.ready();
  const node = new TestNode('a');
  rig.link(node);
  const epochSeen = rig.core.context.epoch + 1_000_000;
  const epochProof = rig.core.context.epochProof(epochSeen);
  const refusals = (changes: Partial<Hello>): number =>
    sentTo(rig.says(node, node.hello({epochSeen, ...changes})), node, 'refusal').length;
  t.is(refusals({}), 1, 'without a proof');
  t.is(refusals({epochProof: rig.core.context.epochProof(epochSeen - 1)}), 1, 'of another epoch');
  const welcomed = rig.says(node, node.hello({epochSeen, epochProof}));
  const [welcome] = sentTo(welcomed, node, 'welcome');
  t.is(welcome?.epoch, epochSeen + 1);
  t.deepEqual(welcome?.epochProof, rig.core.context.epochProof(epochSeen + 1));
});

test('one node raises the epoch only now and then, another one may at once', t => {
  const rig = MasterRig.ready();
  const [bad, other] = [new TestNode('bad'), new TestNode('other')];
  rig.link(bad);
  rig.link(other);
  const raises = (node: TestNode): boolean => {
    const before = rig.core.context.epoch;
    rig.says(node, node.hello({epochSeen: before + 1}));
    return rig.core.context.epoch > before;
  };
  t.deepEqual([raises(bad), raises(bad), raises(other)], [true, false, true]);
  rig.pass(5_000);
  t.true(raises(bad));
});

test('nodes that are linked learn of a raised epoch when they speak, or they would hear no command', t => {
  const rig = MasterRig.ready();
  const first = rig.node('first');
  const second = new TestNode('second');
  rig.link(second);
  rig.says(second, second.hello({epochSeen: 40}));
  t.is(sentTo(rig.says(first, rig.pullOf(first)), first, 'welcome')[0]?.epoch, 41);
  t.is(sentTo(rig.says(first, rig.pullOf(first)), first, 'welcome').length, 0);
});

test('Welcome names the commands that are history', t => {
  const rig = MasterRig.ready();
  rig.node('a', {actions: ['camera']});
  rig.capture();
  rig.capture();
  const b = new TestNode('b');
  rig.link(b);
  t.is(welcomes(rig, b, b.hello())[0]?.seqFloor, 2);
});

test('each node has a blob key of its own, another one after a restart', t => {
  const rig = MasterRig.ready();
  const [a, b] = [new TestNode('a'), new TestNode('b')];
  const keys = [a, b].map(node => sentTo(rig.join(node), node, 'welcome')[0]?.blobKey);
  t.notDeepEqual(keys[0], keys[1]);
  t.is(keys[0]?.length, 32);
});

test('what a node says of itself is saved when it changes, and only then', t => {
  const rig = MasterRig.ready();
  const node = rig.node('a');
  t.is(only(rig.join(node), 'save').filter(({op}) => op.table === 'node').length, 0);
  t.is(only(rig.join(node, {slots: 8}), 'save').filter(({op}) => op.table === 'node').length, 1);
  t.is(stateOf(rig, node).row.slots, 8);
});

test('messages of strangers do nothing', t => {
  const rig = MasterRig.ready();
  const id = rig.submit();
  const node = new TestNode('a');
  rig.turn({
    type: 'linked',
    peer: node.peer,
    handshakeHash: node.handshakeHash,
    tokenId: TOKEN_ID,
    from: asAddress('10.0.0.1:1'),
  });
  t.deepEqual(rig.says(node, rig.pullOf(node)), []);
  t.is(batchOf(rig, id).out, 0);
});

test("a node that speaks with a master's words is told nothing", t => {
  const rig = MasterRig.ready();
  const node = rig.node('a');
  t.deepEqual(rig.says(node, {type: 'refusal', reason: ''}, {type: 'collect', blobIds: []}), []);
});

test('a refused node is noted', t => {
  const rig = MasterRig.ready();
  const node = new TestNode('a');
  t.true(notesOf(rig.join(node, {}, 12_345)).includes('node refused'));
  t.deepEqual(notesOf(rig.says(node, node.hello())), [], 'once, however often it asks');
});
