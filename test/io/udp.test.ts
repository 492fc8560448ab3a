import {createSocket} from 'node:dgram';
import {once} from 'node:events';
import test, {type ExecutionContext} from 'ava';
import {type Address, asAddress} from '../../src/base/types.ts';
import {openUdp, type Udp, type UdpOptions} from '../../src/io/udp.ts';
import {DATAGRAM_BYTES_MAX} from '../../src/wire/limits.ts';

// Each test has a group of its own, so that tests do not hear each other. Loopback only.
let groups = 0;
function room(): Pick<UdpOptions, 'address' | 'group' | 'groupPort' | 'masterPort'> {
  groups++;
  const base = 20_000 + ((process.pid * 64 + groups * 2) % 20_000);
  const group = `239.86.${process.pid % 256}.${groups}`;
  return {address: '127.0.0.1', group, groupPort: base, masterPort: base + 1};
}

type Heard = {readonly text: string; readonly from: Address; readonly way: string};

/** What arrives at `udp`, and a promise for the time when `count` datagrams have. */
function listen(udp: Udp): {heard: Heard[]; until: (count: number) => Promise<void>} {
  const heard: Heard[] = [];
  let wake = (): void => {};
  udp.onDatagram((bytes, from, way) => {
    heard.push({text: Buffer.from(bytes).toString(), from, way});
    wake();
  });
  const until = async (count: number): Promise<void> => {
    while (heard.length < count)
      await new Promise<void>(resolve => {
        wake = resolve;
      });
  };
  return {heard, until};
}

async function open(t: ExecutionContext, options: UdpOptions): Promise<Udp> {
  const udp = await openUdp(options);
  t.teardown(() => udp.close());
  return udp;
}

const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

test('one multicast of the master reaches all nodes of one machine, and not the master', async t => {
  const here = room();
  const master = await open(t, {...here, role: 'master', port: 0});
  const nodes = [await open(t, {...here, role: 'node'}), await open(t, {...here, role: 'node'})];
  const ears = nodes.map(listen);
  const masterEar = listen(master);
  master.multicast(text('fire'));
  await Promise.all(ears.map(ear => ear.until(1)));
  for (const ear of ears)
    t.deepEqual(ear.heard, [{text: 'fire', from: master.address, way: 'group'}]);
  await sleep(30);
  t.is(masterEar.heard.length, 0);
});

test('a multicast of a node reaches the master, and no other node', async t => {
  const here = room();
  const master = await open(t, {...here, role: 'master', port: 0});
  const node = await open(t, {...here, role: 'node'});
  const other = listen(await open(t, {...here, role: 'node'}));
  const ear = listen(master);
  node.multicast(text('where are you'));
  await ear.until(1);
  t.deepEqual(ear.heard, [{text: 'where are you', from: node.address, way: 'group'}]);
  await sleep(30);
  t.is(other.heard.length, 0);
});

test('members hear the master from a port of its own, and answer there', async t => {
  const here = room();
  const master = await open(t, {...here, role: 'master', port: 0});
  const node = await open(t, {...here, role: 'node'});
  const atMaster = listen(master);
  const atNode = listen(node);
  master.sendToMember(node.address, text('welcome'));
  await atNode.until(1);
  const from = atNode.heard[0]?.from ?? asAddress('');
  t.not(from, master.address);
  t.is(from.split(':')[0], '127.0.0.1');
  node.send(from, text('pull'));
  await atMaster.until(1);
  t.deepEqual(atMaster.heard, [{text: 'pull', from: node.address, way: 'unicast'}]);
});

test('junk at the door takes no room from members', async t => {
  const here = room();
  const master = await open(t, {...here, role: 'master', port: 0});
  const node = await open(t, {...here, role: 'node'});
  const atNode = listen(node);
  master.sendToMember(node.address, text('welcome'));
  await atNode.until(1);
  let heard = 0;
  const pulls: string[] = [];
  master.onDatagram((bytes, from) => {
    heard++;
    if (from === node.address) pulls.push(Buffer.from(bytes).toString());
  });
  const junk = new Uint8Array(DATAGRAM_BYTES_MAX);
  const [host, port] = master.address.split(':');
  const stranger = createSocket('udp4');
  t.teardown(() => stranger.close());
  const flood = 20_000; // more than the kernel keeps for a socket, all before the master's next turn
  for (let sent = 0; sent < flood; sent++) stranger.send(junk, Number(port), host);
  node.send(atNode.heard[0]?.from ?? asAddress(''), text('pull'));
  for (let before = -1; before < heard || pulls.length === 0; await sleep(100)) before = heard;
  t.deepEqual(pulls, ['pull']);
  t.true(heard < flood, 'the door was full');
});

