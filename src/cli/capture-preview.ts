// `volley capture preview`: a small picture of each node, soon, to see what its camera sees.

import {bring} from './capture.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {SELECT_OPTION, targetOf} from './target.ts';

const LEAD_MS = 300;

export const capturePreviewCommand: CommandSpec = {
  name: 'capture preview',
  summary: 'Bring a small picture of each node, to see what its camera sees',
  options: [
    {flag: '--action <name>', text: 'the action (default camera)'},
    SELECT_OPTION,
    {flag: '--out <folder>', text: 'where the files go (default ./capture-<number>)'},
    ...OPERATOR_OPTIONS,
  ],
  examples: [
    'volley capture preview --out ./look',
    'volley capture preview --action testcard --select "label=ring[1-2]"',
  ],
  run,
};

async function run(given: Given): Promise<number> {
  return withClient(given, async client => {
    const target = targetOf(given.texts('select'), await client.nodes());
    const out = given.text('out');
    const {prepareFolder} = await import('./capture-files.ts');
    if (out !== undefined) await prepareFolder(out);
    const {captureId} = await client.capture({
      action: given.text('action') ?? 'camera',
      args: [],
      target,
      leadMs: LEAD_MS,
      shots: 1,
      intervalMs: 0,
      preview: true,
    });
    return bring(given, client, captureId);
  });
}
