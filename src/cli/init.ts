// `volley init`: makes a cluster: keys, tokens, the signed built-in apps.

import type {CommandSpec, Given} from './command.ts';
import {defined} from './command.ts';
import {masterDirectory} from './connect.ts';
import {print, printJson, safe} from './output.ts';
import {PASSPHRASE_FILE, readPassphraseFile} from './passphrase.ts';

export const initCommand: CommandSpec = {
  name: 'init',
  summary: 'Make a new cluster: its keys and its folder',
  options: [
    {flag: '--data <dir>', text: 'folder of the master (default ~/.volley/master)'},
    {flag: '--name <name>', text: 'name of the cluster (default volley)'},
    PASSPHRASE_FILE,
    {flag: '--json', text: 'print JSON for programs'},
  ],
  examples: [
    'volley init',
    'volley init --name scanner --data /srv/volley',
    'volley init --passphrase-file ./passphrase   # instead of one that is made and shown once',
  ],
  writesSecrets: true,
  run: init,
};

async function init(given: Given): Promise<undefined> {
  const data = await masterDirectory(given);
  const passphrase = readPassphraseFile(given);
  const {initCluster} = await import('../io/cluster-files.ts');
  const {NodeCrypto} = await import('../io/crypto.ts');
  const {checkBuiltInApps} = await import('./built-in-check.ts');
  const {prepareBuiltInApps} = await import('./built-in-apps.ts');
  checkBuiltInApps();
  const crypto = new NodeCrypto();
  const name = given.text('name');
  const made = await initCluster(data, crypto, defined({name, passphrase}));
  const apps = await prepareBuiltInApps(data, crypto, made.appKey).catch(async (error: unknown) => {
    // Its passphrase will never be shown: a cluster without its apps is better not there.
    const {rmSync} = await import('node:fs');
    rmSync(data, {recursive: true, force: true});
    throw error;
  });
  const {toHex} = await import('../base/bytes.ts');
  const {fingerprintText} = await import('../wire/identity.ts');
  if (given.flag('json')) {
    printJson({
      clusterId: toHex(made.clusterId),
      name: made.name,
      data,
      rootFingerprint: toHex(made.rootFingerprint),
      vault: made.vaultPath,
      ...(made.passphrase === undefined ? {} : {passphrase: made.passphrase}),
      apps,
    });
    return undefined;
  }
  print(`Cluster "${safe(made.name)}" is made in ${data}.`);
  print(`  root fingerprint  ${fingerprintText(toHex(made.rootFingerprint))}`);
  print(`  apps              ${apps.join(', ')}`);
  print();
  print(`The root key and the app key are in ${made.vaultPath}.`);
  if (made.passphrase !== undefined) {
    print('Its passphrase, shown only now; write it down:');
    print();
    print(`  ${made.passphrase}`);
    print();
  }
  print('Move that file off this machine: without it nobody who steals the master can make your');
  print('nodes run new code. You need it again only for `volley app publish`.');
  print();
  print(`Next: volley master${dataFlag(given)}`);
  return undefined;
}

const dataFlag = (given: Given): string => {
  const data = given.text('data');
  return data === undefined ? '' : ` --data ${data}`;
};
