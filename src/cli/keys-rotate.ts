// `volley keys rotate`: new keys, named by the root. Works on the folder of the master, which reads it at its
// start; nodes learn of it from the master's beacons and Welcome.

import type {Rotated, WhichKey} from '../io/key-rotation.ts';
import {type CommandSpec, type Given, usage} from './command.ts';
import {masterDirectory} from './connect.ts';
import {print, printJson, tell} from './output.ts';
import {PASSPHRASE_FILE, passphraseFor} from './passphrase.ts';

export const keysRotateCommand: CommandSpec = {
  name: 'keys rotate',
  args: '<app|master|root>',
  summary: 'Replace keys: what the root signs for today counts from now on',
  options: [
    {flag: '--data <dir>', text: "the master's folder (default ~/.volley/master)"},
    {flag: '--vault <file>', text: 'the offline vault (default: offline.vault in the folder)'},
    PASSPHRASE_FILE,
    {
      flag: '--drop-old',
      text: 'app: no new key; apps that older keys signed are refused from now on',
    },
    {flag: '--after <version>', text: 'number the trust document above this one (an old backup)'},
    {flag: '--json', text: 'print JSON for programs'},
  ],
  examples: [
    'volley keys rotate master --vault /media/stick/offline.vault',
    'volley keys rotate app                # then publish your apps again, and later:',
    'volley keys rotate app --drop-old',
    'volley keys rotate root --vault /media/stick/offline.vault',
  ],
  writesSecrets: true,
  run: rotate,
};

const MEANING: Readonly<Record<WhichKey, readonly string[]>> = {
  app: [
    'Apps that the old key signed run on, and the built-in ones are signed anew.',
    'Publish yours again (`volley app publish`), then run `volley keys rotate app --drop-old`.',
  ],
  master: [
    'Nodes follow by themselves, also those that are off now.',
    'What was signed or opened with the old keys is refused by every node that has seen the new ones.',
  ],
  root: [
    'Nodes and tokens of the old root follow by themselves.',
    'Keep the vault: it holds the new root now. Copies of the old one are worth nothing any more.',
  ],
};

/** The number has 32 bits: above this many are left for all rotations to come. */
const AFTER_MAX = 2 ** 31;

async function rotate(given: Given): Promise<undefined> {
  const data = await masterDirectory(given);
  const {ROTATIONS, rotateKeys} = await import('../io/key-rotation.ts');
  const {openCluster, vaultPath} = await import('../io/cluster-files.ts');
  const {NodeCrypto} = await import('../io/crypto.ts');
  const which = ROTATIONS.find(each => each === given.args[0]);
  if (which === undefined)
    throw usage(`"${given.args[0] ?? ''}" is no kind of key: app, master or root`);
  const dropOld = given.flag('drop-old');
  if (dropOld && which !== 'app') throw usage('--drop-old is for `volley keys rotate app`');
  openCluster(data); // before anybody is asked for a passphrase
  const vault = given.text('vault') ?? vaultPath(data);
  const passphrase = await passphraseFor(given, vault);
  const after = given.whole('after', 1, AFTER_MAX) ?? 0;
  const crypto = new NodeCrypto();
  const done = await rotateKeys(which, crypto, {
    dir: data,
    vaultPath: vault,
    passphrase,
    dropOld,
    after,
  });
  const apps = which === 'app' ? await signBuiltIn(data, crypto, done) : [];
  const {runningMaster} = await import('../library/master-place.ts');
  const pid = runningMaster(data)?.pid ?? 0;
  const {toHex} = await import('../base/bytes.ts');
  if (given.flag('json'))
    printJson({
      rotated: which,
      trustVersion: done.version,
      rootFingerprint: toHex(done.rootFingerprint),
      vault,
      apps,
      masterToRestart: pid,
    });
  else {
    print(`${title(which, dropOld)} Trust document version ${done.version}.`);
    const lines = dropOld
      ? ['Nodes and master refuse apps that older keys signed, once they have seen this version.']
      : MEANING[which];
    for (const line of lines) print(line);
  }
  if (pid !== 0)
    tell(`volley: the master that runs (pid ${pid}) still has the old keys: restart it now`);
  return undefined;
}

const NEW: Readonly<Record<WhichKey, string>> = {
  app: 'a new app key',
  master: 'new master keys',
  root: 'a new root key',
};

const title = (which: WhichKey, dropOld: boolean): string =>
  dropOld ? 'The old app keys are dropped.' : `The cluster has ${NEW[which]}.`;

/** The apps that come with Volley are ours to sign while the key is at hand. */
async function signBuiltIn(
  data: string,
  crypto: import('../io/crypto.ts').NodeCrypto,
  {appKey}: Rotated,
): Promise<readonly string[]> {
  const {checkBuiltInApps} = await import('./built-in-check.ts');
  const {prepareBuiltInApps} = await import('./built-in-apps.ts');
  checkBuiltInApps();
  return prepareBuiltInApps(data, crypto, appKey);
}
