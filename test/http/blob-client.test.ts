import {connect, createServer, type Server, type Socket} from 'node:net';
import test, {type ExecutionContext} from 'ava';
import {toHex} from '../../src/base/bytes.ts';
import {asBlobId, asCaptureId} from '../../src/base/types.ts';
import {sliceProof} from '../../src/http/blob-auth.ts';
import {BYTES, filesIn, hmac, ID, named, openNode, openYard, REPLICA} from './blob-yard.ts';
import {crypto, idOf, NODE, until} from './rig.ts';

test('a node sends an output and is told when the master has it', async t => {
  const yard = await openYard(t);
  const {node, folder, events} = await openNode(t, yard);
  await folder.put(BYTES);
  node.upload(ID, BYTES.length, REPLICA);
  node.upload(ID, BYTES.length, REPLICA);
  await until(() => events.length > 0);
  t.deepEqual(events, [{type: 'uploaded', blobId: ID}]);
  t.deepEqual(yard.handle.stored, [[ID, BYTES.length]]);
  t.is(await yard.blobs.size(ID), BYTES.length);
});

test('a blob that the master has is not sent again, and counts as stored', async t => {
  const yard = await openYard(t);
  await yard.blobs.put(BYTES);
  const {node, folder, events} = await openNode(t, yard);
  await folder.put(BYTES);
  let sent = 0;
  const stream = folder.stream.bind(folder);
  folder.stream = (...of) => {
    sent += 1;
    return stream(...of);
  };
  node.upload(ID, BYTES.length, {kind: 'shot', captureId: asCaptureId(1), shot: 0});
  await until(() => events.length > 0);
  t.deepEqual(events, [{type: 'uploaded', blobId: ID}]);
  t.is(sent, 0);
  t.deepEqual(yard.handle.stored, [[ID, BYTES.length]]);
});

test('an empty output is sent too', async t => {
  const yard = await openYard(t);
  const {node, folder, events} = await openNode(t, yard);
  const blobId = await folder.put(new Uint8Array());
  node.upload(blobId, 0, REPLICA);
  await until(() => events.length > 0);
  t.deepEqual(events, [{type: 'uploaded', blobId}]);
});

test('an upload that the master does not want, or that is not here, fails at once', async t => {
  const yard = await openYard(t);
  yard.handle.wanted = false;
  const {node, folder, events} = await openNode(t, yard);
  await folder.put(BYTES);
  node.upload(ID, BYTES.length, REPLICA);
  await until(() => events.length === 1);
  t.deepEqual(events[0], {
    type: 'uploadFailed',
    blobId: ID,
    reason: 'the master answered 403',
    isFull: false,
  });
  const none = asBlobId('0'.repeat(64));
  node.upload(none, 1, REPLICA);
  await until(() => events.length === 2);
  t.like(events[1], {type: 'uploadFailed', blobId: none});
});

test('an upload to a full disk is put off, not given up', async t => {
  const yard = await openYard(t);
  yard.handle.isFull = true;
  const {node, folder, events} = await openNode(t, yard);
  await folder.put(BYTES);
  node.upload(ID, BYTES.length, REPLICA);
  await until(() => events.length === 1);
  t.deepEqual(events[0], {
    type: 'uploadFailed',
    blobId: ID,
    reason: 'the disk of the master is full',
    isFull: true,
  });
  t.is(yard.turnedAway(), 1, 'asked once: the core says when again');
  yard.handle.isFull = false;
  node.upload(ID, BYTES.length, REPLICA);
  await until(() => events.length === 2);
  t.deepEqual(events[1], {type: 'uploaded', blobId: ID});
});

test('a blob is fetched once, kept, and shared by those who ask together', async t => {
  const yard = await openYard(t);
  await yard.blobs.put(BYTES);
  const {node, dir} = await openNode(t, yard);
  const both = await Promise.all([node.fetchBlob(ID, 4_000_000), node.fetchBlob(ID, 4_000_000)]);
  t.deepEqual(both.map(named), [ID, ID]);
  t.deepEqual(await filesIn(dir), [ID]);
  await yard.blobs.delete(ID);
  t.is(named(await node.fetchBlob(ID, 4_000_000)), ID);
  t.is(await node.fetchBlob(ID, 100), undefined, 'larger than asked for');
});

test('a blob that is too large or not there is not fetched', async t => {
  const yard = await openYard(t);
  await yard.blobs.put(BYTES);
  const {node, dir} = await openNode(t, yard);
  t.is(await node.fetchBlob(ID, BYTES.length - 1), undefined);
  t.is(await node.fetchBlob(asBlobId('0'.repeat(64)), 10), undefined);
  t.deepEqual(await filesIn(dir), []);
});

