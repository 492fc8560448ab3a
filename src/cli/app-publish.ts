// `volley app publish`: signs an app with the key in the vault and gives it to the master. Signing happens
// here, so the vault need not be on the master (promise P8).

import type {CommandSpec, Given} from './command.ts';
import {masterDirectory, OPERATOR_OPTIONS, withClient} from './connect.ts';
import {print, printJson, safe} from './output.ts';
import {PASSPHRASE_FILE, passphraseFor} from './passphrase.ts';

export const appPublishCommand: CommandSpec = {
  name: 'app publish',
  args: '<folder>',
  summary: 'Sign an app (app.json and its module, script or files) and publish it',
  options: [
    {flag: '--vault <file>', text: 'the offline vault (default: offline.vault in the folder)'},
    PASSPHRASE_FILE,
    ...OPERATOR_OPTIONS,
  ],
  examples: [
    'volley app publish ./my-app                    # wasm, or JavaScript or TypeScript, made one script',
    'volley app publish ./my-app --vault /media/stick/offline.vault --passphrase-file ./passphrase',
  ],
  run: publish,
};

async function publish(given: Given): Promise<undefined> {
  const {readAppFolder} = await import('../io/app-folder.ts');
  const {vaultPath} = await import('../io/cluster-files.ts');
  const {openVault} = await import('../io/vault.ts');
  const {NodeCrypto} = await import('../io/crypto.ts');
  const {signApp} = await import('../core/app.ts');
  const {bodyOf} = await import('../core/app-bodies.ts');
  const {manifest, module} = await readAppFolder(given.args[0] ?? '');
  const vault = given.text('vault') ?? vaultPath(await masterDirectory(given));
  const {appKey} = await openVault(vault, await passphraseFor(given, vault));
  const signed = signApp(new NodeCrypto(), appKey.secretKey, manifest);
  const row = await withClient(given, async client => {
    if (module !== undefined) await client.putBlob(once(module), bodyOf(manifest));
    const {blobId} = await client.putBlob(once(signed));
    return client.publish(blobId);
  });
  if (given.flag('json')) printJson(row);
  else {
    print(`App ${safe(row.name)} ${safe(row.version)} is published: ${row.appId}`);
    print(`Use it with: volley batch submit ${safe(row.name)} …`);
  }
  return undefined;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
