// What must not be seen is looked for in real processes, and what an attacker sends is followed to every
// place where people see it.

import {createSocket} from 'node:dgram';
import {once} from 'node:events';
import {chmod, mkdir, readdir, readFile, stat, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import test from 'ava';
import {concat} from '../../src/base/bytes.ts';
import {Prng} from '../../src/base/prng.ts';
import {asAddress, asMonoMs, type MonoMs} from '../../src/base/types.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import type {Message} from '../../src/wire/message.ts';
import {NodeLink} from '../../src/wire/session-node.ts';
import {decodeToken, pskOf, tokenIdOf} from '../../src/wire/token.ts';
import {
  HOST,
  masterFlags,
  newCluster,
  nodeFlags,
  runningCluster,
  shownJoin,
  start,
  volley,
} from './rig.ts';

const isLinux = process.platform === 'linux';

/** Each secret in the forms in which it might be written. */
async function secretsOf(master: string, node: string): Promise<Map<string, string>> {
  const secrets = new Map<string, string>();
  for (const path of [join(master, 'master.keys'), join(node, 'node.keys')]) {
    const file = JSON.parse(await readFile(path, 'utf8')) as Record<string, string>;
    for (const [name, base64] of Object.entries(file)) {
      if (!/secret/i.test(name)) continue;
      const bytes = Buffer.from(base64, 'base64');
      secrets.set(`${name} as base64`, base64);
      secrets.set(`${name} as hex`, bytes.toString('hex'));
      secrets.set(`${name} as it is`, bytes.toString('latin1'));
    }
  }
  secrets.set('operator token', (await readFile(join(master, 'operator.token'), 'utf8')).trim());
  return secrets;
}

test.serial(
  'no secret is in the arguments, the environment or the logs of master and node',
  async t => {
    t.timeout(170_000);
    if (!isLinux) return t.pass('there is no /proc here');
    const cluster = await runningCluster(t, ['n1']);
    const done = await volley([
      'batch',
      'submit',
      'echo',
      '--range',
      '1..4',
      '--quorum',
      1,
      '--wait',
      '--data',
      cluster.data,
    ]);
    t.is(done.code, 0, done.stderr);
    const secrets = await secretsOf(cluster.data, join(cluster.dir, 'n1'));
    t.true(secrets.size >= 13);
    const token = shownJoin(cluster.master);
    secrets.set('join token', token);
    const decoded = decodeToken(token);
    if (decoded.kind === 'bad') return t.fail();
    const crypto = new NodeCrypto();
    for (const [name, bytes] of [
      ['secret of the join token', decoded.secret],
      ['psk of the join token', pskOf(crypto, decoded.secret)],
    ] as const) {
      secrets.set(name, Buffer.from(bytes).toString('hex'));
      secrets.set(`${name} as base64`, Buffer.from(bytes).toString('base64'));
    }
    const places: [string, string][] = [
      ['log of the master', cluster.master.stderr],
      ['log of the node', cluster.nodes[0]?.stderr ?? ''],
      ['output of the node', cluster.nodes[0]?.stdout ?? ''],
    ];
    for (const [who, {process}] of [
      ['master', cluster.master],
      ['node', cluster.nodes[0] ?? cluster.master],
    ] as const)
      for (const file of ['cmdline', 'environ'])
        places.push([
          `${file} of the ${who}`,
          await readFile(`/proc/${process.pid}/${file}`, 'latin1'),
        ]);
    for (const dir of [cluster.data, join(cluster.dir, 'n1')])
      places.push([`security log in ${dir}`, await readFile(join(dir, 'security.log'), 'latin1')]);
    for (const [where, text] of places) {
      t.true(text.length > 0, where);
      for (const [name, secret] of secrets) t.false(text.includes(secret), `${name} in ${where}`);
    }
  },
);

test.serial('everything a master and a node write is for their user alone', async t => {
  t.timeout(170_000);
  const cluster = await runningCluster(t, ['n1']);
  const isPublic = /^(cluster\.json|trust(\.\d+)?)$/;
  for (const dir of [cluster.data, join(cluster.dir, 'n1')]) {
    t.is((await stat(dir)).mode & 0o777, 0o700);
    for (const name of await readdir(dir, {recursive: true})) {
      if (isPublic.test(name)) continue;
      const found = await stat(join(dir, name)).catch(() => undefined); // LevelDB's come and go
      if (found) t.is(found.mode & 0o077, 0, `${dir}/${name}`);
    }
  }
});

test.serial('an exposed folder or file is refused with the chmod that mends it', async t => {
  t.timeout(170_000);
  const cluster = await newCluster(t);
  const {data, dir} = cluster;
  for (const name of ['security.log', 'access.json'])
    await writeFile(join(data, name), '', {mode: 0o600});
  const node = join(dir, 'n1');
  await mkdir(node, {mode: 0o700});
  const master = ['master', ...masterFlags(cluster)];
  const started = ['node', ...nodeFlags(cluster, 'n1')];
  for (const [path, mode, right, line] of [
    [data, 0o755, '700', master],
    [join(data, 'master.keys'), 0o640, '600', master],
    [join(data, 'operator.token'), 0o604, '600', master],
    [join(data, 'offline.vault'), 0o644, '600', master],
    [join(data, 'security.log'), 0o644, '600', master],
    [join(data, 'access.json'), 0o640, '600', master],
    [node, 0o750, '700', started],
  ] as const) {
    await chmod(path, mode);
    const {code, stderr} = await volley(line);
    t.is(code, 2, path);
    t.true(stderr.includes(`run \`chmod ${right} ${path}\``), stderr);
    await chmod(path, Number.parseInt(right, 8));
  }
});

const HOSTILE = [
  '<img src=x onerror=alert(1)>',
  '\u001b]0;owned\u0007',
  '\u009b31mred',
  'cam\u202egpj.exe',
  'two\nlines\r\tand\u2028more',
  'nul\0byte',
  'half \ud800 pair',
];

type Heard = ReturnType<NodeLink['receive']>[number];

const now = (): MonoMs => asMonoMs(performance.now());

/** A node of an attacker's own making: it says what it likes in its Hello. */
class Stranger {
  readonly #crypto = new NodeCrypto();
  readonly #identity = this.#crypto.ed25519KeyPair();
  readonly #staticKey = this.#crypto.x25519KeyPair();
  readonly #socket = createSocket('udp4');
  readonly #link: NodeLink;
  readonly #name: string;
  #welcomed = false;

  constructor(token: string, name: string) {
    const decoded = decodeToken(token);
    if (decoded.kind === 'bad') throw new Error(decoded.reason);
    const {fingerprint: rootFingerprint, address, secret} = decoded;
    this.#name = name;
    this.#link = new NodeLink({
      crypto: this.#crypto,
      prng: new Prng(1),
      staticKey: this.#staticKey,
      bootId: this.#crypto.random(8),
      rootFingerprint,
      address,
      token: {id: tokenIdOf(this.#crypto, secret), psk: pskOf(this.#crypto, secret)},
    });
    this.#socket.on('message', (bytes, {address: host, port}) => {
      const from = asAddress(`${host}:${port}`);
      for (const heard of this.#link.receive(new Uint8Array(bytes), from, now()))
        this.#answer(heard);
      this.#flush();
    });
  }

  /** Until the master has taken the Hello. */
  async enrol(): Promise<void> {
    this.#socket.bind(0, HOST);
    await once(this.#socket, 'listening');
    try {
      while (!this.#welcomed) {
        this.#link.tick(now());
        this.#flush();
        await sleep(20);
      }
    } finally {
      this.#socket.close();
    }
  }

  #flush(): void {
    for (const {to, datagram} of this.#link.takeOutgoing()) this.#send(to, datagram);
  }

  #send(to: string, datagram: Uint8Array): void {
    const [host, port] = to.split(':');
    this.#socket.send(datagram, Number(port), host);
  }

  #answer(heard: Heard): void {
    if (heard.kind === 'message') this.#welcomed ||= heard.message.type === 'welcome';
    if (heard.kind !== 'linked') return;
    // A report that nobody signed brings the name into both logs.
    const body = this.#crypto.random(9);
    const signature = this.#crypto.random(64);
    const report: Message = {type: 'report', nonce: 1, body, signature};
    for (const message of [this.#hello(heard.handshakeHash), report]) {
      const sealed = this.#link.seal(heard.peer, message, now());
      if (sealed) this.#send(sealed.to, sealed.datagram);
    }
  }

  #hello(handshakeHash: Uint8Array): Message {
    const name = this.#name;
    const bound = concat(handshakeHash, this.#staticKey.publicKey);
    return {
      type: 'hello',
      identityKey: this.#identity.publicKey,
      binding: this.#crypto.sign(this.#identity.secretKey, 'bind', bound),
      name,
      labels: name.length > 64 ? [] : [name, '\u001b[2J'],
      arch: '\u001b[1march',
      engine: name,
      cores: 1,
      slots: 1,
      memoryMib: 1,
      runtimes: [],
      actions: [],
      version: name,
      receiptHead: 0,
      epochSeen: 0,
      instanceSeen: new Uint8Array(),
      epochProof: new Uint8Array(),
      sandboxLevel: 0,
      bootId: this.#crypto.random(8),
      speed: 0,
    };
  }
}

