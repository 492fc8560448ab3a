// What strangers on the network and bad nodes may take of the master's blob server.

import {connect} from 'node:net';
import test from 'ava';
import {asBlobId} from '../../src/base/types.ts';
import {authorization} from '../../src/http/blob-auth.ts';
import {BYTES, filesIn, hmac, ID, openYard, REPLICA_QUERY, type Yard} from './blob-yard.ts';
import {dribble, raw, requestText, statusesIn} from './hostile.ts';
import {NODE, until} from './rig.ts';

const keyOf = (yard: Yard) => yard.handle.blobKeys.get(NODE) ?? new Uint8Array(32);

/** The head of a request that NODE signed. */
function signed(yard: Yard, method: 'GET' | 'PUT', query = '', headers = {}): string {
  const line = {method, blobId: ID, query} as const;
  const path = `/blobs/${ID}${query === '' ? '' : `?${query}`}`;
  const claim = authorization(hmac, keyOf(yard), NODE, line);
  return requestText(`${method} ${path}`, {...headers, authorization: claim});
}

test('downloads asked for in one packet are served one after the other', async t => {
  const yard = await openYard(t);
  await yard.blobs.put(BYTES);
  let open = 0;
  let most = 0;
  const {stream} = yard.blobs;
  yard.blobs.stream = async function* (...args) {
    most = Math.max(most, ++open);
    yield* stream.apply(yard.blobs, args);
    open--;
  };
  const part = signed(yard, 'GET', '', {range: 'bytes=0-99999'});
  const last = signed(yard, 'GET', '', {range: 'bytes=0-99999', connection: 'close'});
  const text = await raw(yard.port, part.repeat(49) + last).closed;
  t.deepEqual(statusesIn(text), Array(50).fill(206));
  t.is(most, 1);
  t.is(open, 0);
});

test('strange ranges get the whole blob, one part or a refusal, never more', async t => {
  const yard = await openYard(t);
  await yard.blobs.put(BYTES);
  const many = Array.from({length: 1_000}, (_, i) => `${i}-${i}`).join(',');
  const ranges: [string, number][] = [
    [`bytes=${many}`, 200],
    ['bytes=0-0,0-0', 200],
    ['bytes=5-2', 200],
    ['bytes=-', 200],
    ['bytes=0-99999999999999999999', 200],
    ['lines=0-1', 200],
    ['bytes=-0', 416],
    [`bytes=${BYTES.length}-`, 416],
    ['bytes=0-999999999999999', 206],
    ['bytes=-999999999999999', 206],
  ];
  for (const [range, status] of ranges) {
    const text = await raw(yard.port, signed(yard, 'GET', '', {range, connection: 'close'})).closed;
    t.deepEqual(statusesIn(text.slice(0, 100)), [status], range.slice(0, 40));
    t.true(text.length < BYTES.length + 1_000, range.slice(0, 40));
  }
});

test('one node has its share of the connections, others keep theirs', async t => {
  const yard = await openYard(t);
  await yard.blobs.put(BYTES);
  const held = Array.from({length: 16}, () => connect(yard.port, '127.0.0.1'));
  let answered = 0;
  for (const socket of held) {
    // It takes the first bytes and reads no further.
    socket.once('data', () => {
      answered++;
      socket.pause();
    });
    socket.on('error', () => undefined).write(signed(yard, 'GET'));
  }
  await until(() => answered === 16);
  t.deepEqual(statusesIn(await raw(yard.port, signed(yard, 'GET')).closed), [503]);
  for (const socket of held) socket.destroy();
  let status = 503;
  while (status === 503) {
    const head = {range: 'bytes=0-9', connection: 'close'};
    status = statusesIn(await raw(yard.port, signed(yard, 'GET', '', head)).closed)[0] ?? 0;
  }
  t.is(status, 206);
});

test('an upload that dribbles is cut and leaves nothing', async t => {
  const yard = await openYard(t, {paceMs: 200});
  const head = signed(yard, 'PUT', REPLICA_QUERY, {'content-length': BYTES.length});
  t.deepEqual(statusesIn(await dribble(raw(yard.port, head), 'x', 10)), []);
  while ((await filesIn(yard.dir)).length > 0);
  t.deepEqual(yard.handle.stored, []);
});

test('who reads nothing of an answer is cut', async t => {
  const yard = await openYard(t, {idleMs: 300});
  const big = new Uint8Array(32 * 1_048_576);
  const id = asBlobId(await yard.blobs.put(big));
  let sent = 0;
  let isOver = false;
  const {stream} = yard.blobs;
  yard.blobs.stream = async function* (...args) {
    try {
      for await (const bytes of stream.apply(yard.blobs, args)) {
        sent += bytes.length;
        yield bytes;
      }
    } finally {
      isOver = true;
    }
  };
  const line = {method: 'GET', blobId: id, query: ''} as const;
  const claim = authorization(hmac, keyOf(yard), NODE, line);
  const socket = connect(yard.port, '127.0.0.1').on('error', () => undefined);
  socket.write(requestText(`GET /blobs/${id}`, {authorization: claim}));
  await until(() => isOver);
  t.true(sent < big.length, `${sent} bytes`);
  socket.destroy();
});
