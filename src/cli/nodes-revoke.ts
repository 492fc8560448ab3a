// `volley nodes revoke`: takes a node's membership away, for ever.

import {setTimeout as wait} from 'node:timers/promises';
import type {DoubtsView, NodeView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import type {CommandSpec, Given} from './command.ts';
import {usage} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {grouped, print, printJson, safe, shortId} from './output.ts';
import {whichNode} from './which-node.ts';

export const nodesRevokeCommand: CommandSpec = {
  name: 'nodes revoke',
  args: '<node>',
  summary: 'Take a membership away, for ever',
  options: [{flag: '--yes', text: 'do not ask'}, ...OPERATOR_OPTIONS],
  examples: [
    'volley nodes revoke cam-07                # by its name',
    'volley nodes revoke 1f3c09ab --yes        # by its id, or at least 8 digits of it',
  ],
  run: revoke,
};

const LOOK_MS = 200;
const INDEXES_SHOWN = 8;

async function revoke(given: Given): Promise<undefined> {
  const [text = ''] = given.args;
  const done = await withClient(given, async client => {
    const node = whichNode(await client.nodes(), text);
    if (node.revokedAt === 0 && !given.flag('yes')) await confirm(node);
    const {doubts} = await client.revoke(node.nodeId);
    return {node, view: await listed(client, node, doubts)};
  });
  if (given.flag('json')) printJson(done.view);
  else tell(done.node, done.view);
  return undefined;
}

async function confirm({name, nodeId}: NodeView): Promise<void> {
  if (!process.stdin.isTTY)
    throw usage('a revocation is for ever: give --yes to do it without being asked');
  const {createInterface} = await import('node:readline/promises');
  const lines = createInterface({input: process.stdin, output: process.stderr});
  try {
    const answer = await lines.question(
      `Revoke ${safe(name)} (${shortId(nodeId)}) for ever? Type "yes": `,
    );
    if (answer.trim().toLowerCase() !== 'yes') throw usage('nothing was changed');
  } finally {
    lines.close();
  }
}

/** The node is out by now; what rests on it alone is still being looked up in a large store. */
async function listed(
  client: OperatorClient,
  {nodeId}: NodeView,
  doubts: number,
): Promise<DoubtsView> {
  if (doubts < 0) await wait(LOOK_MS);
  for (;;) {
    const view = await client.doubts(nodeId);
    if (view.listed) return view;
    await wait(LOOK_MS);
  }
}

function tell({name, nodeId}: NodeView, {batches}: DoubtsView): void {
  print(
    `Revoked ${safe(name)} (${shortId(nodeId)}). Its open work goes to other nodes; of broadcasts it has failed.`,
  );
  const count = batches.reduce((sum, {indexes}) => sum + indexes.length, 0);
  if (count === 0) {
    print('No canonical result rests on it alone.');
    return;
  }
  print();
  print(`${grouped(count)} canonical results (batches with --quorum 1) rest on it alone:`);
  for (const {batch, indexes} of batches) {
    const more = indexes.length > INDEXES_SHOWN ? ', …' : '';
    const some = indexes.slice(0, INDEXES_SHOWN).join(', ');
    print(`  batch ${batch}: ${grouped(indexes.length)} (${some}${more})`);
  }
  print(
    'Other nodes compute them again, but for those of cancelled batches and of broadcasts: nobody else could. `volley batch show` says what came out.',
  );
}
