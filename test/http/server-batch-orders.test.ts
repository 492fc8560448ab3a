// Requests about a batch that is there: what the core is asked, and by whom.

import test from 'ava';
import {asBatchId} from '../../src/base/types.ts';
import {historyKey} from '../../src/core/operator-rows.ts';
import {encodeJson} from '../../src/core/tables.ts';
import {OperatorClient} from '../../src/http/client.ts';
import {ask, batchView, codeOf, JSON_BEARER, openRig} from './rig.ts';

const ID = asBatchId(7);

async function rigWithBatch(t: import('ava').ExecutionContext) {
  const rig = await openRig(t);
  rig.handle.batchViews.set(7, batchView(7));
  return rig;
}

test('each order reaches the core with the name and role of who asks', async t => {
  const {client, url, handle} = await rigWithBatch(t);
  const {token} = await client.addAccess('operate', 'anna');
  const anna = new OperatorClient({url, token});
  t.teardown(() => anna.close());
  await anna.suspendBatch(ID, 'lunch');
  await anna.resumeBatch(ID);
  await anna.setPriority(ID, -4);
  await anna.retryBatch(ID);
  await anna.cancel(ID);
  await client.deleteBatch(ID, true);
  t.deepEqual(handle.requests, [
    {kind: 'suspendBatch', batchId: ID, reason: 'lunch'},
    {kind: 'resumeBatch', batchId: ID},
    {kind: 'setPriority', batchId: ID, priority: -4},
    {kind: 'retryBatch', batchId: ID},
    {kind: 'cancelBatch', batchId: ID},
    {kind: 'deleteBatch', batchId: ID, force: true},
  ]);
  t.deepEqual(handle.actors.slice(-2), [
    {name: 'anna', role: 'operate'},
    {name: 'owner', role: 'admin'},
  ]);
});

test('what is out of range or not there is refused before the core', async t => {
  const {url, handle} = await rigWithBatch(t);
  const post = (path: string, body: object) =>
    ask(`${url}/v1/batches/${path}`, {
      method: 'POST',
      headers: JSON_BEARER,
      body: JSON.stringify(body),
    });
  t.is(codeOf(await post('7/priority', {priority: 101})), 'VOLLEY_USAGE');
  t.is(codeOf(await post('7/suspend', {reason: 'x'.repeat(300)})), 'VOLLEY_USAGE');
  t.is(codeOf(await post('8/suspend', {reason: ''})), 'VOLLEY_UNKNOWN_BATCH');
  t.is(codeOf(await post('8/delete', {force: true})), 'VOLLEY_UNKNOWN_BATCH');
  t.deepEqual(handle.requests, []);
});

test('the history of a batch is told in its order, also of one that is deleted', async t => {
  const {client, handle} = await openRig(t);
  await t.throwsAsync(client.history(ID), {message: /7/});
  const row = {at: 1, actor: 'anna', role: 'operate', action: 'deleted', detail: ''};
  handle.rows.set(`history/${historyKey(ID, 10)}`, encodeJson({...row, at: 2}));
  handle.rows.set(`history/${historyKey(ID, 9)}`, encodeJson(row));
  handle.rows.set(`history/${historyKey(asBatchId(8), 0)}`, encodeJson(row));
  const history = await client.history(ID);
  t.deepEqual(
    history.map(({at}) => at),
    [1, 2],
  );
});

test('results of a batch that is deleted while they are read end with that reason', async t => {
  const {client, handle} = await rigWithBatch(t);
  const {encodePage, pageKey} = await import('../../src/core/tables.ts');
  handle.rows.set(
    `page/${pageKey(ID, 0)}`,
    encodePage(new Map([[0, {kind: 'done', reportNo: 1, item: 0}]])),
  );
  handle.read = async () => {
    handle.batchViews.delete(7);
    return undefined;
  };
  const read = async () => {
    for await (const _ of client.results(ID));
  };
  await t.throwsAsync(read(), {code: 'VOLLEY_UNKNOWN_BATCH'});
});
