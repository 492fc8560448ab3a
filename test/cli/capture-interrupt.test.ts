// Ctrl-C and SIGTERM while a capture is followed: the first cancels it, the next one leaves it.

import test from 'ava';
import {asCaptureId} from '../../src/base/types.ts';
import {Interrupts} from '../../src/cli/capture-cancel.ts';
import type {CaptureView} from '../../src/core/views.ts';

const ID = asCaptureId(7);

const listeners = (): number => process.listenerCount('SIGINT') + process.listenerCount('SIGTERM');
const OTHERS = listeners();

function watched() {
  const [cancelled, left]: [number[], [number, object][]] = [[], []];
  const cancelCapture = async (id: number): Promise<CaptureView> => {
    cancelled.push(id);
    throw new Error('no master is there');
  };
  const interrupts = new Interrupts({cancelCapture}, ID, (...how) => left.push(how));
  return {interrupts, cancelled, left};
}

// Signals are of the process: one test at a time.
test.serial('the first cancels, and says how to end; the second leaves with what is known', t => {
  const {interrupts, cancelled, left} = watched();
  t.is(interrupts.code, undefined);
  process.emit('SIGINT', 'SIGINT');
  t.deepEqual(cancelled, [7]);
  t.is(interrupts.code, 130);
  t.is(left.length, 0);
  process.emit('SIGINT', 'SIGINT');
  t.deepEqual(left, [[130, {id: 7, whole: false, left: true}]]);
  t.deepEqual(cancelled, [7], 'once');
  t.is(listeners(), OTHERS);
});

test.serial('who is told to end does the same, with another code', t => {
  const {interrupts, cancelled, left} = watched();
  interrupts.saw({id: ID, shots: 3} as CaptureView);
  process.emit('SIGTERM', 'SIGTERM');
  t.deepEqual([cancelled, interrupts.code], [[7], 143]);
  process.emit('SIGINT', 'SIGINT');
  t.deepEqual(left, [[130, {id: 7, shots: 3, whole: false, left: true}]]);
  t.is(interrupts.code, 143);
});

test.serial('a capture that is over hears nothing any more', t => {
  const {interrupts, cancelled} = watched();
  interrupts.close();
  t.is(listeners(), OTHERS);
  t.deepEqual(cancelled, []);
});
