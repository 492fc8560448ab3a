// `volley push ls`, `show`, `cancel`: transfers that the master has.

import {EXIT} from '../base/errors.ts';
import type {TransferView} from '../core/views.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {instant, print, printJson, safe, sizeText} from './output.ts';
import {isDelivered, stateText, transferText} from './push-table.ts';
import {tableLines} from './table.ts';

export const pushLsCommand: CommandSpec = {
  name: 'push ls',
  summary: 'List the transfers of files',
  options: OPERATOR_OPTIONS,
  examples: ['volley push ls', 'volley push ls --json'],
  run: list,
};

export const pushShowCommand: CommandSpec = {
  name: 'push show',
  args: '<transfer>',
  summary: 'Show one transfer: how far it is at each node, and why not',
  options: OPERATOR_OPTIONS,
  examples: ['volley push show 3', 'volley push show 3 --json   # exit code 1: not at every node'],
  run: show,
};

export const pushCancelCommand: CommandSpec = {
  name: 'push cancel',
  args: '<transfer>',
  summary: 'End a transfer; nodes that have the file keep it',
  options: OPERATOR_OPTIONS,
  examples: ['volley push cancel 3'],
  run: cancel,
};

const COLUMNS = [
  {title: 'transfer', right: true},
  {title: 'time'},
  {title: 'file'},
  {title: 'size', right: true},
  {title: 'state'},
  {title: 'nodes', right: true},
  {title: 'have it', right: true},
];

async function list(given: Given): Promise<undefined> {
  const transfers = await withClient(given, client => client.transfers());
  if (given.flag('json')) printJson({transfers});
  else if (transfers.length === 0) print('No transfer yet. `volley push --help` shows how.');
  else for (const line of tableLines(COLUMNS, transfers.map(rowOf))) print(line);
  return undefined;
}

const rowOf = ({id, createdAt, fileName, purpose, size, state, nodes}: TransferView): string[] => [
  String(id),
  instant(createdAt),
  safe(fileName ?? purpose, 24),
  sizeText(size),
  state,
  String(nodes.length),
  String(nodes.filter(node => node.state === 'whole').length),
];

async function show(given: Given): Promise<number> {
  const view = await withClient(given, client => client.transferOf(given.id('transfer')));
  const whole = isDelivered(view);
  if (given.flag('json')) printJson({...view, whole});
  else {
    print(transferText(view));
    if (view.reason !== undefined) print(`Because ${safe(view.reason, 200)}`);
    print();
    const columns = [{title: 'node'}, {title: 'state'}];
    const rows = view.nodes.map(node => [safe(node.name || node.nodeId), stateText(node)]);
    for (const line of tableLines(columns, rows)) print(line);
  }
  const isOver = view.endedAt !== undefined;
  return whole || !isOver ? EXIT.ok : EXIT.failed;
}

async function cancel(given: Given): Promise<undefined> {
  const view = await withClient(given, client => client.cancelTransfer(given.id('transfer')));
  if (given.flag('json')) printJson({...view, whole: isDelivered(view)});
  else print(`Transfer ${view.id} is over (${view.state}); nodes that have the file keep it.`);
  return undefined;
}
