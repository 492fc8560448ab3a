// `volley keys show`: which keys speak for a cluster, what each may do and where it lives. Never a secret.

import type {TrustDocument} from '../wire/message.ts';
import type {CommandSpec, Given} from './command.ts';
import {masterDirectory} from './connect.ts';
import {print, printJson, safe} from './output.ts';
import {tableLines} from './table.ts';

export const keysShowCommand: CommandSpec = {
  name: 'keys show',
  summary: 'Show the fingerprints of the keys and what each may do',
  options: [
    {flag: '--data <dir>', text: "the master's folder (default ~/.volley/master)"},
    {flag: '--json', text: 'print JSON for programs'},
  ],
  examples: ['volley keys show', 'volley keys show --data /srv/volley --json'],
  run: show,
};

type KeyLine = {
  readonly key: string;
  /** First 16 bytes of SHA-256 of the public key. */
  readonly fingerprint: string;
  readonly may: string;
  readonly where: string;
};

const COLUMNS = [{title: 'key'}, {title: 'fingerprint'}, {title: 'may'}, {title: 'lives in'}];

async function show(given: Given): Promise<undefined> {
  const data = await masterDirectory(given);
  const {existsSync} = await import('node:fs');
  const {toHex} = await import('../base/bytes.ts');
  const {masterKeysPath, nextOf, openCluster, vaultPath} = await import('../io/cluster-files.ts');
  const {NodeCrypto} = await import('../io/crypto.ts');
  const {readRootSteps, trustIn} = await import('../io/trust-files.ts');
  const {fingerprintOf} = await import('../wire/trust.ts');
  const {runningMaster} = await import('../library/master-place.ts');
  const cluster = openCluster(data);
  const crypto = new NodeCrypto();
  const trust = trustIn(data, cluster.signedTrust);
  const vault = vaultPath(data);
  const vaultIsHere = existsSync(vault);
  const isCutOff = [masterKeysPath(data), vault].some(path => existsSync(nextOf(path)));
  const keys = keyLines(trust, key => toHex(fingerprintOf(crypto, key)), vaultIsHere);
  const facts = {
    clusterId: toHex(cluster.clusterId),
    name: cluster.name,
    data,
    trustVersion: trust.version,
    rootFingerprint: toHex(cluster.rootFingerprint),
    earlierRoots: readRootSteps(data, crypto, trust).length,
    keys,
    vault: {path: vault, besideMaster: vaultIsHere},
    rotationCutOff: isCutOff,
    masterPid: runningMaster(data)?.pid ?? 0,
  };
  if (given.flag('json')) {
    printJson(facts);
    return undefined;
  }
  print(`Cluster "${safe(cluster.name)}" in ${data}, trust document version ${trust.version}`);
  print();
  const rows = keys.map(line => [line.key, line.fingerprint, line.may, line.where]);
  for (const line of tableLines(COLUMNS, rows)) print(line);
  print();
  if (vaultIsHere) {
    print(`The vault with root and app keys still lies beside the master: ${vault}`);
    print('Move it off this machine: whoever steals both, and the passphrase, can run new code.');
  } else print('The vault with root and app keys is not in this folder: good.');
  if (isCutOff) print('A rotation was cut off; the next `volley keys rotate` ends it.');
  return undefined;
}

function keyLines(
  trust: TrustDocument,
  fingerprint: (key: Uint8Array) => string,
  vaultIsHere: boolean,
): KeyLine[] {
  const vault = vaultIsHere ? 'offline.vault, here' : 'offline.vault, elsewhere';
  const line = (key: string, bytes: Uint8Array, may: string, where: string): KeyLine => ({
    key,
    fingerprint: fingerprint(bytes),
    may,
    where,
  });
  return [
    line('root', trust.rootKey, 'name all other keys', vault),
    ...trust.appKeys.map((key, i) =>
      i === 0
        ? line('app', key, 'sign apps', vault)
        : line('app (old)', key, 'sign apps, until `keys rotate app --drop-old`', 'nowhere'),
    ),
    line('command', trust.commandKey, 'sign commands and receipts', 'master.keys'),
    line('static', trust.masterStatic, 'open sessions with nodes', 'master.keys'),
  ];
}