test.serial(
  'names that an attacker chose are harmless in the table, over HTTP and in both logs',
  async t => {
    t.timeout(180_000);
    const cluster = await newCluster(t);
    const master = start(t, ['master', ...masterFlags(cluster), '--log', 'json']);
    await master.says('volley node --join');
    const token = shownJoin(master);
    for (const name of [...HOSTILE, 'x'.repeat(10_240)]) await new Stranger(token, name).enrol();

    const table = await volley(['nodes', '--data', cluster.data]);
    t.is(table.stdout.trimEnd().split('\n').length, HOSTILE.length + 2, table.stdout);
    const asJson = await volley(['nodes', '--data', cluster.data, '--json']);
    const bearer = (await readFile(join(cluster.data, 'operator.token'), 'utf8')).trim();
    const answer = await fetch(`http://${HOST}:${cluster.ports.httpPort}/v1/nodes`, {
      headers: {authorization: `Bearer ${bearer}`},
    });
    t.regex(answer.headers.get('content-type') ?? '', /^application\/json/);
    const body = await answer.text();
    const {nodes} = JSON.parse(body) as {nodes: {name: string; labels: string[]}[]};
    t.is(nodes.length, HOSTILE.length + 1);
    const log = await readFile(join(cluster.data, 'security.log'), 'utf8');
    t.regex(log, /"what":"report refused"/);
    t.true(log.includes('<img src=x onerror=alert(1)>'));
    const steering = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
    for (const [where, text] of [
      ['table', table.stdout],
      ['json', asJson.stdout],
      ['http', body],
      ['log', master.stderr],
      ['security log', log],
    ] as const)
      for (const line of text.split('\n')) t.notRegex(line, steering, where);
    for (const {name, labels} of nodes) {
      t.true(Buffer.byteLength(name) <= 64 * 3);
      for (const text of [name, ...labels]) t.notRegex(text, steering);
    }
  },
);