/** Stands between node and master: each connection passes `bytes` downwards, then breaks. */
async function openCutter(t: ExecutionContext, to: number, bytes: number): Promise<number[]> {
  const passed: number[] = [];
  const open = new Set<Socket>();
  const server: Server = createServer(near => {
    const far = connect(to, '127.0.0.1');
    const no = passed.push(0) - 1;
    for (const socket of [near, far]) open.add(socket.on('error', () => undefined));
    near.pipe(far);
    far.on('data', (part: Buffer) => {
      const before = passed[no] ?? 0;
      const rest = part.subarray(0, bytes - before);
      passed[no] = before + rest.length;
      near.write(rest, () => {
        if (before + rest.length < bytes) return;
        near.destroy();
        far.destroy();
      });
    });
    far.on('close', () => near.destroy());
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const address = server.address();
  passed.unshift(typeof address === 'object' ? (address?.port ?? 0) : 0);
  return passed;
}

test('a download goes on where its connection broke', async t => {
  const yard = await openYard(t);
  await yard.blobs.put(BYTES);
  const passed = await openCutter(t, yard.port, 400_000);
  const {node} = await openNode(t, yard, passed[0]);
  t.is(named(await node.fetchBlob(ID, 4_000_000)), ID);
  const [, ...connections] = passed;
  const sum = connections.reduce((all, count) => all + count, 0);
  t.log(`${connections.length} connections, ${sum} bytes for ${BYTES.length}`);
  t.true(connections.length >= 8);
  t.true(sum < BYTES.length * 1.2);
});

test('a fetch gives up after five tries without a byte', async t => {
  const yard = await openYard(t);
  await yard.blobs.put(BYTES);
  const passed = await openCutter(t, yard.port, 0);
  const {node, dir} = await openNode(t, yard, passed[0]);
  t.is(await node.fetchBlob(ID, 4_000_000), undefined);
  t.is(passed.length - 1, 5);
  t.deepEqual(await filesIn(dir), []);
});

test('a node whose key is old goes on when the session brings a new one', async t => {
  const yard = await openYard(t);
  await yard.blobs.put(BYTES);
  const {node} = await openNode(t, yard);
  node.access('127.0.0.1', yard.port, crypto.random(32), []);
  const fetched = node.fetchBlob(ID, 4_000_000);
  const appKey = crypto.random(32);
  node.access('127.0.0.1', yard.port, yard.handle.blobKeys.get(NODE) ?? new Uint8Array(), [appKey]);
  t.is(named(await fetched), ID);
  t.deepEqual(node.appKeys, [appKey]);
});

test('a part of an input is read with its proof and not kept', async t => {
  const yard = await openYard(t);
  await yard.blobs.put(BYTES);
  const {node, dir} = await openNode(t, yard);
  t.deepEqual(await node.readSlice(ID, 1_000, 500), BYTES.slice(1_000, 1_500));
  t.deepEqual(await node.readSlice(ID, 0, 0), new Uint8Array());
  t.deepEqual(await filesIn(dir), []);
  t.is(await node.readSlice(ID, 2_999_999, 2), undefined);
});

test('a part larger than what can be proven brings the whole blob', async t => {
  const yard = await openYard(t);
  const large = crypto.random(5_000_000);
  const largeId = await yard.blobs.put(large);
  const {node, dir} = await openNode(t, yard);
  t.is(named(await node.readSlice(largeId, 1, 4_500_000)), idOf(large.slice(1, 4_500_001)));
  t.deepEqual(await filesIn(dir), [largeId]);
});

/** A false master: answers every request with `head` and `body`. */
async function openLiar(t: ExecutionContext, head: string, body: Uint8Array): Promise<number> {
  const server = createServer(socket => {
    socket.on('error', () => undefined);
    socket.on('data', () => {
      socket.write(head);
      socket.end(body);
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
  });
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

test('bytes that somebody on the path changed are not taken, whole or in part', async t => {
  const yard = await openYard(t);
  const body = new Uint8Array(100);
  const length = 'content-length: 100\r\nconnection: close\r\n';
  const wholeLiar = await openLiar(t, `HTTP/1.1 200 OK\r\n${length}\r\n`, body);
  const whole = await openNode(t, yard, wholeLiar);
  t.is(await whole.node.fetchBlob(ID, 1_000), undefined);
  t.deepEqual(await filesIn(whole.dir), []);
  const range = 'content-range: bytes 0-99/200\r\n';
  const key = yard.handle.blobKeys.get(NODE) ?? new Uint8Array();
  for (const proof of ['', `volley-proof: ${toHex(sliceProof(hmac, key, ID, 1, body))}\r\n`]) {
    const head = `HTTP/1.1 206 Partial\r\n${range}${length}${proof}\r\n`;
    const part = await openNode(t, yard, await openLiar(t, head, body));
    t.is(await part.node.readSlice(ID, 0, 100), undefined);
  }
});

test('at most two transfers run at once', async t => {
  const yard = await openYard(t);
  const ids = await Promise.all(
    Array.from({length: 12}, (_, no) => yard.blobs.put(new Uint8Array(100_000).fill(no))),
  );
  let running = 0;
  let most = 0;
  const {node, folder} = await openNode(t, yard);
  const putStream = folder.putStream.bind(folder);
  folder.putStream = async (...of) => {
    running += 1;
    most = Math.max(most, running);
    try {
      return await putStream(...of);
    } finally {
      running -= 1;
    }
  };
  const all = await Promise.all(ids.map(id => node.fetchBlob(id, 100_000)));
  t.true(all.every(bytes => bytes?.length === 100_000));
  t.is(most, 2);
});

test('a node that closes ends its transfers and tells nothing more', async t => {
  const yard = await openYard(t);
  const {node, folder, events} = await openNode(t, yard, 1);
  await folder.put(BYTES);
  node.upload(ID, BYTES.length, REPLICA);
  const fetched = node.fetchBlob(asBlobId('0'.repeat(64)), 10);
  await node.close();
  t.is(await fetched, undefined);
  t.deepEqual(events, []);
});
