// `volley rig diff`: what the cluster has otherwise than a rig file.

import {EXIT} from '../base/errors.ts';
import type {Rig} from '../core/rig-plan.ts';
import type {NodeView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {counted, print, printJson, safe} from './output.ts';
import type {RigFile} from './rig-file.ts';

export const rigDiffCommand: CommandSpec = {
  name: 'rig diff',
  args: '<file>',
  summary: 'Show what the cluster has otherwise than a rig file: nodes, labels, settings',
  options: OPERATOR_OPTIONS,
  examples: [
    'volley rig diff rig.yml                     # exit code 1 when anything differs',
    `volley rig diff rig.yml --json | jq -r '.differences[] | select(.kind == "missing") | .name'`,
  ],
  run,
};

async function run(given: Given): Promise<number> {
  const rig = await readRigArgument(given);
  const views = await withClient(given, client => nodesFor(rig, client));
  const {differencesOf} = await import('../core/rig-plan.ts');
  const differences = differencesOf(rig, views);
  if (given.flag('json')) printJson({rig: rig.name, differences});
  else {
    const {differenceLines} = await import('./rig-table.ts');
    for (const line of differenceLines(differences)) print(line);
    if (differences.length === 0) print(`No difference: ${sameText(rig, rig.path)}.`);
  }
  return differences.length === 0 ? EXIT.ok : EXIT.failed;
}

export const sameText = (rig: Rig, path: string): string =>
  `"${safe(rig.name)}" is as ${safe(path, 120)} says, with ${counted(rig.nodes.length, 'node')}`;

/** The file is read, and refused, before anybody is asked. */
export async function readRigArgument(given: Given): Promise<RigFile> {
  const {readRig} = await import('./rig-file.ts');
  return readRig(given.args[0] ?? '');
}

/** The nodes of the cluster; throws for a setting that is likely a typo. */
export async function nodesFor(rig: RigFile, client: OperatorClient): Promise<readonly NodeView[]> {
  const views = await client.nodes();
  const {checkSettingNames} = await import('./rig-file.ts');
  const {STILL_SETTINGS} = await import('../io/still-options.ts');
  const {TESTCARD_SETTINGS} = await import('../io/testcard-picture.ts');
  // The other built-in actions take whatever their cameras have.
  const names = new Map([
    ['camera', STILL_SETTINGS],
    ['testcard', TESTCARD_SETTINGS],
  ]);
  checkSettingNames(rig, names, views);
  return views;
}
