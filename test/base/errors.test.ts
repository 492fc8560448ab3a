import test from 'ava';
import {AssertionError, assert, assertNever} from '../../src/base/assert.ts';
import {ERRORS, type ErrorCode, VolleyError} from '../../src/base/errors.ts';
import {asBatchId, replicaId, workunitId} from '../../src/base/types.ts';

test('an assertion that does not hold tells its story', t => {
  t.notThrows(() => assert(true, 'fine'));
  t.throws(() => assert(0, 'nought'), {instanceOf: AssertionError, message: 'nought'});
  t.throws(() => assertNever({kind: 'strange'} as never), {
    instanceOf: AssertionError,
    message: /strange/,
  });
});

test('errors have a code, a text for people with its fields, and their cause', t => {
  const cause = new Error('origin');
  const error = new VolleyError('VOLLEY_TOO_LARGE', {what: 'input', size: 5, limit: 4}, cause);
  t.is(error.message, 'input is 5 bytes; at most 4 are allowed');
  t.is(error.cause, cause);
  t.like(error, {code: 'VOLLEY_TOO_LARGE', exitCode: 2, httpStatus: 413});
  t.is(new VolleyError('VOLLEY_USAGE').message, '?');
  for (const code of Object.keys(ERRORS) as ErrorCode[])
    t.true(new VolleyError(code).message.length > 0 && code.startsWith('VOLLEY_'));
});

test('ids for people', t => {
  t.is(workunitId(asBatchId(3), 7), '3/7' as never);
  t.is(replicaId(asBatchId(3), 7, 1), '3/7/1' as never);
});
