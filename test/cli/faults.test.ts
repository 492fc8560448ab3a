import {type StdioOptions, spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync} from 'node:fs';
import {chmod, mkdir, open, readFile, rm, writeFile} from 'node:fs/promises';
import {createServer} from 'node:net';
import {join} from 'node:path';
import test from 'ava';
import {
  HOST,
  MAIN,
  masterFlags,
  newCluster,
  nodeFlags,
  shownJoin,
  start,
  temporaryFolder,
  volley,
} from './rig.ts';

const oneLine = (text: string): boolean => text.trimEnd().split('\n').length === 1;

test.serial('a master and an operator command without a cluster say what to do', async t => {
  const data = await temporaryFolder(t);
  for (const command of [['master'], ['batch', 'ls']]) {
    const {code, stderr} = await volley([...command, '--data', data]);
    t.is(code, 2);
    t.regex(stderr, /^volley: there is no cluster in .*; run `volley init` first\n$/);
  }
});

test.serial('init twice is refused and changes nothing', async t => {
  const {data} = await newCluster(t);
  const {code, stderr} = await volley(['init', '--data', data]);
  t.is(code, 2);
  t.regex(stderr, /already holds a cluster; choose another folder with --data/);
});

test.serial('init shows the made passphrase once and where the vault is', async t => {
  const dir = await temporaryFolder(t);
  const {code, stdout} = await volley(['init', '--data', join(dir, 'm')]);
  t.is(code, 0);
  t.regex(stdout, /\n {2}[A-Z2-9]{4}(-[A-Z2-9]{4}){5}\n/);
  t.regex(stdout, /offline\.vault/);
  t.regex(stdout, /Next: volley master --data/);
});

test.serial('a folder that cannot be made is named', async t => {
  const dir = await temporaryFolder(t);
  await writeFile(join(dir, 'file'), '');
  const {code, stderr} = await volley(['init', '--data', join(dir, 'file', 'm')]);
  t.not(code, 0);
  t.true(oneLine(stderr) && stderr.includes('file'), stderr);
});

test.serial('an interface that is not there is refused, and those that are are listed', async t => {
  const cluster = await newCluster(t);
  const flags = masterFlags(cluster).map(flag => (flag === HOST ? 'eth99' : flag));
  const {code, stderr} = await volley(['master', ...flags]);
  t.is(code, 2);
  t.regex(stderr, /^volley: there is no network interface "eth99"; there are: .*127\.0\.0\.1/);
});

test.serial('a port in use is named with the flag that changes it', async t => {
  const cluster = await newCluster(t);
  for (const [name, flag] of [
    ['httpPort', '--http-port'],
    ['blobPort', '--blob-port'],
  ] as const) {
    const server = createServer().listen(cluster.ports[name], HOST);
    await once(server, 'listening');
    const {code, stderr} = await volley(['master', ...masterFlags(cluster)]);
    server.close();
    t.is(code, 1);
    t.true(oneLine(stderr.replace(/^\d{4}-.*\n/gm, '')), stderr);
    t.regex(stderr, new RegExp(`port \\d+ on 127.0.0.1 is in use .*${flag}`));
  }
});

test.serial('a second master on the same folder is refused', async t => {
  const cluster = await newCluster(t);
  const master = start(t, ['master', ...masterFlags(cluster)]);
  await master.says('volley node --join');
  const second = await volley(['master', ...masterFlags(cluster)]);
  t.is(second.code, 1);
  t.regex(second.stderr, /the store in .* is in use by another process/);
  t.is((await master.stop()).code, 0);
});

test.serial('a key that others can read is refused with the command that mends it', async t => {
  const cluster = await newCluster(t);
  const path = join(cluster.data, 'master.keys');
  await chmod(path, 0o644);
  const {code, stderr} = await volley(['master', ...masterFlags(cluster)]);
  t.is(code, 2);
  t.is(stderr, `volley: ${path} can be read by others (mode 644); run \`chmod 600 ${path}\`\n`);
});

test.serial('a node that never joined says how', async t => {
  const dir = await temporaryFolder(t);
  const {code, stderr} = await volley(['node', '--data', dir, '--interface', HOST]);
  t.is(code, 2);
  t.regex(stderr, /has not joined a cluster yet; run `volley node --join TOKEN`/);
});

