// Who belongs to the cluster, by the commands that a person types and with real processes.

import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import test from 'ava';
import {freePorts} from '../../src/cli/free-ports.ts';
import {
  type Cluster,
  HOST,
  nodeFlags,
  runningCluster,
  start,
  temporaryFolder,
  type Volley,
  volley,
} from './rig.ts';

let cluster: Cluster & {readonly master: Volley};
const cleanups: (() => unknown)[] = [];
const hooks = {teardown: (act: () => unknown) => cleanups.unshift(act)};

test.before(async t => {
  t.timeout(170_000);
  cluster = await runningCluster(hooks, ['n1']);
});

test.after.always(async () => {
  for (const clean of cleanups) await clean();
});

const ask = (...line: (string | number)[]) => volley([...line, '--data', cluster.data]);

async function json<T>(...line: (string | number)[]): Promise<T> {
  const {code, stdout, stderr} = await ask(...line, '--json');
  if (code !== 0) throw new Error(`exit ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

const root = (): string =>
  /root fingerprint +([0-9a-f ]{39})\n/.exec(cluster.master.stdout)?.[1] ?? '';

const isHarmless = (text: string): boolean =>
  [...text].every(letter => letter === '\n' || letter >= ' ');

type Pending = {nodes: {nodeId: string; name: string}[]};
type Nodes = {nodes: {nodeId: string; name: string; state: string}[]};

test.serial(
  'a node without a token asks, is compared by its fingerprint, and is let in',
  async t => {
    t.timeout(170_000);
    const evil = '\u001b]0;owned\u0007<img src=x>';
    const flags = nodeFlags(cluster, 'asks').map(word => (word === 'asks' ? evil : word));
    const node = start(t, ['node', ...flags, '--root', root()]);
    await node.says('Waiting to be approved');
    await node.says('volley nodes approve');
    const shown = /\n {2}([0-9a-f ]{39})\n/.exec(node.stdout)?.[1] ?? '';
    const {nodes} = await json<Pending>('nodes', 'pending');
    t.is(nodes[0]?.nodeId, shown.replaceAll(' ', ''));
    t.is(nodes[0]?.name, '\ufffd]0;owned\ufffd<img src=x>', 'cleaned where it comes in');
    const {stdout} = await ask('nodes', 'pending');
    t.true(stdout.includes(shown));
    t.true(isHarmless(stdout), 'a terminal hears nothing of it');

    const wrong = await ask('nodes', 'approve', '0'.repeat(32));
    t.is(wrong.code, 2);
    t.regex(wrong.stderr, /no node with the fingerprint 0000 0000 .* `volley nodes pending`/);
    const short = await ask('nodes', 'approve', shown.slice(0, 9));
    t.is(short.code, 2);
    t.regex(short.stderr, /is not a fingerprint: that is 32 hex digits/);
    t.is((await ask('nodes', 'approve')).code, 2);

    const right = await ask('nodes', 'approve', ...shown.split(' '));
    t.is(right.code, 0, right.stderr);
    await node.says('joined the cluster');
    const list = await ask('nodes');
    t.true(isHarmless(list.stdout) && list.stdout.includes('owned'));
    t.is((await json<Pending>('nodes', 'pending')).nodes.length, 0);
  },
);

test.serial('a token is listed without its secret, and a revoked one lets nobody in', async t => {
  t.timeout(170_000);
  const made = await json<{token: string; tokenId: number}>('nodes', 'token', '--uses', 3);
  const {stdout} = await ask('nodes', 'token', 'ls');
  t.regex(stdout, new RegExp(`^ *${made.tokenId} +live +3 of 3 `, 'm'));
  t.is((await ask('nodes', 'token', 'revoke', made.tokenId)).code, 0);
  const late = await volley(['node', ...nodeFlags(cluster, 'late'), '--join', made.token]);
  t.is(late.code, 2);
  t.regex(late.stderr, /join token refused: it was revoked \(`volley nodes token` on the master/);
  const unknown = await ask('nodes', 'token', 'revoke', 1);
  t.is(unknown.code, 2);
  t.regex(unknown.stderr, /there is no join token 1; `volley nodes token ls` lists them/);
});

test.serial('a token that is used up is refused with what to do', async t => {
  t.timeout(170_000);
  const {token} = await json<{token: string}>('nodes', 'token');
  const first = start(t, ['node', ...nodeFlags(cluster, 'first'), '--join', token]);
  await first.says('joined the cluster');
  const second = await volley(['node', ...nodeFlags(cluster, 'second'), '--join', token]);
  t.is(second.code, 2);
  t.regex(second.stderr, /it is used up \(`volley nodes token` on the master makes a new one\)/);
  await first.stop();
});

test.serial('the secret of a token is in no file of the master', async t => {
  const {decodeToken} = await import('../../src/wire/token.ts');
  const {token} = await json<{token: string}>('nodes', 'token');
  const decoded = decodeToken(token);
  if (decoded.kind !== 'token') return t.fail(decoded.reason);
  const {readdir} = await import('node:fs/promises');
  const hex = Buffer.from(decoded.secret).toString('hex');
  for (const name of await readdir(cluster.data, {recursive: true})) {
    const bytes = await readFile(join(cluster.data, name)).catch(() => Buffer.alloc(0));
    t.false(bytes.includes(Buffer.from(decoded.secret)) || bytes.includes(hex), name);
  }
  return undefined;
});

for (const [address, message] of [
  ['10.0.0.1:0', /a port is a number from 1 to 65535/],
  ['10.0.0.1:65536', /a port is a number from 1 to 65535/],
  ['10.0.0.1', /"10\.0\.0\.1" is not HOST:PORT/],
  ['10.0.0.1:99999999', /is not HOST:PORT/],
] as const)
  test.serial(`a token for the address ${address} is not made`, async t => {
    const before = (await json<{tokens: unknown[]}>('nodes', 'token', 'ls')).tokens.length;
    const {code, stderr} = await ask('nodes', 'token', '--address', address);
    t.is(code, 2);
    t.regex(stderr, message);
    t.is((await json<{tokens: unknown[]}>('nodes', 'token', 'ls')).tokens.length, before);
  });

test.serial(
  'a revoked node ends, stays out with a new token, and its results are computed again',
  async t => {
    t.timeout(180_000);
    const {token} = await json<{token: string}>('nodes', 'token');
    const bad = start(t, ['node', ...nodeFlags(cluster, 'bad'), '--join', token, '--slots', 1]);
    await bad.says('joined the cluster');
    const line = ['batch', 'submit', 'primes', '--range', '0..400_000', '--chunk', 2_000];
    const batch = await json<{id: number; count: number}>(...line, '--quorum', 1, '--wait');
    const results = await ask('batch', 'results', batch.id);

    const unsure = await ask('nodes', 'revoke', 'bad');
    t.is(unsure.code, 2);
    t.regex(unsure.stderr, /a revocation is for ever: give --yes/);
    t.is((await ask('nodes', 'revoke', 'nobody', '--yes')).code, 2);

    type Doubts = {listed: boolean; batches: {batch: number; indexes: number[]}[]};
    const doubts = await json<Doubts>('nodes', 'revoke', 'bad', '--yes');
    t.true(doubts.listed);
    const mine = doubts.batches.find(each => each.batch === batch.id)?.indexes ?? [];
    t.true(mine.length > 0 && mine.length <= batch.count, `${mine.length} of ${batch.count}`);
    const ended = await bad.ended;
    t.is(ended.code, 2);
    t.regex(ended.stderr, /refuses this node: its membership was revoked .* remove .*node\.keys/);

    const {nodes} = await json<Nodes>('nodes');
    t.is(nodes.find(({name}) => name === 'bad')?.state, 'revoked');
    await ask('batch', 'watch', batch.id);
    t.is((await ask('batch', 'results', batch.id)).stdout, results.stdout, 'it told the truth');
    const checked = await json<{state: string; confirmed: number; rechecking: number}>(
      ...['batch', 'show', batch.id],
    );
    t.like(checked, {state: 'done', confirmed: mine.length, replaced: 0, rechecking: 0});
    const shown = await ask('batch', 'show', batch.id);
    t.regex(shown.stdout, new RegExp(`checked again +${mine.length} confirmed, 0 replaced\\n`));
    const again = await ask('nodes', 'revoke', 'bad');
    t.is(again.code, 0, 'a second time changes nothing and asks nothing');
    t.regex(again.stdout, new RegExp(`batch ${batch.id}: ${mine.length} \\(`));

    const fresh = await json<{token: string}>('nodes', 'token');
    const {rm} = await import('node:fs/promises');
    await rm(join(cluster.dir, 'bad', 'membership.json'));
    const back = await volley(['node', ...nodeFlags(cluster, 'bad'), '--join', fresh.token]);
    t.is(back.code, 2);
    t.regex(back.stderr, /its membership was revoked/);
    const out = ['--at', '+300ms', '--out', join(cluster.dir, 'scan')];
    const shot = await ask('capture', '--action', 'testcard', ...out);
    t.is(shot.code, 0, `the others hear commands under the new key: ${shot.stderr}`);
  },
);

test.serial('--tofu trusts the first master, says which, and asks; a denied node ends', async t => {
  t.timeout(170_000);
  const flags = nodeFlags(cluster, 'tofu');
  const node = start(t, ['node', ...flags, '--tofu']);
  await node.says('Waiting to be approved');
  t.true(node.stdout.includes(root()), node.stdout);
  // By its name: a node of a test that failed may still be asking.
  const {nodes} = await json<Pending>('nodes', 'pending');
  const asking = nodes.find(({name}) => name === 'tofu');
  t.is((await ask('nodes', 'deny', asking?.nodeId ?? '')).code, 0);
  const ended = await node.ended;
  t.is(ended.code, 2);
  t.regex(ended.stderr, /refuses this node: it was turned away/);
});

test.serial('without a token, a root or --tofu a node says what it needs', async t => {
  const none = await volley(['node', ...nodeFlags(cluster, 'none')]);
  t.is(none.code, 2);
  t.regex(none.stderr, /has not joined a cluster yet; run `volley node --join TOKEN`/);
  const both = await volley(['node', ...nodeFlags(cluster, 'none'), '--tofu', '--root', root()]);
  t.is(both.code, 2);
  t.regex(both.stderr, /give one of them/);
  const bad = await volley(['node', ...nodeFlags(cluster, 'none'), '--root', 'abc']);
  t.is(bad.code, 2);
  t.regex(bad.stderr, /--root must be the 32 hex digits/);
});

test.serial('--tofu without a master gives up and trusts nobody', async t => {
  const ports = await freePorts(HOST);
  const dir = await temporaryFolder(t);
  const flags = ['--data', dir, '--interface', HOST, '--master-port', ports.port];
  const more = ['--group-port', ports.groupPort, '--tofu', '--join-timeout', 1];
  const {code, stderr} = await volley(['node', ...flags, ...more]);
  t.is(code, 1);
  t.regex(stderr, /hearing a master took longer than 1 s/);
  await t.throwsAsync(readFile(join(dir, 'membership.json')), {code: 'ENOENT'});
});
