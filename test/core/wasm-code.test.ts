// Instructions and sections that compilers seldom write: what an engine takes is taken, what it does not
// take, or no node allows, is refused with its reason.

import test from 'ava';
import {concat} from '../../src/base/bytes.ts';
import {inspectWasm, prepareWasm} from '../../src/core/wasm.ts';
import {F32, F64, HEAD, I32, I64, moduleOf, named, section, u32s, V128} from './wasm-builder.ts';

const FUNCREF = 0x70;
/** One table for functions, of two entries. */
const TABLE = {id: 4, body: concat(u32s(1), u32s(FUNCREF, 0, 2))};
/** Declares function 0, so that code may name it. */
const DECLARED = {id: 9, body: u32s(1, 3, 0, 1, 0)};
/** A passive segment with function 0. */
const PASSIVE = {id: 9, body: u32s(1, 1, 0, 1, 0)};

const reasonOf = (bytes: Uint8Array): string => {
  const seen = inspectWasm(bytes, 16);
  if (seen.kind === 'refused') return seen.reason;
  const prepared = prepareWasm(bytes);
  return prepared.kind === 'refused' ? prepared.reason : '';
};

const run = (code: number[], sections: Parameters<typeof moduleOf>[0]['sections'] = []) =>
  moduleOf({functions: [{code}], sections});

const I32_0 = [0x41, 0];
const DROP = 0x1a;

const GOOD: readonly [string, Uint8Array][] = [
  ['a typed select', run([...I32_0, ...I32_0, ...I32_0, 0x1c, 1, I32, DROP])],
  ['table.get', run([...I32_0, 0x25, 0, DROP], [TABLE])],
  ['table.set', run([...I32_0, 0xd0, FUNCREF, 0x26, 0], [TABLE])],
  ['table.size', run([0xfc, 16, 0, DROP], [TABLE])],
  ['table.fill', run([...I32_0, 0xd0, FUNCREF, ...I32_0, 0xfc, 17, 0], [TABLE])],
  ['table.copy', run([...I32_0, ...I32_0, ...I32_0, 0xfc, 14, 0, 0], [TABLE])],
  ['table.init', run([...I32_0, ...I32_0, ...I32_0, 0xfc, 12, 0, 0], [TABLE, PASSIVE])],
  ['elem.drop', run([0xfc, 13, 0], [TABLE, PASSIVE])],
  ['ref.func', run([0xd2, 0, DROP], [DECLARED])],
  [
    'memory.init and data.drop',
    run(
      [...I32_0, ...I32_0, ...I32_0, 0xfc, 8, 0, 0, 0xfc, 9, 0],
      [
        {id: 12, body: u32s(1)},
        {id: 11, body: u32s(1, 1, 1, 7)},
      ],
    ),
  ],
  ['return in the middle', run([0x0f, 0x01])],
  ['a branch that is taken or not', run([0x02, 0x40, ...I32_0, 0x0d, 0, 0x0b])],
  ['f32.const, a NaN and a number', run([0x43, 0, 0, 0xc0, 0x7f, DROP, 0x43, 0, 0, 0, 0, DROP])],
  ['saturating conversion', run([0x43, 0, 0, 0, 0, 0xfc, 0, DROP])],
  ['an active segment', run([], [TABLE, {id: 9, body: u32s(1, 0, 0x41, 0, 0x0b, 1, 0)}])],
  [
    'an active segment of a named table',
    run([], [TABLE, {id: 9, body: u32s(1, 2, 0, 0x41, 0, 0x0b, 0, 1, 0)}]),
  ],
  [
    'a segment of expressions',
    run(
      [],
      [{id: 9, body: new Uint8Array([1, 5, FUNCREF, 2, 0xd2, 0, 0x0b, 0xd0, FUNCREF, 0x0b])}],
    ),
  ],
  ['a table with a maximum', run([], [{id: 4, body: u32s(1, FUNCREF, 1, 1, 9)}])],
  ['data of memory 0 by its number', run([], [{id: 11, body: u32s(1, 2, 0, 0x41, 0, 0x0b, 1, 7)}])],
  [
    'globals of each kind',
    moduleOf({
      functions: [{code: []}],
      globals: [
        [I64, 0x42, 5],
        [F64, 0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f],
        [F64, 0x44, 1, 0, 0, 0, 0, 0, 0xf0, 0x7f],
        [F32, 0x43, 0, 0, 0xc0, 0x7f],
        [FUNCREF, 0xd2, 0],
        [V128, 0xfd, 0x0c, ...new Array<number>(16).fill(0)],
      ],
    }),
  ],
];
for (const [what, bytes] of GOOD)
  test(`what an engine takes is taken: ${what}`, t => {
    t.notThrows(() => new WebAssembly.Module(bytes));
    t.is(reasonOf(bytes), '');
  });

