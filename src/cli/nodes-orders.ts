// `volley nodes label`, `suspend`, `drain`, `quarantine`, `resume`, `release`, `forget`: what an operator does with
// one node.

import type {NodeView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import {type CommandSpec, type Given, type OptionSpec, usage} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {print, printJson, safe, shortId} from './output.ts';
import {whichNode} from './which-node.ts';

const REASON: OptionSpec = {flag: '--reason <text>', text: 'why, for whoever looks later'};

export const nodesLabelCommand: CommandSpec = {
  name: 'nodes label',
  args: '<node>',
  summary: 'Give a node labels beside its own, or take them away again',
  options: [
    {flag: '--add <label>', text: 'a label to give it', repeatable: true},
    {
      flag: '--remove <label>',
      text: 'a label that was given; its own are its own',
      repeatable: true,
    },
    ...OPERATOR_OPTIONS,
  ],
  examples: [
    'volley nodes label cam-07 --add ring2',
    'volley nodes label cam-07 --add attic --remove ring2',
  ],
  run: given => {
    const [add, remove] = [given.texts('add'), given.texts('remove')];
    if (add.length + remove.length === 0) throw usage('give --add or --remove, with a label');
    return change(given, (client, {nodeId}) => client.labelNode(nodeId, add, remove));
  },
};

export const nodesSuspendCommand: CommandSpec = {
  name: 'nodes suspend',
  args: '<node>',
  summary: 'Stop what a node runs, and give it nothing until it is resumed',
  options: [REASON, ...OPERATOR_OPTIONS],
  examples: ['volley nodes suspend cam-07 --reason "it is needed for the show"'],
  run: given => hold(given, 'suspend'),
};

export const nodesDrainCommand: CommandSpec = {
  name: 'nodes drain',
  args: '<node>',
  summary: 'Give a node nothing more; what it has may end',
  options: [REASON, ...OPERATOR_OPTIONS],
  examples: ['volley nodes drain cam-07 --reason "new SD card"    # then wait for 0 running'],
  run: given => hold(given, 'drain'),
};

export const nodesQuarantineCommand: CommandSpec = {
  name: 'nodes quarantine',
  args: '<node>',
  summary: 'Give a node nothing, and do not count its results, until it is released',
  options: [REASON, ...OPERATOR_OPTIONS],
  examples: ['volley nodes quarantine cam-07 --reason "its memory flips bits"'],
  run: given => hold(given, 'quarantine'),
};

export const nodesResumeCommand: CommandSpec = {
  name: 'nodes resume',
  args: '<node>',
  summary: 'End the suspension or draining of a node',
  options: OPERATOR_OPTIONS,
  examples: ['volley nodes resume cam-07'],
  run: given => change(given, (client, {nodeId}) => client.resumeNode(nodeId)),
};

export const nodesReleaseCommand: CommandSpec = {
  name: 'nodes release',
  args: '<node>',
  summary: "End the quarantine of a node, yours or the master's own",
  options: OPERATOR_OPTIONS,
  examples: ['volley nodes release cam-07'],
  run: given => change(given, (client, {nodeId}) => client.releaseNode(nodeId)),
};

export const nodesForgetCommand: CommandSpec = {
  name: 'nodes forget',
  args: '<node>',
  summary: 'Forget a node that is away for good; if it comes back it must join again',
  options: OPERATOR_OPTIONS,
  examples: ['volley nodes forget cam-07', 'volley nodes forget 1f3c09ab'],
  run: forget,
};

const hold = (given: Given, word: 'suspend' | 'drain' | 'quarantine'): Promise<undefined> =>
  change(given, (client, {nodeId}) => client.holdNode(nodeId, word, given.text('reason')));

async function change(
  given: Given,
  act: (client: OperatorClient, node: NodeView) => Promise<NodeView>,
): Promise<undefined> {
  const node = await withClient(given, async client =>
    act(client, whichNode(await client.nodes(), given.args[0] ?? '')),
  );
  if (given.flag('json')) printJson(node);
  else {
    const labels = node.labels.length === 0 ? '' : `, labels ${safe(node.labels.join(' '), 256)}`;
    print(
      `${safe(node.name)} (${shortId(node.nodeId)}) is ${node.hold?.kind ?? node.state}${labels}.`,
    );
  }
  return undefined;
}

async function forget(given: Given): Promise<undefined> {
  const node = await withClient(given, async client => {
    const found = whichNode(await client.nodes(), given.args[0] ?? '');
    await client.forgetNode(found.nodeId);
    return found;
  });
  if (given.flag('json')) printJson({forgotten: node.nodeId});
  else
    print(
      `${safe(node.name)} (${shortId(node.nodeId)}) is forgotten; its credit is in the sum that ` +
        '`volley status` shows.',
    );
  return undefined;
}
