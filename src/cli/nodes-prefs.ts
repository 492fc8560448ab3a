// `volley nodes prefs`: what nodes are to be careful with, as the operator wishes it.

import {isFault, PREFERENCE_KEYS, type Preferences, readPreference} from '../core/preferences.ts';
import type {NodeView} from '../core/views.ts';
import type {CommandSpec, Given} from './command.ts';
import {usage} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {print, printJson, safe} from './output.ts';
import {whichNode} from './which-node.ts';

export const nodesPrefsCommand: CommandSpec = {
  name: 'nodes prefs',
  args: '[...words]',
  summary: "Show or change what nodes are to be careful with, beside their owners' own files",
  options: [
    {flag: '--label <label>', text: 'all nodes that have this label now'},
    ...OPERATOR_OPTIONS,
  ],
  examples: [
    'volley nodes prefs cam-07                            # what is wished, and what holds it',
    'volley nodes prefs cam-07 cores=2 cpuPercent=50',
    'volley nodes prefs --label office hours=19:00-07:00,12:00-13:00 days=mon-fri',
    'volley nodes prefs cam-07 suspendAboveCelsius=75 resumeBelowCelsius=65 cores=   # cores= takes it out',
    `# keys: ${PREFERENCE_KEYS.join(', ')}`,
  ],
  run,
};

type Changed = {readonly node: NodeView; readonly preferences: Preferences};

async function run(given: Given): Promise<undefined> {
  const label = given.text('label');
  const [name, words] =
    label === undefined ? [given.args[0], given.args.slice(1)] : [undefined, given.args];
  if (name === undefined && label === undefined) throw usage('give a node or --label');
  const changes = changesOf(words);
  const changed = await withClient(given, async client => {
    const nodes = await client.nodes();
    const meant = label === undefined ? [whichNode(nodes, name ?? '')] : labelled(nodes, label);
    const all: Changed[] = [];
    for (const node of meant) {
      const asks = Object.keys(changes).length > 0;
      const preferences = asks ? await client.prefer(node.nodeId, changes) : node.preferences;
      all.push({node, preferences});
    }
    return all;
  });
  if (given.flag('json'))
    printJson({
      nodes: changed.map(({node: {nodeId, heldBy}, preferences}) => ({
        nodeId,
        preferences,
        heldBy,
      })),
    });
  else for (const one of changed) show(one);
  return undefined;
}

function labelled(nodes: readonly NodeView[], label: string): NodeView[] {
  const found = nodes.filter(({labels, revokedAt}) => labels.includes(label) && revokedAt === 0);
  if (found.length === 0) throw usage(`no node has the label "${safe(label)}"`);
  return found;
}

function changesOf(words: readonly string[]): Record<string, unknown> {
  const changes: Record<string, unknown> = {};
  for (const word of words) {
    const read = readPreference(word);
    if (isFault(read)) throw usage(read.fault);
    changes[read.key] = read.value;
  }
  return changes;
}

function show({node, preferences}: Changed): void {
  const wished = Object.entries(preferences).map(([key, value]) => `${key}=${value}`);
  print(`${safe(node.name, 24)}: ${wished.length === 0 ? 'nothing is wished' : wished.join(' ')}`);
  if (node.heldBy !== '') print(`  held back by ${safe(node.heldBy)}`);
}
