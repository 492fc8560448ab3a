// `volley nodes pending`, `volley nodes approve` and `volley nodes deny`: nodes that ask without a token.

import type {PendingView} from '../core/views.ts';
import {fingerprintText} from '../wire/identity.ts';
import type {CommandSpec, Given} from './command.ts';
import {usage} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {ago, print, printJson, safe} from './output.ts';
import {tableLines} from './table.ts';
import {fingerprintOf} from './which-node.ts';

export const nodesPendingCommand: CommandSpec = {
  name: 'nodes pending',
  summary: 'List the nodes that ask to be let in without a token',
  options: OPERATOR_OPTIONS,
  examples: ['volley nodes pending'],
  run: pending,
};

export const nodesApproveCommand: CommandSpec = {
  name: 'nodes approve',
  args: '[...fingerprint]',
  summary: 'Let a node in that asks',
  options: [{flag: '--all', text: 'all that ask now, whoever they are'}, ...OPERATOR_OPTIONS],
  examples: [
    'volley nodes approve 1f3c 09ab 77de 4410 c2d8 5e91 a0b7 6634   # as the node shows it',
    'volley nodes approve --all',
  ],
  run: approve,
};

export const nodesDenyCommand: CommandSpec = {
  name: 'nodes deny',
  args: '<...fingerprint>',
  summary: 'Turn a node away that asks',
  options: OPERATOR_OPTIONS,
  examples: ['volley nodes deny 1f3c09ab77de4410c2d85e91a0b76634'],
  run: deny,
};

const COLUMNS = [
  {title: 'fingerprint'},
  {title: 'name'},
  {title: 'labels'},
  {title: 'address'},
  {title: 'arch'},
  {title: 'cores', right: true},
  {title: 'asks since'},
];

async function pending(given: Given): Promise<undefined> {
  const nodes = await withClient(given, client => client.pending());
  if (given.flag('json')) printJson({nodes});
  else if (nodes.length === 0)
    print('No node asks. `volley node --root FINGERPRINT` on a node does; so does `--tofu`.');
  else {
    for (const line of tableLines(COLUMNS, nodes.map(rowOf))) print(line);
    print();
    print('Compare the fingerprint with what the node shows, then `volley nodes approve` it.');
  }
  return undefined;
}

const rowOf = (node: PendingView): string[] => [
  fingerprintText(node.nodeId),
  safe(node.name, 24),
  safe(node.labels.join(','), 24),
  safe(node.address, 24),
  safe(node.arch, 8),
  String(node.cores),
  ago(node.askedAt),
];

async function approve(given: Given): Promise<undefined> {
  const all = given.flag('all');
  if (all === given.args.length > 0)
    throw usage('give the fingerprint of one node, or --all; `volley nodes pending` lists them');
  const fingerprint = all ? undefined : fingerprintOf(given.args);
  const nodes = await withClient(given, client => client.approve(fingerprint));
  if (given.flag('json')) printJson({nodes});
  else if (nodes.length === 0) print('No node asks.');
  for (const nodeId of given.flag('json') ? [] : nodes)
    print(`Approved ${fingerprintText(nodeId)}: it joins within 10 seconds.`);
  return undefined;
}

async function deny(given: Given): Promise<undefined> {
  const fingerprint = fingerprintOf(given.args);
  await withClient(given, client => client.deny(fingerprint));
  if (given.flag('json')) printJson({nodeId: fingerprint});
  else print(`Denied ${fingerprintText(fingerprint)}.`);
  return undefined;
}
