import test from 'ava';
import fc from 'fast-check';
import {expandNodeSet, foldNodeSets, isNodeSet, NODE_SET_MAX} from '../../src/core/node-set.ts';

const namesOf = (text: string): readonly string[] => {
  const expanded = expandNodeSet(text);
  return 'fault' in expanded ? [expanded.fault] : expanded.names;
};

const MEANT: readonly (readonly [string, string])[] = [
  ['cam-07', 'cam-07'],
  ['cam-[01-03,20]', 'cam-01 cam-02 cam-03 cam-20'],
  ['ring[1-4]', 'ring1 ring2 ring3 ring4'],
  ['r[1-2]c[08-11]', 'r1c08 r1c09 r1c10 r1c11 r2c08 r2c09 r2c10 r2c11'],
  ['a1,b[2-3],a1', 'a1 b2 b3'],
  ['[0-2]x', '0x 1x 2x'],
  ['n[098-101]', 'n098 n099 n100 n101'],
  ['n[9-11,007]', 'n9 n10 n11 n007'],
];
for (const [text, meant] of MEANT)
  test(`${text} means ${meant}`, t => t.deepEqual(namesOf(text), meant.split(' ')));

const FAULTS: readonly (readonly [string, RegExp])[] = [
  ['cam-[01-12', /^the bracket at letter 5 is not closed$/],
  ['cam]', /^the bracket at letter 4 was never opened$/],
  ['cam-[3-1]', /^"3-1" at letter 6 runs backwards$/],
  ['cam-[1,x-3]', /^"x-3" at letter 8 is no number and no range such as 01-12$/],
  ['cam-[]', /^"" at letter 6 is no number/],
  ['cam-[1-[2-3]]', /^"1-\[2-3" at letter 6 is no number/],
  ['cam-[1-007]', /at letter 6: write both ends with the same number of digits$/],
  ['a,,b', /^there is no name before letter 3$/],
  ['a,', /^there is no name before letter 3$/],
  ['', /^there is no name before letter 1$/],
  ['[0-9999999999]', /is no number/],
  ['[1-9][1-999999999]', /^it means 8999999991 names, and at most 10000 are taken$/],
];
for (const [text, fault] of FAULTS)
  test(`"${text}" is refused with its place`, t => t.regex(namesOf(text).join(), fault));

test('the largest set is taken, and none that is larger', t => {
  t.is(namesOf(`n[1-${NODE_SET_MAX}]`).length, NODE_SET_MAX);
  t.is(namesOf(`n[1-${NODE_SET_MAX}],m`).length, 1);
});

test('names are folded by their last number, each padding for itself', t => {
  const folds: readonly (readonly [string, string])[] = [
    ['cam-01 cam-02 cam-03 cam-12', 'cam-[01-03,12]'],
    ['cam-09 cam-10 cam-11', 'cam-[09-11]'],
    ['n1 n01 n2 n10', 'n[1-2] n[01,10]'],
    ['left right', 'left right'],
    ['r1c1 r1c2 r2c1', 'r1c[1-2] r2c1'],
    ['7', '7'],
    ['a1b a2b', 'a[1-2]b'],
  ];
  for (const [names, sets] of folds) t.is(foldNodeSets(names.split(' ')).join(' '), sets);
});

test('what is folded means the same names', t => {
  const name = fc.stringMatching(/^[a-c]{0,2}[0-9]{0,3}[a-c-]?[0-9]{1,11}$/);
  fc.assert(
    fc.property(fc.array(name, {maxLength: 40}), names => {
      const sets = foldNodeSets(names);
      const meant = sets.flatMap(namesOf);
      t.deepEqual([...meant].sort(), [...new Set(names)].sort());
      t.true(sets.length <= new Set(names).size);
    }),
  );
});

test('a plain name is no set', t => {
  t.deepEqual(['cam-07', 'x y', 'a[', 'a,b'].map(isNodeSet), [false, false, true, true]);
});
