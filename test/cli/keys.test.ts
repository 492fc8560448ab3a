// Keys of a real cluster are replaced while a real node lives through it.

import {cp, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import test from 'ava';
import {
  HOST,
  masterFlags,
  newCluster,
  PASSPHRASE,
  runningCluster,
  start,
  type Volley,
  volley,
} from './rig.ts';

const ENV = {VOLLEY_PASSPHRASE: PASSPHRASE};

type Shown = {trustVersion: number; keys: {key: string; fingerprint: string}[]};
const shown = async (data: string): Promise<Shown> =>
  JSON.parse((await volley(['keys', 'show', '--data', data, '--json'])).stdout);

async function status(data: string, port: number): Promise<{counters: Record<string, number>}> {
  const token = (await readFile(join(data, 'operator.token'), 'utf8')).trim();
  const answer = await fetch(`http://${HOST}:${port}/v1/status`, {
    headers: {authorization: `Bearer ${token}`},
  });
  return (await answer.json()) as {counters: Record<string, number>};
}

/** Asks until it is true, or for two minutes. */
async function until(look: () => Promise<boolean>, what: string): Promise<void> {
  const since = Date.now();
  while (!(await look())) {
    if (Date.now() - since > 120_000) throw new Error(`${what} did not happen`);
    await sleep(50);
  }
}

const joins = (node: Volley): number => node.stdout.match(/joined the cluster/g)?.length ?? 0;

test.serial('a node follows new master keys, and the old ones command nobody any more', async t => {
  t.timeout(300_000);
  const cluster = await runningCluster(t, ['n1']);
  const {data, ports, dir} = cluster;
  const [node] = cluster.nodes;
  if (node === undefined) return t.fail();
  await cluster.master.stop();
  const stolen = join(dir, 'stolen');
  await cp(data, stolen, {recursive: true});
  const before = await shown(data);

  const rotated = await volley(['keys', 'rotate', 'master', '--data', data], ENV);
  t.is(rotated.code, 0, rotated.stderr);
  t.regex(rotated.stdout, /new master keys. Trust document version 2/);
  const after = await shown(data);
  t.is(after.trustVersion, 2);
  const fingerprint = (of: Shown, key: string) => of.keys.find(it => it.key === key)?.fingerprint;
  for (const key of ['root', 'app']) t.is(fingerprint(after, key), fingerprint(before, key));
  for (const key of ['command', 'static']) t.not(fingerprint(after, key), fingerprint(before, key));

  const flags = masterFlags(cluster);
  const master = start(t, ['master', ...flags]);
  await until(async () => joins(node) === 2, 'the node joining under the new keys');
  await master.says('volley node --join'); // nodes come before the operator interface listens
  const batch = ['batch', 'submit', 'echo', '--range', '1..2', '--quorum', 1, '--wait'];
  const done = await volley([...batch, '--data', data]);
  t.is(done.code, 0, done.stderr);
  const membership = await readFile(join(dir, 'n1', 'membership.json'), 'utf8');
  t.is(typeof JSON.parse(membership).trust, 'string');
  await master.stop();

  // Whoever took the folder before is there now, at the same ports, with the old keys.
  const thief = start(t, ['master', ...masterFlags({...cluster, data: stolen})]);
  await thief.says('volley node --join');
  const knocks = async () => (await status(stolen, ports.httpPort)).counters['drop.badMac'] ?? 0;
  await until(async () => (await knocks()) >= 3, 'the node knocking with the new keys');
  t.is(joins(node), 2);
  const {stdout} = await volley(['nodes', '--data', stolen]);
  t.notRegex(stdout, /^n1 .* up /m);
  await thief.stop();

  // The trust document of before in the folder of today: nothing starts from it.
  const store = join(dir, 'old-trust');
  await cp(data, store, {recursive: true});
  for (const name of ['trust', 'master.keys']) await cp(join(stolen, name), join(store, name));
  const old = await volley(['master', ...masterFlags({...cluster, data: store})]);
  t.is(old.code, 2);
  t.regex(old.stderr, /version 1, but version 2 has been seen.*--after 2/);

  const again = start(t, ['master', ...flags]);
  await until(async () => joins(node) === 3, 'the node coming back to its master');
  await again.stop();
});

test.serial(
  'a node that was off follows two new roots, and its old token still names the cluster',
  async t => {
    t.timeout(300_000);
    const cluster = await runningCluster(t, ['n1']);
    const {data} = cluster;
    const [node] = cluster.nodes;
    if (node === undefined) return t.fail();
    const argv = node.process.spawnargs.slice(2);
    await node.stop();
    await cluster.master.stop();
    for (const which of ['root', 'master', 'root'])
      t.is((await volley(['keys', 'rotate', which, '--data', data], ENV)).code, 0);
    const master = start(t, ['master', ...masterFlags(cluster)]);
    await master.says('volley node --join');
    // The same command line as the first time, with the token of the first root.
    const back = start(t, argv);
    await back.says('joined');
    await back.stop();
    const member = JSON.parse(await readFile(join(cluster.dir, 'n1', 'membership.json'), 'utf8'));
    t.is(member.formerRoots.length, 2);
    t.false('secret' in member);
    const third = start(t, argv);
    await third.says('joined');
    t.regex(third.stderr, /is a member already/);
  },
);

test.serial(
  'keys are shown without their secrets, with advice as long as the vault lies there',
  async t => {
    const {data} = await newCluster(t);
    const {stdout, code} = await volley(['keys', 'show', '--data', data]);
    t.is(code, 0);
    for (const key of ['root', 'app', 'command', 'static'])
      t.regex(stdout, new RegExp(`^${key} +[0-9a-f]{32} `, 'm'));
    t.regex(stdout, /still lies beside the master/);
    const secrets = await readFile(join(data, 'master.keys'), 'utf8');
    for (const [, secret] of secrets.matchAll(/"\w+Secret": "([^"]+)"/g)) {
      t.false(stdout.includes(secret ?? '?'));
      t.false(stdout.includes(Buffer.from(secret ?? '', 'base64').toString('hex')));
    }
  },
);

