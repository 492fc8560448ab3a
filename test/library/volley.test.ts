import test from 'ava';
import type {OperatorClient} from '../../src/http/client.ts';
import {Cluster, connect} from '../../src/library/volley.ts';

test('what is of a wrong kind is refused, and named, before anything is asked', async t => {
  const cluster = new Cluster({} as unknown as OperatorClient);
  // As a program without a compiler would call them.
  const {map, submit, capture} = {
    map: (...given: unknown[]) => Reflect.apply(cluster.map, cluster, given).next(),
    submit: (...given: unknown[]) => Reflect.apply(cluster.submit, cluster, given),
    capture: (...given: unknown[]) => Reflect.apply(cluster.capture, cluster, given),
  };
  const calls: [() => Promise<unknown>, RegExp][] = [
    [() => map(5, ['a']), /^app must be a text/],
    [() => map('echo', null), /^inputs must be an iterable/],
    [() => map('echo', 5), /^inputs must be/],
    [() => map('echo', 'abc'), /^inputs must be/],
    [() => map('echo', {a: 1}), /^inputs must be/],
    [() => map('echo', ['a'], null), /^policy must be an object/],
    [() => map('echo', ['a'], {broadcast: true}), /^policy.broadcast is not for map/],
    [() => map('echo', ['a'], {firstWins: true}), /^policy.firstWins is not for map/],
    [() => map('echo', ['a'], {}, null), /^options must be an object/],
    [() => map('echo', ['a'], {}, {args: 'xy'}), /^args must be a list of texts/],
    [() => map('echo', ['a'], {}, {signal: {}}), /^signal must be an AbortSignal/],
    [() => map('echo', ['a'], {}, {onFailure: 'bla'}), /^onFailure must be 'throw' or 'yield'/],
    [() => map('echo', ['a'], {}, {ahed: 5}), /^options have no "ahed"; there are .*ahead/],
    [() => map('echo', ['a'], {}, {ahead: '7'}), /^ahead must be a number/],
    [() => submit('echo', null), /^inputs must be .*start, end, chunk/],
    [() => submit('echo', 'abc'), /^inputs must be/],
    [() => submit('echo', ['a'], {shared: 5}), /^shared must be a text or a Uint8Array/],
    [() => submit('echo', ['a'], {name: 5}), /^name must be a text/],
    [() => submit('echo', ['a'], {bla: 5}), /^options have no "bla"/],
    [() => capture(), /^options must be an object/],
    [() => capture({}), /^action must be a text/],
    [() => capture({action: 'testcard', shots: '1'}), /^shots must be a number/],
    [() => capture({action: 'a', steps: [{action: 'b'}]}), /^give either action or steps/],
    [() => capture({steps: []}), /^steps must be a list of steps/],
    [() => capture({steps: [5]}), /^steps must be a list of steps/],
    [() => capture({action: 'a', signal: 5}), /^signal must be an AbortSignal/],
    [() => connect(5 as never), /^options must be an object/],
    [() => connect({url: 5} as never), /^url must be a text/],
  ];
  for (const [call, message] of calls)
    await t.throwsAsync(call, {code: 'VOLLEY_USAGE', message}, String(message));
});
