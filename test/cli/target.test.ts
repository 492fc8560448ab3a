import test from 'ava';
import {asNodeId} from '../../src/base/types.ts';
import {isMeant, knownBy, meantBy, targetOf} from '../../src/cli/target.ts';
import type {NodeView} from '../../src/core/views.ts';
import {nodeView} from '../http/rig.ts';

const idOf = (n: number) => asNodeId(n.toString(16).padStart(32, '0'));
const rowOf = (count: number, label: (n: number) => string): NodeView[] =>
  Array.from({length: count}, (_, i) => ({
    ...nodeView(idOf(i + 1)),
    name: `cam-${String(i + 1).padStart(3, '0')}`,
    labels: [label(i + 1)],
  }));
const nodes = rowOf(100, n => `ring${Math.ceil(n / 25)}`);

test('sets of names and of labels are taken', t => {
  t.deepEqual(targetOf(['cam-[007-009,011]', 'cam-001,cam-002'], nodes), {
    labels: [],
    nodes: [7, 8, 9, 11, 1, 2].map(idOf),
  });
  t.deepEqual(targetOf(['label=ring[1-2]', 'label=ring4'], nodes), {
    labels: ['ring1', 'ring2', 'ring4'],
    nodes: [],
  });
});

test('a set with a name or label that nobody has is refused, and so is a bad set', t => {
  t.throws(() => targetOf(['cam-[099-101]'], nodes), {
    code: 'VOLLEY_UNKNOWN_NODE',
    message: /"cam-101"/,
  });
  t.throws(() => targetOf(['label=ring[1-9]'], nodes), {
    code: 'VOLLEY_NO_NODES',
    message: /"ring5"/,
  });
  t.throws(() => targetOf(['cam-[099-'], nodes), {
    code: 'VOLLEY_USAGE',
    message: '--select cam-[099-: the bracket at letter 5 is not closed',
  });
});

test('a name or label that has a bracket or a comma itself is what it is', t => {
  const odd = [
    {...nodeView(idOf(1)), name: 'a,b', labels: ['x[1-2]']},
    {...nodeView(idOf(2)), name: 'a', labels: ['x1']},
  ];
  t.deepEqual(targetOf(['a,b'], odd).nodes, [idOf(1)]);
  t.deepEqual(targetOf(['label=x[1-2]'], odd).labels, ['x[1-2]']);
});

test('more nodes than a packet has room for are named by labels that are theirs alone', t => {
  const meant = (select: string) => {
    const target = targetOf([select], nodes);
    const exactly = knownBy([select], nodes).nodes;
    t.deepEqual(
      nodes.filter(node => isMeant(target, node)).map(({nodeId}) => nodeId),
      [...exactly].sort(),
    );
    return target;
  };
  t.deepEqual(meant('cam-[001-100]'), {labels: [], nodes: []});
  t.deepEqual(meant('cam-[001-050]'), {labels: ['ring1', 'ring2'], nodes: []});
  t.deepEqual(meant('cam-[001-052]').nodes, [51, 52].map(idOf));
  const unlabelled = rowOf(100, () => 'all');
  t.throws(() => targetOf(['cam-[001-050]'], unlabelled), {
    message: /50 nodes .* give them a label/,
  });
});

test('a batch may wait for labels that nobody has yet', t => {
  t.deepEqual(meantBy(['label=new[1-2]'], nodes).labels, ['new1', 'new2']);
});
