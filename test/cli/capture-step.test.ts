import test from 'ava';
import {stepOf, stepsOf} from '../../src/cli/capture-step.ts';

test('a step is a time, an action, its arguments, and who does it', t => {
  t.deepEqual(stepOf('camera'), {atMs: 0, action: 'camera', args: [], select: []});
  t.deepEqual(stepOf(' +1.5s  lights on 80% @label=lamps @cam-[1-2] '), {
    ...{atMs: 1_500, action: 'lights', args: ['on', '80%']},
    select: ['label=lamps', 'cam-[1-2]'],
  });
});

test('what is no step is refused with what was typed', t => {
  for (const text of ['', '+', '+5 camera', '+200ms', '@label=x', 'camera @', 'x'.repeat(65)])
    t.throws(() => stepOf(text), {message: /--step must be such as .*, not "/}, text);
  for (const text of ['200ms camera', '-100ms camera', '-1s camera', '-camera'])
    t.throws(() => stepOf(text), {message: /begins with \+, such as "\+200ms camera"/}, text);
  t.throws(() => stepOf('+61s camera'), {message: /at most \+60s after the first/});
  t.throws(() => stepsOf(Array(33).fill('camera')), {message: /at most 32 steps/});
});
