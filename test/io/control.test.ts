import {mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {createConnection} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import type {ReplicaId} from '../../src/base/types.ts';
import {askNode, type ControlRequest, openControl} from '../../src/io/control.ts';

function folder(t: ExecutionContext, name = ''): string {
  const top = mkdtempSync(join(tmpdir(), 'volley-control-'));
  t.teardown(() => rmSync(top, {recursive: true, force: true}));
  const dir = join(top, name);
  mkdirSync(dir, {recursive: true});
  return dir;
}

async function opened(t: ExecutionContext, dir: string): Promise<ControlRequest[]> {
  const heard: ControlRequest[] = [];
  const control = await openControl(dir, async request => {
    heard.push(request);
    return {ok: true, status: {heard: heard.length}};
  });
  t.teardown(() => control.close());
  return heard;
}

/** What it says to these bytes. */
const say = (dir: string, text: string): Promise<string> =>
  new Promise(resolve => {
    let said = '';
    const socket = createConnection(join(dir, 'control.sock'), () => socket.write(text));
    socket.on('data', chunk => {
      said += String(chunk);
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(said));
  });

test('a question is answered, and only its user may ask', async t => {
  const dir = folder(t);
  const heard = await opened(t, dir);
  t.deepEqual(await askNode(dir, {do: 'drain', exit: true}), {ok: true, status: {heard: 1}});
  t.deepEqual(heard, [{do: 'drain', exit: true}]);
  t.is(statSync(join(dir, 'control.sock')).mode & 0o777, 0o600);
});

test('a socket that an earlier life left is replaced', async t => {
  const dir = folder(t);
  writeFileSync(join(dir, 'control.sock'), '');
  await opened(t, dir);
  t.true((await askNode(dir, {do: 'status'})).ok);
});

test('a folder with a very long name has a socket too', async t => {
  const dir = folder(t, `${'a'.repeat(100)}/${'b'.repeat(100)}`);
  await opened(t, dir);
  t.true((await askNode(dir, {do: 'status'})).ok);
});

test('where no node runs, the folder is named and the exit code is 1', async t => {
  const dir = folder(t);
  const error = await t.throwsAsync(askNode(dir, {do: 'status'}), {
    code: 'VOLLEY_NODE_UNREACHABLE',
  });
  t.regex(error.message, /no node answers in .*: there is no node running/);
  t.like(error, {exitCode: 1});
  const control = await openControl(dir, async () => ({ok: true, status: {}}));
  await control.close();
  await t.throwsAsync(askNode(dir, {do: 'status'}), {code: 'VOLLEY_NODE_UNREACHABLE'});
});

test('what is no question is refused, and what never ends is cut', async t => {
  const dir = folder(t);
  const heard = await opened(t, dir);
  t.is((JSON.parse(await say(dir, '{"do":"explode"}\n')) as {ok: boolean}).ok, false);
  t.regex(await say(dir, 'nonsense\n'), /it takes one of status, suspend, resume, drain/);
  t.regex(await say(dir, 'null\n'), /"ok":false/);
  t.is(await say(dir, 'x'.repeat(10_000)), '');
  t.deepEqual(heard, []);
});

test('an abort names a replica, by hand too', async t => {
  const dir = folder(t);
  const heard = await opened(t, dir);
  const replica = '3/17/0' as ReplicaId;
  t.true((await askNode(dir, {do: 'abort', replica})).ok);
  t.regex(await say(dir, '{"do":"abort","replica":"03/17"}\n'), /"ok":true/);
  t.deepEqual(heard as unknown[], [
    {do: 'abort', replica},
    {do: 'abort', replica: '3/17'},
  ]);
  const none = ['abc', '3', '3/17/0/1', '0/1', '99999999999/1', 3, null, ['3/17/0'], {}, undefined];
  for (const wrong of none) {
    const said = await say(dir, `${JSON.stringify({do: 'abort', replica: wrong})}\n`);
    t.deepEqual(
      JSON.parse(said),
      {ok: false, reason: 'abort takes a replica such as 3/17/0', isUsage: true},
      `${wrong}`,
    );
  }
  t.is(heard.length, 2);
});
