import test from 'ava';
import {asNodeId} from '../../src/base/types.ts';
import {targetOf} from '../../src/cli/target.ts';
import {fingerprintOf, whichNode} from '../../src/cli/which-node.ts';
import {nodeView} from '../http/rig.ts';

const A = asNodeId('1f3c09ab77de4410c2d85e91a0b76634');
const B = asNodeId('1f3c09ab00000000c2d85e91a0b76634');
const nodes = [
  {...nodeView(A), name: 'cam-07'},
  {...nodeView(B), name: 'cam-07'},
  {...nodeView(asNodeId('ff'.repeat(16))), name: 'other'},
];

test('a node is meant by its name, its id, its fingerprint or the beginning of its id', t => {
  for (const text of ['other', 'ff'.repeat(16), 'ffff '.repeat(8), 'FFFFFFFF'])
    t.is(whichNode(nodes, text).name, 'other');
  t.is(whichNode(nodes, '1f3c09ab77').nodeId, A);
});

test('a name or a beginning that several nodes have is refused with their ids', t => {
  for (const text of ['cam-07', '1f3c09ab'])
    t.throws(() => whichNode(nodes, text), {
      code: 'VOLLEY_USAGE',
      message: /is 2 nodes; .*77de.*0000/,
    });
});

test('an id in full is its node, also if another one is named like it', t => {
  const posing = {...nodeView(asNodeId('ee'.repeat(16))), name: A};
  const all = [posing, ...nodes];
  for (const text of [A, A.toUpperCase(), A.replace(/.{4}/g, '$& ').trim()]) {
    t.is(whichNode(all, text).nodeId, A);
    t.deepEqual(targetOf([text], all).nodes, [A]);
  }
  t.is(whichNode([posing], A).nodeId, posing.nodeId, 'with no node of this id it is a name as any');
  t.deepEqual(targetOf([A], [posing]).nodes, [posing.nodeId]);
});

test('--select takes all nodes of a name, and the beginning of one id', t => {
  t.deepEqual(targetOf(['cam-07', 'ffff'], nodes).nodes, [A, B, asNodeId('ff'.repeat(16))]);
  t.throws(() => targetOf(['1f3c'], nodes), {code: 'VOLLEY_UNKNOWN_NODE'});
});

test('a beginning of less than eight digits means nobody', t => {
  t.throws(() => whichNode(nodes, 'fffffff'), {code: 'VOLLEY_UNKNOWN_NODE'});
});

test('a fingerprint is taken in groups and in one word, and only whole', t => {
  for (const words of [
    [A],
    A.match(/.{4}/g) ?? [],
    [A.toUpperCase()],
    [A.replace(/.{4}/g, '$&-').slice(0, -1)],
  ])
    t.is(fingerprintOf(words), A);
  for (const words of [[A.slice(0, 31)], [`${A}0`], ['x'.repeat(32)], []])
    t.throws(() => fingerprintOf(words), {
      code: 'VOLLEY_USAGE',
      message: /32 hex digits, all of them/,
    });
});
