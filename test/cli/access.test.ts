import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import test from 'ava';
import {ask} from '../http/rig.ts';
import {masterFlags, newCluster, start, temporaryFolder, volley} from './rig.ts';

test.serial('a token for somebody else is made, used from elsewhere, and revoked', async t => {
  const cluster = await newCluster(t);
  const master = start(t, ['master', ...masterFlags(cluster)]);
  await master.says('volley node --join');
  const own = ['--data', cluster.data];
  t.regex((await volley(['access', 'ls', ...own])).stdout, /^Only the owner's token/);

  const made = await volley(['access', 'add', 'read', '--name', 'wall', ...own]);
  t.is(made.code, 0, made.stderr);
  const [token = ''] = made.stdout.split('\n');
  t.regex(token, /^[0-9a-f]{64}$/);
  t.regex((await volley(['access', 'ls', ...own])).stdout, /wall +read +\d{4}-/);
  const kept = await readFile(join(cluster.data, 'access.json'), 'utf8');
  t.true(kept.includes('"wall"') && !kept.includes(token));

  const nowhere = await temporaryFolder(t);
  const VOLLEY_URL = `http://127.0.0.1:${cluster.ports.httpPort}`;
  const asWall = (args: string[], VOLLEY_TOKEN = token) =>
    volley([...args, '--data', nowhere], {VOLLEY_URL, VOLLEY_TOKEN});
  t.is((await asWall(['nodes'])).code, 0);
  const refused = await asWall(['batch', 'submit', 'primes', '--range', '0..9']);
  t.is(refused.code, 2);
  t.regex(refused.stderr, /the token "wall" may only read, and this takes operate/);
  t.regex((await asWall(['nodes'], 'secret')).stderr, /VOLLEY_TOKEN is not an operator token/);

  t.is((await volley(['access', 'revoke', 'wall', ...own])).code, 0);
  const after = await asWall(['nodes']);
  t.is(after.code, 2);
  t.regex(after.stderr, /the master refuses this operator token/);
  const again = await volley(['access', 'revoke', 'wall', ...own]);
  t.is(again.code, 2);
  t.regex(again.stderr, /no token named "wall"; `volley access ls` lists them/);
  t.is((await volley(['access', 'add', 'root', '--name', 'x', ...own])).code, 2);
  t.regex(master.stderr, /wrongToken from=127\.0\.0\.1/);
  t.false(master.stderr.includes(token) || master.stdout.includes(token));
});

test.serial(
  'a master listens to the network when told that it is in clear, warns, and answers to its name',
  async t => {
    const cluster = await newCluster(t);
    const open = ['--http-listen', '0.0.0.0', '--http-name', 'rig.local'];
    const {httpPort} = cluster.ports;
    const refused = await volley(['master', ...masterFlags(cluster), ...open]);
    t.is(refused.code, 2);
    t.true(
      refused.stderr.includes(`ssh -N -L ${httpPort}:127.0.0.1:${httpPort} HOST`),
      refused.stderr,
    );
    open.push('--insecure-http');
    const master = start(t, ['master', ...masterFlags(cluster), ...open]);
    await master.says('volley node --join');
    t.regex(master.stderr, /warning: the operator interface listens on 0\.0\.0\.0/);
    const token = (await readFile(join(cluster.data, 'operator.token'), 'utf8')).trim();
    const statusAs = async (host: string): Promise<number> => {
      const headers = {authorization: `Bearer ${token}`, host};
      return (await ask(`http://127.0.0.1:${httpPort}/v1/status`, {headers})).status;
    };
    t.is(await statusAs('rig.local:6271'), 200);
    t.is(await statusAs('127.0.0.1'), 200);
    t.is(await statusAs('rebound.example'), 403);
  },
);
