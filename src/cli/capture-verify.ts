// `volley capture verify`: is a folder what the nodes signed, all of it, and nothing else? Asks nobody.

import {lstat, readdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {fromHex} from '../base/bytes.ts';
import {EXIT, VolleyError} from '../base/errors.ts';
import type {Fault, Proof} from '../core/capture-proof.ts';
import {fingerprintText, parseFingerprint} from '../wire/identity.ts';
import {MANIFEST} from './capture-layout.ts';
import type {CommandSpec, Given} from './command.ts';
import {usage} from './command.ts';
import {counted, print, printJson, safe} from './output.ts';

export const captureVerifyCommand: CommandSpec = {
  name: 'capture verify',
  args: '<folder>',
  summary: 'Prove, without a master, that a folder is what the nodes signed',
  options: [
    {
      flag: '--cluster <fingerprint>',
      text: 'the root that must stand behind it, as `volley init` and `volley keys show` tell it',
    },
    {flag: '--json', text: 'print JSON'},
  ],
  examples: [
    'volley capture verify ./scan-42 --cluster "1f3c 09ab 77de 4410 c2d8 5e91 a0b7 6634"',
    'volley capture verify ./scan-42 --json   # exit code 1 when anything is wrong',
  ],
  run: verify,
};

async function verify(given: Given): Promise<number> {
  const folder = given.args[0] ?? '';
  const pin = pinOf(given.text('cluster'));
  const path = join(folder, MANIFEST);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' || error.code === 'ENOTDIR'
      ? usage(
          `there is no ${path}: no capture was brought here whole; ` +
            '`volley capture fetch NUMBER --out FOLDER` goes on with it',
        )
      : new VolleyError('VOLLEY_INPUT_MISSING', {path, reason: error.message}, error);
  });
  const {readManifest} = await import('./capture-manifest.ts');
  const {prove} = await import('../core/capture-proof.ts');
  const {NodeCrypto} = await import('../io/crypto.ts');
  const claimed = readManifest(text, path);
  const proof = prove(new NodeCrypto(), claimed, await filesIn(folder), pin);
  const whole = proof.faults.length === 0;
  if (given.flag('json')) printJson({folder, captureId: claimed.captureId, whole, ...proof});
  else for (const line of linesOf(folder, claimed.captureId, proof)) print(line);
  return whole ? EXIT.ok : EXIT.failed;
}

function pinOf(fingerprint: string | undefined): Uint8Array | undefined {
  if (fingerprint === undefined) return undefined;
  const hex = parseFingerprint(fingerprint);
  const bytes = hex === undefined ? undefined : fromHex(hex);
  if (bytes === undefined)
    throw usage(
      '--cluster must be the fingerprint of the root: 32 hex digits, blanks do not matter',
    );
  return bytes;
}

/** Everything in the folder but folders themselves; no link is followed. */
async function filesIn(folder: string): Promise<ReadonlyMap<string, string>> {
  const {hashOf} = await import('./capture-files.ts');
  const found = new Map<string, string>();
  const walk = async (inside: string): Promise<void> => {
    for (const name of (await readdir(join(folder, inside))).sort()) {
      const path = inside === '' ? name : `${inside}/${name}`;
      const there = await lstat(join(folder, path));
      if (there.isDirectory()) await walk(path);
      else found.set(path, there.isFile() ? await hashOf(join(folder, path)) : '');
    }
  };
  await walk('');
  return found;
}

function linesOf(folder: string, captureId: number, proof: Proof): string[] {
  const {faults, files, statements, fired, silent} = proof;
  const spoken = counted(statements, 'statement');
  const proven = `${counted(files, 'file')} and ${spoken} of capture ${captureId}`;
  return [
    ...faults.map(faultLine),
    faults.length === 0
      ? `${folder} is whole and unaltered: ${proven}`
      : `${folder} is NOT what was signed: ${counted(faults.length, 'fault')}; good are ${proven}`,
    `${fired} of ${statements + silent} fired${silent === 0 ? '' : `, ${silent} never spoke`}`,
    ...chainLines(proof),
  ];
}

const faultLine = ({kind, what, detail}: Fault): string =>
  `${kind.padEnd(9)}  ${safe(what, 120)}: ${safe(detail, 240)}`;

/** What is proven of who these nodes are, and what is not. */
function chainLines({root, pinned}: Proof): string[] {
  const by = `root ${fingerprintText(root)}`;
  if (pinned) return [`A master of the cluster with ${by} knows these nodes and asked them`];
  if (root !== '')
    return [
      `A master of a cluster with ${by} knows these nodes and asked them`,
      'Not proven: that this is your cluster. Compare the fingerprint, or give it with --cluster',
    ];
  return [
    'Not proven: that these keys are those of nodes of your cluster, that no node is left out, what',
    'the nodes are called, and for when they were asked.',
    'No record of a master is there that a root stands behind',
  ];
}