test.serial(
  'what keys are to be rotated is checked before the passphrase is asked for',
  async t => {
    const {data, dir} = await newCluster(t);
    for (const [line, told] of [
      [['keys', 'rotate', 'node', '--data', data], /"node" is no kind of key/],
      [['keys', 'rotate', 'root', '--drop-old', '--data', data], /--drop-old is for/],
      [['keys', 'rotate', 'root', '--data', join(dir, 'nowhere')], /there is no cluster/],
      [['keys', 'rotate', 'root', '--data', data], /passphrase of .* is needed/],
      [['keys', 'show', '--data', join(dir, 'nowhere')], /there is no cluster/],
    ] as const) {
      const {code, stderr} = await volley(line);
      t.is(code, 2);
      t.regex(stderr, told);
    }
    t.is((await shown(data)).trustVersion, 1);
  },
);

test.serial(
  'a new passphrase opens the vault for publishing, and the old one does not',
  async t => {
    t.timeout(170_000);
    const {data} = await newCluster(t);
    const changed = await volley(['keys', 'passphrase', '--data', data, '--json'], ENV);
    t.is(changed.code, 0, changed.stderr);
    const {passphrase} = JSON.parse(changed.stdout);
    t.regex(passphrase, /^[A-Z2-9]{4}(-[A-Z2-9]{4}){5}$/);
    const rotate = ['keys', 'rotate', 'app', '--data', data];
    t.regex((await volley(rotate, ENV)).stderr, /the passphrase does not open/);
    t.is((await volley(rotate, {VOLLEY_PASSPHRASE: passphrase})).code, 0);
  },
);

test.serial(
  'apps of a dropped key are forgotten with a word, and the built-in ones run on',
  async t => {
    t.timeout(300_000);
    const cluster = await runningCluster(t, ['n1']);
    const {data, dir} = cluster;
    const app = join(dir, 'mine');
    await cp('dist/apps/echo', app, {recursive: true});
    const manifest = JSON.parse(await readFile(join(app, 'app.json'), 'utf8'));
    await writeFile(join(app, 'app.json'), JSON.stringify({...manifest, name: 'mine'}));
    const publish = ['app', 'publish', app, '--data', data];
    t.is((await volley(publish, ENV)).code, 0);
    const stranger = await newCluster(t);
    const foreign = [...publish, '--vault', join(stranger.data, 'offline.vault')];
    t.regex((await volley(foreign, ENV)).stderr, /not signed by a key of this cluster/);
    const rotate = ['keys', 'rotate', 'app', '--data', data];
    const told = await volley(rotate, ENV);
    t.regex(told.stderr, /the master that runs \(pid \d+\) still has the old keys/);
    await cluster.master.stop();
    t.is((await volley([...rotate, '--drop-old'], ENV)).code, 0);

    const master = start(t, ['master', ...masterFlags(cluster)]);
    await master.says('volley node --join');
    t.regex(master.stderr, /an app is not signed by a key that the root names.*app=mine/);
    const submit = (name: string) =>
      volley(['batch', 'submit', name, '--range', '1..2', '--quorum', 1, '--wait', '--data', data]);
    t.regex((await submit('mine')).stderr, /there is no app "mine"/);
    const echo = await submit('echo');
    t.is(echo.code, 0, echo.stderr);
    t.is((await volley(publish, ENV)).code, 0);
    const again = await submit('mine');
    t.is(again.code, 0, again.stderr);
  },
);