const BAD: readonly [string, Uint8Array, RegExp][] = [
  ['a select of two values', run([0x1c, 2, I32, I32]), /a select gives several values/],
  ['a table that grows', run([0xd0, FUNCREF, ...I32_0, 0xfc, 15, 0], [TABLE]), /grows a table/],
  ['an unknown bulk instruction', run([0xfc, 18]), /unknown instruction 0xfc 18/],
  ['a function that is not there', run([0xd2, 9]), /names a function that is not there/],
  [
    'an element that is not there',
    run([], [{id: 9, body: u32s(1, 1, 0, 1, 9)}]),
    /names a function that is not there/,
  ],
  ['a segment of an unknown kind', run([], [{id: 9, body: u32s(1, 8)}]), /element segment is of/],
  ['a shared table', run([], [{id: 4, body: u32s(1, FUNCREF, 3, 1, 9)}]), /shared or 64-bit/],
  ['a table of an unknown kind', run([], [{id: 4, body: u32s(1, I32, 0, 1)}]), /unknown kind/],
  [
    'data of a second memory',
    run([], [{id: 11, body: u32s(1, 2, 1, 0x41, 0, 0x0b, 1, 7)}]),
    /several memories/,
  ],
  [
    'data of an unknown kind',
    run([], [{id: 11, body: u32s(1, 3)}]),
    /data segment is of an unknown/,
  ],
  ['a shared global', run([], [{id: 6, body: u32s(1, I32, 2, 0x41, 0, 0x0b)}]), /global is shared/],
  [
    'a number without end',
    run([0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, DROP]),
    /the module is malformed/,
  ],
  [
    'more bodies than functions',
    run([], [{id: 10, body: u32s(2, 2, 0, 0x0b, 2, 0, 0x0b)}]),
    /declares 1 functions and has 2/,
  ],
  [
    'bytes behind the bodies',
    run([], [{id: 10, body: u32s(1, 2, 0, 0x0b, 0)}]),
    /the module is malformed/,
  ],
];
for (const [what, bytes, expected] of BAD)
  test(`what no node takes is refused by its reason: ${what}`, t => {
    t.regex(reasonOf(bytes), expected);
  });

test('a block that takes very many values is refused', t => {
  const parameters = new Array<number>(100).fill(I32);
  const wide = {parameters, code: []};
  const bytes = moduleOf({functions: [{code: [0x00, 0x02, 1, 0x0b]}, wide]});
  t.regex(reasonOf(bytes), /a block takes too many values/);
});

test('very many locals in all functions together are refused', t => {
  const many = {locals: [20_000, I32], code: []};
  const bytes = moduleOf({functions: [{code: []}, ...new Array(600).fill(many)]});
  t.regex(reasonOf(bytes), /too many locals/);
});

test('a module of nothing but its exports has no function to start', t => {
  const exports = section(7, u32s(1), named('memory'), u32s(2, 0));
  const bytes = concat(HEAD, section(5, u32s(1, 0, 1)), exports);
  t.regex(reasonOf(bytes), /no function _start/);
});
