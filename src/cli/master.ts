// `volley master`: the master of a cluster, in the foreground.

import {DAY_MS, HOUR_MS} from '../base/units.ts';
import type {CommandSpec, Given} from './command.ts';
import {defined, usage} from './command.ts';
import {masterDirectory} from './connect.ts';
import {openDaemon, opened, serve, UNTIL_STDIN_ENDS} from './daemon.ts';
import {instant, print, safe, tell} from './output.ts';

const TOKEN_USES = 250;
const TOKEN_HOURS = 24;
const LOOPBACK = /^(127\.|::1$|localhost$)/;

export const masterCommand: CommandSpec = {
  name: 'master',
  summary: 'Run the master of a cluster that `volley init` made',
  options: [
    {flag: '--data <dir>', text: 'folder of the master (default ~/.volley/master)'},
    {flag: '--interface <name>', text: 'network interface or its address (default: default route)'},
    {flag: '--port <port>', text: 'UDP port that nodes speak to (default 6273)'},
    {flag: '--group-port <port>', text: 'UDP port of the multicast group (default 6272)'},
    {flag: '--http-port <port>', text: 'port of the operator interface (default 6271)'},
    {flag: '--http-listen <address>', text: 'address it listens on (default 127.0.0.1)'},
    {
      flag: '--insecure-http',
      text: 'let --http-listen leave this machine: tokens cross the network in clear',
    },
    {
      flag: '--http-name <name>',
      text: 'name that others reach it by, such as rig.local',
      repeatable: true,
    },
    {flag: '--blob-port <port>', text: 'port where nodes get and put files (default 6274)'},
    {
      flag: '--min-free <mib>',
      text: 'MiB free on the disk below which nothing new is taken (default 64, or 5 %)',
    },
    {flag: '--empty-store', text: 'the store is gone: begin anew, nodes join again'},
    {
      flag: '--retention <days>',
      text: 'delete batches so long after their end, with their results (default: never)',
    },
    {flag: '--log <format>', text: 'human or json (default human), on stderr'},
    {flag: '--quiet', text: 'warnings only, and no join token'},
    {
      flag: '--token-uses <count>',
      text: `nodes that the shown token admits (default ${TOKEN_USES})`,
    },
    {flag: '--token-hours <hours>', text: `how long it does (default ${TOKEN_HOURS})`},
    UNTIL_STDIN_ENDS,
  ],
  examples: [
    'volley master',
    'volley master --interface eth0 --data /srv/volley',
    'volley master --http-listen 0.0.0.0 --insecure-http   # the operator interface for the whole network',
  ],
  writesSecrets: true,
  run: runMaster,
};

async function runMaster(given: Given): Promise<undefined> {
  const data = await masterDirectory(given);
  const uses = given.whole('token-uses', 1, 100_000) ?? TOKEN_USES;
  const hours = given.number('token-hours', 0.01, 8_784) ?? TOKEN_HOURS;
  const retentionDays = given.number('retention', 0.01, 36_500);
  const quiet = given.flag('quiet');
  const httpListen = given.text('http-listen');
  const leaves = httpListen !== undefined && !LOOPBACK.test(httpListen);
  if (leaves && !given.flag('insecure-http')) throw usage(inClear(httpListen, given));
  const options = defined({
    interface: given.text('interface'),
    port: given.port('port'),
    groupPort: given.port('group-port'),
    httpPort: given.port('http-port'),
    httpListen,
    httpNames: given.texts('http-name'),
    blobPort: given.port('blob-port'),
    minFreeBytes: given.mebibytes('min-free'),
    emptyStore: given.flag('empty-store'),
    retentionMs: retentionDays === undefined ? undefined : retentionDays * DAY_MS,
    logFormat: given.oneOf('log', ['human', 'json']),
    logLevel: quiet ? ('warn' as const) : undefined,
  });
  const daemon = openDaemon(given.flag('until-stdin-ends'));
  const {openMaster} = await import('./master-process.ts');
  const {removeMasterPlace, writeMasterPlace} = await import('../library/master-place.ts');
  const {fingerprintText} = await import('../wire/identity.ts');
  const {toHex} = await import('../base/bytes.ts');
  const master = await opened(daemon, openMaster({...options, data, fatal: daemon.fatal}));
  if (!master) return undefined;
  const {address} = master;
  // Who listens everywhere is reached on this machine at its loopback.
  const httpUrl = master.httpUrl.replace('//0.0.0.0:', '//127.0.0.1:').replace('[::]', '[::1]');
  const nodeFlags = nodeFlagsOf(given);
  writeMasterPlace(data, {pid: process.pid, httpUrl, address, nodeFlags});
  if (leaves)
    tell(
      `volley: warning: the operator interface listens on ${httpListen}: whoever has the operator ` +
        'token commands this cluster, and it crosses the network in clear',
    );
  if (!quiet) {
    const token = await addToken(master, uses, hours);
    print(`Cluster "${safe(master.clusterName)}" is up.`);
    print(`  nodes reach it at  ${address}`);
    print(`  operator           ${httpUrl}`);
    print(`  root fingerprint   ${fingerprintText(toHex(master.rootFingerprint))}`);
    print();
    print(`To add a node, run on it (${uses} times, until ${instant(token.expiresAt)} UTC):`);
    print(`  volley node --join ${token.text}${nodeFlags}`);
    print();
  }
  await serve(daemon, async () => {
    removeMasterPlace(data);
    await master.close();
  });
  return undefined;
}

function inClear(listen: string, given: Given): string {
  const port = given.text('http-port') ?? '6271';
  return (
    `--http-listen ${listen} would send operator tokens over the network in clear. Leave it out and run ` +
    `\`ssh -N -L ${port}:127.0.0.1:${port} HOST\` where you work, or say --insecure-http if nobody can listen`
  );
}

/** A node must be told what is not the default. */
function nodeFlagsOf(given: Given): string {
  const groupPort = given.text('group-port');
  const port = given.text('port');
  const flags = groupPort === undefined ? '' : ` --group-port ${groupPort}`;
  return port === undefined ? flags : `${flags} --master-port ${port}`;
}

async function addToken(
  master: import('./master-process.ts').Master,
  uses: number,
  hours: number,
): Promise<{readonly text: string; readonly expiresAt: number}> {
  const {NodeCrypto} = await import('../io/crypto.ts');
  const {encodeToken, pskOf, tokenIdOf} = await import('../wire/token.ts');
  const {asWallMs} = await import('../base/types.ts');
  const {VolleyError} = await import('../base/errors.ts');
  const crypto = new NodeCrypto();
  const secret = crypto.random(16);
  const expiresAt = asWallMs(Math.round(Date.now() + hours * HOUR_MS));
  const answer = await master.operator({
    kind: 'addToken',
    tokenId: tokenIdOf(crypto, secret),
    psk: pskOf(crypto, secret),
    uses,
    expiresAt,
  });
  if (!answer.ok) throw new VolleyError(answer.code, answer.fields);
  const {rootFingerprint: fingerprint, address} = master;
  return {text: encodeToken({fingerprint, secret, address}), expiresAt};
}
