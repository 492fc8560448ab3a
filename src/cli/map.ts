// `volley map`: a pipe. Lines in, one workunit each; outputs out, as they come. What it does is in map-run.ts.

import {POLICY_OPTIONS} from './batch-policy.ts';
import {STAGE_OPTIONS} from './batch-stages.ts';
import {TARGET_OPTIONS} from './batch-target.ts';
import {type CommandSpec, nameOf} from './command.ts';
import {OPERATOR_OPTIONS} from './connect.ts';

/** They end a batch before all of its lines have a result, or give it one input. */
const NOT_FOR_LINES = ['first-wins', 'all'];

export const mapCommand: CommandSpec = {
  name: 'map',
  args: '<app>',
  summary: 'Compute each line of stdin, and print the outputs in their order',
  options: [
    {flag: '--text', text: 'lines are any text (default: each is one JSON value)'},
    {
      flag: '--bad-lines <how>',
      text: 'stop (default: what came before is finished, exit 2) or skip',
    },
    {flag: '--unordered', text: 'print outputs as they are decided'},
    {
      flag: '--ahead <lines>',
      text: 'read at most so many before they are printed (default 4,096 or more)',
    },
    {flag: '--keep', text: 'keep batches at the master (default: deleted when they are printed)'},
    {
      flag: '--resume <file>',
      text: 'note in this file how far it is; the same command goes on there',
    },
    {flag: '--arg <text>', text: 'argument for the app', repeatable: true},
    ...POLICY_OPTIONS.filter(option => !NOT_FOR_LINES.includes(nameOf(option))),
    ...STAGE_OPTIONS.filter(option => nameOf(option) === 'shared'),
    ...TARGET_OPTIONS,
    ...OPERATOR_OPTIONS.filter(option => nameOf(option) !== 'json'),
    {flag: '--json', text: 'print {line, state, text or base64, reason, input} for each line'},
  ],
  examples: [
    'cat texts.ndjson | volley map wordcount > counts.txt',
    'tail -f access.log | volley map --text wordcount    # each line is computed when it comes',
    'seq 1 1000 | volley map simulate --unordered --json | jq -c "[.line, .text]"',
    'volley map simulate --resume run.state < points.ndjson >> results.txt   # again after any end',
    '# a file that is appended to (>>) gets each output once; a pipe, after a kill, at least once',
  ],
  run: async given => {
    const {runMap} = await import('./map-run.ts');
    return runMap(given);
  },
};