test('unicast goes both ways, and the sender is the address to answer', async t => {
  const here = room();
  const master = await open(t, {...here, role: 'master', port: 0});
  const node = await open(t, {...here, role: 'node'});
  const atMaster = listen(master);
  const atNode = listen(node);
  node.send(master.address, text('pull'));
  await atMaster.until(1);
  const from = atMaster.heard[0]?.from ?? asAddress('');
  t.is(from, node.address);
  master.send(from, text('assign'));
  await atNode.until(1);
  t.deepEqual(atNode.heard, [{text: 'assign', from: master.address, way: 'unicast'}]);
});

test('a burst of 2,000 datagrams is received through the listener', async t => {
  const here = room();
  const master = await open(t, {...here, role: 'master', port: 0});
  const node = await open(t, {...here, role: 'node'});
  const ear = listen(master);
  for (let i = 0; i < 2_000; i++) {
    node.send(master.address, text(`datagram ${i}`));
    if (i % 500 === 499) await new Promise(setImmediate);
  }
  await ear.until(2_000);
  t.is(new Set(ear.heard.map(({text}) => text)).size, 2_000);
  t.like(node.counts, {sent: 2_000, sendErrors: 0, sendOverflows: 0});
  t.is(master.counts.received, 2_000);
});

test('a datagram of the largest size passes, one byte more is a bug', async t => {
  const here = room();
  const master = await open(t, {...here, role: 'master', port: 0});
  const node = await open(t, {...here, role: 'node'});
  const ear = listen(master);
  node.send(master.address, new Uint8Array(DATAGRAM_BYTES_MAX).fill(65));
  await ear.until(1);
  t.is(ear.heard[0]?.text.length, DATAGRAM_BYTES_MAX);
  const tooLarge = new Uint8Array(DATAGRAM_BYTES_MAX + 1);
  t.throws(() => node.send(master.address, tooLarge), {name: 'AssertionError'});
  t.throws(() => node.multicast(tooLarge), {name: 'AssertionError'});
});

test('what cannot be sent is counted and never thrown', async t => {
  const node = await open(t, {...room(), role: 'node'});
  const addresses = [
    '203.0.113.1:5',
    '999.1.1.1:5',
    '127.0.0.1:0',
    '127.0.0.1:70000',
    'nonsense',
    '',
  ];
  for (const address of addresses) node.send(asAddress(address), text('x'));
  await sleep(20);
  t.is(node.counts.sendErrors, addresses.length);
  await node.close();
  node.send(asAddress('127.0.0.1:9'), text('x'));
  node.multicast(text('x'));
  t.pass();
});

test('a datagram to a port where nobody listens harms nobody', async t => {
  const here = room();
  const node = await open(t, {...here, role: 'node'});
  for (let i = 0; i < 10; i++) node.send(asAddress('127.0.0.1:1'), text('x'));
  await sleep(20);
  const ear = listen(node);
  node.send(node.address, text('still here'));
  await ear.until(1);
  t.is(ear.heard[0]?.text, 'still here');
});

test('a port that another program has is named, with the flag that chooses another', async t => {
  const here = room();
  const taken = createSocket('udp4');
  taken.bind(0, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => taken.close());
  const {port} = taken.address();
  await t.throwsAsync(openUdp({...here, role: 'master', port}), {
    code: 'VOLLEY_PORT_IN_USE',
    message: `port ${port} on 127.0.0.1 is in use by another program; end it or choose another with --port`,
  });
});

test('an address that this machine has not, and a group that is none, are refused', async t => {
  await t.throwsAsync(openUdp({...room(), role: 'node', address: '203.0.113.7'}), {
    code: 'VOLLEY_NO_INTERFACE',
    message: /"203\.0\.113\.7"; there are: /,
  });
  await t.throwsAsync(openUdp({...room(), role: 'node', group: '10.0.0.1'}), {
    code: 'VOLLEY_USAGE',
  });
});

test('closing twice is fine, and the port is free then', async t => {
  const here = room();
  const master = await openUdp({...here, role: 'master', port: 0});
  const port = Number(master.address.split(':')[1]);
  await Promise.all([master.close(), master.close()]);
  await (await openUdp({...here, role: 'master', port})).close();
  t.pass();
});
