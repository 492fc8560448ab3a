import test from 'ava';
import fc from 'fast-check';
import {cleaned, compareNames, harmless} from '../../src/base/text.ts';

const STEERING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/u;

test('what steers a terminal or hides is replaced where text comes in', t => {
  for (const [evil, clean] of [
    ['\u001b]0;owned\u0007', '\ufffd]0;owned\ufffd'],
    ['\u009b31mred', '\ufffd31mred'],
    ['cam\u202egpj.exe', 'cam\ufffdgpj.exe'],
    ['a\nb\r\n\tc\u2028d', 'a b c d'],
    ['nul\0', 'nul\ufffd'],
    ['half \ud800 pair', 'half \ufffd pair'],
    ['zero\u200bwidth', 'zero\ufffdwidth'],
    ['<img src=x onerror=alert(1)>', '<img src=x onerror=alert(1)>'],
    ['é 中 🙂', 'é 中 🙂'],
  ] as const)
    t.is(cleaned(evil), clean);
});

test('what is shown has its steering characters written out', t => {
  t.is(harmless('\u001b[2J\n'), '\\u001b[2J\\u000a');
  t.is(harmless('é 中 🙂'), 'é 中 🙂');
  t.is(harmless('\u{e0001}'), '\\udb40\\udc01');
  t.is(harmless('\ud800'), '\\ud800');
});

test('of no text anything that steers is left, and cleaning twice is cleaning once', t => {
  fc.assert(
    fc.property(fc.string({unit: 'binary', maxLength: 80}), text => {
      t.notRegex(cleaned(text), STEERING);
      t.notRegex(harmless(text), STEERING);
      t.is(cleaned(cleaned(text)), cleaned(text));
    }),
  );
});

test('names are sorted as people do, numbers by their value', t => {
  const names = ['cam-10', 'Cam-3', 'cam-2', 'b', 'cam-2a'];
  t.deepEqual(names.sort(compareNames), ['b', 'cam-2', 'cam-2a', 'Cam-3', 'cam-10']);
});
