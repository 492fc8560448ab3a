import test from 'ava';
import {VolleyError} from '../../src/base/errors.ts';
import {asCaptureId} from '../../src/base/types.ts';
import type {OperatorClient} from '../../src/http/client.ts';
import {followCapture} from '../../src/library/capture-states.ts';

const lost = () => new VolleyError('VOLLEY_MASTER_UNREACHABLE', {url: 'x', reason: 'it is gone'});
const gone = () => new VolleyError('VOLLEY_UNKNOWN_CAPTURE', {capture: 1});

/** A master that says these states in one stream after the other; an error ends its stream. */
function clientOf(streams: readonly (readonly (string | Error)[])[]): OperatorClient {
  const left = [...streams];
  async function* events() {
    for (const said of left.shift() ?? []) {
      if (said instanceof Error) throw said;
      yield {kind: 'capture', capture: {id: 1, state: said}};
    }
  }
  return {events} as unknown as OperatorClient;
}

test('a capture is followed to its end over the restart of its master', async t => {
  const seen: string[] = [];
  const client = clientOf([
    ['running', lost()],
    ['running', 'done'],
  ]);
  const last = await followCapture(client, asCaptureId(1), ({state}) => seen.push(state));
  t.is(last.state, 'done');
  t.deepEqual(seen, ['running', 'running', 'done']);
});

test('one that was deleted meanwhile is told as such', async t => {
  const client = clientOf([['running', lost()], [gone()]]);
  const followed = followCapture(client, asCaptureId(1), () => undefined);
  await t.throwsAsync(followed, {code: 'VOLLEY_UNKNOWN_CAPTURE'});
});
