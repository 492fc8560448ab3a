// `volley keys passphrase`: puts the vault under another passphrase. The keys in it stay the same.

import type {CommandSpec, Given} from './command.ts';
import {masterDirectory} from './connect.ts';
import {print, printJson} from './output.ts';
import {PASSPHRASE_FILE, passphraseFor, readNewPassphrase} from './passphrase.ts';

export const keysPassphraseCommand: CommandSpec = {
  name: 'keys passphrase',
  summary: 'Change the passphrase of the vault',
  options: [
    {flag: '--data <dir>', text: "the master's folder (default ~/.volley/master)"},
    {flag: '--vault <file>', text: 'the offline vault (default: offline.vault in the folder)'},
    PASSPHRASE_FILE,
    {
      flag: '--new-passphrase-file <file>',
      text: 'the new one is its first line (default: one is made and shown once)',
    },
    {flag: '--json', text: 'print JSON for programs'},
  ],
  examples: [
    'volley keys passphrase',
    'volley keys passphrase --vault /media/stick/offline.vault --new-passphrase-file ./new',
  ],
  writesSecrets: true,
  run: change,
};

async function change(given: Given): Promise<undefined> {
  const data = await masterDirectory(given);
  const {openCluster, vaultPath} = await import('../io/cluster-files.ts');
  const {changePassphrase, settleVault} = await import('../io/key-rotation.ts');
  const {existsSync} = await import('node:fs');
  const {trustIn, trustPath} = await import('../io/trust-files.ts');
  const {newPassphrase} = await import('../io/vault.ts');
  const vault = given.text('vault') ?? vaultPath(data);
  const wanted = readNewPassphrase(given);
  const passphrase = await passphraseFor(given, vault);
  // On another machine than the master's there is the vault alone.
  const trust = existsSync(trustPath(data))
    ? trustIn(data, openCluster(data).signedTrust)
    : undefined;
  const keys = await settleVault(vault, passphrase, trust);
  const next = wanted ?? newPassphrase();
  await changePassphrase(vault, keys, next);
  if (given.flag('json')) printJson({vault, ...(wanted === undefined ? {passphrase: next} : {})});
  else if (wanted === undefined) {
    print(`The new passphrase of ${vault}, shown only now; write it down:`);
    print();
    print(`  ${next}`);
  } else print(`${vault} has the new passphrase.`);
  if (!given.flag('json')) print('Other copies of the vault keep the old one: replace them.');
  return undefined;
}