test.serial(
  'a node without a name is refused before anything is made, and so is a long one',
  async t => {
    const dir = join(await temporaryFolder(t), 'node');
    const cases: [string, string, string][] = [
      ['--name', '', 'volley: --name must not be empty'],
      ['--name', ' ', 'volley: --name must not be empty'],
      ['--name', 'x'.repeat(65), 'volley: --name must be at most 64 bytes long'],
      ['--label', '', 'volley: --label must not be empty'],
    ];
    for (const [flag, text, line] of cases) {
      const {code, stderr} = await volley(['node', '--data', dir, flag, text]);
      t.is(code, 2);
      t.true(stderr.startsWith(line), stderr);
    }
    t.false(existsSync(dir));
  },
);

test.serial('a token with a typing error is told from one that is wrong', async t => {
  const cluster = await newCluster(t);
  const node = nodeFlags(cluster, 'n1');
  const typo = await volley(['node', ...node, '--join', 'volley1abc']);
  t.is(typo.code, 2);
  t.regex(typo.stderr, /^volley: join token refused: .*missing/);

  const master = start(t, ['master', ...masterFlags(cluster)]);
  await master.says('volley node --join');
  const made = await volley(['nodes', 'token', '--data', cluster.data, '--json']);
  const {token} = JSON.parse(made.stdout) as {token: string};
  // The same cluster and address, another secret: only the master can tell.
  const {decodeToken, encodeToken} = await import('../../src/wire/token.ts');
  const decoded = decodeToken(token);
  if (decoded.kind === 'bad') throw new Error(decoded.reason);
  const wrong = encodeToken({...decoded, secret: new Uint8Array(16)});
  const {code, stderr} = await volley(['node', ...node, '--join', wrong, '--join-timeout', 2]);
  t.is(code, 2);
  t.regex(
    stderr,
    /join token refused: no master answers; .*the token is wrong \(`volley nodes token`/,
  );
  t.is((await master.stop()).code, 0);
});

test.serial('no master: one line with its address', async t => {
  const {data, ports} = await newCluster(t);
  const url = `http://${HOST}:${ports.httpPort}`;
  const {code, stderr} = await volley(['nodes', '--data', data, '--url', url]);
  t.is(code, 1);
  t.is(
    stderr,
    `volley: no master answers at ${url}: connection refused; is \`volley master\` running there?\n`,
  );
});

test.serial('a master elsewhere and no token: what to set, and where it comes from', async t => {
  const {data, ports} = await newCluster(t);
  const url = `http://${HOST}:${ports.httpPort}`;
  const {code, stderr} = await volley(['nodes', '--data', `${data}-none`, '--url', url]);
  t.is(code, 2);
  t.regex(stderr, /wants an operator token: set VOLLEY_TOKEN .*`volley access add`/);
});

test.serial('a foreign operator token is refused', async t => {
  const cluster = await newCluster(t);
  const master = start(t, ['master', ...masterFlags(cluster)]);
  await master.says('volley node --join');
  const {code, stderr} = await volley(['nodes', '--data', cluster.data], {
    VOLLEY_TOKEN: '0'.repeat(64),
  });
  t.is(code, 2);
  t.regex(stderr, /the master refuses this operator token/);
  const log = await readFile(join(cluster.data, 'security.log'), 'utf8');
  const refused = log.split('\n').filter(line => line.includes('httpRefused'));
  t.is(refused.length, 1, log);
  t.like(JSON.parse(refused[0] ?? ''), {level: 'warn', what: 'wrongToken', from: HOST});
  t.false(log.includes('0'.repeat(64)));
});

test.serial('SIGINT ends a master cleanly, and its place is forgotten', async t => {
  const cluster = await newCluster(t);
  const master = start(t, ['master', ...masterFlags(cluster)]);
  await master.says('volley node --join');
  t.is((await volley(['nodes', '--data', cluster.data])).code, 0);
  t.is((await master.stop('SIGINT')).code, 0);
  const after = await volley(['nodes', 'token', '--data', cluster.data]);
  t.is(after.code, 2);
  t.regex(after.stderr, /no master runs from this folder/);
});

test.serial('an app that is not one is refused before anything is asked', async t => {
  const dir = await temporaryFolder(t);
  const app = join(dir, 'app');
  await mkdir(app);
  const missing = await volley(['app', 'publish', app, '--data', dir]);
  t.is(missing.code, 2);
  await writeFile(join(app, 'app.json'), '{"name": "x", "runtime": "wasm", "modul": "y"}');
  const bad = await volley(['app', 'publish', app, '--data', dir]);
  t.is(bad.code, 2);
  t.regex(bad.stderr, /app refused: .*unknown field "modul"/);
});

test.serial('a token that has run out does not lock out a node that has joined', async t => {
  t.timeout(170_000);
  const cluster = await newCluster(t);
  const master = start(t, ['master', ...masterFlags(cluster), '--token-uses', 1]);
  await master.says('volley node --join');
  const node = ['node', ...nodeFlags(cluster, 'n1'), '--join', shownJoin(master)];
  const first = start(t, node);
  await first.says('n1');
  t.is((await first.stop()).code, 0);
  const second = start(t, node);
  await second.says('has joined the cluster');
  t.regex(second.stderr, /a member already; the token is used only if/);
  t.is((await second.stop()).code, 0);
  const other = await volley([
    'node',
    ...nodeFlags(cluster, 'n2'),
    ...['--join', shownJoin(master), '--join-timeout', 2],
  ]);
  t.is(other.code, 2);
});

test.serial('a trust document that is not of these keys stops the master at its start', async t => {
  const cluster = await newCluster(t);
  for (const bytes of ['', 'not a trust document']) {
    await writeFile(join(cluster.data, 'trust'), bytes);
    const {code, stderr} = await volley(['master', ...masterFlags(cluster)]);
    t.is(code, 2);
    t.true(oneLine(stderr));
    t.regex(stderr, /trust is not a valid key file: it is not what the root signed/);
  }
});

test.serial('a token that is used up is refused at once, and a lost key file is named', async t => {
  const cluster = await newCluster(t);
  const master = start(t, ['master', ...masterFlags(cluster), '--token-uses', 1]);
  await master.says('volley node --join');
  const join_ = ['--join', shownJoin(master)];
  const node = start(t, ['node', ...nodeFlags(cluster, 'n1'), ...join_]);
  await node.says('joined');
  const second = await volley(['node', ...nodeFlags(cluster, 'n2'), ...join_]);
  t.is(second.code, 2);
  t.regex(
    second.stderr,
    /join token refused: it is used up \(`volley nodes token` on the master makes/,
  );
  t.is((await node.stop()).code, 0);
  const [, data = ''] = nodeFlags(cluster, 'n1').map(String);
  await rm(join(data, 'node.keys'));
  const {code, stderr} = await volley(['node', ...nodeFlags(cluster, 'n1')]);
  t.is(code, 2);
  t.regex(stderr, /node\.keys is not a valid key file: it is missing; .*membership\.json/);
  t.is((await master.stop()).code, 0);
});

test.serial('a disk that is full under the output is one line, and ends no master', async t => {
  const run = (args: readonly (string | number)[], stdio: StdioOptions) =>
    spawn(process.execPath, [MAIN, ...args.map(String)], {
      stdio,
      env: {...process.env, NODE_NO_WARNINGS: '1'},
    });
  const full = await open('/dev/full', 'w');
  const told = run(['doctor'], ['ignore', full.fd, 'pipe']);
  let stderr = '';
  told.stderr?.on('data', piece => {
    stderr += String(piece);
  });
  const [code] = await once(told, 'close');
  t.is(code, 1);
  t.regex(stderr, /^volley: cannot write standard output: ENOSPC.*\n$/);

  const refused = run(['nonesuch'], ['ignore', 'ignore', full.fd]);
  t.deepEqual(await once(refused, 'close'), [2, null], 'its words are lost, its exit code is not');

  const cluster = await newCluster(t);
  const master = run(['master', ...masterFlags(cluster)], ['ignore', full.fd, full.fd]);
  t.teardown(() => master.kill('SIGKILL'));
  await full.close();
  const ended = once(master, 'close');
  let up = false;
  while (!up && master.exitCode === null)
    up = (await volley(['batch', 'ls', '--data', cluster.data])).code === 0;
  t.true(up);
  master.kill('SIGTERM');
  t.deepEqual(await ended, [0, null]);
});
