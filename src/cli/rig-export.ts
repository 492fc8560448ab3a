// `volley rig export`: writes a rig file of the cluster as it is.

import {open} from 'node:fs/promises';
import {VolleyError} from '../base/errors.ts';
import type {ExportedRig} from '../core/rig-export.ts';
import type {CommandSpec, Given} from './command.ts';
import {usage} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {counted, print, printJson, safe} from './output.ts';
import {cannotWrite} from './result-bytes.ts';

export const rigExportCommand: CommandSpec = {
  name: 'rig export',
  summary: 'Write a rig file of the cluster as it is: nodes, labels, settings',
  options: [
    {flag: '--out <file>', text: 'a new file (default: standard output)'},
    {flag: '--name <name>', text: 'the name of the rig (default rig)'},
    ...OPERATOR_OPTIONS,
  ],
  examples: ['volley rig export --out rig.yml', 'volley rig export --name studio > rig.yml'],
  run,
};

async function run(given: Given): Promise<undefined> {
  const name = given.text('name') ?? 'rig';
  const out = given.text('out');
  if (out === '') throw usage('--out needs the name of a file; without it the rig is printed');
  const views = await withClient(given, client => client.nodes());
  const {exportRig} = await import('../core/rig-export.ts');
  const rig = exportRig(views);
  if (rig.nodes.length === 0)
    throw new VolleyError('VOLLEY_NO_NODES', {reason: 'there is none yet'});
  const text = await yamlOf(name, rig);
  if (out !== undefined) await writeNew(out, text);
  if (given.flag('json')) printJson({rig: name, out: out ?? null, ...rig});
  else if (out === undefined) process.stdout.write(text);
  else print(`${counted(rig.nodes.length, 'line')} of nodes are in ${out}; add positions by hand.`);
  return undefined;
}

async function yamlOf(name: string, {nodes, actions, notes}: ExportedRig): Promise<string> {
  const {Document, isCollection} = await import('yaml');
  const hasActions = Object.keys(actions).length > 0;
  const document = new Document({rig: name, nodes, ...(hasActions ? {actions} : {})});
  const onOneLine = [
    ...nodes.map((_, i) => ['nodes', i, 'labels']),
    ...Object.keys(actions).map(action => ['actions', action]),
  ];
  for (const path of onOneLine) {
    const value = document.getIn(path, true);
    if (isCollection(value)) value.flow = true;
  }
  document.commentBefore = [
    ' `volley rig diff FILE` shows what differs, `volley rig apply FILE` makes it so.',
    ...notes.map(note => ` ${safe(note, 1_000)}`),
  ].join('\n');
  return document.toString({lineWidth: 0});
}

async function writeNew(path: string, text: string): Promise<void> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(text).finally(() => file.close());
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      throw usage(`${path} is there already; name another file with --out`);
    throw cannotWrite(path, error);
  }
}
